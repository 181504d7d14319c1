import LogStore

/// Why a node does not hold something yet, as far as this node knows.
public enum Obstacle: Sendable, Hashable {
    /// The log takes no more entries.
    case frozen(reason: String)
    /// One of the lists of members does not name it: this node's own, or the newest in the log.
    case notMember(community: String, inLog: Bool)
    /// There is no card of it here: nothing that it signs can be checked.
    case noCard
    /// Its card has no endpoint, and it has never called.
    case neverHeard
    /// It was turned away, or turned this node away.
    case refused(String)
    /// The last attempt failed.
    case failed(String)
    /// Nothing is known to be wrong.
    case waiting(lastHeard: UInt64?)

    /// Whether waiting alone does not help: no path can carry it until somebody changes something.
    public var endsEveryPath: Bool {
        switch self {
        case .frozen, .notMember, .noCard, .neverHeard, .refused: true
        case .failed, .waiting: false
        }
    }

    /// For people, without the node's name. `now` is in Unix seconds.
    public func text(now: UInt64) -> String {
        switch self {
        case .frozen(let reason): "the log is frozen: \(reason)"
        case .notMember(let community, inLog: true): "not among the members of \(community) that the log itself names"
        case .notMember(let community, inLog: false): "not among this node's members of \(community)"
        case .noCard: "no peer card of it here, so nothing it says can be checked; add it with `entente peer add`"
        case .neverHeard: "its card has no endpoint and it has never called"
        case .refused(let reason), .failed(let reason): reason
        case .waiting(nil): "not heard yet"
        case .waiting(let time?): "last heard \(Duration.words(now > time ? now - time : 0)) ago"
        }
    }
}

extension Obstacle {
    /// What stands before everything else stands first: a node that may not have it is not called unreachable.
    init(
        node: String, log: StoredLog, published: Membership?, configured: [String]?, card: Bool, hasEndpoint: Bool,
        contact: PeerContact?
    ) {
        if let reason = log.frozen {
            self = .frozen(reason: reason)
        } else if let configured, !configured.contains(node) {
            self = .notMember(community: log.community, inLog: false)
        } else if let published, !published.members.contains(node), node != log.node {
            self = .notMember(community: log.community, inLog: true)
        } else if !card {
            self = .noCard
        } else if let error = contact?.currentError {
            self = error.hasPrefix(PeerContact.refusal) ? .refused(error) : .failed(error)
        } else if !hasEndpoint, contact?.lastHeard == nil {
            self = .neverHeard
        } else {
            self = .waiting(lastHeard: contact?.lastHeard)
        }
    }
}

extension PeerContact {
    /// How the text of an error begins where one side does not let the other in: waiting does not help.
    static let refusal = "refused: "
}

extension Duration {
    /// A number of seconds as people say it: `12 s`, `5 min`, `3 h`, `2 days`.
    public static func words(_ seconds: UInt64) -> String {
        switch seconds {
        case ..<120: "\(seconds) s"
        case ..<7_200: "\(seconds / 60) min"
        case ..<172_800: "\(seconds / 3_600) h"
        default: "\(seconds / 86_400) days"
        }
    }
}
