import Cryptography
import Home
import LogStore
public import Records
public import TransparencyLog

/// A log's new key, and where the log says so.
public struct LogKeyRotation: Sendable {
    public let origin: String
    public let old: VerifierKey
    public let new: VerifierKey
    /// The size of the stepping stone.
    public let size: UInt64
    /// Whether an earlier attempt had got so far that only its end was left to do.
    public let isCompleted: Bool
}

extension Node {
    /// The private key that signs a community's own log now: of the files in keys/ the one that the log names.
    func logKey(community: String) throws -> Ed25519.PrivateKey {
        try keystore.logKey(origin: origin(of: community), publicKey: logPublicKey(community: community))
    }

    /// The public key of the same, for which no passphrase is needed.
    func logPublicKey(community: String) throws -> Ed25519.PublicKey {
        let generation = generation(of: community)
        let keys = try store.log(origin(of: community))?.keys
        guard try keystore.hasLogKey(community: community, generation: generation) else {
            // What is lost with the file is only the private one.
            if let keys { return keys.current.publicKey }
            throw try keystore.lostLogKey(community: community, generation: generation)
        }
        let current = try keystore.logPublicKey(community: community, generation: generation)
        guard let keys, keys.current.publicKey != current,
            // A rotation was broken off between the record and the renaming of the file.
            let next = try keystore.nextLogPublicKey(community: community, generation: generation),
            next == keys.current.publicKey
        else { return current }
        return next
    }

    /// That of the key file in its place; `nil` where there is none.
    func logPublicKeyInPlace(community: String) throws -> Ed25519.PublicKey? {
        let generation = generation(of: community)
        guard try keystore.hasLogKey(community: community, generation: generation) else { return nil }
        return try keystore.logPublicKey(community: community, generation: generation)
    }

    /// Replaces the key of a community's own log. Broken off at any point and called again, it completes what was begun.
    ///
    /// 1. The new key is made and lies beside the old one.
    /// 2. In one transaction the `key` record, signed by both, is appended, and the checkpoint behind it, which is the
    ///    stepping stone, is signed by both.
    /// 3. The new key takes the old one's place. The old one is gone.
    public func rotateLogKey(community: String, author: String, time: Timestamp) throws -> LogKeyRotation {
        try replacing(.log(community: community)) {
            try keystore.whileRotating {
                try rotateOwnLogKey(community: community, author: author, time: time)
            }
        }
    }

    private func rotateOwnLogKey(community: String, author: String, time: Timestamp) throws -> LogKeyRotation {
        let origin = origin(of: community)
        let generation = generation(of: community)
        guard let log = try store.log(origin) else { throw lostLog(origin) }
        if log.recovering != nil || log.frozen != nil || log.size == 0 {
            throw HomeError(
                .notPermitted,
                log.frozen != nil
                    ? "\(origin) is frozen and signs nothing more; its successor has a key of its own"
                    : "\(origin) takes no entries now; run `entente recover` first")
        }
        if let lost = try lostLogKey(community: community) { throw lost }
        try store.checkNoLaterLog(after: origin)
        let chain = try log.keys
        let inPlace = try logPublicKeyInPlace(community: community)
        if let last = chain.changes.last, last.new == chain.current, inPlace != chain.current.publicKey {
            // The log says so already; only the file is not in its place.
            try requireNext(chain.current, community, generation)
            try keystore.promoteNextLogKey(community: community, generation: generation)
            return LogKeyRotation(
                origin: origin, old: last.old, new: last.new, size: last.size, isCompleted: true)
        }
        // For commands the running node signs checkpoints only; this is done where the keys are.
        let oldSigner = try NoteSigner(name: origin, privateKey: logKey(community: community))
        let newSigner = try NoteSigner(
            name: origin, privateKey: keystore.makeNextLogKey(community: community, generation: generation))
        let record = try Node.record(from: oldSigner, to: newSigner, time: time)
        let body = try record.draft(time: time, author: author).body()
        let result = try store.append(
            [NewEntry(body: body)], to: origin,
            options: AppendOptions { [store] size, root in
                // Nobody else appends now: a record that begins at another key than the log's would say nothing.
                guard try store.log(origin)?.keys.current.publicKey == oldSigner.verifierKey.publicKey else {
                    throw StoreError.keyReplaced(origin: origin)
                }
                var note = try Checkpoint(origin: origin, size: size, root: root).sign(with: oldSigner)
                try note.add(newSigner.sign(note.text))
                return note.serialized
            })
        try keystore.promoteNextLogKey(community: community, generation: generation)
        NodeBell.ring(home)
        return LogKeyRotation(
            origin: origin, old: oldSigner.verifierKey, new: newSigner.verifierKey, size: result.head.size,
            isCompleted: false)
    }

    private func requireNext(_ key: VerifierKey, _ community: String, _ generation: UInt64) throws {
        guard try keystore.nextLogPublicKey(community: community, generation: generation) == key.publicKey else {
            throw replacedLogKey(key.name, community)
        }
    }

    static func record(from old: NoteSigner, to new: NoteSigner, time: Timestamp) throws -> KeyRecord {
        let statement = LogKeyChange.statement(old: old.verifierKey, new: new.verifierKey)
        return try KeyRecord(
            role: .log, action: .replaces, keyID: SHA256.hash(new.verifierKey.publicKey.bytes),
            publicKey: new.verifierKey.text, previousKeyID: SHA256.hash(old.verifierKey.publicKey.bytes),
            previousKey: old.verifierKey.text, origin: old.verifierKey.name, validFrom: time,
            signatures: [old, new].map {
                KeyRecord.Signature(
                    keyID: SHA256.hash($0.verifierKey.publicKey.bytes), bytes: try $0.sign(statement: statement))
            })
    }
}
