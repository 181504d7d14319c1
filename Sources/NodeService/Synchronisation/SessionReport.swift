import Reconciliation

/// What one session did, for the command that ran it or the node's log.
public struct SessionReport: Sendable {
    public let peer: String
    /// `nil` where the session ended as it should.
    public var error: SessionFailure?
    /// Entries committed here that came from the peer.
    public var received: UInt64 = 0
    /// Entries sent to the peer.
    public var sent: UInt64 = 0
    /// Damaged bundles and tiles that were mended with what came from the peer.
    public var repaired = 0
    public var bytesIn = 0
    public var bytesOut = 0
    /// How often this side waited for the other: its requests that began a new exchange.
    public var roundTrips = 0
    public var seconds = 0.0
    public var logs: [LogState] = []
    public var refused: [String] = []

    public struct LogState: Sendable {
        public let origin: String
        public let size: UInt64
        /// Standard base64.
        public let root: String

        package init(origin: String, size: UInt64, root: String) {
            self.origin = origin
            self.size = size
            self.root = root
        }
    }

    public init(peer: String) {
        self.peer = peer
    }
}

/// Why a session ended early, and which exit status that is.
public struct SessionFailure: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Kind: String, Sendable {
        case unreachable
        case violation
        case fork
        case store
        case notPermitted
        case interrupted
    }

    public let kind: Kind
    public let description: String

    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        // Parts of it may be a peer's words.
        self.description = plain(description)
    }
}

/// One line that does nothing to a terminal or to a log file, whoever wrote it.
func plain(_ text: String) -> String {
    guard text.unicodeScalars.count > 600 || text.unicodeScalars.contains(where: { !isPlain($0) }) else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.prefix(600).map { isPlain($0) ? $0 : "\u{FFFD}" }))
}

private func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: false
    default: true
    }
}

extension SessionFinding {
    /// For people.
    var text: String { plain(words) }

    private var words: String {
        switch self {
        case .conflict(let origin, let size):
            "\(origin): its owner has signed two histories; it is frozen here at size \(size)"
        case .ownLogBehind(let origin, let size):
            "\(origin): the partner holds \(size) entries of this node's own log, more than are here: nothing is appended "
                + "until they are recovered; run `entente recover`"
        case .refusedByPeer(let origin, let reason): "\(origin): refused by the partner: \(reason)"
        case .unknownToPeer(let origin): "\(origin): not known to the partner"
        case .badOffer(let origin, let reason), .failedHere(let origin, let reason): "\(origin): \(reason)"
        case .refusedCosignature(let origin, let cosigner, let reason):
            "\(origin): a cosignature of \(cosigner) is refused: \(reason)"
        case .noSteppingStone(let origin):
            "\(origin): the partner knows an older key of it, and the checkpoint that leads on from that is not here"
        case .beyondOwner(let origin, let size):
            "\(origin): its owner gave it up at \(size) entries, and the partner offers more, which is not taken; a partner "
                + "that has the owner's new card offers it no more"
        case .cannotResumeHere(let origin, let pinned):
            "\(origin): the partner's interrupted transfer needs a node that holds \(pinned) entries"
        }
    }
}
