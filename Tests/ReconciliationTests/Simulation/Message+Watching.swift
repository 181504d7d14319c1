import Cryptography
import Reconciliation
import TransparencyLog

extension Message {
    /// The logs that a message names.
    var mentionedLogs: [LogID] {
        switch self {
        case .heads(_, let heads, _, _): heads.map(\.log)
        case .ranges(let nodes, _):
            nodes.flatMap { node in
                if case .heads(let heads, _) = node.content { heads.map(\.log) } else { [] as [LogID] }
            }
        case .offer(let offer): [offer.log]
        case .request(let range), .requestRefusal(let range): [range.log]
        case .entries(let entries): [entries.range.log]
        case .unknown(let logs): logs
        case .logRefusal(let log, _), .cosignatures(let log, _), .receipts(let log, _), .fork(let log, _),
            .knownKeys(let log, _), .stonesRequest(let log), .stones(let log, _):
            [log]
        case .blobRequest(let key), .blobRefusal(let key), .blob(let key, _): [key.log]
        case .receiptPages(let pages): [pages.log]
        case .prefixRequest(let request), .prefix(let request, _): [request.log]
        case .nodesRequest(let request), .nodes(let request, _): [request.log]
        case .hello, .ping, .agree, .close, .ignored: []
        }
    }

    /// For a trace.
    var summary: String {
        switch self {
        case .hello(let hello): "hello \(hello.communities.map(\.name)) memory \(hello.memory != nil)"
        case .heads(let community, let heads, let complete, let settled):
            "heads \(community) \(heads.map { "\($0.log.hex.prefix(4)):\($0.size)/\($0.pinnedSize)+\($0.beside.hex.prefix(3))" }) complete \(complete) settled \(settled)"
        case .ranges(let nodes, let settled): "ranges \(nodes.count) settled \(settled)"
        case .offer(let offer):
            "offer \(offer.log.hex.prefix(4)) from \(offer.fromSize) to \(offer.size) pushed \(offer.isPushed)"
        case .request(let range):
            "request \(range.log.hex.prefix(4)) \(range.start)..<\(range.end) of \(range.treeSize)"
        case .requestRefusal(let range): "refusal \(range.log.hex.prefix(4)) \(range.start)..<\(range.end)"
        case .entries(let entries):
            "entries \(entries.range.log.hex.prefix(4)) \(entries.range.start)..<\(entries.range.end) of \(entries.range.treeSize)"
        case .unknown(let logs): "unknown \(logs.map { $0.hex.prefix(4) })"
        case .logRefusal(let log, let reason): "log refusal \(log.hex.prefix(4)) \(reason)"
        case .cosignatures(let log, let lines): "cosignatures \(log.hex.prefix(4)) \(lines.count)"
        case .blobRequest(let key): "blob request \(key.log.hex.prefix(4)) \(key.index)"
        case .blob(let key, _): "blob \(key.log.hex.prefix(4)) \(key.index)"
        case .blobRefusal(let key): "blob refusal \(key.log.hex.prefix(4)) \(key.index)"
        case .close(let reason, _): "close \(reason)"
        case .agree(let digest): "agree \(digest.hex.prefix(6))"
        case .knownKeys(let log, let ids): "known keys \(log.hex.prefix(4)) \(ids.count)"
        case .stonesRequest(let log): "stepping stones wanted \(log.hex.prefix(4))"
        case .stones(let log, let notes): "stepping stones \(log.hex.prefix(4)) \(notes.count)"
        case .ping(let nonce, let isReply): "\(isReply ? "answer to " : "")ping \(nonce)"
        default: "another message"
        }
    }
}

extension SessionFinding {
    var origin: String {
        switch self {
        case .conflict(let origin, _), .ownLogBehind(let origin, _), .refusedByPeer(let origin, _),
            .unknownToPeer(let origin), .badOffer(let origin, _), .failedHere(let origin, _),
            .cannotResumeHere(let origin, _), .noSteppingStone(let origin), .beyondOwner(let origin, _),
            .refusedCosignature(let origin, _, _):
            origin
        }
    }
}

extension Offer {
    /// What its checkpoint claims.
    fileprivate var size: UInt64 {
        (try? SignedNote(parsing: checkpoint)).flatMap { try? Checkpoint(parsing: $0.text) }?.size ?? 0
    }
}
