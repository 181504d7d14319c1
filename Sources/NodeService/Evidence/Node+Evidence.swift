import Cryptography
import Home
import LogStore
public import Records
import TransparencyLog

extension Node {
    /// All that proves a record, for one file: its body, its proof with the cosignatures, the keys, and what the log says
    /// of keys.
    public func evidence(of reference: Reference, exported: Timestamp) throws -> RecordEvidence {
        guard let log = try store.log(reference.origin.text),
            let body = try store.soundBody(of: log, at: reference.index),
            let (head, cosignatures) = try bestCheckpoint(covering: reference.index, of: log)
        else { throw HomeError(.noInput, "no record \(reference.text) under a checkpoint here") }
        let proof = try proof(at: reference.index, of: log, under: head, cosignatures)
        // The key that signs there: at a stepping stone the one that goes on.
        guard let logKey = try log.keys.keys(at: head.size).last else {
            throw HomeError(.noInput, "no key signs \(log.origin) at \(head.size) entries")
        }
        let keys = mirrorKeys.values.flatMap(\.all).filter { key in
            proof.note.signatures.contains { key.isNamed(by: $0) }
        }
        var records: [RecordEvidence.KeyRecord] = []
        for index in try keyRecords(of: log) where index < head.size {
            guard records.count < RecordEvidence.maximumKeyRecords else {
                throw HomeError(
                    .badInput, "\(log.origin) has more than \(RecordEvidence.maximumKeyRecords) records about keys")
            }
            guard let body = try store.soundBody(of: log, at: index) else { continue }
            records.append(
                RecordEvidence.KeyRecord(
                    body: body, proof: try self.proof(at: index, of: log, under: head, [], asOf: 0)))
        }
        return RecordEvidence(
            reference: reference, body: body, proof: proof, logKey: logKey,
            cosignerKeys: keys.sorted { $0.name < $1.name }, keyRecords: records, exporter: name, exported: exported,
            givenUpAt: log.isBeyondOwner(reference.index) ? log.givenUpAt : nil)
    }

    /// The entries of a log that say something of a key.
    private func keyRecords(of log: StoredLog) throws -> [UInt64] {
        let step: UInt64 = 64 * UInt64(EntryBundle.maximumEntries)
        var found: [UInt64] = []
        for first in stride(from: 0, to: log.size, by: Int(step)) {
            for bundle in try store.bundles(of: log.id, entries: first..<min(log.size, first + step)) {
                let raw = try store.raw(bundle)
                let start = bundle.number * UInt64(EntryBundle.maximumEntries)
                for (position, range) in try EntryBundle.bodies(in: raw).enumerated() {
                    // Cheap to say no to: such a record spells its type, or escapes a letter of it.
                    let body = raw[range]
                    guard body.contains(UInt8(ascii: "\\")) || body.contains(Node.keyType) else { continue }
                    if EntryRecord.read(Array(body)).record?.type == .key { found.append(start + UInt64(position)) }
                }
            }
        }
        return found
    }

    private static let keyType = Array("\"key\"".utf8)
}
