/// What a session knows before its first message.
public struct SessionConfiguration: Sendable, Hashable {
    public let node: String
    /// The peer, as its certificate says.
    public let peer: String
    /// The communities in which this node admits the peer.
    public let communities: [String]
    /// Whether this side opened the connection.
    public let isInitiator: Bool
    /// Whether to close once both sides hold the same.
    public let once: Bool
    /// Entries that may be asked for and not have arrived yet.
    public var window: UInt64 = 65_536
    /// Entries that one request asks for.
    public var requestSize: UInt64 = 16_384
    /// Blobs that may be asked for and not have arrived yet.
    public var blobWindow = 16
    /// Logs of one peer that one list can hold.
    public var maximumLogs = 1_000

    public init(node: String, peer: String, communities: [String], isInitiator: Bool, once: Bool) {
        self.node = node
        self.peer = peer
        self.communities = communities.sorted()
        self.isInitiator = isInitiator
        self.once = once
    }
}

/// What happens to a session. Everything but `received` answers an action of the session, or tells that the node
/// itself has changed.
public enum SessionEvent: Sendable {
    case start
    case received(Message)
    /// These logs have changed here: entries were appended, another peer brought some, a peer was admitted.
    case changed([LocalLog])
    /// The checkpoint asked for by ``SessionAction/pin(_:note:)`` is pinned; the log as it is now.
    case pinned(LocalLog)
    /// Another session is bringing this log in, or it came in meanwhile.
    case pinDeferred(LocalLog)
    /// A range is committed; the log as it is now.
    case committed(LocalLog)
    /// A range does not hold what its proof says: the peer is wrong or lies.
    case rejected(LogID, reason: String)
    /// This node cannot take this log now (its own disk or state is at fault).
    case failed(LogID, reason: String)
    /// A request of the peer's is answered completely.
    case served
    /// This node's cosignature on its head of this log.
    case cosigned(LogID, CosignatureLine?)
    case blobStored(BlobKey)
    case blobRejected(BlobKey, reason: String)
}

/// What a session wants done. The order of the actions of one answer is kept.
public enum SessionAction: Sendable, Hashable {
    case send(Message)
    /// Send the newest checkpoint of this log with a consistency proof from that size.
    case offer(LogID, fromSize: UInt64)
    /// Make this the checkpoint that ranges are proved against; answer `pinned`, `pinDeferred` or `failed`.
    case pin(Head, note: String)
    /// Verify and commit; answer `committed`, `rejected` or `failed`.
    case commit(EntryRange)
    /// Send these entries, in frames that cover the range in order; answer `served`.
    case serve(RangeRequest)
    /// Send this blob if the peer may have it, or a refusal; answer `served`.
    case serveBlob(BlobKey)
    /// Check and store; answer `blobStored` or `blobRejected`.
    case storeBlob(BlobKey, [UInt8])
    /// Cosign the head of this log; answer `cosigned`.
    case cosign(LogID)
    /// Judge each line alone, and store those that verify.
    case storeCosignatures(LogID, [CosignatureLine])
    /// Tell the operator.
    case report(SessionFinding)
    /// Close the connection after what was sent.
    case close(SessionEnd)
}

/// What the operator should know of a log in a session.
public enum SessionFinding: Sendable, Hashable {
    /// The peer holds another root at this size.
    case conflict(origin: String, size: UInt64)
    /// The peer holds more of this node's own log than this node does.
    case ownLogBehind(origin: String, size: UInt64)
    case refusedByPeer(origin: String, reason: String)
    /// The peer does not know this log, or does not let this node see that it does.
    case unknownToPeer(origin: String)
    /// An offer, list or checkpoint of this log does not verify.
    case badOffer(origin: String, reason: String)
    /// An interrupted transfer needs a peer that holds at least the pinned checkpoint.
    case cannotResumeHere(origin: String, pinnedSize: UInt64)
}

/// How a session ended.
public enum SessionEnd: Sendable, Hashable {
    /// Both sides hold the same.
    case done
    /// The peer closed, with its reason.
    case closedByPeer(String)
    /// The peer broke the protocol.
    case violation(String)
}
