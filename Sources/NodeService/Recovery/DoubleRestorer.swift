import Cryptography
import Home
import LogStore
import Records
import Sealing
import TransparencyLog

extension Node {
    /// Makes another key for doubles where it is gone, and computes again by what the records of own logs are known as
    /// doubles. Broken off and called again, it goes on.
    public func restoreDoubles() throws {
        try restoreDoublesKey()
        for log in try store.logs() where log.isOwn && log.frozen == nil && log.recovering == nil {
            try DoubleRestorer(node: self, log: log).restore()
        }
    }

    /// Makes the key alone, here or in the running node, where it is gone: without it no log can be opened again.
    func restoreDoublesKey() throws {
        guard try !keystore.hasDoublesKey else { return }
        // Under another key they would say nothing.
        for log in try store.logs() where log.isOwn { try store.forgetDoubleHashes(of: log.id) }
        try privateKeys.makeDoublesKey()
    }
}

/// Computes again by what the records of a recovered log are known as doubles. What partners sent has no such hashes,
/// since their key never left this node.
struct DoubleRestorer {
    let node: Node
    let log: StoredLog

    /// Entries of one transaction.
    private static let batch: UInt64 = 4_096

    func restore() throws {
        let doublesKey = try node.privateKeys.doublesKey()
        let keys = try node.privateKeys.boxOpener(
            keyIDs: node.keystore.sealingEpochs().map { try node.keystore.sealingPublicKey(epoch: $0).sealingKeyID })
        var start: UInt64 = 0
        while start < log.size {
            let range = start..<min(log.size, start + Self.batch)
            let wanted = Set(try node.store.entriesWithoutDoubleHash(of: log.id, in: range))
            var hashes: [UInt64: UInt64] = [:]
            for bundle in wanted.isEmpty ? [] : try node.store.bundles(of: log.id, entries: range) {
                // Damage is mended by other means, and no reason to leave the log closed.
                guard let raw = try? node.store.raw(bundle), let bodies = try? EntryBundle.bodies(in: raw) else {
                    continue
                }
                let first = bundle.number * UInt64(EntryBundle.maximumEntries)
                for (offset, body) in bodies.enumerated() {
                    let index = first + UInt64(offset)
                    // Nor is one that cannot be opened now: it is not known as a double.
                    guard wanted.contains(index) else { continue }
                    hashes[index] = try? doubleHash(of: Array(raw[body]), at: index, keys, doublesKey)
                }
            }
            if !hashes.isEmpty { try node.store.addDoubleHashes(hashes, of: log.id) }
            start = range.upperBound
        }
    }

    /// What a record said before its fields were sealed; `nil` where it cannot be a double, or cannot be opened now. The
    /// texts that were sealed stay in guarded memory: the process may be one that runs for months.
    private func doubleHash(
        of body: [UInt8], at index: UInt64, _ keys: BoxOpener, _ doublesKey: SecretBytes
    ) throws -> UInt64? {
        guard let record = EntryRecord.read(body).record, record.type != .members else { return nil }
        let value = try JSONScanner.scan(body)
        guard let header = record.sealed else { return RecordWriter.doubleHash(value, key: doublesKey) }
        guard case .object(let members) = value,
            let blob = try node.store.blob(
                BlobReference(log: log.id, index: index, sha256: header.sha256, size: header.size))
        else { return nil }
        let fields = try Envelope.open(
            blob: blob, header: Sealing.SealedHeader(header), origin: log.origin, recordType: record.type.rawValue,
            as: node.name, keys: keys)
        var draft = try RecordDraft(
            object: .object(members.filter { $0.name != "sealed" }), time: Clock.timestamp, author: "", tlp: .green)
        var texts = GuardedTexts()
        for field in fields { try draft.set(field.name, to: texts.marked(field.value)) }
        let said = try texts.restored(in: DoubleKey.canonicalBytes(of: draft.ordered))
        return RecordWriter.doubleHash(of: said, key: doublesKey)
    }
}
