import Cryptography
import Dispatch
import LogStore
import Logging
import Reconciliation

/// Notes what a peer was refused and why. The peer itself is never told the reason: what it may not see and what does
/// not exist get the same answer.
final class RefusalLog: Sendable {
    private let context: SyncContext
    private let peer: String
    private let log: Logger
    private let noted = Guarded<Set<String>>([])

    /// More than so many refusals of one session are not told apart any more.
    static let maximum = 256

    init(context: SyncContext, peer: String, logger: Logger) {
        self.context = context
        self.peer = peer
        log = logger
    }

    func refused(logs: [LogID]) {
        for id in logs.prefix(RefusalLog.maximum) {
            guard isNew("log \(id.hex)") else { continue }
            // Reading is no work for the session's task.
            context.transfers.storing.async { [self] in
                let (origin, reason) = why(id)
                log.notice("log refused", metadata: ["peer": "\(peer)", "log": "\(origin)", "reason": "\(reason)"])
            }
        }
    }

    /// Notes that a sealed part was refused, for a reason that is known or that the log itself is not for the peer.
    func refused(_ blob: BlobKey, reason known: String? = nil) {
        guard isNew("blob \(blob.log.hex) \(blob.index) \(blob.sha256.hex)") else { return }
        context.transfers.storing.async { [self] in
            let (origin, reason) = why(blob.log)
            log.notice(
                "sealed part not sent",
                metadata: [
                    "peer": "\(peer)", "log": "\(origin)", "entry": "\(blob.index)", "reason": "\(known ?? reason)",
                ])
        }
    }

    /// Whether a finding has not been reported in this session, as far as that is kept.
    func isNews(_ finding: SessionFinding) -> Bool {
        isNew("finding \(finding.text)")
    }

    private func isNew(_ what: String) -> Bool {
        let (isNew, isLast) = noted.update { noted in
            guard noted.count < RefusalLog.maximum else { return (false, false) }
            let isNew = noted.insert(what).inserted
            return (isNew, isNew && noted.count == RefusalLog.maximum)
        }
        if isLast {
            log.notice("further refusals of this session are not told apart", metadata: ["peer": "\(peer)"])
        }
        return isNew
    }

    private func why(_ id: LogID) -> (origin: String, reason: String) {
        guard let log = try? context.store.log(id: id) else { return (id.hex, "no such log here") }
        if let frozen = log.frozen { return (log.origin, "frozen: \(frozen)") }
        guard context.communities(admitting: peer).contains(log.community) else {
            return (log.origin, "the peer is not admitted to \(log.community)")
        }
        guard (try? context.localLog(id, visibleTo: peer)) != nil else {
            return (log.origin, "the newest members record of the log does not list the peer")
        }
        return (log.origin, "left out of this session, or more was asked for than is held")
    }
}

extension Message {
    /// Bytes that the message takes up while it waits, roughly.
    var weight: Int {
        switch self {
        case .entries(let entries): entries.bundles.reduce(1_024) { $0 + $1.data.count }
        case .blob(_, let bytes): bytes.count + 256
        case .fork(_, let evidence): evidence.count + 256
        case .heads(_, let heads, _, _): 256 + heads.count * 160
        case .ranges(let nodes, _):
            nodes.reduce(256) { sum, node in
                switch node.content {
                case .children(let hashes): sum + hashes.count * 48
                case .heads(let heads, _): sum + heads.count * 160
                }
            }
        case .cosignatures(_, let lines): lines.reduce(256) { $0 + $1.line.utf8.count + $1.cosigner.utf8.count + 64 }
        case .receipts(_, let lines): lines.reduce(256) { $0 + $1.line.utf8.count + $1.holder.utf8.count + 128 }
        case .stones(_, let notes): notes.reduce(256) { $0 + $1.utf8.count + 64 }
        case .unknown(let logs): 256 + logs.count * 48
        case .offer(let offer): 512 + offer.checkpoint.utf8.count + offer.proof.count * 48
        default: 512
        }
    }

    /// Whether it may be a part of what this side waits for. What a peer can say as often as it likes is not, or it
    /// could put off for ever what it owes.
    func mayBeOwed(comparing: Bool) -> Bool {
        switch self {
        case .hello, .ranges, .entries, .blob, .prefix, .nodes, .stones: true
        case .heads(_, let heads, let isComplete, _): comparing && (isComplete || !heads.isEmpty)
        case .receiptPages(let pages): pages.isAnswer
        default: false
        }
    }
}
