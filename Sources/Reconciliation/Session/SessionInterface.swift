public import Cryptography
public import TransparencyLog

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
    /// Entries that one request asks for.
    public var requestSize: UInt64 = 16_384
    /// Requests for one log that may not have been answered yet: enough to fill a link of 200 ms.
    public var requestsOfOneLog = 16
    /// Requests for all logs that may not have been answered yet.
    public var requestsOfAll = 48
    /// Offers that the peer may not have taken up yet.
    public var openOffers = 48
    /// Entries that are sent with the offer that tells of them, unasked, to a peer that had all before.
    public var pushSize: UInt64 = 256
    /// Blobs that may be asked for and not have arrived yet.
    public var blobWindow = 16
    /// Logs that one peer may speak of.
    public var maximumLogs = 100_000

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
    /// A moment has passed, in which a live session may tidy up.
    case tick
    /// These logs have changed here: entries were appended, another peer brought some, a peer was admitted.
    case changed([LocalLog])
    /// The peer may no longer see this log. It also answers an action on the log that would otherwise be answered with
    /// the log as it is now.
    case hidden(LogID)
    /// The checkpoint asked for by ``SessionAction/pin(_:note:)`` is pinned; the log as it is now.
    case pinned(LocalLog)
    /// The log is being brought in towards another checkpoint, or came in meanwhile.
    case pinDeferred(LocalLog)
    /// What to ask the peer for, in answer to ``SessionAction/assign(_:ranges:)``.
    case assigned(LogID, [Range<UInt64>])
    /// There may be something to ask for again.
    case assignable(LogID)
    /// A range is committed, by this session or another; the log as it is now.
    case committed(LocalLog)
    /// A range does not hold what its proof says: the peer is wrong or lies.
    case rejected(LogID, reason: String)
    /// This node cannot take this log now (its own disk or state is at fault).
    case failed(LogID, reason: String)
    /// A request of the peer's is answered completely.
    case served
    /// Cosignatures of the peer's were judged; the log as it is now.
    case cosignaturesStored(LocalLog)
    /// An answer to ``SessionAction/repair(_:)`` was judged, and what it mends is mended; the log as it is now.
    case repaired(LogID, LocalLog?)
    /// A repair does not hold what was signed: the peer is wrong or lies.
    case repairRejected(LogID, reason: String)
    /// This node cannot mend this log now.
    case repairFailed(LogID)
    /// Hashes of this node's tree, in answer to ``SessionAction/readNodes(_:_:)``; none where they cannot be read.
    case nodes(LogID, [SHA256Digest])
    /// This log is frozen here: its owner has signed two histories.
    case frozen(LogID)
    /// Evidence of the peer's was judged.
    /// These receipts are news here: this node has stored a blob, or another peer has brought them.
    case newReceipts(LogID, [ReceiptLine])
    /// Receipts of the peer's were judged, as many messages as are counted; the log as it is now, `nil` where more of
    /// them are being judged or the peer may no longer see it.
    case receiptsStored(LogID, LocalLog?)
    /// What was asked for about receipts is done; how many messages of them were sent, if that was asked for.
    case receiptsSent(LogID, messages: Int?)
    case evidenceJudged(LogID, EvidenceJudgement)
    case blobStored(BlobKey)
    case blobRejected(BlobKey, reason: String)
}

/// What evidence of a peer's is worth.
public enum EvidenceJudgement: Sendable, Hashable {
    /// The log is frozen.
    case holds
    case provesNothing
    /// It is about a log of this name under another key than the one known here.
    case otherKey
    /// This node could not judge or keep it.
    case failed(String)
}

/// What a session wants done. The order of the actions of one answer is kept.
public enum SessionAction: Sendable, Hashable {
    case send(Message)
    /// Send the newest checkpoint of this log with a consistency proof from that size; where `pushing`, the entries
    /// from there on behind it, if they fit one frame.
    case offer(LogID, fromSize: UInt64, pushing: Bool)
    /// Send the checkpoint kept of this log at this size with a consistency proof from the other size: a stepping stone.
    case offerStone(LogID, fromSize: UInt64, size: UInt64)
    /// A peer has offered a checkpoint under the log's name by these keys, which none that is known leads to: keep that.
    case noteForeignKeys(LogID, [UInt32], size: UInt64)
    /// Send the stepping stones kept of this log; answer `served`.
    case serveStones(LogID)
    /// Judge each of these stepping stones, and keep those that verify.
    case storeStones(LogID, [String])
    /// Make this the checkpoint that ranges are proved against; answer `pinned`, `pinDeferred` or `failed`.
    case pin(Head, note: String)
    /// Say what to ask this peer for, in at most so many requests; answer `assigned`.
    case assign(LogID, ranges: Int)
    /// Verify and commit in turn; answer `committed`, `rejected` or `failed`. When that completes a checkpoint, cosign
    /// it before the answer.
    case commit(EntryRange)
    /// Judge by what was signed, and put right what is damaged here; answer `repaired`, `repairRejected` or
    /// `repairFailed`.
    case repair(EntryRange)
    /// The peer cannot bring this range: somebody else has to.
    case giveBack(RangeRequest)
    /// Send these entries, in frames that cover the range in order, or a refusal of what is left of it; answer `served`.
    case serve(RangeRequest)
    /// Freeze this log with evidence of what was found, and keep that.
    case freeze(LogID, ForkProof)
    /// Read these nodes of the log's tree; answer `nodes`.
    case readNodes(LogID, [NodeCoordinate])
    /// Tell the peer what its own question needs, of a log that it may see, frozen or not; answer `served`.
    case servePrefix(PrefixRequest)
    case serveNodes(SubtreeRequest)
    /// Send the evidence kept of this log.
    case sendEvidence(LogID)
    /// Check a document; where it holds freeze the log and keep it. Answer `evidenceJudged`.
    case judgeEvidence(LogID, [UInt8])
    /// Send this blob if the peer may have it, or a refusal; answer `served`.
    case serveBlob(BlobKey)
    /// Check and store; answer `blobStored` or `blobRejected`.
    case storeBlob(BlobKey, [UInt8])
    /// Judge each line alone, and store those that verify; answer `cosignaturesStored`.
    case storeCosignatures(LogID, [CosignatureLine])
    /// Judge each receipt alone, and store those that verify; answer `receiptsStored`.
    case storeReceipts(LogID, [ReceiptLine])
    /// Answer the peer's comparison with the digests of all pages of this log's receipts; answer `receiptsSent`.
    case comparePages(LogID)
    /// Send the receipts of the pages whose digests are not these; answer `receiptsSent`.
    case sendPages(LogID, against: [UInt64: SHA256Digest])
    /// What lies beside this log has changed: answer `changed` with the log as it now is, then `receiptsSent`.
    case reload(LogID)
    /// Remember this for the next session with this peer. Where what is kept has the digest `since`, only these logs
    /// have changed. Where nothing is kept although the session knows of something, it was taken back since, and
    /// stays so. Everything is replaced otherwise: another session has agreed meanwhile, or what was kept is unsound.
    case remember(SessionMemory, since: SHA256Digest?, changed: Set<LogID>)
    /// A peer has shown that this node had signed this own log up to that size. Where that much is held by now, the
    /// session has only not heard of it yet: feed the log back as `changed`. Otherwise tell the operator, write down
    /// that the log is being recovered, then feed it back, or answer `failed`.
    case beginRecovery(LogID, size: UInt64)
    /// Note what the peer holds of an own log that is being recovered: its head and the size of the checkpoint it has
    /// pinned; `nil` where it is not in the log's community.
    case noteAnswer(LogID, Head?)
    /// The peer holds these logs, and here they are none.
    case lacks([LogID])
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
    /// The peer sent a cosignature that no honest node passes on.
    case refusedCosignature(origin: String, cosigner: String, reason: String)
    /// This node could not read or store the log: its own disk or state is at fault.
    case failedHere(origin: String, reason: String)
    /// The peer knows an older key of this log, and nothing here leads from that to the one that signs now.
    case noSteppingStone(origin: String)
    /// An interrupted transfer needs a peer that holds at least the pinned checkpoint.
    case cannotResumeHere(origin: String, pinnedSize: UInt64)
    /// The peer offers more of a log than its owner had written when it gave that up.
    case beyondOwner(origin: String, size: UInt64)
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
