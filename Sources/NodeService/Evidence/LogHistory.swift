public import LogStore
import Records

/// A checkpoint of a log's past: what was signed, and who has said when that it holds that much.
public struct PastCheckpoint: Sendable {
    public struct Cosigner: Sendable, Hashable {
        public let node: String
        /// Unix seconds.
        public let time: UInt64
        /// Seconds after ``PastCheckpoint/entryTime``; `nil` where that is unknown or lies behind.
        public let lag: UInt64?
    }

    public let head: SignedHead
    /// What the last entry under it says of its own time, in Unix seconds: its author's word.
    public let entryTime: UInt64?
    /// By time. Of several cosignatures of one node only the newest is kept.
    public let cosigners: [Cosigner]
}

extension Node {
    /// The checkpoints of a log at these sizes.
    public func history(of log: StoredLog, heads: [SignedHead]) throws -> [PastCheckpoint] {
        guard let first = heads.map(\.size).min(), let last = heads.map(\.size).max() else { return [] }
        let cosignatures = Dictionary(grouping: try store.cosignatures(of: log.id, sizes: first...last)) { $0.size }
        return try heads.map { head in
            let entryTime = try head.size > 0 ? time(ofEntry: head.size - 1, in: log) : nil
            let cosigners = (cosignatures[head.size] ?? []).sorted { ($0.time, $0.cosigner) < ($1.time, $1.cosigner) }
            return PastCheckpoint(
                head: head, entryTime: entryTime,
                cosigners: cosigners.map { each in
                    PastCheckpoint.Cosigner(
                        node: each.cosigner, time: each.time,
                        lag: entryTime.flatMap { each.time >= $0 ? each.time - $0 : nil })
                })
        }
    }

    private func time(ofEntry index: UInt64, in log: StoredLog) throws -> UInt64? {
        // An entry that is damaged says nothing; `verify` says so.
        guard let body = try? store.body(of: log.id, at: index), let record = EntryRecord.read(body).record,
            let text = record.value["time"]?.string, let time = Timestamp(text)
        else { return nil }
        return UInt64(exactly: time.seconds)
    }
}
