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
    /// attempt was broken off: that one is completed and no further key is made.
    public func rotateSealingKey(author: String, time: Timestamp) throws -> SealingKeyRotation {
        try replacing(.sealing) { try rotateOwnSealingKey(author: author, time: time) }
    }

    private func rotateOwnSealingKey(author: String, time: Timestamp) throws -> SealingKeyRotation {
        let logs = try ownLogs()
        var epoch = try keystore.sealingEpochs().last ?? 0
        let isResumed = try epoch > 1 && logs.open.contains { try !hasPublished(sealing: epoch, in: $0) }
        if !isResumed {
            guard epoch < UInt32.max else { throw HomeError(.usage, "there are no further epochs") }
            epoch += 1
            _ = try keystore.createSealingKey(epoch: epoch)
        }
        let key = try keystore.sealingPublicKey(epoch: epoch)
        for log in logs.open {
            try publishSealingKey(epoch: epoch, in: log, author: author, time: time)
        }
        return SealingKeyRotation(
            epoch: epoch, keyID: SHA256.hash(key.bytes), isResumed: isResumed, published: logs.open.map(\.origin),
            waiting: logs.waiting.map(\.origin))
    }

    /// The own logs that do not say which sealing key is the newest, although it is not the first.
    public func logsWithoutNewestSealingKey() throws -> [String] {
        guard let epoch = try keystore.sealingEpochs().last, epoch > 1 else { return [] }
        return try ownLogs().open.filter { try !hasPublished(sealing: epoch, in: $0) }.map(\.origin)
    }

    /// A log that begins after a rotation says which key is in use.
    public func publishNewestSealingKey(in community: String, author: String, time: Timestamp) throws {
        guard let epoch = try keystore.sealingEpochs().last, epoch > 1,
            let log = try store.log(origin(of: community)), log.frozen == nil, log.recovering == nil
        else { return }
        try publishSealingKey(epoch: epoch, in: log, author: author, time: time)
    }

    private func hasPublished(sealing epoch: UInt32, in log: StoredLog) throws -> Bool {
        let keyID = SHA256.hash(try keystore.sealingPublicKey(epoch: epoch).bytes)
        return try store.publishedKeys(of: log.id).contains {
            $0.role == .sealing && $0.action != .retires && $0.keyID == keyID
        }
    }

    private func publishSealingKey(epoch: UInt32, in log: StoredLog, author: String, time: Timestamp) throws {
        guard try !hasPublished(sealing: epoch, in: log) else { return }
        let key = try keystore.sealingPublicKey(epoch: epoch)
        let before = try keystore.sealingEpochs().last { $0 < epoch }
        let previous = try before.map { SHA256.hash(try keystore.sealingPublicKey(epoch: $0).bytes) }
        let record = KeyRecord(
            role: .sealing, action: previous == nil ? .publishes : .replaces, keyID: SHA256.hash(key.bytes),
            publicKey: Base64.encode(key.bytes), previousKeyID: previous, epoch: epoch, validFrom: time)
        try append(record, to: log, author: author, time: time)
    }

    func append(_ record: KeyRecord, to log: StoredLog, author: String, time: Timestamp) throws {
        let body = try record.draft(time: time, author: author).body()
        _ = try append([NewEntry(body: body)], community: log.community, signer: signer(community: log.community))
    }

    // MARK: Destroying

    /// What becomes unreadable with the key of an epoch.
    public struct SealingKeyLoss: Sendable {
        public let epoch: UInt32
        public let keyID: SHA256Digest
        /// Records whose sealed part nothing else in this keystore opens.
        public let envelopes: Int
    }

    /// Counts what only this epoch's key opens. Throws `noInput` where there is none, `notPermitted` for the newest.
    public func lossOfSealingKey(epoch: UInt32) throws -> SealingKeyLoss {
        let epochs = try keystore.sealingEpochs()
        guard epochs.contains(epoch) else {
            let known = epochs.map(String.init).joined(separator: ", ")
            throw HomeError(.noInput, "there is no sealing key of epoch \(epoch) here; there are \(known)")
        }
        guard epoch != epochs.last else {
            throw HomeError(
                .notPermitted,
                "partners seal to epoch \(epoch), the newest; run `entente key rotate sealing` before destroying it")
        }
        let keyID = SHA256.hash(try keystore.sealingPublicKey(epoch: epoch).bytes)
        return SealingKeyLoss(
            epoch: epoch, keyID: keyID, envelopes: try store.countEnvelopes(boxedOnlyTo: [keyID]))
    }

    /// Says in every own log that the key is retired, then wipes it. Done again after it was broken off, it completes.
    public func destroySealingKey(_ loss: SealingKeyLoss, author: String, time: Timestamp) throws -> SealingKeyRotation
    {
        let logs = try ownLogs()
        for log in logs.open {
            let isSaid = try store.publishedKeys(of: log.id).contains {
                $0.role == .sealing && $0.action == .retires && $0.keyID == loss.keyID
            }
            guard !isSaid else { continue }
            let record = KeyRecord(
                role: .sealing, action: .retires, keyID: loss.keyID, epoch: loss.epoch, validUntil: time)
            try append(record, to: log, author: author, time: time)
        }
        try keystore.destroySealingKey(epoch: loss.epoch)
        return SealingKeyRotation(
            epoch: loss.epoch, keyID: loss.keyID, isResumed: false, published: logs.open.map(\.origin),
            waiting: logs.waiting.map(\.origin))
    }
}
