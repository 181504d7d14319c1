public import Cryptography
public import Records
public import TransparencyLog

/// A key that a log publishes, replaces or retires, as the record at an entry says.
public struct PublishedKey: Sendable, Hashable {
    public let entry: UInt64
    public let role: KeyRecord.Role
    public let action: KeyRecord.Action
    /// SHA-256 of the public key; of a TLS key its pin.
    public let keyID: SHA256Digest
    public let publicKey: String?
    public let previousKeyID: SHA256Digest?
    public let previousKey: String?
    public let epoch: UInt32?
    /// Unix seconds until which the key that was replaced is still good.
    public let validUntil: Int64?
    /// Whose record it says to be: a log's origin, for a log key.
    let origin: String?

    init(
        entry: UInt64, role: KeyRecord.Role, action: KeyRecord.Action, keyID: SHA256Digest, publicKey: String?,
        previousKeyID: SHA256Digest?, previousKey: String?, epoch: UInt32?, validUntil: Int64?, origin: String?
    ) {
        self.entry = entry
        self.role = role
        self.action = action
        self.keyID = keyID
        self.publicKey = publicKey
        self.previousKeyID = previousKeyID
        self.previousKey = previousKey
        self.epoch = epoch
        self.validUntil = validUntil
        self.origin = origin
    }

    /// What a record means. `nil` where its parts do not fit each other: then it means nothing.
    package init?(_ record: KeyRecord, entry: UInt64) {
        guard PublishedKey.fits(record, entry: entry) else { return nil }
        self.init(
            entry: entry, role: record.role, action: record.action, keyID: record.keyID, publicKey: record.publicKey,
            previousKeyID: record.previousKeyID, previousKey: record.previousKey, epoch: record.epoch,
            validUntil: record.validUntil?.seconds, origin: record.origin)
    }

    private static func fits(_ record: KeyRecord, entry: UInt64) -> Bool {
        guard let publicKey = record.publicKey else { return record.action == .retires && record.role != .log }
        switch record.role {
        case .sealing, .tls:
            guard let bytes = Base64.decode(publicKey), bytes.count == SHA256Digest.byteCount else { return false }
            // A pin is a hash itself.
            return record.keyID == (record.role == .sealing ? SHA256.hash(bytes) : SHA256Digest(bytes))
        case .mirror:
            guard let key = try? VerifierKey(parsing: publicKey), key.algorithm == .cosignature else { return false }
            return record.keyID == SHA256.hash(key.publicKey.bytes)
        case .log:
            guard record.action == .replaces, let change = LogKeyChange(record, entry: entry) else { return false }
            return record.keyID == SHA256.hash(change.new.publicKey.bytes)
                && record.previousKeyID == SHA256.hash(change.old.publicKey.bytes)
        }
    }

    /// Whether it has effect in this log: a log key in its own only, a mirror key in those of its node.
    func isIn(_ log: StoredLog) -> Bool {
        switch role {
        case .log: origin == log.origin
        case .mirror:
            publicKey.map { (try? VerifierKey(parsing: $0))?.name == log.node } ?? true
        case .sealing, .tls: true
        }
    }

    /// Whether both mean the same, wherever they come from.
    public func saysSame(as other: PublishedKey) -> Bool {
        entry == other.entry && role == other.role && action == other.action && keyID == other.keyID
            && publicKey == other.publicKey && previousKeyID == other.previousKeyID
            && previousKey == other.previousKey && epoch == other.epoch && validUntil == other.validUntil
    }

    /// What it changes, of a log key.
    public var change: LogKeyChange? {
        guard role == .log, let publicKey, let previousKey, let old = try? VerifierKey(parsing: previousKey),
            let new = try? VerifierKey(parsing: publicKey)
        else { return nil }
        return LogKeyChange(size: entry + 1, old: old, new: new)
    }
}

extension LogKeyChange {
    /// The change that a record states; `nil` unless both keys have signed it.
    package init?(_ record: KeyRecord, entry: UInt64) {
        guard let origin = record.origin, let old = record.previousKey, let new = record.publicKey else { return nil }
        self.init(index: entry, origin: origin, old: old, new: new) { key in
            record.signatures.first { $0.keyID == SHA256.hash(key.publicKey.bytes) }?.bytes
        }
    }
}

extension PublishedKey {
    /// What the first `count` records of a raw bundle say of log and mirror keys, in their order. Whether that is of this
    /// log and its node is for whoever knows which log it is.
    package static func chained(inRaw raw: [UInt8], number: UInt64, count: Int) throws -> [PublishedKey] {
        guard raw.withUnsafeBytes({ EntryFinding.isCandidate($0) }) else { return [] }
        let first = number * UInt64(EntryBundle.maximumEntries)
        let bodies = try EntryBundle.bodies(in: raw)
        return raw.withUnsafeBytes { bytes in
            bodies.prefix(count).enumerated().compactMap { position, range in
                let body = UnsafeRawBufferPointer(rebasing: bytes[range])
                guard case .key(let key)? = EntryFinding(body: body, index: first + UInt64(position)),
                    key.role == .log || key.role == .mirror
                else { return nil }
                return key
            }
        }
    }
}
