import Cryptography
import Glibc
import Home
import LogStore
public import Records

extension Node {
    /// After a theft: a new key, used as soon as partners that are in touch have seen it, or after some seconds; all that
    /// were before, announced ones among them, are retired. They are noted in `certs/` first of all: broken off at any
    /// point and called again, it goes on, and until then no command takes it for an ordinary rotation. Only a key that
    /// it has made itself and that is not in use yet is taken then: what a rotation has begun may be stolen, too.
    public func replaceStolenTLSKey(author: String, time: Timestamp) throws -> TLSKeyRotation {
        try replacing(.stolenTLS) { try replaceOwnStolenTLSKey(author: author, time: time) }
    }

    private func replaceOwnStolenTLSKey(author: String, time: Timestamp) throws -> TLSKeyRotation {
        var pins: (next: SHA256Digest, previous: SHA256Digest)?
        let untold: TLSKeyRotation? = try keystore.whileRotating {
            if let lost = try replaceLostIdentity(author: author, time: time) { return lost }
            try restoreCertificate()
            if try isWithoutLogToTell() { return try replaceUntold() }
            if try keystore.hasNextTLSKey { try makeNextIdentity() }
            try requireSelfSigned()
            pins = try publishReplacement(author: author, time: time)
            return nil
        }
        if let untold { return untold }
        guard let (next, previous) = pins else { throw unreadableNext }
        // The running node brings partners the record meanwhile, and may use the key when all have it.
        try waitForPartners(toSee: next)
        return try keystore.whileRotating {
            let state = try tlsKeyState()
            if state.current == next {
                _ = try completeSwitch(author: author, time: time)
                return try rotation(.switched, next, previous: previous, missing: partnersWithout(next))
            }
            guard state.next == next, state.current == previous else {
                throw HomeError(.busy, "another command has replaced the TLS key meanwhile; see `entente key list`")
            }
            let missing = try partnersWithout(next)
            // First of all: a crash should not leave a stolen key good.
            try publish([Node.tlsRecord(.retires, previous, time: time)], .tls, author: author, time: time)
            let done = try switchTLSKey(to: next, from: previous, missing: missing, author: author, time: time)
            _ = try tellOfReplacedKeys(author: author, time: time)
            return done
        }
    }

    /// Makes the new key and says so in the own logs, and that all are retired that are not in use. The one in use is not
    /// yet: who does not know the new one would believe neither.
    private func publishReplacement(
        author: String, time: Timestamp
    ) throws -> (next: SHA256Digest, previous: SHA256Digest) {
        var state = try tlsKeyState()
        if state.isMisplaced { try home.promoteNextCertificate() }
        // What was announced lay beside what was stolen.
        let older = state.leftOver + (state.isNextPublished ? [state.next].compactMap { $0 } : [])
        if try !isReplacementBegun(state) {
            try noteReplaced(state)
            try makeAnotherIdentity()
            state = try tlsKeyState()
        }
        guard let next = state.next else { throw unreadableNext }
        let gone = try (home.replacedTLSPins() + older).filter { $0 != state.current && $0 != next }
        // The key in use may stand on cards alone, and is to be retired whoever ends this.
        try publish(
            [state.current, next].filter { !state.published.contains($0) }
                .map { Node.tlsRecord(.publishes, $0, time: time) }
                + gone.filter { !state.retired.contains($0) }.map { Node.tlsRecord(.retires, $0, time: time) },
            .tls, author: author, time: time)
        return (next, state.current)
    }

    /// Whether the next key is one that a theft made necessary, and so made after it.
    private func isReplacementBegun(_ state: TLSKeyState) throws -> Bool {
        let replaced = try home.replacedTLSPins()
        return replaced.contains(state.current) && (state.next.map { !replaced.contains($0) } ?? false)
    }

    private func noteReplaced(_ state: TLSKeyState) throws {
        let replaced = try home.replacedTLSPins()
        // What is in use comes last, in the place where it is looked for.
        try home.setReplacedTLSPins(
            replaced + [state.next, state.current].compactMap { $0 }.filter { !replaced.contains($0) })
    }

    private func makeAnotherIdentity() throws {
        try home.removeNextCertificate()
        try storeNewTLSKey()
        try makeNextIdentity()
    }

    /// How long a thief may go on for the sake of those who are just coming back, and who counts as such.
    private static let theftPatience = 10
    private static let recentlyHeard: UInt64 = 120

    /// Waits until the partners that were heard lately have confirmed the key, while a node is running that brings it to
    /// them. One that comes back later knows the old key only, and is told by a new card.
    private func waitForPartners(toSee pin: SHA256Digest) throws {
        guard NodeBell.ring(home) else { return }
        let now = Clock.now()
        let recent = Set(
            try store.contacts().filter { ($0.value.lastHeard ?? 0) + Node.recentlyHeard >= now }.map(\.key))
        let end = ContinuousClock.now + .seconds(Node.theftPatience)
        while ContinuousClock.now < end, try !recent.isDisjoint(with: partnersWithout(pin)) { usleep(20_000) }
    }

    // MARK: Without a log

    /// The same while no own log takes entries: a thief should not have the key for as long as a recovery takes. The pins
    /// that are to be retired are kept in `certs/` until a log says so.
    private func replaceUntold() throws -> TLSKeyRotation {
        // A next key whose certificate is lost has a pin all the same.
        if try keystore.hasNextTLSKey { try makeNextIdentity() }
        let state = try tlsKeyState()
        try requireSelfSigned()
        if state.isMisplaced { try home.promoteNextCertificate() }
        if try !isReplacementBegun(state) {
            try noteReplaced(state)
            try makeAnotherIdentity()
        }
        guard let next = try nextIdentityPin() else { throw unreadableNext }
        try promoteNextIdentity()
        NodeBell.ring(home)
        return try untold(next, previous: state.current)
    }

    func untold(_ pin: SHA256Digest, previous: SHA256Digest) throws -> TLSKeyRotation {
        let logs = try ownLogs()
        return TLSKeyRotation(
            step: .switched, pin: pin, previous: previous, missing: try partnersWithout(pin), published: [],
            waiting: logs.open.map(\.origin) + logs.waiting)
    }

    /// Has the own logs say what none could when the key was replaced; `nil` where there is nothing to say.
    func tellOfReplacedKeys(author: String, time: Timestamp) throws -> TLSKeyRotation? {
        let current = try identityPin()
        let replaced = try home.replacedTLSPins()
        guard let previous = replaced.last, !replaced.contains(current) else { return nil }
        try publish(
            [Node.tlsRecord(.publishes, current, time: time)]
                + replaced.map { Node.tlsRecord(.retires, $0, time: time) },
            .tls, author: author, time: time)
        try home.setReplacedTLSPins([])
        NodeBell.ring(home)
        return try rotation(.switched, current, previous: previous, missing: partnersWithout(current))
    }

    /// A theft that was broken off is not gone on with as a rotation, which leaves the stolen key in use until all partners
    /// have confirmed the new one.
    func requireNoTheft() throws {
        guard try home.replacedTLSPins().contains(identityPin()) else { return }
        throw HomeError(
            .notPermitted,
            "the replacement of a stolen TLS key is not complete; run `entente key stolen tls` to complete it")
    }

    func replacedKeyAlarms() throws -> [String] {
        let replaced = try home.replacedTLSPins()
        guard !replaced.isEmpty else { return [] }
        if replaced.contains(try identityPin()) {
            return ["the replacement of a stolen TLS key is not complete; run `entente key stolen tls` to complete it"]
        }
        return [
            "the TLS key was replaced while no own log took entries: partners need the new card (`entente identity`); once "
                + "a log takes entries again, `entente key rotate tls` has it tell those who come by it"
        ]
    }
}
