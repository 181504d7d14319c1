public import Cryptography
import TransparencyLog

/// One conversation between two nodes, without sockets, clocks or database: events go in, actions come out.
///
/// Both sides run the same session. Each says which communities it shares, a digest of what it holds in each, and what
/// it remembers of last time; the heads exchange then finds the logs that differ. Whoever is ahead in one offers its
/// signed checkpoint, whoever is behind pins it and asks for the entries. The session ends, where it is to end, when
/// both have named the same heads and neither wants anything more: never because nothing more arrived.
public struct Session {
    let configuration: SessionConfiguration
    /// The logs that the peer may see, as they are here; from the peer's hello on, those of common communities.
    var logs: [LogID: LocalLog]
    /// Which logs differ.
    var exchange: HeadsExchange
    let memory: SessionMemory?
    var hasMet = false
    /// Whether this side has gone through what the exchange found.
    var hasCompared = false
    /// What both agreed on last, and what this side has proposed to agree on.
    var agreed: SessionMemory?
    var proposed: SessionMemory?
    /// What the peer did not agree on: it is not proposed again.
    var declined: SHA256Digest?
    /// Proposals of the peer's since the last tick.
    var proposals = 0
    /// Logs in which the two sides are not known to hold the same.
    var unequal: Set<LogID> = []
    /// Logs that were hidden from the peer before it said hello.
    var hiddenEarly: Set<LogID> = []
    /// Logs that are left out for the rest of the session.
    var leftOut: Set<LogID> = []
    /// Logs that the peer said it does not have for this side.
    var unknownThere: Set<LogID> = []
    /// Logs of which the peer keeps an interrupted transfer that this side is too short to continue.
    var unresumable: Set<LogID> = []
    /// The size to which the peer's interrupted transfers are proved.
    var peerPinned: [LogID: UInt64] = [:]
    var toldPinned: [LogID: UInt64] = [:]
    /// The size last offered of each log.
    var offered: [LogID: UInt64] = [:]
    /// Logs that were offered and that the peer has said nothing about since, and those that wait until it has.
    var openOffers: Set<LogID> = []
    var waitingOffers: [LogID] = []
    var inLine: Set<LogID> = []
    /// Offers that brought nothing, by log, while this side held the same of it.
    var uselessOffers: [LogID: (count: Int, held: UInt64)] = [:]
    /// Logs of which a larger checkpoint was offered while another was being brought in.
    var missedOffers: Set<LogID> = []
    /// Logs that come in towards another checkpoint.
    var deferred: Set<LogID> = []
    var fetches: [LogID: Fetch] = [:]
    /// What the peer was asked for and has not sent yet, by log and in order.
    var outstanding: [LogID: [RangeRequest]] = [:]
    var outstandingCount = 0
    /// Requests that may be answered still, or not at all: the peer has said since that it does not know the log.
    var late: [RangeRequest] = []
    /// Requests that are being assigned, by log.
    var reserved: [LogID: Int] = [:]
    /// Logs for which there was no room to ask for more.
    var starved: Set<LogID> = []
    /// Entries that came with an offer and wait until its checkpoint is pinned, or are still to come.
    var pushes: [LogID: Push] = [:]
    /// The newest cosignature of each cosigner that the peer has from this side, or this side from the peer.
    var exchangedLines: [LogID: [String: CosignatureLine]] = [:]
    /// Logs whose cosignatures the peer has been sent and has not answered for.
    var awaitedAnswers: Set<LogID> = []
    /// Logs whose cosignatures from the peer are being judged.
    var judging: [LogID: Int] = [:]
    /// What the peer was last heard to hold of each log that is being recovered.
    var answers: [LogID: Answer] = [:]
    /// Logs being recovered of which what the peer said waits for the logs that came after them.
    var awaitingSuccessors: Set<LogID> = []
    /// Logs being recovered that this peer has just completed, and pings that it has not answered since.
    var recovered: Set<LogID> = []
    var echoes: Set<UInt64> = []
    var nextEcho: UInt64 = 1 << 63
    /// Logs that are left out because the peer offered more than their owners had written, and those that were and came back.
    var beyondOwner: Set<LogID> = []
    var readmitted: Set<LogID> = []
    /// Logs of which more was offered than their owners had written, before that was known here: it may still be refused.
    var awaitedRefusals: Set<LogID> = []
    /// Logs that the peer waits for until this side has mended them, and those that are damaged there.
    var stalledHere: Set<LogID> = []
    var stalledThere: Set<LogID> = []
    /// What is being mended with this peer's help.
    var repairs: [LogID: Repair] = [:]
    /// Damaged logs for which there was no room to ask.
    var starvedRepairs: Set<LogID> = []
    private let beganDamaged: Bool
    /// Logs in which the two sides contradict each other, until it is known where.
    var inquiries: [LogID: Inquiry] = [:]
    /// Logs of which the peer says another root at the size held here, until it shows its checkpoint.
    var contradicted: Set<LogID> = []
    /// Logs that are frozen here, and those of which evidence was sent or came.
    var frozenHere: Set<LogID>
    var toldForks: Set<LogID> = []
    var heardForks: Set<LogID> = []
    /// Receipts on their way in both directions.
    var receipts = ReceiptExchange()
    /// Logs of which the peer's evidence is being judged, and those whose inquiry was given up before its answer came.
    var judgingEvidence: Set<LogID> = []
    var lateAnswers: Set<LogID> = []
    /// What the peer said to know of a log's keys while it held so many entries, and what this side has said.
    var knownThere: [LogID: KnownKeys] = [:]
    var askedKeys: [LogID: AskedKeys] = [:]
    /// Logs that are left out until a stepping stone comes to the side that is ahead, or more to the one that is behind,
    /// and those of which that was reported.
    var unled: Set<LogID> = []
    var toldUnled: Set<LogID> = []
    /// Stepping stones that the peer was asked for, and how many were here when it asked for them, of logs that lacked
    /// some.
    var askedStones: [LogID: AskedStones] = [:]
    var lackingStones: [LogID: Int] = [:]
    var waitingBlobs: [BlobKey] = []
    var requestedBlobs: Set<BlobKey> = []
    var knownBlobs: Set<BlobKey> = []
    /// Blobs that have come and are being stored.
    var arrivedBlobs: Set<BlobKey> = []
    /// Requests of the peer's that are being answered.
    var serving = 0
    /// Whether the peer means to stay connected; false until it has said so.
    public internal(set) var peerStays = false
    var peerIsSettled = false
    var toldSettled = false
    public internal(set) var end: SessionEnd?
    /// How often this side had to wait for an answer with nothing else under way.
    public internal(set) var roundTrips = 0

    /// A log that is being brought in from this peer, and perhaps from others.
    struct Fetch {
        var target: Head
        var isPinned = false
    }

    /// Entries that the peer sends unasked behind an offer.
    enum Push {
        case announced(RangeRequest, isWanted: Bool)
        case arrived(EntryRange)
    }

    public init(
        configuration: SessionConfiguration, logs: [LocalLog], frozen: Set<LogID> = [], memory: SessionMemory? = nil
    ) {
        frozenHere = frozen
        self.configuration = configuration
        self.logs = Dictionary(logs.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let isFirst = configuration.node < configuration.peer
        self.memory = memory?.isSound(isFirst: isFirst) == true ? memory : nil
        beganDamaged = logs.contains { !$0.damaged.isEmpty }
        exchange = HeadsExchange(
            own: logs.map { ($0.community, $0.announced) }, memory: self.memory, isFirst: isFirst,
            maximumLogs: configuration.maximumLogs)
    }

    /// Whether both sides have named the same heads and neither wants anything more.
    public var isConverged: Bool {
        end == nil && hasMet && exchange.isComplete && unequal.isEmpty && isSettled && peerIsSettled
            && serving == 0 && judging.isEmpty
    }

    /// Takes one event and says what to do about it. After an end, nothing more.
    public mutating func handle(_ event: SessionEvent) -> [SessionAction] {
        guard end == nil else { return [] }
        var actions: [SessionAction] = []
        do {
            switch event {
            case .start: start(&actions)
            case .received(let message): try receive(message, &actions)
            case .tick:
                proposals = 0
                proposeMemory(&actions)
            default: try answer(event, &actions)
            }
        } catch let violation as ProtocolViolation {
            close(.violation(violation.description), saying: violation.description, &actions)
            return actions
        } catch {
            close(.violation("\(error)"), saying: "internal error", &actions)
            return actions
        }
        sendWaitingOffers(&actions)
        requestStarvedRepairs(&actions)
        flushReceipts(&actions)
        sayWhetherSettled(&actions)
        finishIfConverged(&actions)
        return actions
    }

    // MARK: Beginning and end

    private mutating func start(_ actions: inout [SessionAction]) {
        for log in logs.values.sorted(by: { $0.id < $1.id }) {
            enqueue(log.wantedBlobs)
            toldPinned[log.id] = log.pinned?.size
        }
        roundTrips += 1
        actions.append(
            .send(
                .hello(
                    Hello(
                        node: configuration.node, communities: exchange.digests(of: configuration.communities),
                        memory: memory?.digest, once: configuration.once, settled: false))))
    }

    private mutating func receive(_ hello: Hello, _ actions: inout [SessionAction]) throws {
        guard !hasMet else { throw ProtocolViolation("a second hello") }
        guard hello.major == Hello.major else {
            throw ProtocolViolation("protocol version \(hello.major); this node speaks \(Hello.major)")
        }
        guard hello.node == configuration.peer else {
            throw ProtocolViolation(
                "the peer calls itself \(hello.node) but its certificate is \(configuration.peer)'s")
        }
        hasMet = true
        peerStays = !hello.once
        peerIsSettled = hello.settled
        let parts = exchange.receive(hello, communities: configuration.communities)
        let common = Set(exchange.common)
        hearOutsiders(logs.values.filter { !common.contains($0.community) }, &actions)
        logs = logs.filter { common.contains($0.value.community) }
        if hello.memory != nil, hello.memory == memory?.digest {
            agreed = memory
            for (log, entry) in memory?.entries ?? [:] where entry.isUnknownThere && logs[log] != nil {
                unknownThere.insert(log)
            }
        }
        tell(parts, &actions)
        for id in hiddenEarly.sorted() { hide(id, &actions) }
        for id in frozenHere.sorted() { frozen(id, &actions) }
        if exchange.isComplete { exchanged(&actions) }
        requestBlobs(&actions)
    }

    private mutating func receive(_ message: Message, _ actions: inout [SessionAction]) throws {
        if case .hello(let hello) = message { return try receive(hello, &actions) }
        if case .close(let reason, let memory) = message {
            if let memory, hasMet, memory == exchange.agreement { remember(snapshot(memory), &actions) }
            end = .closedByPeer(reason)
            actions.append(.close(.closedByPeer(reason)))
            return
        }
        guard hasMet else { throw ProtocolViolation("a message before the hello") }
        switch message {
        case .heads(let community, let heads, let complete, let settled):
            peerIsSettled = settled
            try receive(heads, of: community, isLast: complete, &actions)
        case .ranges(let nodes, let settled):
            peerIsSettled = settled
            try receive(nodes, &actions)
        case .offer(let offer): try receive(offer, &actions)
        case .request(let request): try receive(request, &actions)
        case .requestRefusal(let request): try receiveRefusal(of: request, &actions)
        case .entries(let entries): try receive(entries, &actions)
        case .unknown(let ids): receiveUnknown(ids, &actions)
        case .logRefusal(let log, let reason): receiveRefusal(log, reason, &actions)
        case .cosignatures(let log, let lines): try receive(lines, of: log, &actions)
        case .blobRequest(let key):
            guard mayAsk(about: key.log) else { return actions.append(.send(.blobRefusal(key))) }
            try beginServing()
            actions.append(.serveBlob(key))
        case .blob(let key, let bytes): try receive(bytes, for: key, &actions)
        case .blobRefusal(let key): try receiveRefusal(of: key, &actions)
        case .agree(let digest): try receiveAgreement(digest, &actions)
        case .ping(let nonce, let isReply):
            if isReply { hearEcho(nonce, &actions) } else { actions.append(.send(.ping(nonce: nonce, isReply: true))) }
        case .prefixRequest(let request):
            guard mayAsk(about: request.log) else { return actions.append(.send(.unknown([request.log]))) }
            try beginServing()
            actions.append(.servePrefix(request))
        case .prefix(let request, let hashes): try receive(request, hashes, &actions)
        case .nodesRequest(let request):
            guard mayAsk(about: request.log) else { return actions.append(.send(.unknown([request.log]))) }
            try beginServing()
            actions.append(.serveNodes(request))
        case .nodes(let request, let hashes): try receive(request, hashes, &actions)
        case .knownKeys(let log, let ids): try receive(ids, knownOf: log, &actions)
        case .stonesRequest(let log):
            guard mayAsk(about: log) else { return actions.append(.send(.unknown([log]))) }
            try receiveStonesRequest(log, &actions)
        case .stones(let log, let notes): try receive(notes, stonesOf: log, &actions)
        case .fork(let log, let evidence): receiveEvidence(log, evidence, &actions)
        case .receipts(let log, let lines): receive(lines, of: log, &actions)
        case .receiptPages(let pages): try receive(pages, &actions)
        case .ignored: break
        case .hello, .close: break
        }
    }

    /// Every message that says whether this side is settled says how it is after all that this event has led to.
    private mutating func sayWhetherSettled(_ actions: inout [SessionAction]) {
        guard end == nil else { return }
        let settled = isSettled
        for position in actions.indices {
            guard case .send(let message) = actions[position], let said = message.saying(settled: settled) else {
                continue
            }
            actions[position] = .send(said)
            toldSettled = settled
        }
        guard hasMet, toldSettled != settled else { return }
        toldSettled = settled
        actions.append(.send(.heads(community: "", [], complete: false, settled: settled)))
    }

    private mutating func finishIfConverged(_ actions: inout [SessionAction]) {
        guard end == nil, configuration.once, configuration.isInitiator, isConverged else { return }
        let agreement = exchange.agreement
        remember(snapshot(agreement), &actions)
        close(.done, saying: "done", memory: agreement, &actions)
    }

    mutating func close(
        _ reason: SessionEnd, saying text: String, memory: SHA256Digest? = nil, _ actions: inout [SessionAction]
    ) {
        end = reason
        actions.append(.send(.close(reason: text, memory: memory)))
        actions.append(.close(reason))
    }

    // MARK: Views of the state

    /// Whether this side has nothing under way and wants nothing. What it does for the peer does not count: the peer
    /// knows that it waits for that.
    var isSettled: Bool {
        // Until the heads are compared nobody knows what is wanted.
        (hasMet ? hasCompared : !beganDamaged) && fetches.isEmpty && awaitedAnswers.isEmpty && echoes.isEmpty
            && requestedBlobs.isEmpty && arrivedBlobs.isEmpty && waitingBlobs.isEmpty && pushes.isEmpty
            && receipts.isSettled && inquiries.isEmpty && judgingEvidence.isEmpty && starvedRepairs.isEmpty
            && (repairs.isEmpty || repairs.values.allSatisfy(\.isIdle))
            && (askedKeys.isEmpty || !askedKeys.values.contains(where: \.isAwaited))
            && (askedStones.isEmpty || !askedStones.values.contains(where: \.isAwaited))
    }

    /// Whether the peer owes something that was asked for.
    public var isOwed: Bool {
        // Of a log that is left out, or unknown there, nothing need come any more.
        outstanding.contains { !leftOut.contains($0.key) && !unknownThere.contains($0.key) }
            || repairs.values.contains { $0.isWanted && !$0.requests.isEmpty }
            || !requestedBlobs.isEmpty || !awaitedAnswers.isEmpty || receipts.isOwed || !hasMet || !exchange.isComplete
            || !contradicted.isEmpty || !inquiries.isEmpty || !echoes.isEmpty || isPushOwed
            || askedKeys.values.contains(where: \.isAwaited)
            || askedStones.values.contains(where: \.isAwaited)
    }

    /// Whether a session that is to end has nothing left to do here but to wait until the peer says or brings more.
    public var waitsForPeer: Bool {
        configuration.once && configuration.isInitiator && end == nil && !isConverged && isSettled && serving == 0
            && judging.isEmpty
    }

    /// Whether it is not known yet which logs differ.
    public var isComparing: Bool { !hasMet || !exchange.isComplete }

    private var isPushOwed: Bool {
        pushes.values.contains { if case .announced = $0 { true } else { false } }
    }

    /// How many things this side keeps in mind because of what the peer has said: bounded, whatever it says.
    package var footprint: Int {
        leftOut.count + beyondOwner.count + readmitted.count + awaitedRefusals.count + unknownThere.count
            + unresumable.count + peerPinned.count + openOffers.count
            + waitingOffers.count + uselessOffers.count + deferred.count + fetches.count + outstandingCount
            + late.count + missedOffers.count + reserved.count + starved.count + pushes.count + awaitedAnswers.count
            + judging.count + knownThere.count + askedKeys.count + askedStones.count
            + lackingStones.count + unled.count + toldUnled.count
            + exchangedLines.values.reduce(0) { $0 + $1.count } + exchange.heard.heads.count + receipts.footprint
    }

    /// At most this many requests of a peer's wait for their answers. An honest one asks for 48 ranges, 16 blobs and
    /// about 64 contradictions.
    static let maximumServing = 128
    /// More logs than this are not brought in from one peer at once: an honest one waits with its offers.
    static let maximumFetches = 64

    /// What this session does not know is not looked for: what the peer may not see is told from what does not exist
    /// by no answer, and by no time that an answer takes.
    private func mayAsk(about id: LogID) -> Bool { logs[id] != nil || frozenHere.contains(id) }

    mutating func beginServing() throws {
        serving += 1
        guard serving <= Session.maximumServing else { throw ProtocolViolation("too many requests at once") }
    }

    /// The heads of the logs that both sides exchange, by origin.
    public var sharedHeads: [(origin: String, head: Head)] {
        logs.values.compactMap { log in log.head.map { (log.origin, $0) } }.sorted { $0.0 < $1.0 }
    }
}
