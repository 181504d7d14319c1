import NIOCore
import Reconciliation

/// One frame as it came from the network: judged by its prefix, not decoded yet.
struct RawFrame: Sendable {
    let kind: FrameKind
    let payload: [UInt8]
}

/// Cuts the byte stream into frames. Length and kind are judged before a payload is waited for, so that nobody can
/// make this side hold more than one frame of the largest allowed size.
struct FrameDecoder: ByteToMessageDecoder {
    typealias InboundOut = RawFrame

    let counter: ByteCounter

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        counter.isInsideFrame = buffer.readableBytes > 0
        guard let length = buffer.getInteger(at: buffer.readerIndex, as: UInt32.self),
            let kind = buffer.getInteger(at: buffer.readerIndex + 4, as: UInt8.self)
        else { return .needMoreData }
        let prefix = try FramePrefix(length: length, kind: kind)
        guard buffer.readableBytes >= FrameLimits.prefixSize + prefix.payloadSize else { return .needMoreData }
        buffer.moveReaderIndex(forwardBy: FrameLimits.prefixSize)
        guard let payload = buffer.readBytes(length: prefix.payloadSize) else { return .needMoreData }
        counter.isInsideFrame = buffer.readableBytes > 0
        context.fireChannelRead(wrapInboundOut(RawFrame(kind: prefix.kind, payload: payload)))
        return .continue
    }

    mutating func decodeLast(
        context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
    ) throws -> DecodingState {
        while try decode(context: context, buffer: &buffer) == .continue {}
        if seenEOF, buffer.readableBytes > 0 { throw ProtocolViolation("the connection ended inside a frame") }
        return .needMoreData
    }
}

/// Counts the bytes of a connection above TLS.
final class ByteCounter: ChannelDuplexHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let counts = Guarded<(received: Int, sent: Int, taken: Int)>((0, 0, 0))
    private let inside = Guarded(false)
    /// What is written in one piece, so that it is seen to go.
    private static let pieceSize = 64 << 10

    var received: Int { counts.value.received }
    var sent: Int { counts.value.sent }
    /// Bytes of those sent that the system has taken.
    var taken: Int { counts.value.taken }
    /// Whether the peer has begun a frame and not ended it.
    var isInsideFrame: Bool {
        get { inside.value }
        set { inside.value = newValue }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let count = unwrapInboundIn(data).readableBytes
        counts.update { $0.received += count }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        var buffer = unwrapOutboundIn(data)
        while let piece = buffer.readSlice(length: min(buffer.readableBytes, ByteCounter.pieceSize)) {
            let count = piece.readableBytes
            counts.update { $0.sent += count }
            let written = context.eventLoop.makePromise(of: Void.self)
            written.futureResult.whenSuccess { [counts] in counts.update { $0.taken += count } }
            let isLast = buffer.readableBytes == 0
            if isLast { written.futureResult.cascade(to: promise) }
            context.write(wrapOutboundOut(piece), promise: written)
            if isLast { return }
        }
    }
}
