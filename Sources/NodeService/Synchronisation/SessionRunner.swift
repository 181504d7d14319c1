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
    let counter: ByteCounter
    private let events: AsyncStream<SessionEvent>
    let feed: AsyncStream<SessionEvent>.Continuation
    /// What the peer has asked for, answered one after the other.
    private let requests: AsyncStream<PeerRequest>
    let requestFeed: AsyncStream<PeerRequest>.Continuation
    let reading: DispatchQueue
    /// What is being verified and committed.
    let credit = Credit(bytes: SessionRunner.inboundBudget)
    /// What has been read and not been dealt with yet.
    let inbox = Credit(bytes: SessionRunner.inboxBudget)
    let pace: SessionPace
    let refusals: RefusalLog
    let progress: (@Sendable (SyncProgress) -> Void)?
    let state = Guarded(State())
    /// By what this node went when the session began.
    let federation: Federation
    /// Whether the peer's certificate is still one to believe.
    private let isTrusted: @Sendable () -> Bool
    /// Messages with receipts that are being judged.
    let judging = Guarded<[LogID: Int]>([:])
    /// Whether the peer owes something.
    let owed = Guarded(false)
    let waits = Guarded(false)
    /// Whether the two still find out which logs differ.
    let compares = Guarded(true)
    /// Changes in the node that the session has not heard of yet.
    let changes = PendingChanges()
    /// Bytes of messages that bring nothing that is waited for.
    let smallTalk = Guarded(0)

    /// Bytes of frames that may wait to be verified and committed, before more of them are taken up.
    static let inboundBudget = 12 << 20
    /// Bytes of frames that may wait to be taken up, before the connection is read further.
    static let inboxBudget = 4 << 20

    enum PeerRequest: Sendable {
        case entries(RangeRequest)
        case blob(BlobKey)
        case prefix(PrefixRequest)
        case nodes(SubtreeRequest)
        case stones(LogID)
        case pages(LogID)
        case receipts(LogID, against: [UInt64: SHA256Digest])
    }

    /// The session among those under way.
    var sessionID: UInt64 { state.value.id }

    /// What the parts of a running session share.
    struct State: Sendable {
        var id: UInt64 = 0
        var report: SessionReport = SessionReport(peer: "")
        var disconnect: String?
        /// How the connection was cut.
        var cut: SessionFailure?
        /// Both sides have all: what becomes of the connection then is no failure.
        var isOver = false
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
                    case .stones(let log):
                        await self.answer(log, outbound) {
                            try self.context.stones(of: log, for: self.configuration.peer).map { .stones(log, $0) }
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
                    let actions = session.handle(event)
                    // The peer may not read the words of the end.
                    if let end = session.end { self.finish(end) }
                    for action in actions {
                        if let end = try await self.perform(action, outbound) { return end }
                    }
                    if case .received(let message) = event { self.release(message) }
                    if case .changed = event, self.changes.dealtWith() { self.handOnChanges() }
                    if let reason = self.state.value.disconnect {
                        throw SessionFailure(.notPermitted, reason)
                    }
                    self.owed.value = session.isOwed
                    self.waits.value = session.waitsForPeer
                    self.compares.value = session.isComparing
                    if !stays, !self.configuration.once, session.peerStays {
                        stays = true
                        self.context.sessions.stays(self.state.value.id, node: self.configuration.node)
                    }
                }
                throw self.state.value.cut
                    ?? SessionFailure(.unreachable, "the connection ended before both sides held the same")
            }
            defer { group.cancelAll() }
            while let end = try await group.next() {
                if let end { return end }
            }
            throw SessionFailure(.unreachable, "the connection ended before both sides held the same")
        }
    }

    // MARK: The report

    /// Reports a finding that is news in this session.
    func note(_ finding: SessionFinding) {
        if refusals.isNews(finding) { report(finding) }
    }

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

    /// Notes what is no finding of the session's own.
    func note(_ text: String) {
        let isNew = state.update { state in
            guard !state.report.refused.contains(text) else { return false }
            state.report.refused.append(text)
            return true
        }
        if isNew { log.warning("log left out", metadata: ["peer": "\(configuration.peer)", "finding": "\(text)"]) }
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
            case .done, .closedByPeer("done"): state.isOver = true
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
            let failure = SessionFailure(error, peer: configuration.peer)
            guard !state.isOver || failure.kind != .unreachable else { return }
            state.report.error = failure
        }
    }
}

/// How far a transfer is, for progress bars.
public enum SyncProgress: Sendable {
    case began(origin: String, held: UInt64, target: UInt64)
    case committed(origin: String, held: UInt64)
}
