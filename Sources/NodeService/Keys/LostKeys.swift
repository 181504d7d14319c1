import Cryptography
import Glibc
public import Home
import LogStore
import MutualTLS
import Records
import TransparencyLog

// Key files that are gone, and the ways on without them.
extension Node {
    /// What is gone of keys and certificate, and what to do then.
    public func lostKeyAlarms() throws -> [String] {
        var alarms: [String] = []
        for community in configuration.communities {
            // A log that is not here, or takes nothing more, has an alarm of its own.
            guard let log = try store.log(origin(of: community.name)), log.frozen == nil else { continue }
            if let lost = try lostLogKey(community: community.name) { alarms.append(alarm(lost)) }
        }
        let lost = try keystore.lostFiles()
        // One that was replaced is as good as there.
        if try lost.contains(.mirror) && !isNextMirrorKeyInUse() {
            alarms.append(
                alarm(keystore.lost(.mirror))
                    + (try knownMirrorKey() == nil ? ", and partners need the new card (`entente identity`)" : ""))
        }
        if lost.contains(.doubles) { alarms.append(alarm(keystore.lost(.doubles))) }
        if lost.contains(.tls) { alarms.append(alarm(keystore.lost(.tls))) }
        if try isCertificateLost() { alarms.append(alarm(lostCertificate)) }
        return alarms
    }

    /// Said of a file of this home, by its path in it.
    private func alarm(_ lost: HomeError) -> String {
        "\(lost.path?.dropFirst(home.path.count + 1) ?? "a file") \(lost.message)"
    }

    // MARK: Log keys

    /// The newest log of this node in each community: of which there is a key, or which is in the database. One whose key
    /// is gone stays that, so that nothing is ever written again in the one before it, which was given up.
    static func generations(_ keystore: Keystore, _ store: SQLiteLogStore) throws -> [String: UInt64] {
        let kept = try store.ownOrigins().compactMap { LogOrigin($0) }.map { ($0.community.text, $0.generation) }
        return Dictionary(
            try keystore.logGenerations().map { ($0.community, $0.generation) } + kept, uniquingKeysWith: max)
    }

    /// What to do where the key of a community's own log is gone; `nil` where it, or the one that has taken its place, is
    /// there.
    func lostLogKey(community: String) throws -> HomeError? {
        let generation = generation(of: community)
        guard try !keystore.hasLogKey(community: community, generation: generation) else { return nil }
        let next = try keystore.nextLogPublicKey(community: community, generation: generation)
        if let next, try store.log(origin(of: community))?.keys.current.publicKey == next { return nil }
        return try keystore.lostLogKey(community: community, generation: generation)
    }

    /// An own log that is not in the database, and has been there. It never begins again by itself: partners may hold it.
    public func lostLog(_ origin: String) -> HomeError {
        let log = LogOrigin(origin)
        if let log, (try? isSuccessorBegun(in: log.community.text)) == true {
            let isTheft = (try? store.isGivingUp(for: log)) == true
            return HomeError(
                .notPermitted,
                "\(origin) was begun as a successor, which was broken off; run "
                    + (isTheft
                        ? "`entente key stolen log` to complete it"
                        : "`entente community successor \(log.community.text) --abandon` again to complete it"),
                path: home.nodeDatabase)
        }
        let hasKey = log.flatMap { try? keystore.hasLogKey(community: $0.community.text, generation: $0.generation) }
        return HomeError(
            .notPermitted,
            hasKey ?? true
                ? "\(origin) is not in this database, though its key is here; run `entente recover`"
                : "\(origin) is not in this database, and its key is not in keys/: put the key back from a backup of keys/ "
                    + "and run `entente recover`; if there is none, docs/recovery.md says how to go on in a later log",
            path: home.nodeDatabase)
    }

    // MARK: The mirror key

    /// The public mirror key that is in use, or was until its file was lost: as it was noted, led on by what the own logs
    /// say, or as they say alone. `nil` where neither says anything.
    func knownMirrorKey() throws -> VerifierKey? {
        if try keystore.hasMirrorKey { return try VerifierKey(parsing: keystore.mirrorCardKey().text) }
        let said = try store.publishedKeys(role: .mirror).filter { $0.node == name && $0.key.action != .retires }
        if let noted = try home.notedMirrorKey().flatMap({ try? VerifierKey(parsing: $0) }), noted.name == name,
            noted.algorithm == .cosignature
        {
            return MirrorKeys(noted).led(by: said.map { ($0.origin, $0.key) }).newest
        }
        let replaced = Set(said.compactMap(\.key.previousKey))
        return said.compactMap(\.key.publicKey).last { !replaced.contains($0) }.flatMap {
            try? VerifierKey(parsing: $0)
        }
    }

    /// The record that leads from the key so far to the new one, or, where nobody knows that any more, only names the new
    /// one: partners then need the new card.
    func mirrorRecord(from previous: VerifierKey?, to new: VerifierKey, isStolen: Bool, time: Timestamp) -> KeyRecord {
        let keyID = SHA256.hash(new.publicKey.bytes)
        guard let previous else {
            return KeyRecord(role: .mirror, action: .publishes, keyID: keyID, publicKey: new.text, validFrom: time)
        }
        return KeyRecord(
            role: .mirror, action: .replaces, keyID: keyID, publicKey: new.text,
            previousKeyID: SHA256.hash(previous.publicKey.bytes), previousKey: previous.text,
            validUntil: isStolen ? time : Timestamp(seconds: time.seconds + Node.mirrorOverlap))
    }

    /// Makes the next mirror key where the one in use is lost and no own log can tell of another: it signs at once, since
    /// without it those logs cannot be recovered, and the same command publishes it once they are. `nil` otherwise.
    func makeUntoldMirrorKey(isStolen: Bool) throws -> MirrorKeyRotation? {
        guard try !keystore.hasMirrorKey, try isWithoutLogToTell() else { return nil }
        if isStolen { try keystore.removeNextMirrorKey() }
        let key = try keystore.makeNextMirrorKey().publicKey
        let logs = try ownLogs()
        NodeBell.ring(home)
        return MirrorKeyRotation(
            key: try VerifierKey(name: name, algorithm: .cosignature, publicKey: key), previous: try knownMirrorKey(),
            published: [], waiting: logs.open.map(\.origin) + logs.waiting, needsCard: true)
    }

    // MARK: The TLS key and its certificate

    func isCertificateLost() throws -> Bool {
        try !home.hasCertificate && (keystore.hasNextTLSKey || home.nextCertificate() == nil)
    }

    /// What to do without a certificate.
    var lostCertificate: HomeError {
        HomeError(
            .noInput,
            "is gone, and no partner can be connected: put it back from a backup; if there is none, "
                + ((try? keystore.hasTLSKey) ?? true
                    ? "`entente recover` makes a self-signed one again for keys/tls.key, which partners that know its pin "
                        + "accept as before"
                    : "`entente key stolen tls` makes another key and its certificate"),
            path: home.certificateFile)
    }

    /// Makes the certificate in use again, self-signed, where it is lost and its key is not: pins are of the key. Answers
    /// whether it did.
    @discardableResult
    public func restoreCertificate() throws -> Bool {
        guard try isCertificateLost(), try keystore.hasTLSKey else { return false }
        let now = Int64(time(nil))
        try home.writeCertificate(
            keystore.tlsKey().withUnsafeBytes { key in
                try TLSIdentity.selfSigned(
                    dns: name, privateKeyPEM: key, validFrom: now - 86_400, validUntil: now + 10 * 365 * 86_400)
            })
        NodeBell.ring(home)
        return true
    }

    /// A new TLS key with its certificate, where both are lost: nobody here knows which key partners go by, but for those
    /// that a log has published, which are retired. `nil` where one of the two is there.
    func replaceLostIdentity(author: String, time: Timestamp) throws -> TLSKeyRotation? {
        guard try isCertificateLost(), try !keystore.hasTLSKey else { return nil }
        // One that was announced lay beside what is gone, and may be in other hands.
        if let announced = try nextIdentityPin() {
            try home.setReplacedTLSPins(home.replacedTLSPins().filter { $0 != announced } + [announced])
        }
        try keystore.removeNextTLSKey()
        try home.removeNextCertificate()
        let now = time.seconds
        var made = try TLSIdentity.selfSigned(
            dns: name, validFrom: now - 86_400, validUntil: now + 10 * 365 * 86_400)
        try keystore.storeTLSKey(pem: SecretBytes(wiping: &made.privateKeyPEM))
        try home.writeCertificate(made.certificatePEM)
        NodeBell.ring(home)
        let state = try tlsKeyState()
        let retired = state.leftOver
        let previous = retired.first ?? state.current
        if try isWithoutLogToTell() { return try untold(state.current, previous: previous) }
        try publish(
            [Node.tlsRecord(.publishes, state.current, time: time)]
                + retired.map { Node.tlsRecord(.retires, $0, time: time) }, .tls, author: author, time: time)
        _ = try tellOfReplacedKeys(author: author, time: time)
        return try rotation(.switched, state.current, previous: previous, missing: partnersWithout(state.current))
    }
}
