import Cryptography
import Dispatch
import LogStore
package import Logging
package import NIOCore
package import Reconciliation
import TransparencyLog

/// Runs one session over one connection: one task owns the session value and feeds it one stream of events. Disk
/// and long hashing happen on threads of their own.
package final class SessionRunner: Sendable {
    let context: SyncContext
    let configuration: SessionConfiguration
    let log: Logger
    private let counter: ByteCounter
    private let events: AsyncStream<SessionEvent>
    let feed: AsyncStream<SessionEvent>.Continuation
    /// What the peer has asked for, answered one after the other.
    private let requests: AsyncStream<PeerRequest>
    private let requestFeed: AsyncStream<PeerRequest>.Continuation
    let reading: DispatchQueue
    /// What is being verified and committed.
    private let credit = Credit(bytes: SessionRunner.inboundBudget)
    /// What has been read and not been dealt with yet.
    private let inbox = Credit(bytes: SessionRunner.inboxBudget)
    private let pace: SessionPace
    let refusals: RefusalLog
    private let progress: (@Sendable (SyncProgress) -> Void)?
    private let state = Guarded(State())
    /// By what this node went when the session began.
    private let federation: Federation
    /// Whether the peer's certificate is still one to believe.
    private let isTrusted: @Sendable () -> Bool
    /// Messages with receipts that are being judged.
    let judging = Guarded<[LogID: Int]>([:])

    /// Bytes of frames that may wait to be verified and committed, before more of them are taken up.
    static let inboundBudget = 12 << 20
    /// Bytes of frames that may wait to be taken up, before the connection is read further.
    static let inboxBudget = 4 << 20

    private enum PeerRequest: Sendable {
        case entries(RangeRequest)
        case blob(BlobKey)
        case prefix(PrefixRequest)
        case nodes(SubtreeRequest)
        case pages(LogID)
        case receipts(LogID, against: [UInt64: SHA256Digest])
    }

    /// The session among those under way.
    var sessionID: UInt64 { state.value.id }

    /// What the parts of a running session share.
    private struct State: Sendable {
        var id: UInt64 = 0
        var report: SessionReport = SessionReport(peer: "")
        var disconnect: String?
    }

    package convenience init(
        context: SyncContext, configuration: SessionConfiguration, pace: SessionPace = SessionPace(), logger: Logger
    ) {
        self.init(context: context, configuration: configuration, counter: ByteCounter(), pace: pace, logger: logger)
    }

    init(
        context: SyncContext, configuration: SessionConfiguration, counter: ByteCounter,
        pace: SessionPace = SessionPace(), logger: Logger, isTrusted: @escaping @Sendable () -> Bool = { true },
        progress: (@Sendable (SyncProgress) -> Void)? = nil
    ) {
        self.context = context
        self.isTrusted = isTrusted
        federation = context.federation.value
        self.configuration = configuration
        self.counter = counter
        self.progress = progress
        self.pace = pace
        log = logger
        refusals = RefusalLog(context: context, peer: configuration.peer, logger: logger)
        (events, feed) = AsyncStream.makeStream()
        (requests, requestFeed) = AsyncStream.makeStream()
        reading = DispatchQueue(label: "entente.read.\(configuration.peer)")
        state.update { $0.report = SessionReport(peer: configuration.peer) }
    }

    /// Runs until the session or the connection ends, and tells what it did. Never throws: the report says why.
    ///
    /// The channel carries plain bytes: whatever encrypts them stands in its pipeline already. Nothing of the peer's
    /// may have been read yet.
    package func run(over channel: any Channel) async -> SessionReport {
        do {
            let counter = counter
            let frames = try await channel.eventLoop.submit {
                try FrameChannel.wrap(channel, counter: counter)
            }.get()
            return await run(frames)
        } catch {
            fail(error)
            return state.value.report
        }
    }

    func run(_ channel: NIOAsyncChannel<RawFrame, ByteBuffer>) async -> SessionReport {
        let begin = ContinuousClock.now
        let id = context.sessions.add(
            .init(peer: configuration.peer, isInitiator: configuration.isInitiator) { [weak self] change in
                self?.take(change)
            })
        state.update { $0.id = id }
        context.transfers.enter(id)
        // Whoever was removed before the session stood among the others was not told by them.
        if !isStillAdmitted() { take(.disconnect(reason: SyncContext.membershipChanged)) }
        do {
            let end = try await channel.executeThenClose { inbound, outbound in
                try await self.converse(inbound, outbound)
            }
            finish(end)
        } catch {
            fail(error)
        }
        context.sessions.remove(id)
        context.transfers.leaveAll(id) { [context] released in context.sessions.notify(.logs(released)) }
        // What was handed on is finished before anybody acts on the report; receipts are judged before they are stored.
        await drained(reading)
        await context.transfers.drained()
        return state.update { state in
            state.report.seconds = Double((ContinuousClock.now - begin) / .microseconds(1)) / 1_000_000
            state.report.bytesIn = counter.received
            state.report.bytesOut = counter.sent
            return state.report
        }
    }

    private func isStillAdmitted() -> Bool {
        isTrusted() && context.communities(admitting: configuration.peer) == configuration.communities
    }

    private func converse(
        _ inbound: NIOAsyncChannelInboundStream<RawFrame>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws -> SessionEnd {
        let (logs, frozen, memory) = try await onQueue(reading) {
            let logs = try self.context.logs(visibleTo: self.configuration.peer)
            // Of logs that are being recovered the peer is to say what it holds now.
            let memory =
                logs.contains(where: \.isRecovering) ? nil : try self.context.memory(of: self.configuration.peer)
            return (logs, try self.context.frozenLogs(visibleTo: self.configuration.peer), memory)
        }
        // The hello goes out before anything of the peer's is taken in.
        feed.yield(.start)
        return try await withThrowingTaskGroup(of: SessionEnd?.self) { group in
            group.addTask { try await self.pump(inbound, outbound) }
            group.addTask { try await self.keepAlive(outbound) }
            group.addTask { try await self.watch() }
            group.addTask {
                for await request in self.requests {
                    switch request {
                    case .entries(let request): await self.serve(request, outbound)
                    case .blob(let key): await self.serve(key, outbound)
                    case .prefix(let request):
                        await self.answer(request.log, outbound) {
                            try self.context.prefix(request, for: self.configuration.peer).map { .prefix(request, $0) }
                        }
                    case .nodes(let request):
                        await self.answer(request.log, outbound) {
                            try self.context.nodes(request, for: self.configuration.peer).map { .nodes(request, $0) }
                        }
                    case .pages(let log):
                        await self.comparePages(log, outbound)
                        continue
                    case .receipts(let log, let theirs):
                        await self.sendPages(log, against: theirs, outbound)
                        continue
                    }
                    self.feed.yield(.served)
                }
                return nil
            }
            group.addTask {
                var session = Session(
                    configuration: self.configuration, logs: logs, frozen: frozen, memory: memory)
                var stays = false
                defer {
                    self.logsNow(session)
                    self.inbox.abolish()
                }
                for await event in self.events {
                    for action in session.handle(event) {
                        if let end = try await self.perform(action, outbound) { return end }
                    }
                    if case .received(let message) = event { self.release(message) }
                    if let reason = self.state.value.disconnect {
                        throw SessionFailure(.notPermitted, reason)
                    }
                    self.owed.value = session.isOwed
                    if !stays, !self.configuration.once, session.peerStays {
                        stays = true
                        self.context.sessions.stays(self.state.value.id, node: self.configuration.node)
                    }
                }
                throw SessionFailure(.unreachable, "the connection ended before both sides held the same")
            }
            defer { group.cancelAll() }
            while let end = try await group.next() {
                if let end { return end }
            }
            throw SessionFailure(.unreachable, "the connection ended before both sides held the same")
        }
    }

    // MARK: The network

    /// Decodes what arrives and hands it on, no faster than it is worked off.
    private func pump(
        _ inbound: NIOAsyncChannelInboundStream<RawFrame>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws -> SessionEnd? {
        do {
            for try await frame in inbound {
                state.update { $0.report.bytesIn = self.counter.received }
                let message = try Message(payload: frame.payload, kind: frame.kind)
                await inbox.take(message.weight)
                if message.isSmallTalk { smallTalk.update { $0 += frame.payload.count + FrameLimits.prefixSize } }
                feed.yield(.received(message))
            }
        } catch let violation as ProtocolViolation {
            try? await write(.close(reason: violation.description, memory: nil), outbound)
            throw violation
        }
        // The session may still hold the peer's close in its stream.
        feed.finish()
        return nil
    }

    /// What a message has led to is done when the storing queue has come by: only then is more read in its place.
    private func release(_ message: Message) {
        context.transfers.storing.async { [inbox] in inbox.give(message.weight) }
    }

    private let owed = Guarded(false)
    /// Bytes of messages that bring nothing.
    private let smallTalk = Guarded(0)

    /// Asks now and then whether the peer is still there, and lets the session tidy up.
    private func keepAlive(_ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) async throws -> SessionEnd? {
        var nonce: UInt64 = 0
        while true {
            for _ in 0..<pace.pingTicks {
                try await Task.sleep(for: pace.tick)
                feed.yield(.tick)
            }
            nonce += 1
            try await write(.ping(nonce: nonce, isReply: false), outbound)
        }
    }

    /// Gives up on a peer that says nothing, that owes something and does not bring it, or that takes nothing of what
    /// it is sent. A task of its own, since the others wait for a peer that does not read.
    private func watch() async throws -> SessionEnd? {
        let peer = configuration.peer
        var watch = ConnectionWatch(pace: pace)
        while true {
            try await Task.sleep(for: pace.tick)
            context.transfers.tick()
            // The session's own task may be waiting for the peer to read.
            if let reason = state.value.disconnect { throw SessionFailure(.notPermitted, reason) }
            let sight = ConnectionWatch.Sight(
                received: counter.received, useful: counter.received - smallTalk.value, taken: counter.taken,
                isOwed: owed.value || counter.isInsideFrame, isTaking: counter.taken < counter.sent)
            if let complaint = watch.look(sight) { throw SessionFailure(.unreachable, "\(peer): \(complaint)") }
        }
    }

    func write(_ message: Message, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) async throws {
        let frame = try EncodedFrame(message)
        var buffer = ByteBufferAllocator().buffer(capacity: frame.byteCount)
        buffer.writeBytes(frame.head)
        for part in frame.parts { buffer.writeBytes(part) }
        do {
            try await outbound.write(buffer)
        } catch is ChannelError {
            // The connection is closed. What was read before tells why: the peer may have said that all is done.
        }
    }

    // MARK: Actions

    /// Carries out one action; answers with the end of the session if that is what it is.
    private func perform(
        _ action: SessionAction, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws -> SessionEnd? {
        switch action {
        case .send(let message):
            if case .unknown(let logs) = message { refusals.refused(logs: logs) }
            if case .blobRefusal(let key) = message { refusals.refused(key) }
            try await write(message, outbound)
        case .offer(let id, let fromSize, let pushing):
            try await send(offer: id, fromSize: fromSize, pushing: pushing, outbound)
        case .pin(let head, let note): pin(head, note: note)
        case .assign(let id, let limit):
            let ranges = context.transfers.transfer(of: id)?.assign(state.value.id, ranges: limit) ?? []
            feed.yield(.assigned(id, ranges))
        case .giveBack(let range):
            context.transfers.transfer(of: range.log)?.giveBack(range.start..<range.end, by: state.value.id)
        case .commit(let entries): await commit(entries)
        case .repair(let entries): repair(entries)
        case .serve(let request): requestFeed.yield(.entries(request))
        case .serveBlob(let key): requestFeed.yield(.blob(key))
        case .storeBlob(let key, let bytes): storeBlob(key, bytes)
        case .storeReceipts(let id, let lines): storeReceipts(id, lines)
        case .comparePages(let id): requestFeed.yield(.pages(id))
        case .sendPages(let id, let theirs): requestFeed.yield(.receipts(id, against: theirs))
        case .reload(let id): reloadReceipts(of: id)
        case .storeCosignatures(let id, let lines):
            context.transfers.storing.async { [self] in
                do {
                    if try context.storeVerified(lines, of: id) > 0 {
                        context.sessions.notify(.logs([id]), except: state.value.id)
                    }
                } catch {
                    log.warning("cosignatures could not be stored", metadata: ["error": "\(error)"])
                }
                reload(id) { .cosignaturesStored($0) }
            }
        case .remember(let digest, let changes):
            context.transfers.storing.async { [self] in
                // What was left out under other cards or members is not to be left out next time.
                guard context.federation.value == federation else { return }
                do {
                    try context.remember(configuration.peer, digest, changes)
                } catch {
                    log.warning("what was agreed on could not be kept", metadata: ["error": "\(error)"])
                }
            }
        case .freeze, .judgeEvidence, .sendEvidence, .readNodes: try await performInquiry(action, outbound)
        case .servePrefix(let request): requestFeed.yield(.prefix(request))
        case .serveNodes(let request): requestFeed.yield(.nodes(request))
        case .beginRecovery(let id, let size): beginRecovery(id, size: size)
        case .noteAnswer(let id, let head): noteAnswer(id, head)
        case .report(let finding):
            if refusals.isNews(finding) { report(finding) }
        case .close(let end):
            return end
        }
        return nil
    }

    /// The offer of a log's newest checkpoint, and the entries to push behind it.
    private func offer(_ id: LogID, fromSize: UInt64, pushing: Bool) throws -> (offer: Offer, push: EntryRange?)? {
        guard try context.localLog(id, visibleTo: configuration.peer) != nil,
            let log = try context.store.log(id: id), let head = log.head, fromSize <= head.size
        else { return nil }
        var proof: [SHA256Digest] = []
        if fromSize > 0 {
            proof = try ConsistencyProof.make(
                from: fromSize, to: head.size, from: StoredNodes(store: context.store, log: id),
                hasher: MerkleHasher()
            ).hashes
        }
        var push: EntryRange?
        if pushing, fromSize < head.size, head.size - fromSize <= configuration.pushSize {
            do {
                let frame = try RangeServer(store: context.store).frame(
                    for: RangeRequest(log: id, start: fromSize, end: head.size, treeSize: head.size))
                if frame.range.end == head.size { push = frame }
            } catch StoreError.damagedEntries {
                // The offer stands: others may have the entries.
            }
        }
        return (
            Offer(log: id, checkpoint: head.note, fromSize: fromSize, proof: proof, isPushed: push != nil), push
        )
    }

    private func send(
        offer id: LogID, fromSize: UInt64, pushing: Bool, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws {
        do {
            let made = try await onQueue(reading) { try self.offer(id, fromSize: fromSize, pushing: pushing) }
            guard let (offer, push) = made else {
                // Hidden from the peer meanwhile, or frozen; otherwise the log as it is now is news.
                reload(id) { .changed([$0]) }
                return
            }
            try await write(.offer(offer), outbound)
            if let push {
                try await write(.entries(push), outbound)
                state.update { $0.report.sent += push.range.end - push.range.start }
            }
        } catch let error as StoreError {
            feed.yield(.failed(id, reason: "\(error)"))
        }
    }

    private var participant: TransferParticipant {
        TransferParticipant(
            session: state.value.id, feed: { [feed] in feed.yield($0) },
            committed: { [self] log, count in
                state.update { $0.report.received += count }
                progress?(.committed(origin: log.origin, held: log.size))
                reload(log.id) { .committed($0) }
            },
            overtaken: { [self] id in
                reload(id) { .pinDeferred($0) }
                reload(id) { .changed([$0]) }
            })
    }

    private func pin(_ head: Head, note: String) {
        context.transfers.storing.async { [self] in
            do {
                let joining = try context.transfers.join(
                    head, note: note, chunk: configuration.requestSize, participant
                ) { [context] in context.completed($0) }
                switch joining {
                case .joined(let log):
                    progress?(.began(origin: log.origin, held: log.size, target: head.size))
                    reload(head.log) { .pinned($0) }
                case .deferred:
                    reload(head.log) { .pinDeferred($0) }
                    if context.transfers.transfer(of: head.log) == nil { reload(head.log) { .changed([$0]) } }
                }
            } catch {
                feed.yield(.failed(head.log, reason: "\(error)"))
            }
        }
    }

    /// Feeds an event with the log as it is now, or that the peer may no longer see it.
    func reload(_ id: LogID, _ event: (LocalLog) -> SessionEvent) {
        do {
            if let log = try context.localLog(id, visibleTo: configuration.peer) {
                feed.yield(event(log))
            } else if try context.store.log(id: id)?.frozen == nil {
                feed.yield(.hidden(id))
            }
        } catch {
            feed.yield(.failed(id, reason: "\(error)"))
        }
    }

    private func commit(_ entries: EntryRange) async {
        let bytes = entries.bundles.reduce(0) { $0 + $1.data.count }
        guard let transfer = context.transfers.transfer(of: entries.range.log) else { return }
        await credit.take(bytes)
        transfer.arrived(
            TransferFrame(entries: entries, owner: participant, byteCount: bytes) { [credit] in credit.give(bytes) })
    }

    /// Puts right what is damaged here with what the peer has sent.
    private func repair(_ entries: EntryRange) {
        let id = entries.range.log
        context.transfers.storing.async { [self] in
            do {
                let mended = try context.store.repair(ArrivingRange(entries), treeSize: entries.range.treeSize)
                state.update { $0.report.repaired += mended.filter(\.isOfLog).count }
                if !mended.isEmpty { try context.mended(id, except: state.value.id) }
                feed.yield(.repaired(id, try context.localLog(id, visibleTo: configuration.peer)))
            } catch let error as StoreError where error.convictsSender {
                feed.yield(.repairRejected(id, reason: "\(error)"))
            } catch {
                log.warning("not mended", metadata: ["peer": "\(configuration.peer)", "error": "\(error)"])
                feed.yield(.repairFailed(id))
            }
        }
    }

    private func serve(
        _ request: RangeRequest, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async {
        var rest = request
        do {
            while true {
                let asked = rest
                let made = try await onQueue(reading) { () -> EntryRange? in
                    guard try self.context.localLog(asked.log, visibleTo: self.configuration.peer) != nil else {
                        return nil
                    }
                    return try RangeServer(store: self.context.store).frame(for: asked)
                }
                guard let frame = made else {
                    refusals.refused(logs: [asked.log])
                    return try await write(.requestRefusal(asked), outbound)
                }
                try await write(.entries(frame), outbound)
                state.update { $0.report.sent += frame.range.end - frame.range.start }
                guard frame.range.end < rest.end else { return }
                rest = RangeRequest(log: rest.log, start: frame.range.end, end: rest.end, treeSize: rest.treeSize)
            }
        } catch {
            log.warning("entries could not be sent", metadata: ["error": "\(error)"])
            try? await write(.requestRefusal(rest), outbound)
        }
    }

    // MARK: Forks

    /// Answers a question about a log; in the same way for a log that is not here and one that the peer may not see.
    private func answer(
        _ id: LogID, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
        _ read: @escaping @Sendable () throws -> Message?
    ) async {
        let message = (try? await onQueue(reading, read)) ?? nil
        if message == nil { refusals.refused(logs: [id]) }
        try? await write(message ?? .unknown([id]), outbound)
    }

    private func performInquiry(
        _ action: SessionAction, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws {
        let storing = context.transfers.storing
        switch action {
        case .freeze(let id, let proof):
            // What follows tells the peer of it.
            await onQueue(storing) { [context, log] in
                do {
                    try context.freeze(id, proof)
                } catch {
                    log.error("evidence of a fork cannot be kept", metadata: ["error": "\(error)"])
                }
            }
        case .judgeEvidence(let id, let bytes):
            storing.async { [self] in
                do {
                    feed.yield(.evidenceJudged(id, try context.judge(bytes, against: id)))
                } catch {
                    log.error("evidence of a fork cannot be kept", metadata: ["error": "\(error)"])
                    feed.yield(.evidenceJudged(id, .failed("\(error)")))
                }
            }
        case .sendEvidence(let id):
            let evidence = try await onQueue(storing) { [context, configuration] in
                try context.log(id, readableBy: configuration.peer).flatMap {
                    try context.store.fork(of: $0.id)?.evidence
                }
            }
            if let evidence { try await write(.fork(id, evidence: evidence), outbound) }
        case .readNodes(let id, let nodes):
            reading.async { [self] in
                feed.yield(.nodes(id, (try? context.store.hashes(of: id, at: nodes)) ?? []))
            }
        default: break
        }
    }

    // MARK: Changes in the node

    private func take(_ change: LiveSessions.Change) {
        switch change {
        case .disconnect(let reason):
            state.update { $0.disconnect = reason }
            // Wakes the session's task; the event itself changes nothing.
            feed.yield(.changed([]))
        case .frozen(let id): feed.yield(.frozen(id))
        case .receipts(let id, let lines): take(lines, of: id)
        case .logs(let ids):
            reading.async { [self] in
                do {
                    let logs = try ids.sorted().compactMap {
                        try context.localLog($0, visibleTo: configuration.peer)
                    }
                    feed.yield(.changed(logs))
                    // Of communities that the peer is not in it never heard.
                    let hidden = try context.store.unfrozenLogs(
                        in: context.communities(admitting: configuration.peer)
                    ).intersection(ids).subtracting(logs.map(\.id))
                    for id in hidden.sorted() { feed.yield(.hidden(id)) }
                } catch {
                    log.warning("logs could not be read", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    // MARK: The report

    func report(_ finding: SessionFinding) {
        log.warning("log left out", metadata: ["peer": "\(configuration.peer)", "finding": "\(finding.text)"])
        state.update { state in
            guard !state.report.refused.contains(finding.text) else { return }
            state.report.refused.append(finding.text)
            guard state.report.error == nil else { return }
            switch finding {
            case .conflict: state.report.error = SessionFailure(.fork, finding.text)
            case .failedHere: state.report.error = SessionFailure(.store, finding.text)
            default: break
            }
        }
    }

    private func logsNow(_ session: Session) {
        let states = session.sharedHeads.map {
            SessionReport.LogState(origin: $0.origin, size: $0.head.size, root: $0.head.root.base64)
        }
        state.update {
            $0.report.logs = states
            $0.report.roundTrips = session.roundTrips
        }
    }

    private func finish(_ end: SessionEnd) {
        state.update { state in
            switch end {
            case .done: break
            case .closedByPeer("done"): break
            case .closedByPeer(let reason):
                state.report.error = SessionFailure(.unreachable, "\(configuration.peer) closed: \(reason)")
            case .violation(let reason):
                state.report.error = SessionFailure(.violation, "\(configuration.peer): \(reason)")
            }
        }
    }

    private func fail(_ error: any Error) {
        state.update { state in
            guard state.report.error == nil else { return }
            state.report.error = SessionFailure(error, peer: configuration.peer)
        }
    }
}

/// How far a transfer is, for progress bars.
public enum SyncProgress: Sendable {
    case began(origin: String, held: UInt64, target: UInt64)
    case committed(origin: String, held: UInt64)
}
