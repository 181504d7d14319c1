import Cryptography
import Dispatch
import LogStore
import TransparencyLog

/// The checkpoints of a log on their way through an audit: in the order of their sizes, some at a time, each with what
/// is wrong with its signatures. There may be one for every entry, so none is kept longer than until it is taken.
final class CheckpointStream {
    /// A checkpoint whose signatures were checked.
    struct Judged: Sendable {
        let head: SignedHead
        var problems: [String] = []
        var cosignatures = 0
        var unknownCosigners: Set<String> = []
        /// Whose cosignature is dated ahead of this machine's clock.
        var early: Set<String> = []
        var uncounted = UncountedSignatures()
    }

    private let log: SHA256Digest
    private let store: SQLiteLogStore
    private let mirrorKeys: [String: MirrorKeys]
    /// Judged and not taken yet.
    private var judged: ArraySlice<Judged> = []
    private var isExhausted = false
    /// The smallest size that was not read yet.
    private var nextRead: UInt64
    /// The smallest size that was not taken yet.
    private(set) var from: UInt64
    /// Cosignatures that were checked and are good.
    private(set) var cosignatureCount = 0
    private(set) var unknownCosigners: Set<String> = []
    /// Whose cosignatures are dated ahead of this machine's clock, and so do not count.
    private(set) var early: Set<String> = []
    /// Cosignatures by keys that are not known, or were replaced by then.
    private(set) var uncounted = UncountedSignatures()
    private let now = Clock.now()
    /// What is wrong with cosignatures that are on none of the checkpoints.
    private(set) var problems: [String] = []
    private static let pageSize = 512
    /// Checkpoints that one core takes on at a time.
    private static let group = 32

    /// - Parameter size: smaller ones are left out.
    init(of log: StoredLog, from size: UInt64, in store: SQLiteLogStore, mirrorKeys: [String: MirrorKeys]) {
        self.log = log.id
        self.store = store
        self.mirrorKeys = mirrorKeys
        from = size
        nextRead = size
    }

    /// The size of the next checkpoint; the largest number where there is none.
    var nextSize: UInt64 {
        get throws {
            if judged.isEmpty, !isExhausted {
                take(in: try store.checkpointPage(of: log, from: nextRead, limit: CheckpointStream.pageSize))
            }
            return judged.first?.head.size ?? .max
        }
    }

    /// The next checkpoint, of which no more is kept then.
    func take() throws -> Judged? {
        guard try nextSize < .max, let next = judged.popFirst() else { return nil }
        from = next.head.size + 1
        cosignatureCount += next.cosignatures
        unknownCosigners.formUnion(next.unknownCosigners)
        early.formUnion(next.early)
        uncounted.add(next.uncounted)
        return next
    }

    /// Goes on with the log as it is now. Where that is read to its end, what has not been taken is read anew with it.
    func goOn(to end: LogEnd) {
        isExhausted = false
        guard end.bundles != nil else { return }
        judged = []
        take(in: end.rest)
        isExhausted = true
    }

    private func take(in page: CheckpointPage) {
        if !page.isLast, let last = page.heads.last {
            nextRead = last.size + 1
        } else {
            isExhausted = true
        }
        var given = Dictionary(grouping: page.cosignatures) { $0.size }
        let heads = page.heads.map { ($0, given.removeValue(forKey: $0.size) ?? []) }
        let log = page.log
        let keys = try? log.keys
        let results = Guarded<[Int: [Judged]]>([:])
        let groups = stride(from: 0, to: heads.count, by: CheckpointStream.group).map {
            heads[$0..<min($0 + CheckpointStream.group, heads.count)]
        }
        DispatchQueue.concurrentPerform(iterations: groups.count) { [mirrorKeys, now] number in
            let judged = groups[number].map { head, cosignatures in
                CheckpointStream.judge(head, of: log, keys, cosignatures, mirrorKeys, now: now)
            }
            results.update { $0[number] = judged }
        }
        judged += results.value.sorted { $0.key < $1.key }.flatMap(\.value)
        for each in given.values.joined().sorted(by: { $0.size < $1.size }) {
            guard mirrorKeys[each.cosigner] != nil else {
                unknownCosigners.insert(each.cosigner)
                continue
            }
            guard problems.count < CheckpointStream.pageSize else { break }
            problems.append("a cosignature of \(each.cosigner) on size \(each.size), which has no checkpoint")
        }
    }

    private static func judge(
        _ head: SignedHead, of log: StoredLog, _ keys: LogKeyChain?, _ cosignatures: [StoredCosignature],
        _ mirrorKeys: [String: MirrorKeys], now: UInt64
    ) -> Judged {
        var judged = Judged(head: head)
        if let keys {
            do {
                let checkpoint = try keys.verify(SignedNote(parsing: head.note))
                if checkpoint.origin != log.origin || checkpoint.size != head.size || checkpoint.root != head.root {
                    judged.problems.append("the checkpoint kept for size \(head.size) says something else")
                }
            } catch {
                judged.problems.append("the checkpoint of size \(head.size): \(error)")
            }
        }
        for each in cosignatures {
            guard let keys = mirrorKeys[each.cosigner] else {
                judged.unknownCosigners.insert(each.cosigner)
                continue
            }
            do {
                let cosignature = try Cosignature(parsing: each.line)
                guard cosignature.time == each.time, cosignature.name == each.cosigner else {
                    judged.problems.append("a cosignature that is not \(each.cosigner)'s of \(each.time)")
                    continue
                }
                let checkpoint = try Checkpoint(origin: log.origin, size: head.size, root: head.root)
                let standing = try keys.standing(of: cosignature) { try $0.verify(checkpoint, by: $1) }
                if standing != .signed {
                    judged.uncounted.add(standing, of: each.cosigner)
                } else if cosignature.time > now + SyncContext.clockTolerance {
                    judged.early.insert(each.cosigner)
                } else {
                    judged.cosignatures += 1
                }
            } catch {
                judged.problems.append("the cosignature of \(each.cosigner) on size \(head.size): \(error)")
            }
        }
        return judged
    }
}
