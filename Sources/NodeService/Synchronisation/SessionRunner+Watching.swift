import Dispatch
import LogStore
import Logging
import NIOCore
import Reconciliation

/// What comes from the peer, whether it still comes, and what changes in the node meanwhile.
extension SessionRunner {
    /// Decodes what arrives and hands it on, no faster than it is worked off.
    func pump(
        _ inbound: NIOAsyncChannelInboundStream<RawFrame>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws -> SessionEnd? {
        do {
            for try await frame in inbound {
                state.update { $0.report.bytesIn = self.counter.received }
                let message = try Message(payload: frame.payload, kind: frame.kind)
                await inbox.take(message.weight)
                if !message.mayBeOwed(comparing: compares.value) {
                    smallTalk.update { $0 += frame.payload.count + FrameLimits.prefixSize }
                }
                feed.yield(.received(message))
            }
        } catch let violation as ProtocolViolation {
            try? await write(.close(reason: violation.description, memory: nil), outbound)
            throw violation
        } catch let error as IOError {
            // A peer that has all closes its side; what was on its way to it is answered by a reset, behind that close.
            state.update { $0.cut = SessionFailure(error, peer: configuration.peer) }
        }
        // The session may still hold the peer's close in its stream.
        feed.finish()
        return nil
    }

    /// What a message has led to is done when the storing queue has come by: only then is more read in its place.
    func release(_ message: Message) {
        context.transfers.storing.async { [inbox] in inbox.give(message.weight) }
    }

    /// Asks now and then whether the peer is still there, and lets the session tidy up.
    func keepAlive(_ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) async throws -> SessionEnd? {
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
    func watch() async throws -> SessionEnd? {
        let peer = configuration.peer
        var watch = ConnectionWatch(pace: pace)
        while true {
            try await Task.sleep(for: pace.tick)
            context.transfers.tick()
            // The session's own task may be waiting for the peer to read.
            if let reason = state.value.disconnect { throw SessionFailure(.notPermitted, reason) }
            let sight = ConnectionWatch.Sight(
                received: counter.received, useful: counter.received - smallTalk.value, taken: counter.taken,
                isOwed: owed.value, isInsideFrame: counter.isInsideFrame, isHeldUp: inbox.isExhausted,
                isWaiting: waits.value, isTaking: counter.taken < counter.sent)
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

    func take(_ change: LiveSessions.Change) {
        switch change {
        case .disconnect(let reason):
            state.update { $0.disconnect = reason }
            // Wakes the session's task; the event itself changes nothing.
            feed.yield(.changed([]))
        case .frozen(let id): feed.yield(.frozen(id))
        case .receipts(let id, let lines): take(lines, of: id)
        case .logs(let ids): if changes.add(ids) { handOnChanges() }
        }
    }

    func handOnChanges() {
        reading.async { [self] in
            let ids = changes.take()
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
                feed.yield(.changed([]))
            }
        }
    }
}
