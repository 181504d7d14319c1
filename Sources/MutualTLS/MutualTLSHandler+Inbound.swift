public import NIOCore

extension MutualTLSHandler {
    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let ciphertext = unwrapInboundIn(data)
        isInReadCycle = true
        switch state {
        case .closed:
            // A refused peer gets time to read the alert, not a place to send to for ever.
            discardedBytes += ciphertext.readableBytes
            if discardedBytes > 1 << 20 {
                finishClose(context)
            }
            return
        case .active where inputClosed:
            // RFC 8446, 6.1: "Any data received after a closure alert has been received MUST be ignored."
            return
        case .idle, .handshaking, .active, .closing: break
        }
        connection.transport.receive(ciphertext)
        if case .idle = state { return }
        advanceHandshake(context)
        decrypt(context)
    }

    public func channelReadComplete(context: ChannelHandlerContext) {
        // Handlers behind us may write at the end of a read as well: theirs goes out with the rest.
        context.fireChannelReadComplete()
        isInReadCycle = false
        encrypt(context)
        if case .active = state {
            // Answers to key updates.
            send(context)
        }
        context.flush()
        switch state {
        case .active where inputClosed: break
        case .active where !readRequested: break
        case .idle: break
        // Whoever asked for bytes got none (half a record, a key update), and will not ask again. A handshake, the
        // peer's close_notify, and the end of a refused connection must be read whether anybody asks or not.
        case .active, .handshaking, .closing, .closed: context.read()
        }
    }

    public func read(context: ChannelHandlerContext) {
        readRequested = true
        context.read()
    }

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        switch state {
        case .active where inputClosed:
            // Told already, when close_notify came.
            break
        case .closed:
            finishClose(context)
        case .idle, .handshaking, .active, .closing:
            connectionEnded(context, how: "the peer closed its side")
        }
    }

    /// Decrypts everything that is there and passes it on in as few buffers as it fits in.
    func decrypt(_ context: ChannelHandlerContext) {
        // A handler behind us may cause further bytes to arrive while it is handed these: the loop below takes them.
        guard !isDecrypting else { return }
        isDecrypting = true
        defer { isDecrypting = false }
        while isReading {
            var plaintext = context.channel.allocator.buffer(capacity: max(connection.readableBound, 256))
            let wasRefusable = connection.role.isClient && connection.awaitsFirstByte
            let outcome = connection.read(into: &plaintext)
            if plaintext.readableBytes > 0, case .active = state {
                readRequested = false
                if wasRefusable {
                    context.fireUserInboundEventTriggered(TLSEvent.accepted)
                }
                context.fireChannelRead(wrapInboundOut(plaintext))
            }
            switch outcome {
            case .done: continue
            case .needsInput:
                if connection.transport.inbound.readableBytes > 0 { continue }
                connection.transport.releaseInbound()
                return
            case .closed:
                peerClosed(context)
                return
            case .failed(let error):
                if isReading {
                    fail(context, error)
                }
                return
            }
        }
    }

    /// Plaintext is decrypted while closing too, and dropped: the peer's close_notify is behind it.
    private var isReading: Bool {
        switch state {
        case .active, .closing: !inputClosed
        case .idle, .handshaking, .closed: false
        }
    }

    /// The peer's close_notify, after all that came before it was delivered.
    private func peerClosed(_ context: ChannelHandlerContext) {
        guard isReading else { return }
        inputClosed = true
        connection.transport.releaseInbound()
        let halfClosure = (try? context.channel.syncOptions?.getOption(.allowRemoteHalfClosure)) ?? false
        switch (state, output) {
        case (.active, .open) where halfClosure, (.active, .closing) where halfClosure:
            context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        case (_, .closed):
            // Both directions are closed properly.
            finish(TLSError(.closed, "the connection was closed"))
            context.close(promise: nil)
        default:
            beginClose(context, promise: nil)
        }
    }
}
