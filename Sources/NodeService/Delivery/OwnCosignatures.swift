public import Cryptography
public import LogStore
import Reconciliation
import Records

// A node cosigns its own newest checkpoints too, when they change and once an hour. That dates them: partners tell a
// quiet log from one whose owner is gone. It never counts as a holder.
extension SyncContext {
    /// Seconds after which an unchanged checkpoint of an own log is dated anew.
    static let datingInterval: UInt64 = 3_600

    /// What came of dating the own logs.
    public struct Dating: Sendable {
        /// The logs that have a new cosignature of their owner's.
        public var dated: Set<SHA256Digest> = []
        /// Why others have none, a line each.
        public var problems: [String] = []
    }

    /// Cosigns those own checkpoints that this node has not dated yet, or not for an hour. A log that is behind what
    /// was signed, or whose last cosignature lies more than five minutes ahead of the clock, is left as it is.
    public func dateOwnHeads() throws -> Dating {
        var dating = Dating()
        if let refusal {
            dating.problems = [refusal]
            return dating
        }
        let own = try store.logs().filter(\.isOwn)
        let newest = own.compactMap { LogOrigin($0.origin) }.reduce(into: [CommunityName: UInt64]()) { newest, origin in
            newest[origin.community] = max(newest[origin.community] ?? 0, origin.generation)
        }
        for log in own where log.frozen == nil && log.recovering == nil {
            // One that was given up is dated no more: nobody waits for news of it.
            guard let origin = LogOrigin(log.origin), origin.generation == newest[origin.community] else { continue }
            guard let head = log.head else { continue }
            let last = try store.newestCosignatures(of: log.id).first { $0.cosigner == log.node }
            if let last, last.size == head.size, last.time + SyncContext.datingInterval > now() { continue }
            do {
                try store.checkSigned(log.id)
                if let ahead = try store.clockLag(of: log.id, now: now()) {
                    dating.problems.append(ahead)
                } else if try cosign(log.id) != nil {
                    dating.dated.insert(log.id)
                }
            } catch let error as StoreError {
                dating.problems.append(error.description)
            }
        }
        return dating
    }
}

extension SQLiteLogStore {
    /// What to tell the operator where the clock is so far behind the last cosignature on a log that nothing is
    /// cosigned; `nil` where it is not.
    public func clockLag(of log: SHA256Digest, now: UInt64) throws -> String? {
        let last = try lastCosigned(log)
        guard last > now, last - now > SyncContext.clockTolerance else { return nil }
        return "the clock is \(Duration.words(last - now)) behind the last cosignature of this node; nothing is "
            + "cosigned until it is right"
    }
}
