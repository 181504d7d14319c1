public import Cryptography

/// What a `key` record says, read strictly: one that breaks a rule says nothing.
public struct KeyRecord: Sendable, Hashable {
    public enum Role: String, Sendable, Hashable, CaseIterable {
        case log, mirror, sealing, tls
    }

    public enum Action: String, Sendable, Hashable {
        case publishes, replaces, retires
    }

    /// A signature by one of the two keys of a replaced log key.
    public struct Signature: Sendable, Hashable {
        /// SHA-256 of the public key.
        public let keyID: SHA256Digest
        /// The 64 bytes of Ed25519.
        public let bytes: [UInt8]

        public init(keyID: SHA256Digest, bytes: [UInt8]) {
            self.keyID = keyID
            self.bytes = bytes
        }
    }

    public let role: Role
    public let action: Action
    /// SHA-256 of the public key that this is about; of a TLS key its pin.
    public let keyID: SHA256Digest
    /// A vkey (log, mirror), base64 of 32 bytes (sealing) or of a pin (TLS). Only one that is retired needs none.
    public let publicKey: String?
    public let previousKeyID: SHA256Digest?
    /// The vkey that a log key replaces.
    public let previousKey: String?
    /// The log that a log key is for.
    public let origin: String?
    /// Which of the sealing keys it is, from 1.
    public let epoch: UInt32?
    /// From when, and until when, the key is in use.
    public let validFrom: Timestamp?
    public let validUntil: Timestamp?
    public let signatures: [Signature]

    public init(
        role: Role, action: Action, keyID: SHA256Digest, publicKey: String? = nil, previousKeyID: SHA256Digest? = nil,
        previousKey: String? = nil, origin: String? = nil, epoch: UInt32? = nil, validFrom: Timestamp? = nil,
        validUntil: Timestamp? = nil, signatures: [Signature] = []
    ) {
        self.role = role
        self.action = action
        self.keyID = keyID
        self.publicKey = publicKey
        self.previousKeyID = previousKeyID
        self.previousKey = previousKey
        self.origin = origin
        self.epoch = epoch
        self.validFrom = validFrom
        self.validUntil = validUntil
        self.signatures = signatures
    }

    /// `nil` for a record of another type, and for one that breaks the schema.
    public init?(_ record: EntryRecord) {
        guard record.type == .key, record.problems().isEmpty,
            let role = record["role"]?.string.flatMap(Role.init), let action = record.action.flatMap(Action.init),
            let keyID = record["key_id"]?.string.flatMap(SealedHeader.digest)
        else { return nil }
        let epoch = record["epoch"]?.integer.flatMap { UInt32(exactly: $0) }
        if role == .sealing, (epoch ?? 0) == 0 { return nil }
        self.init(
            role: role, action: action, keyID: keyID, publicKey: record["public_key"]?.string,
            previousKeyID: record["previous_key_id"]?.string.flatMap(SealedHeader.digest),
            previousKey: record["previous_key"]?.string, origin: record["origin"]?.string, epoch: epoch,
            validFrom: record["valid_from"]?.string.flatMap { Timestamp($0) },
            validUntil: record["valid_until"]?.string.flatMap { Timestamp($0) },
            signatures: (record["signatures"]?.array ?? []).compactMap { value in
                guard let keyID = value["key_id"]?.string.flatMap(SealedHeader.digest),
                    let bytes = value["signature"]?.string.flatMap(Base64.decode)
                else { return nil }
                return Signature(keyID: keyID, bytes: bytes)
            })
    }

    /// The record to append.
    ///
    /// Throws what is wrong with it.
    public func draft(time: Timestamp, author: String) throws -> RecordDraft {
        guard var draft = RecordDraft(type: .key, time: time, author: author, tlp: .green) else {
            throw RecordProblem(path: "type", reason: "is not known")
        }
        var fields: [(String, JSONValue)] = [
            ("role", .string(role.rawValue)), ("action", .string(action.rawValue)), ("key_id", .string(keyID.hex)),
        ]
        func add(_ name: String, _ value: String?) {
            if let value { fields.append((name, .string(value))) }
        }
        add("public_key", publicKey)
        add("previous_key_id", previousKeyID?.hex)
        add("previous_key", previousKey)
        add("origin", origin)
        if let epoch { fields.append(("epoch", .integer(Int64(epoch)))) }
        add("valid_from", validFrom?.text)
        add("valid_until", validUntil?.text)
        if !signatures.isEmpty {
            let values = signatures.map { signature -> JSONValue in
                .object([
                    JSONMember("key_id", .string(signature.keyID.hex)),
                    JSONMember("signature", .string(Base64.encode(signature.bytes))),
                ])
            }
            fields.append(("signatures", .array(values)))
        }
        for (name, value) in fields { try draft.set(name, to: value) }
        return draft
    }
}
