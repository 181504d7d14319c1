public import NIOCore

extension MutualTLSHandler {
    /// How much is encrypted before it is handed to the channel, and the channel asked again whether it is writable.
    static let batchBytes = 256 << 10
    /// Smaller writes are put together into one record of up to this size, the largest there is (RFC 8446, 5.1).
    static let recordBytes = 16 << 10

    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let bytes = unwrapOutboundIn(data)
        guard case .open = output else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        switch state {
        case .closing, .closed:
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        case .idle, .handshaking:
            guard bytes.readableBytes <= configuration.maximumEarlyBytes - queuedBytes else {
                promise?.fail(
                    TLSError(
                        .tooMuchQueued,
                        "more than \(configuration.maximumEarlyBytes) bytes were written before the TLS handshake was over"
                    ))
                return
            }
        case .active: break
        }
        queuedBytes += bytes.readableBytes
        queue.append(PendingWrite(bytes: bytes, promise: promise))
    }

    public func flush(context: ChannelHandlerContext) {
        queue.mark()
        // Answers to several messages of one read share records and a system call.
        guard !isInReadCycle || queuedBytes > Self.batchBytes else { return }
        encrypt(context)
        context.flush()
    }

    public func channelWritabilityChanged(context: ChannelHandlerContext) {
        // What waits here is older than anything that would be written because of the event.
        if context.channel.isWritable {
            encrypt(context)
        }
        context.fireChannelWritabilityChanged()
    }

    public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .all: beginClose(context, promise: promise)
        case .output: closeOutput(context, promise: promise)
        // TLS has no way to say that one will not read on.
        case .input: promise?.fail(ChannelError.operationUnsupported)
        }
    }

    // MARK: - Encrypting

    /// Encrypts what was flushed, as long as the channel is writable, then closes what waits to be closed.
    func encrypt(_ context: ChannelHandlerContext) {
        // A promise completed below may write and flush: the loop takes that too.
        guard !isEncrypting else { return }
        isEncrypting = true
        defer { isEncrypting = false }
        while mayEncrypt, queue.hasMark, context.channel.isWritable {
            var promises: [EventLoopPromise<Void>] = []
            if let error = encryptBatch(&promises) {
                for promise in promises {
                    promise.fail(error)
                }
                fail(context, error)
                return
            }
            send(context, promises: promises)
            if case .closing = state {
                // As long as the peer takes what was flushed, the close waits for it.
                startCloseTimer(context)
            }
        }
        guard mayEncrypt, !queue.hasMark else { return }
        closeWhatWaits(context)
    }

    private var mayEncrypt: Bool {
        switch (state, output) {
        case (_, .closed), (.idle, _), (.handshaking, _), (.closed, _): false
        case (.active, _), (.closing, _): true
        }
    }

    /// Encrypts up to a batch of the flushed writes into the transport; `promises` get those that are through.
    private func encryptBatch(_ promises: inout [EventLoopPromise<Void>]) -> TLSError? {
        let transport = connection.transport
        let records = min(queuedBytes, Self.batchBytes) / Self.recordBytes + 2
        transport.reserveOutbound(min(queuedBytes, Self.batchBytes) + 64 * records)
        while queue.hasMark, transport.outbound.readableBytes < Self.batchBytes {
            if let first = queue.first, first.bytes.readableBytes < Self.recordBytes, queue.count > 1 {
                if let error = encryptSmallWrites(&promises) { return error }
            } else if let error = encryptFirst(&promises) {
                return error
            }
        }
        return nil
    }

    /// A large write goes to OpenSSL where it lies; it splits it into records.
    private func encryptFirst(_ promises: inout [EventLoopPromise<Void>]) -> TLSError? {
        guard let first = queue.first else { return nil }
        let room = max(Self.batchBytes - connection.transport.outbound.readableBytes, 1)
        // Whole records, unless it is the end.
        let count = min(first.bytes.readableBytes, (room + Self.recordBytes - 1) / Self.recordBytes * Self.recordBytes)
        if count > 0 {
            let error = first.bytes.withUnsafeReadableBytes {
                connection.write(UnsafeRawBufferPointer(rebasing: $0.prefix(count)))
            }
            if let error { return error }
            queuedBytes -= count
        }
        if count == first.bytes.readableBytes {
            popFirst(&promises)
        } else {
            queue[queue.startIndex].bytes.moveReaderIndex(forwardBy: count)
        }
        return nil
    }

    /// Small writes share a record: 22 bytes and a cipher call saved for each.
    private func encryptSmallWrites(_ promises: inout [EventLoopPromise<Void>]) -> TLSError? {
        gathered.clear()
        while queue.hasMark, let first = queue.first,
            gathered.readableBytes + first.bytes.readableBytes <= Self.recordBytes
        {
            gathered.writeImmutableBuffer(first.bytes)
            queuedBytes -= first.bytes.readableBytes
            popFirst(&promises)
        }
        return gathered.withUnsafeReadableBytes { connection.write($0) }
    }

    private func popFirst(_ promises: inout [EventLoopPromise<Void>]) {
        if let promise = queue.popFirst()?.promise {
            promises.append(promise)
        }
    }

    /// Hands what the transport has gathered to the channel, one buffer and one flush a batch.
    func send(_ context: ChannelHandlerContext, promises: [EventLoopPromise<Void>] = []) {
        guard let ciphertext = connection.transport.takeOutbound() else {
            // Nothing but empty writes.
            for promise in promises {
                promise.succeed(())
            }
            return
        }
        var promise = promises.first
        if promises.count > 1 {
            let batch = context.eventLoop.makePromise(of: Void.self)
            for each in promises {
                batch.futureResult.cascade(to: each)
            }
            promise = batch
        }
        context.writeAndFlush(wrapOutboundOut(ciphertext), promise: promise)
    }

    // MARK: - Closing

    private func closeOutput(_ context: ChannelHandlerContext, promise: EventLoopPromise<Void>?) {
        switch (state, output) {
        case (.idle, _), (.handshaking, _):
            // TLS cannot be closed in one direction before the handshake: there is nobody to be sure of.
            promise?.fail(ChannelError.operationUnsupported)
        case (.active, .open):
            dropUnflushed(ChannelError.outputClosed)
            output = .closing(promise)
            encrypt(context)
        case (.active, _), (.closing, _), (.closed, _):
            promise?.fail(ChannelError.outputClosed)
        }
    }

    func beginClose(_ context: ChannelHandlerContext, promise: EventLoopPromise<Void>?) {
        switch state {
        case .idle, .handshaking:
            finish(TLSError(.closed, "the connection was closed during the TLS handshake"))
            context.close(promise: promise)
        case .active:
            state = .closing
            closePromise = promise
            startCloseTimer(context)
            dropUnflushed(ChannelError.ioOnClosedChannel)
            if case .closed = output {
                closeWhatWaits(context)
            } else {
                encrypt(context)
            }
        case .closing:
            joinClose(promise)
        case .closed where isLingering && context.channel.isActive:
            // Whoever closes because of the error still lets the peer read why, for the second that takes at most.
            joinClose(promise)
        case .closed:
            context.close(promise: promise)
        }
    }

    /// Everything flushed is through: close_notify, in the order that was asked for.
    private func closeWhatWaits(_ context: ChannelHandlerContext) {
        if case .closing(let promise) = output {
            output = .closed
            connection.sendCloseNotify()
            send(context)
            if inputClosed {
                promise?.succeed(())
                return finishClose(context)
            }
            context.close(mode: .output, promise: promise)
        }
        guard case .closing = state else { return }
        if case .open = output {
            output = .closed
            connection.sendCloseNotify()
            send(context)
        }
        if inputClosed {
            finishClose(context)
        } else {
            // The peer's close_notify is awaited, up to the timer: closing a socket with unread bytes would reset it,
            // and a reset can overtake what was sent last.
            context.read()
        }
    }

    /// A close is under way: the promise is completed with it.
    private func joinClose(_ promise: EventLoopPromise<Void>?) {
        guard let promise else { return }
        if let first = closePromise {
            first.futureResult.cascade(to: promise)
        } else {
            closePromise = promise
        }
    }

    private func startCloseTimer(_ context: ChannelHandlerContext) {
        schedule(context, milliseconds: configuration.closeTimeout) { handler, context in
            handler.finishClose(context)
        }
    }

    /// Closes the channel now.
    func finishClose(_ context: ChannelHandlerContext) {
        isLingering = false
        let promise = closePromise
        closePromise = nil
        finish(TLSError(.closed, "the connection was closed"))
        context.close(promise: promise)
    }

    /// Writes that were never flushed do not go out once a close was asked for.
    private func dropUnflushed(_ error: ChannelError) {
        var kept = MarkedCircularBuffer<PendingWrite>(initialCapacity: queue.count)
        var dropped: [EventLoopPromise<Void>] = []
        while let isMarked = queue.isEmpty ? nil : queue.hasMark, let write = queue.popFirst() {
            if isMarked {
                kept.append(write)
            } else {
                queuedBytes -= write.bytes.readableBytes
                if let promise = write.promise {
                    dropped.append(promise)
                }
            }
        }
        kept.mark()
        queue = kept
        for promise in dropped {
            promise.fail(error)
        }
    }
}
