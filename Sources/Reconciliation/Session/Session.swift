import Cryptography
import TransparencyLog

/// One conversation between two nodes, without sockets, clocks or database: events go in, actions come out.
///
/// Both sides run the same session. Each says which communities it shares and a digest of what it holds there. Where
/// the digests differ both list their heads; whoever is ahead in a log offers its signed checkpoint, whoever is
/// behind pins it and asks for the entries. The session ends, where it is to end, when both have named the same
/// heads and neither wants anything more: never because nothing more arrived.
public struct Session {
    let configuration: SessionConfiguration
    /// The logs that the peer may see, as they are here.
    var logs: [LogID: LocalLog]
    /// The communities of both sides, once the peer has said its own.
    var shared: Set<String>?
    /// What the peer last said it holds.
    var peerHeads: [LogID: Head] = [:]
    /// Logs that are left out for the rest of the session.
    var leftOut: Set<LogID> = []
    /// Logs of which the peer keeps an interrupted transfer that this side is too short to continue.
    var unresumable: Set<LogID> = []
    /// The size last offered of each log.
    var offered: [LogID: UInt64] = [:]
    /// Offers that did not start from what is held here, by log.
    var repeatedOffers: [LogID: Int] = [:]
    /// Logs that the session of another peer is bringing in.
    var deferred: Set<LogID> = []
    var fetches: [LogID: Fetch] = [:]
    var waitingBlobs: [BlobKey] = []
    var requestedBlobs: Set<BlobKey> = []
    var knownBlobs: Set<BlobKey> = []
    var cosigning: Set<LogID> = []
    /// Requests of the peer's that are being answered.
    var serving = 0
    var listSent = false
    var listReceived = false
    /// Whether both sides began with the same digests, so that no lists are needed.
    var equalFromTheStart = false
    var peerIsSettled = false
    var toldSettled = false
    public internal(set) var end: SessionEnd?

    /// A log that is being brought in from this peer.
    struct Fetch {
        var target: Head
        /// Where the next request begins.
        var next: UInt64
        /// The ends of the requests under way, in order.
        var requests: [RangeRequest] = []
        /// The entry that the next frame must begin with.
        var expected: UInt64
        /// Ranges handed on to be committed.
        var committing = 0
        var isPinned = false
    }

    public init(configuration: SessionConfiguration, logs: [LocalLog]) {
        self.configuration = configuration
        self.logs = Dictionary(logs.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Whether both sides have named the same heads and neither wants anything more.
    public var isConverged: Bool {
        guard end == nil, shared != nil, equalFromTheStart || (listSent && listReceived) else { return false }
        return isSettled && peerIsSettled
            && visibleLogs.allSatisfy { log in
                isLeftOut(log.id) || sameHead(log.head, peerHeads[log.id])
            }
    }

    /// Takes one event and says what to do about it. After an end, nothing more.
    public mutating func handle(_ event: SessionEvent) -> [SessionAction] {
        guard end == nil else { return [] }
        var actions: [SessionAction] = []
        do {
            switch event {
            case .start: start(&actions)
            case .received(let message): try receive(message, &actions)
            default: try answer(event, &actions)
            }
        } catch let violation as ProtocolViolation {
            close(.violation(violation.description), saying: violation.description, &actions)
            return actions
        } catch {
            close(.violation("\(error)"), saying: "internal error", &actions)
            return actions
        }
        finishIfConverged(&actions)
        return actions
    }

    // MARK: Beginning and end

    private mutating func start(_ actions: inout [SessionAction]) {
        for log in logs.values.sorted(by: { $0.id < $1.id }) { enqueue(log.wantedBlobs) }
        toldSettled = isSettled
        actions.append(
            .send(
                .hello(
                    Hello(
                        node: configuration.node, communities: configuration.communities,
                        headsDigest: SessionDigest.heads(logs.values.map(\.announced)),
                        cosignaturesDigest: SessionDigest.cosignatures(logs.values), once: configuration.once,
                        settled: isSettled))))
    }

    private mutating func receive(_ hello: Hello, _ actions: inout [SessionAction]) throws {
        guard shared == nil else { throw ProtocolViolation("a second hello") }
        guard hello.major == Hello.major else {
            throw ProtocolViolation("protocol version \(hello.major); this node speaks \(Hello.major)")
        }
        guard hello.node == configuration.peer else {
            throw ProtocolViolation(
                "the peer calls itself \(hello.node) but its certificate is \(configuration.peer)'s")
        }
        let common = Set(hello.communities).intersection(configuration.communities)
        shared = common
        logs = logs.filter { common.contains($0.value.community) }
        peerIsSettled = hello.settled
        let visible = visibleLogs
        let sameCommunities =
            common.count == Set(hello.communities).count && common.count == configuration.communities.count
        let sameHeads = hello.headsDigest == SessionDigest.heads(visible.map(\.announced))
        let sameCosignatures = hello.cosignaturesDigest == SessionDigest.cosignatures(visible)
        if sameCommunities, sameHeads, sameCosignatures {
            equalFromTheStart = true
            for log in visible { peerHeads[log.id] = log.announced }
        } else {
            if !sameCommunities || !sameCosignatures { sendCosignatures(of: visible, &actions) }
            try sendList(&actions)
        }
        requestBlobs(&actions)
    }

    private mutating func receive(_ message: Message, _ actions: inout [SessionAction]) throws {
        if case .hello(let hello) = message { return try receive(hello, &actions) }
        if case .close(let reason) = message {
            end = .closedByPeer(reason)
            actions.append(.close(.closedByPeer(reason)))
            return
        }
        guard shared != nil else { throw ProtocolViolation("a message before the hello") }
        switch message {
        case .heads(let heads, let complete, let settled):
            try receive(heads, complete: complete, settled: settled, &actions)
        case .offer(let offer): try receive(offer, &actions)
        case .request(let request): try receive(request, &actions)
        case .entries(let entries): try receive(entries, &actions)
        case .unknown(let ids): receiveUnknown(ids, &actions)
        case .logRefusal(let log, let reason): receiveRefusal(log, reason, &actions)
        case .cosignatures(let log, let lines):
            if logs[log] != nil { actions.append(.storeCosignatures(log, lines)) }
        case .blobRequest(let key):
            try beginServing()
            actions.append(.serveBlob(key))
        case .blob(let key, let bytes): try receive(bytes, for: key, &actions)
        case .blobRefusal(let key): try receiveRefusal(of: key, &actions)
        case .ping(let nonce, let isReply):
            if !isReply { actions.append(.send(.ping(nonce: nonce, isReply: true))) }
        case .ignored: break
        case .hello, .close: break
        }
    }

    private mutating func finishIfConverged(_ actions: inout [SessionAction]) {
        guard end == nil, shared != nil else { return }
        if isSettled != toldSettled, equalFromTheStart || listSent {
            toldSettled = isSettled
            actions.append(.send(.heads([], complete: false, settled: isSettled)))
        }
        if configuration.once, configuration.isInitiator, isConverged {
            close(.done, saying: "done", &actions)
        }
    }

    mutating func close(_ reason: SessionEnd, saying text: String, _ actions: inout [SessionAction]) {
        end = reason
        actions.append(.send(.close(reason: text)))
        actions.append(.close(reason))
    }

    // MARK: Views of the state

    var visibleLogs: [LocalLog] {
        logs.values.filter { shared?.contains($0.community) ?? true }
    }

    func isLeftOut(_ log: LogID) -> Bool {
        leftOut.contains(log) || unresumable.contains(log)
    }

    /// Whether this side has nothing under way and wants nothing.
    var isSettled: Bool {
        fetches.isEmpty && serving == 0 && cosigning.isEmpty && requestedBlobs.isEmpty && waitingBlobs.isEmpty
    }

    func sameHead(_ own: Head?, _ theirs: Head?) -> Bool {
        let size = own?.size ?? 0
        return size == theirs?.size ?? 0 && (size == 0 || own?.root == theirs?.root)
    }

    static let maximumRepeatedOffers = 8

    /// At most this many requests of a peer's are answered at once.
    static let maximumServing = 64

    mutating func beginServing() throws {
        serving += 1
        guard serving <= Session.maximumServing else { throw ProtocolViolation("too many requests at once") }
    }
}

extension Session {
    /// The heads of the logs that both sides exchange, by origin.
    public var sharedHeads: [(origin: String, head: Head)] {
        visibleLogs.compactMap { log in log.head.map { (log.origin, $0) } }.sorted { $0.0 < $1.0 }
    }
}
