import Cryptography
import Dispatch
import LogStore
package import Logging
package import NIOCore
package import Reconciliation
import TransparencyLog

/// Runs one session over one connection: one task owns the session value and feeds it one stream of events. Disk
/// and long hashing happen on threads of their own, two per session, so that a range is verified while the one
/// before it is being written.
package final class SessionRunner: Sendable {
    private let context: SyncContext
    private let configuration: SessionConfiguration
    private let log: Logger
    private let counter: ByteCounter
    private let events: AsyncStream<SessionEvent>
    private let feed: AsyncStream<SessionEvent>.Continuation
    /// What the peer has asked for, answered one after the other.
    private let requests: AsyncStream<PeerRequest>
    private let requestFeed: AsyncStream<PeerRequest>.Continuation
    private let verifying: DispatchQueue
    private let storing: DispatchQueue
    private let reading: DispatchQueue
    private let credit = Credit(bytes: SessionRunner.inboundBudget)
    private let progress: (@Sendable (SyncProgress) -> Void)?
    private let state = Guarded(State())
    private let verifiers = QueueConfined<[LogID: RangeVerifier]>([:])

    /// Bytes of frames that may wait to be verified and committed, before the connection is read further.
    static let inboundBudget = 12 << 20
    /// A connection on which nothing at all arrives for so long is dead.
    static let idleSeconds = 90
    static let pingSeconds = 30

    private enum PeerRequest: Sendable {
        case entries(RangeRequest)
        case blob(BlobKey)
    }

    /// What the parts of a running session share.
    private struct State: Sendable {
        var id: UInt64 = 0
        var report: SessionReport = SessionReport(peer: "")
        var disconnect: String?
    }

    package convenience init(context: SyncContext, configuration: SessionConfiguration, logger: Logger) {
        self.init(context: context, configuration: configuration, counter: ByteCounter(), logger: logger)
    }

    init(
        context: SyncContext, configuration: SessionConfiguration, counter: ByteCounter, logger: Logger,
        progress: (@Sendable (SyncProgress) -> Void)? = nil
    ) {
        self.context = context
        self.configuration = configuration
        self.counter = counter
        self.progress = progress
        log = logger
        (events, feed) = AsyncStream.makeStream()
        (requests, requestFeed) = AsyncStream.makeStream()
        verifying = DispatchQueue(label: "entente.verify.\(configuration.peer)")
        storing = DispatchQueue(label: "entente.store.\(configuration.peer)")
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
            .init(peer: configuration.peer) { [weak self] change in self?.take(change) })
        state.update { $0.id = id }
        do {
            let end = try await channel.executeThenClose { inbound, outbound in
                try await self.converse(inbound, outbound)
            }
            finish(end)
        } catch {
            fail(error)
        }
        context.sessions.remove(id)
        // Work already handed to the queues is finished before the claims go, so that nobody overlaps with it.
        await drained(verifying)
        await drained(storing)
        let released = context.claims.releaseAll(by: id)
        if !released.isEmpty { context.sessions.notify(.logs(Set(released))) }
        return state.update { state in
            state.report.seconds = Double((ContinuousClock.now - begin) / .microseconds(1)) / 1_000_000
            state.report.bytesIn = counter.received
            state.report.bytesOut = counter.sent
            return state.report
        }
    }

    private func converse(
        _ inbound: NIOAsyncChannelInboundStream<RawFrame>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws -> SessionEnd {
        let logs = try await onQueue(reading) { try self.context.logs(visibleTo: self.configuration.peer) }
        // The hello goes out before anything of the peer's is taken in.
        feed.yield(.start)
        return try await withThrowingTaskGroup(of: SessionEnd?.self) { group in
            group.addTask { try await self.pump(inbound) }
            group.addTask { try await self.keepAlive(outbound) }
            group.addTask {
                for await request in self.requests {
                    switch request {
                    case .entries(let request): await self.serve(request, outbound)
                    case .blob(let key): await self.serve(key, outbound)
                    }
                    self.feed.yield(.served)
                }
                return nil
            }
            group.addTask {
                var session = Session(configuration: self.configuration, logs: logs)
                for await event in self.events {
                    for action in session.handle(event) {
                        if let end = try await self.perform(action, outbound) { return end }
                    }
                    if let reason = self.state.value.disconnect {
                        throw SessionFailure(.notPermitted, reason)
                    }
                    self.logsNow(session)
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
    private func pump(_ inbound: NIOAsyncChannelInboundStream<RawFrame>) async throws -> SessionEnd? {
        for try await frame in inbound {
            state.update { $0.report.bytesIn = self.counter.received }
            let message = try Message(payload: frame.payload, kind: frame.kind)
            heard.value = ContinuousClock.now
            if case .entries = message { await credit.take(frame.payload.count) }
            feed.yield(.received(message))
        }
        // The session may still hold the peer's close in its stream.
        feed.finish()
        return nil
    }

    private let heard = Guarded(ContinuousClock.now)

    /// Asks now and then whether the peer is still there, and gives up on one that is not.
    private func keepAlive(_ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) async throws -> SessionEnd? {
        var nonce: UInt64 = 0
        while true {
            try await Task.sleep(for: .seconds(SessionRunner.pingSeconds))
            let silence = ContinuousClock.now - heard.value
            if silence > .seconds(SessionRunner.idleSeconds) {
                throw SessionFailure(.unreachable, "nothing heard for \(silence.components.seconds) s")
            }
            nonce += 1
            try await write(.ping(nonce: nonce, isReply: false), outbound)
        }
    }

    private func write(_ message: Message, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) async throws {
        let frame = try EncodedFrame(message)
        var buffer = ByteBufferAllocator().buffer(capacity: frame.byteCount)
        buffer.writeBytes(frame.head)
        for part in frame.parts { buffer.writeBytes(part) }
        try await outbound.write(buffer)
    }

    // MARK: Actions

    /// Carries out one action; answers with the end of the session if that is what it is.
    private func perform(
        _ action: SessionAction, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws -> SessionEnd? {
        switch action {
        case .send(let message):
            if message.beginsExchange { state.update { $0.report.roundTrips += 1 } }
            try await write(message, outbound)
        case .offer(let id, let fromSize):
            let offer = try await onQueue(reading) { try self.offer(id, fromSize: fromSize) }
            if let offer { try await write(.offer(offer), outbound) }
        case .pin(let head, let note): pin(head, note: note)
        case .commit(let entries): commit(entries)
        case .serve(let request): requestFeed.yield(.entries(request))
        case .serveBlob(let key): requestFeed.yield(.blob(key))
        case .storeBlob(let key, let bytes):
            storing.async { [self] in
                do {
                    try context.store.store(bytes, for: BlobReference(key, size: bytes.count))
                    feed.yield(.blobStored(key))
                } catch {
                    feed.yield(.blobRejected(key, reason: "\(error)"))
                }
            }
        case .cosign(let id):
            storing.async { [self] in
                var line: CosignatureLine?
                do {
                    line = try context.cosign(id)
                } catch {
                    log.warning("not cosigned", metadata: ["error": "\(error)"])
                }
                feed.yield(.cosigned(id, line))
                context.sessions.notify(.logs([id]), except: state.value.id)
            }
        case .storeCosignatures(let id, let lines):
            storing.async { [self] in
                do {
                    try context.storeVerified(lines, of: id)
                } catch {
                    log.warning("cosignatures could not be stored", metadata: ["error": "\(error)"])
                }
            }
        case .report(let finding):
            log.warning("log left out", metadata: ["peer": "\(configuration.peer)", "finding": "\(finding.text)"])
            state.update { state in
                state.report.refused.append(finding.text)
                if case .conflict = finding, state.report.error == nil {
                    state.report.error = SessionFailure(.fork, finding.text)
                }
            }
        case .close(let end):
            return end
        }
        return nil
    }

    private func offer(_ id: LogID, fromSize: UInt64) throws -> Offer? {
        guard let log = try context.store.logs().first(where: { $0.id == id }), let head = log.head,
            fromSize <= head.size
        else { return nil }
        var proof: [SHA256Digest] = []
        if fromSize > 0 {
            proof = try ConsistencyProof.make(
                from: fromSize, to: head.size, from: StoredNodes(store: context.store, log: id),
                hasher: MerkleHasher()
            ).hashes
        }
        return Offer(log: id, checkpoint: head.note, fromSize: fromSize, proof: proof)
    }

    private func pin(_ head: Head, note: String) {
        storing.async { [self] in
            do {
                guard context.claims.claim(head.log, by: state.value.id) else {
                    if let log = try localLog(head.log) { feed.yield(.pinDeferred(log)) }
                    return
                }
                if let log = try localLog(head.log), log.head?.size ?? 0 >= head.size || log.held > head.size {
                    _ = context.claims.release(head.log, by: state.value.id)
                    feed.yield(.pinDeferred(log))
                    feed.yield(.changed([log]))
                    return
                }
                try context.store.pin(SignedHead(size: head.size, root: head.root, note: note), of: head.log)
                if let log = try localLog(head.log), log.pinned == nil {
                    // All of it was held already: pinning has completed it.
                    _ = context.claims.release(head.log, by: state.value.id)
                    feed.yield(.pinDeferred(log))
                    feed.yield(.changed([log]))
                    return
                }
                let verifier = try context.store.verifier(of: head.log)
                verifiers.set(on: verifying, verifier, for: head.log)
                if let log = try localLog(head.log) {
                    progress?(.began(origin: log.origin, held: log.held, target: head.size))
                    feed.yield(.pinned(log))
                }
            } catch {
                _ = context.claims.release(head.log, by: state.value.id)
                feed.yield(.failed(head.log, reason: "\(error)"))
            }
        }
    }

    private func commit(_ entries: EntryRange) {
        let id = entries.range.log
        let bytes = entries.bundles.reduce(0) { $0 + $1.data.count }
        verifying.async { [self] in
            let verified: VerifiedRange
            do {
                guard let verifier = verifiers.value[id] else { return credit.give(bytes) }
                verified = try verifier.verify(ArrivingRange(entries))
            } catch {
                credit.give(bytes)
                feed.yield(.rejected(id, reason: "\(error)"))
                return
            }
            storing.async { [self] in
                defer { credit.give(bytes) }
                do {
                    let stored = try context.store.commit(verified)
                    state.update { $0.report.received += verified.end - verified.start }
                    progress?(.committed(origin: stored.origin, held: stored.size))
                    let isComplete = stored.pending == nil
                    if isComplete { _ = context.claims.release(id, by: state.value.id) }
                    if let log = try localLog(id) { feed.yield(.committed(log)) }
                } catch {
                    feed.yield(.failed(id, reason: "\(error)"))
                }
            }
        }
    }

    private func serve(
        _ request: RangeRequest, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async {
        do {
            var rest = request
            while true {
                let asked = rest
                let frame = try await onQueue(reading) {
                    try RangeServer(store: self.context.store).frame(for: asked)
                }
                try await write(.entries(frame), outbound)
                state.update { $0.report.sent += frame.range.end - frame.range.start }
                guard frame.range.end < rest.end else { return }
                rest = RangeRequest(log: rest.log, start: frame.range.end, end: rest.end, treeSize: rest.treeSize)
            }
        } catch {
            log.warning("entries could not be sent", metadata: ["error": "\(error)"])
            try? await write(.logRefusal(request.log, reason: "cannot be read here now"), outbound)
        }
    }

    private func serve(_ key: BlobKey, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) async {
        do {
            let bytes = try await onQueue(reading) { try self.blob(key) }
            try await write(bytes.map { .blob(key, $0) } ?? .blobRefusal(key), outbound)
        } catch {
            log.warning("a blob could not be sent", metadata: ["error": "\(error)"])
            try? await write(.blobRefusal(key), outbound)
        }
    }

    /// The bytes, if the peer may have them: a recipient of that very record, or a member of a log whose members
    /// carry sealed blobs.
    private func blob(_ key: BlobKey) throws -> [UInt8]? {
        guard let log = try context.store.logs().first(where: { $0.id == key.log }),
            try context.localLog(log, visibleTo: configuration.peer) != nil,
            try context.store.blobReaders(of: key.log, at: key.index, sha256: key.sha256)?
                .admits(configuration.peer) ?? false
        else { return nil }
        return try context.store.blob(
            BlobReference(log: key.log, index: key.index, sha256: key.sha256, size: 0))
    }

    // MARK: Changes in the node

    private func take(_ change: LiveSessions.Change) {
        switch change {
        case .disconnect(let reason):
            state.update { $0.disconnect = reason }
            // Wakes the session's task; the event itself changes nothing.
            feed.yield(.changed([]))
        case .logs(let ids):
            reading.async { [self] in
                do {
                    let logs = try context.store.logs().filter { ids.contains($0.id) }
                        .compactMap { try context.localLog($0, visibleTo: configuration.peer) }
                    feed.yield(.changed(logs))
                } catch {
                    log.warning("logs could not be read", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    private func localLog(_ id: LogID) throws -> LocalLog? {
        guard let log = try context.store.logs().first(where: { $0.id == id }) else { return nil }
        return try context.localLog(log, visibleTo: configuration.peer)
    }

    // MARK: The report

    private func logsNow(_ session: Session) {
        let states = session.sharedHeads.map {
            SessionReport.LogState(origin: $0.origin, size: $0.head.size, root: $0.head.root.base64)
        }
        state.update { $0.report.logs = states }
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
