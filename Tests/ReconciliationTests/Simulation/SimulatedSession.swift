import Cryptography
import Reconciliation
import TransparencyLog

/// One session of a node over one connection: owns the session value, feeds it one event after the other, and carries
/// out what it wants done, as the node's session runner does.
final class SimulatedSession {
    let id: UInt64
    unowned let node: SimulatedNode
    let peer: SimulatedNode
    let isInitiator: Bool
    let once: Bool
    unowned let connection: SimulatedConnection
    private(set) var session: Session?
    /// Whether there is one: asking it itself copies all of it, without optimisation.
    private var hasBegun = false
    private(set) var isOver = false
    private(set) var end: SessionEnd?
    private let events: WorkQueue
    private let reading: WorkQueue
    private let serving: WorkQueue
    /// What arrived before the logs were read.
    private var early: [SessionEvent] = []
    private var liar: SimulatedLiar
    /// Logs that this node has shown the session.
    private(set) var shown: Set<LogID> = []
    /// The communities in which the node admitted the peer when the session began.
    let communities: [String]

    init(
        _ id: UInt64, of node: SimulatedNode, with peer: SimulatedNode, over connection: SimulatedConnection,
        isInitiator: Bool, once: Bool
    ) {
        self.id = id
        self.node = node
        self.peer = peer
        self.connection = connection
        self.isInitiator = isInitiator
        self.once = once
        communities = node.communities(admitting: peer.index)
        events = WorkQueue(node.clock, delay: 10...500)
        reading = WorkQueue(node.clock, delay: node.settings.reading)
        serving = WorkQueue(node.clock, delay: node.settings.reading)
        liar = SimulatedLiar(seed: id &* 7_919 &+ node.clock.random.next())
    }

    func start() {
        node.add(self)
        reading.add { [self] in
            var configuration = SessionConfiguration(
                node: node.name, peer: peer.name, communities: communities, isInitiator: isInitiator, once: once)
            configuration.requestSize = node.settings.requestSize
            configuration.requestsOfOneLog = node.settings.requestsOfOneLog
            configuration.requestsOfAll = node.settings.requestsOfAll
            configuration.openOffers = node.settings.openOffers
            configuration.pushSize = node.settings.pushSize
            configuration.blobWindow = node.settings.blobWindow
            let logs = node.logs(visibleTo: peer.index)
            shown.formUnion(logs.map(\.id))
            // Of logs that are being recovered the peer is to say what it holds now.
            let memory = logs.contains(where: \.isRecovering) ? nil : node.store.agreements[peer.name]
            session = Session(
                configuration: configuration, logs: logs, frozen: node.frozenLogs(visibleTo: peer.index),
                memory: memory)
            hasBegun = true
            feed(.start)
            early.forEach { feed($0) }
            early = []
        }
    }

    func feed(_ event: SessionEvent) {
        guard !isOver else { return }
        guard hasBegun else { return early.append(event) }
        events.add { [self] in handle(event) }
    }

    private func handle(_ event: SessionEvent) {
        guard !isOver, let actions = session?.handle(event) else { return }
        node.invariants.handled(event, by: self)
        for action in actions {
            perform(action)
            if isOver { return }
        }
    }

    // MARK: The network

    func received(_ payload: [UInt8], _ kind: FrameKind) {
        guard !isOver else { return }
        do {
            feed(.received(try Message(payload: payload, kind: kind)))
        } catch {
            finish(.violation("\(error)"))
        }
    }

    /// The peer sends nothing more.
    func lost() {
        guard !isOver else { return }
        guard hasBegun else { return finish(nil) }
        // What has arrived is worked off first.
        events.add { [self] in
            if !isOver { finish(nil) }
        }
    }

    private func write(_ message: Message) {
        node.invariants.sent(message, by: self)
        if node.isLying {
            for frame in liar.twist(message, node: node, peer: peer) { connection.send(frame, from: self) }
        } else {
            do {
                connection.send(try SimulatedFrame(message), from: self)
            } catch {
                node.invariants.fail("\(node.name) cannot encode \(message): \(error)")
            }
        }
    }

    private func finish(_ end: SessionEnd?) {
        isOver = true
        self.end = end
        events.kill()
        reading.kill()
        serving.kill()
        node.invariants.ended(self, end)
        connection.close(from: self)
        node.remove(self)
    }

    /// The peer is no longer admitted as it was.
    func disconnect() {
        events.add { [self] in
            if !isOver { finish(nil) }
        }
    }

    /// The process is gone.
    func kill() {
        isOver = true
        events.kill()
        reading.kill()
        serving.kill()
        connection.drop()
    }

    // MARK: Actions

    private func perform(_ action: SessionAction) {
        switch action {
        case .send(let message): write(message)
        case .offer(let log, let fromSize, let isPushing): offer(log, fromSize: fromSize, isPushing: isPushing)
        case .offerStone(let log, let fromSize, let size): offer(log, fromSize: fromSize, isPushing: false, upTo: size)
        // It is judged again once more has come.
        case .noteForeignKeys: break
        case .serveStones(let log):
            answer(log) { [self] in node.stones(of: log, for: peer.index).map { .stones(log, $0) } }
        case .storeStones(let log, let notes):
            node.storing.add { [self] in
                do {
                    if try node.store.logs[log]?.keepStones(notes) == true { node.notify([log], except: id) }
                } catch {
                    node.invariants.fail("\(node.name) cannot keep stepping stones: \(error)")
                }
                reload(log) { .changed([$0]) }
            }
        case .pin(let head, let note): pin(SimulatedHead(size: head.size, root: head.root, note: note), of: head.log)
        case .assign(let log, let limit):
            feed(.assigned(log, node.transfer(of: log)?.assign(id, ranges: limit) ?? []))
        case .giveBack(let range): node.transfer(of: range.log)?.giveBack(range.start..<range.end, by: id)
        case .commit(let entries):
            node.invariants.committing(entries, by: self)
            node.transfer(of: entries.range.log)?.arrived(entries, from: self)
        case .serve(let request): serving.add { [self] in serve(request) }
        case .repair(let entries): feed(.repairFailed(entries.range.log))
        // Nobody signs receipts here.
        case .storeReceipts(let log, _): feed(.receiptsStored(log, nil))
        case .comparePages(let log), .sendPages(let log, _), .reload(let log): feed(.receiptsSent(log, messages: 0))
        case .freeze(let log, let proof):
            do {
                try node.freeze(log, proof)
            } catch {
                node.invariants.fail("\(node.name) cannot keep evidence: \(error)")
            }
        case .judgeEvidence(let log, let bytes):
            node.storing.add { [self] in
                feed(.evidenceJudged(log, node.judge(bytes, against: log) ? .holds : .provesNothing))
            }
        case .sendEvidence(let log):
            if let evidence = node.store.logs[log]?.frozen { write(.fork(log, evidence: evidence)) }
        case .readNodes(let log, let nodes):
            reading.add { [self] in feed(.nodes(log, (try? node.store.log(log).tree.hashes(at: nodes)) ?? [])) }
        case .servePrefix(let request):
            answer(request.log) { [self] in try node.prefix(request, for: peer.index).map { .prefix(request, $0) } }
        case .serveNodes(let request):
            answer(request.log) { [self] in try node.nodes(request, for: peer.index).map { .nodes(request, $0) } }
        case .beginRecovery(let log, let size):
            node.storing.add { [self] in
                do {
                    let own = try node.store.log(log)
                    guard own.tree.size < size else { return reload(log) { .changed([$0]) } }
                    node.invariants.found(.ownLogBehind(origin: own.origin, size: size), by: self)
                    try node.beginRecovery(log, size: size)
                } catch {
                    feed(.failed(log, reason: "\(error)"))
                }
            }
        case .noteAnswer(let log, let head):
            node.storing.add { [node, peer] in node.noteAnswer(of: peer.index, head, for: log) }
        case .serveBlob(let key):
            serving.add { [self] in
                write(blob(key).map { .blob(key, $0) } ?? .blobRefusal(key))
                feed(.served)
            }
        case .storeBlob(let key, let bytes):
            node.storing.add { [self] in
                do {
                    try node.store.store(bytes, for: key)
                    feed(.blobStored(key))
                } catch {
                    feed(.blobRejected(key, reason: "\(error)"))
                }
            }
        case .storeCosignatures(let log, let lines):
            node.storing.add { [self] in
                if node.judge(lines, of: log) > 0 { node.notify([log], except: id) }
                reload(log) { .cosignaturesStored($0) }
            }
        case .remember(let memory, let since, let changed):
            node.storing.add { [node, peer] in node.store.remember(peer.name, memory, since: since, changed) }
        case .lacks: break
        case .report(let finding): node.invariants.found(finding, by: self)
        case .close(let end): finish(end)
        }
    }

    /// - Parameter size: that of an earlier checkpoint, in the place of the newest.
    private func offer(_ id: LogID, fromSize: UInt64, isPushing: Bool, upTo size: UInt64? = nil) {
        guard let log = node.store.logs[id], node.shows(log, to: peer.index) else { return hide(id) }
        let offered = size.map { log.checkpoints[$0] } ?? log.head
        guard let head = offered, fromSize <= head.size else {
            return feed(.failed(id, reason: "it has changed meanwhile"))
        }
        do {
            let proof =
                fromSize == 0
                ? []
                : try ConsistencyProof.make(
                    from: fromSize, to: head.size, from: log.tree, hasher: log.tree.hasher
                ).hashes
            var push: EntryRange?
            if isPushing, fromSize < head.size, head.size - fromSize <= node.settings.pushSize {
                let frame = try frame(
                    RangeRequest(log: id, start: fromSize, end: head.size, treeSize: head.size), log)
                if frame.range.end == head.size { push = frame }
            }
            write(
                .offer(
                    Offer(
                        log: id, checkpoint: head.note, fromSize: fromSize, proof: proof, isPushed: push != nil)))
            if let push { write(.entries(push)) }
        } catch {
            feed(.failed(id, reason: "\(error)"))
        }
    }

    private func pin(_ head: SimulatedHead, of log: LogID) {
        node.storing.add { [self] in
            do {
                switch try node.join(head, of: log, self) {
                case .joined: reload(log) { .pinned($0) }
                case .deferred:
                    reload(log) { .pinDeferred($0) }
                    if node.transfer(of: log) == nil { reload(log) { .changed([$0]) } }
                }
            } catch {
                feed(.failed(log, reason: "\(error)"))
            }
        }
    }

    func committed(_ log: LogID) {
        reload(log) { .committed($0) }
    }

    /// Feeds an event with the log as it is now, or that the peer may no longer see it.
    private func reload(_ id: LogID, _ event: (LocalLog) -> SessionEvent) {
        guard let log = node.localLog(id, visibleTo: peer.index) else { return hide(id) }
        shown.insert(id)
        feed(event(log))
    }

    func changed(_ logs: [LogID]) {
        reading.add { [self] in
            let changed = logs.sorted().compactMap { node.localLog($0, visibleTo: peer.index) }
            shown.formUnion(changed.map(\.id))
            feed(.changed(changed))
            for id in logs.sorted() where !changed.contains(where: { $0.id == id }) { hide(id) }
        }
    }

    private func hide(_ id: LogID) {
        if node.store.logs[id]?.frozen == nil { feed(.hidden(id)) }
    }

    func frozen(_ log: LogID) {
        feed(.frozen(log))
    }

    /// In the same way for a log that is not here and one that the peer may not see.
    private func answer(_ log: LogID, _ read: @escaping () throws -> Message?) {
        serving.add { [self] in
            write((try? read()) ?? .unknown([log]))
            feed(.served)
        }
    }

    /// One frame, then the next, with other work in between.
    private func serve(_ request: RangeRequest) {
        do {
            let log = try node.store.log(request.log)
            guard node.mayRead(log, peer.index) else { throw SimulatedError("hidden meanwhile") }
            if node.clock.random.next() % 1_000 < node.invariants.diskFaults { throw SimulatedError("a bad sector") }
            let frame = try frame(request, log)
            write(.entries(frame))
            guard frame.range.end < request.end else { return feed(.served) }
            let rest = RangeRequest(
                log: request.log, start: frame.range.end, end: request.end, treeSize: request.treeSize)
            serving.addFirst { [self] in serve(rest) }
        } catch {
            write(.requestRefusal(request))
            feed(.served)
        }
    }

    private func frame(_ request: RangeRequest, _ log: SimulatedReplica) throws -> EntryRange {
        guard request.end <= log.tree.size else { throw SimulatedError("not held") }
        let limit = node.settings.frameEntries
        let end = min(request.end, (request.start / limit + 1) * limit)
        let proof = try RangeProof.make(
            start: request.start, end: end, size: request.treeSize, from: log.tree, hasher: log.tree.hasher)
        let bodies = log.tree.bodies[Int(request.start)..<Int(end)]
        let pieces = try stride(from: bodies.startIndex, to: bodies.endIndex, by: 256).map { start in
            let piece = bodies[start..<min(start + 256, bodies.endIndex)]
            return BundlePiece(entries: piece.count, isCompressed: false, data: try EntryBundle.encode(piece))
        }
        return EntryRange(
            range: RangeRequest(log: request.log, start: request.start, end: end, treeSize: request.treeSize),
            proof: proof.hashes, bundles: pieces)
    }

    /// The bytes, if the record names the peer.
    private func blob(_ key: BlobKey) -> [UInt8]? {
        guard let log = node.store.logs[key.log], node.shows(log, to: peer.index), key.index < log.tree.size,
            case .sealed(let recipients) = SimulatedBody(log.tree.bodies[Int(key.index)]),
            recipients.contains(peer.index), let bytes = log.blobs[key.index], SHA256.hash(bytes) == key.sha256
        else { return nil }
        return bytes
    }
}
