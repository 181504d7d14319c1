public import LogStore
import Records

/// A checkpoint of a log's past: what was signed, and who has said when that it holds that much.
public struct PastCheckpoint: Sendable {
    public struct Cosigner: Sendable, Hashable {
        public let node: String
        /// Unix seconds.
        public let time: UInt64
        /// Seconds after ``PastCheckpoint/begin``; `nil` where that is unknown or lies behind, and for the log's own node,
        /// which dates its newest checkpoint again and again.
        public let lag: UInt64?
    }

    public let head: SignedHead
    /// What the last entry under it says of its own time, in Unix seconds: its author's word.
    public let entryTime: UInt64?
    /// The latest moment that smaller checkpoints state, in Unix seconds: by the date of the log's own node, which had no
    /// larger one then, or by what their last entries say.
    public let notBefore: UInt64?
    /// By time. Of several cosignatures of one node only the newest is kept.
    public let cosigners: [Cosigner]

    /// The moment that lag is counted from. What the last entry says alone may be long ago where records were imported.
    public var begin: UInt64? { [entryTime, notBefore].compactMap { $0 }.max() }
}

extension Node {
    /// The checkpoints of a log at these sizes.
    public func history(of log: StoredLog, heads: [SignedHead]) throws -> [PastCheckpoint] {
        guard let first = heads.map(\.size).min(), let last = heads.map(\.size).max() else { return [] }
        let cosignatures = Dictionary(grouping: try store.cosignatures(of: log.id, sizes: first...last)) { $0.size }
        var latest = try store.checkpoints(of: log.id, upTo: first - min(first, 1), limit: 1).first.flatMap {
            try $0.size < first ? claim(of: $0, in: log, by: Clock.now()) : nil
        }
        let past = try heads.sorted { $0.size < $1.size }.map { head in
            let cosigners = (cosignatures[head.size] ?? []).sorted { ($0.time, $0.cosigner) < ($1.time, $1.cosigner) }
            let entryTime = try head.size > 0 ? time(ofEntry: head.size - 1, in: log) : nil
            let dated = try store.lastCosigned(log.id, by: log.node, below: head.size)
            let notBefore = [dated, latest].compactMap { $0 }.max()
            let begin = [entryTime, notBefore].compactMap { $0 }.max()
            // Who says to write from the future is not believed further on.
            let end = cosigners.first?.time ?? Clock.now()
            latest = [latest, entryTime.flatMap { $0 <= end ? $0 : nil }].compactMap { $0 }.max()
            return PastCheckpoint(
                head: head, entryTime: entryTime, notBefore: notBefore,
                cosigners: cosigners.map { each in
                    PastCheckpoint.Cosigner(
                        node: each.cosigner, time: each.time,
                        lag: each.cosigner == log.node
                            ? nil : begin.flatMap { each.time >= $0 ? each.time - $0 : nil })
                })
        }
        let bySize = Dictionary(past.map { ($0.head.size, $0) }) { first, _ in first }
        return heads.compactMap { bySize[$0.size] }
    }

    private func claim(of head: SignedHead, in log: StoredLog, by now: UInt64) throws -> UInt64? {
        guard head.size > 0, let time = try time(ofEntry: head.size - 1, in: log), time <= now else { return nil }
        return time
    }

    private func time(ofEntry index: UInt64, in log: StoredLog) throws -> UInt64? {
        // An entry that is damaged says nothing; `verify` says so.
        guard let body = try? store.soundBody(of: log, at: index), let record = EntryRecord.read(body).record,
            let text = record.value["time"]?.string, let time = Timestamp(text)
        else { return nil }
        return UInt64(exactly: time.seconds)
    }
}
