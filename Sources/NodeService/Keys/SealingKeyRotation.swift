public import Cryptography
import Home
import LogStore
public import Records

/// A new sealing key, or an old one that is gone, and which logs say so.
public struct SealingKeyRotation: Sendable {
    public let epoch: UInt32
    public let keyID: SHA256Digest
    /// Whether an earlier attempt had made the key already.
    public let isResumed: Bool
    /// The own logs in which the record stands now.
    public let published: [String]
    /// The own logs that take no entries now; the same command publishes there later.
    public let waiting: [String]
}

extension Node {
    /// Makes a new sealing key and publishes it in every own log. Where the newest key is not published everywhere, an
    /// attempt was broken off: that one is completed and no further key is made, unless it may be stolen, too.
    public func rotateSealingKey(
        isStolen: Bool = false, author: String, time: Timestamp
    ) throws -> SealingKeyRotation {
        try replacing(.sealing(isStolen: isStolen)) {
            try keystore.whileRotating { try rotateOwnSealingKey(isStolen: isStolen, author: author, time: time) }
        }
    }

    private func rotateOwnSealingKey(
        isStolen: Bool, author: String, time: Timestamp
    ) throws -> SealingKeyRotation {
        let logs = try ownLogsToTell()
        let begun = try publishableSealingEpoch().flatMap { epoch in
            try logs.open.contains { try !hasPublished(sealing: epoch, in: $0) } ? epoch : nil
        }
        let isResumed = begun != nil && !isStolen
        let epoch = try (isStolen ? nil : begun) ?? makeNextSealingKey()
        let key = try keystore.sealingPublicKey(epoch: epoch)
        let epochs = (isResumed ? [] : [begun].compactMap { $0 }) + [epoch]
        for log in logs.open {
            // What was begun lay beside what was stolen. It is said all the same, and superseded at once: the next
            // record names it as the key before.
            try publishSealingKeys(epochs, in: log, author: author, time: time)
        }
        return SealingKeyRotation(
            epoch: epoch, keyID: SHA256.hash(key.bytes), isResumed: isResumed,
            published: logs.open.map(\.origin), waiting: logs.waiting)
    }

    private func makeNextSealingKey() throws -> UInt32 {
        let said = try ownSealingKeys()
        guard let epoch = said.next(after: try keystore.sealingEpochs().last ?? 1) else {
            throw HomeError(
                .usage,
                "the own logs name a sealing key of epoch \(said.newestInUse), and there is no later number; if this node did "
                    + "not make it, retire it with `entente key destroy \(said.newestInUse)`")
        }
        _ = try keystore.createSealingKey(epoch: epoch)
        return epoch
    }

    /// The newest sealing key that is here, if the own logs can tell of it: none of them names a later one, or another one
    /// for its epoch. `nil` for the first key, of which cards tell.
    private func publishableSealingEpoch() throws -> UInt32? {
        guard let epoch = try keystore.sealingEpochs().last, epoch > 1 else { return nil }
        let keyID = SHA256.hash(try keystore.sealingPublicKey(epoch: epoch).bytes)
        let said = try ownSealingKeys()
        guard said.newestInUse <= epoch else { return nil }
        return said.published.contains { $0.epoch == epoch && $0.keyID != keyID } ? nil : epoch
    }

    /// The own logs that do not say which sealing key is the newest, although it is not the first.
    func logsWithoutNewestSealingKey() throws -> [String] {
        guard let epoch = try publishableSealingEpoch() else { return [] }
        return try ownLogs().open.filter { try !hasPublished(sealing: epoch, in: $0) }.map(\.origin)
    }

    /// A log that begins after a rotation says which key is in use.
    public func publishNewestSealingKey(in community: String, author: String, time: Timestamp) throws {
        guard let epoch = try publishableSealingEpoch(),
            let log = try store.log(origin(of: community)), log.frozen == nil, log.recovering == nil
        else { return }
        try publishSealingKeys([epoch], in: log, author: author, time: time)
    }

    private func hasPublished(sealing epoch: UInt32, in log: StoredLog) throws -> Bool {
        let keyID = SHA256.hash(try keystore.sealingPublicKey(epoch: epoch).bytes)
        return try store.publishedKeys(of: log.id).contains {
            $0.role == .sealing && $0.action != .retires && $0.keyID == keyID
        }
    }

    /// All of them in one step: nobody sees one of them without those behind it.
    private func publishSealingKeys(
        _ epochs: [UInt32], in log: StoredLog, author: String, time: Timestamp
    ) throws {
        var records: [KeyRecord] = []
        for epoch in epochs where try !hasPublished(sealing: epoch, in: log) {
            records.append(try sealingRecord(epoch: epoch, time: time))
        }
        try append(records, to: log, author: author, time: time)
    }

    private func sealingRecord(epoch: UInt32, time: Timestamp) throws -> KeyRecord {
        let key = try keystore.sealingPublicKey(epoch: epoch)
        let before = try keystore.sealingEpochs().last { $0 < epoch }
        let previous = try before.map { SHA256.hash(try keystore.sealingPublicKey(epoch: $0).bytes) }
        return KeyRecord(
            role: .sealing, action: previous == nil ? .publishes : .replaces, keyID: SHA256.hash(key.bytes),
            publicKey: Base64.encode(key.bytes), previousKeyID: previous, epoch: epoch, validFrom: time)
    }

    func append(_ records: [KeyRecord], to log: StoredLog, author: String, time: Timestamp) throws {
        guard !records.isEmpty else { return }
        let bodies = try records.map { NewEntry(body: try $0.draft(time: time, author: author).body()) }
        _ = try append(bodies, community: log.community, signer: signer(community: log.community))
    }
}
