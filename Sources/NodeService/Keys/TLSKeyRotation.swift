public import Cryptography
import Glibc
import Home
import LogStore
import MutualTLS
public import Records

/// A new TLS key: announced first, used once partners know it.
public struct TLSKeyRotation: Sendable {
    public enum Step: String, Sendable {
        /// Published; the key before is used until partners have confirmed that they hold the record.
        case announced
        /// In use from now on, and the key before is retired.
        case switched
    }

    public let step: Step
    public let pin: SHA256Digest
    /// The key before.
    public let previous: SHA256Digest
    /// Partners that have not confirmed yet that they hold the record of the new key.
    public let missing: [String]
    /// The own logs in which the records stand now.
    public let published: [String]
    /// The own logs that take no entries now; the same command publishes there later.
    public let waiting: [String]
}

/// A TLS key that waits for partners.
public struct AnnouncedTLSKey: Sendable {
    public let pin: SHA256Digest
    public let missing: [String]
}

extension Node {
    /// How the own TLS keys stand, by the files and by what the own logs say.
    struct TLSKeyState {
        let current: SHA256Digest
        let next: SHA256Digest?
        /// Whether the next key is there; its certificate may be missing.
        let hasNextKey: Bool
        /// Whether the next certificate is in use and only not in its place.
        let isMisplaced: Bool
        let published: Set<SHA256Digest>
        let retired: Set<SHA256Digest>

        /// Keys that partners accept and that are used no more.
        var leftOver: [SHA256Digest] {
            // One of them is that of a next key whose certificate is lost.
            if hasNextKey, next == nil { return [] }
            return published.subtracting(retired).filter { $0 != current && $0 != next }.sorted()
        }
        /// Whether the key in use was replaced, and what took its place is not here: an older copy was put back.
        var isReplaced: Bool { retired.contains(current) && !isNextPublished && !(hasNextKey && next == nil) }
        var isNextPublished: Bool { next.map { published.contains($0) && !retired.contains($0) } ?? false }
    }

    func tlsKeyState() throws -> TLSKeyState {
        let said = try ownStatements(.tls)
        let hasNextKey = try keystore.hasNextTLSKey
        return TLSKeyState(
            current: try identityPin(), next: try nextIdentityPin(), hasNextKey: hasNextKey,
            isMisplaced: try !hasNextKey && home.nextCertificate() != nil,
            published: Set(said.filter { $0.action != .retires }.map(\.keyID)),
            retired: Set(said.filter { $0.action == .retires }.map(\.keyID)))
    }

    /// What this node may show: the key in use, and the one that is announced.
    func tlsPins() throws -> [SHA256Digest] {
        let state = try tlsKeyState()
        return [state.current] + (state.isNextPublished ? [state.next].compactMap { $0 } : [])
    }

    /// The first call makes a key and publishes it, the next one takes it into use once every partner has confirmed that
    /// it holds the record, or at once where it is to `finish`. Broken off at any point and called again, it goes on.
    public func rotateTLSKey(finish: Bool, author: String, time: Timestamp) throws -> TLSKeyRotation {
        try replacing(.tls(finish: finish)) { try rotateOwnTLSKey(finish: finish, author: author, time: time) }
    }

    private func rotateOwnTLSKey(finish: Bool, author: String, time: Timestamp) throws -> TLSKeyRotation {
        try keystore.whileRotating {
            try ownLogsToTell()
            if let lost = try replaceLostIdentity(author: author, time: time) { return lost }
            try restoreCertificate()
            try requireNoTheft()
            if try keystore.hasNextTLSKey { try makeNextIdentity() }
            if try tlsKeyState().isReplaced { throw replacedTLSKey }
            if let ended = try completeSwitch(author: author, time: time) { return ended }
            if let told = try completeStatements(author: author, time: time) { return told }
            try requireSelfSigned()
            try makeNextIdentity()
            let state = try tlsKeyState()
            guard let next = state.next else { throw unreadableNext }
            // The key in use may stand on cards alone.
            let records = [state.current, next].filter { !state.published.contains($0) }
                .map { Node.tlsRecord(.publishes, $0, time: time) }
            try publish(records, .tls, author: author, time: time)
            let missing = try partnersWithout(next)
            guard missing.isEmpty || finish || state.retired.contains(state.current) else {
                return try rotation(.announced, next, previous: state.current, missing: missing)
            }
            return try switchTLSKey(to: next, from: state.current, missing: missing, author: author, time: time)
        }
    }

    /// Takes an announced key into use if every partner has confirmed it. Answers `nil` where there is nothing to do.
    func finishTLSRotation(author: String, time: Timestamp) throws -> TLSKeyRotation? {
        guard try keystore.hasNextTLSKey else { return nil }
        return try keystore.whileRotating {
            let state = try tlsKeyState()
            guard state.isNextPublished, let next = state.next, try partnersWithout(next).isEmpty else { return nil }
            let done = try switchTLSKey(to: next, from: state.current, missing: [], author: author, time: time)
            _ = try tellOfReplacedKeys(author: author, time: time)
            return done
        }
    }

    /// The key that partners do not all know yet; `nil` where no rotation is under way.
    public func announcedTLSKey() throws -> AnnouncedTLSKey? {
        let state = try tlsKeyState()
        guard state.isNextPublished, let next = state.next else { return nil }
        return AnnouncedTLSKey(pin: next, missing: try partnersWithout(next))
    }

    /// What is to be completed, for `status`.
    func tlsKeyAlarms() throws -> [String] {
        // Without a certificate another alarm says more.
        guard let state = try? tlsKeyState() else { return [] }
        let replaced = try replacedKeyAlarms()
        guard replaced.isEmpty else { return replaced }
        if isTLSKeyMismatched { return [mismatchedTLSKey.description] }
        if state.isReplaced { return [replacedTLSKey.description] }
        let isBegun = state.hasNextKey && !state.isNextPublished
        guard
            try isBegun || state.isMisplaced || !state.leftOver.isEmpty || state.retired.contains(state.current)
                || !logsWithoutStatements(.tls).isEmpty
        else { return [] }
        return ["a rotation of the TLS key was broken off; run `entente key rotate tls` to complete it"]
    }

    // MARK: Steps

    /// Ends a switch that was broken off behind its first step, or that no log could tell of.
    func completeSwitch(author: String, time: Timestamp) throws -> TLSKeyRotation? {
        if try isNextTLSKeyLost() { try home.removeNextCertificate() }
        let state = try tlsKeyState()
        if state.isMisplaced { try home.promoteNextCertificate() }
        if let told = try tellOfReplacedKeys(author: author, time: time) { return told }
        guard let previous = state.leftOver.first else {
            return state.isMisplaced ? try rotation(.switched, state.current, previous: state.current) : nil
        }
        try retire(state.leftOver, author: author, time: time)
        return try rotation(.switched, state.current, previous: previous)
    }

    /// Has a log that took no entries when the key was replaced say what the others say.
    private func completeStatements(author: String, time: Timestamp) throws -> TLSKeyRotation? {
        guard try !keystore.hasNextTLSKey, try !logsWithoutStatements(.tls).isEmpty else { return nil }
        try publish([], .tls, author: author, time: time)
        NodeBell.ring(home)
        let current = try identityPin()
        let previous = try ownStatements(.tls).last { $0.action == .retires }?.keyID ?? current
        return try rotation(.switched, current, previous: previous, missing: partnersWithout(current))
    }

    func switchTLSKey(
        to next: SHA256Digest, from current: SHA256Digest, missing: [String], author: String, time: Timestamp
    ) throws -> TLSKeyRotation {
        // Nobody should be shown a certificate without its key.
        guard let key = try keystore.nextTLSKey(), let certificate = try home.nextCertificate(),
            (try? key.withUnsafeBytes { try TLSIdentity(certificatePEM: certificate, privateKeyPEM: $0) }) != nil
        else { throw unreadableNext }
        try promoteNextIdentity()
        try retire([current], author: author, time: time)
        return try rotation(.switched, next, previous: current, missing: missing)
    }

    func promoteNextIdentity() throws {
        try keystore.promoteNextTLSKey()
        try home.promoteNextCertificate()
    }

    private func retire(_ pins: [SHA256Digest], author: String, time: Timestamp) throws {
        try publish(pins.map { Node.tlsRecord(.retires, $0, time: time) }, .tls, author: author, time: time)
        NodeBell.ring(home)
    }

    func rotation(
        _ step: TLSKeyRotation.Step, _ pin: SHA256Digest, previous: SHA256Digest, missing: [String] = []
    ) throws -> TLSKeyRotation {
        let logs = try ownLogs()
        return TLSKeyRotation(
            step: step, pin: pin, previous: previous, missing: missing, published: logs.open.map(\.origin),
            waiting: logs.waiting)
    }

    static func tlsRecord(_ action: KeyRecord.Action, _ pin: SHA256Digest, time: Timestamp) -> KeyRecord {
        guard action == .retires else {
            return KeyRecord(
                role: .tls, action: action, keyID: pin, publicKey: Base64.encode(pin.bytes), validFrom: time)
        }
        return KeyRecord(role: .tls, action: .retires, keyID: pin, validUntil: time)
    }

    /// Partners that have not confirmed that they hold the record of this key.
    func partnersWithout(_ pin: SHA256Digest) throws -> [String] {
        let partners = cards.map(\.node).filter { !configuration.communities(admitting: $0).isEmpty }
        return try nodes(partners, without: .tls) { $0.keyID == pin }
    }

    /// Where an authority vouches for the certificate, partners go by its name.
    func requireSelfSigned() throws {
        guard try !certificate().isSelfSigned else { return }
        throw HomeError(
            .notPermitted,
            "was issued by an authority: partners whose cards name it need no new key published; have it issue a new "
                + "certificate, put that here and its key into keys/tls.key", path: home.certificateFile)
    }

    var unreadableNext: HomeError {
        HomeError(.configuration, "the next TLS key or its certificate cannot be read", path: home.keysFolder)
    }

    func storeNewTLSKey() throws {
        let now = Int64(Glibc.time(nil))
        var made = try TLSIdentity.selfSigned(dns: name, validFrom: now - 86_400, validUntil: now + 86_400)
        // Its certificate is made from the file, as after a crash.
        try keystore.storeNextTLSKey(pem: SecretBytes(wiping: &made.privateKeyPEM))
    }

    /// The next key and its certificate, as far as they are not there. Valid like the first ones of a home.
    func makeNextIdentity() throws {
        if try !keystore.hasNextTLSKey { try storeNewTLSKey() }
        guard try home.nextCertificate() == nil, let key = try keystore.nextTLSKey() else { return }
        let now = Int64(Glibc.time(nil))
        try home.writeNextCertificate(
            key.withUnsafeBytes { key in
                try TLSIdentity.selfSigned(
                    dns: name, privateKeyPEM: key, validFrom: now - 86_400, validUntil: now + 10 * 365 * 86_400)
            })
    }
}
