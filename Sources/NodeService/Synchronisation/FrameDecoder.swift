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

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        guard let length = buffer.getInteger(at: buffer.readerIndex, as: UInt32.self),
            let kind = buffer.getInteger(at: buffer.readerIndex + 4, as: UInt8.self)
        else { return .needMoreData }
        let prefix = try FramePrefix(length: length, kind: kind)
        guard buffer.readableBytes >= FrameLimits.prefixSize + prefix.payloadSize else { return .needMoreData }
        buffer.moveReaderIndex(forwardBy: FrameLimits.prefixSize)
        guard let payload = buffer.readBytes(length: prefix.payloadSize) else { return .needMoreData }
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

    private let counts = Guarded<(received: Int, sent: Int)>((0, 0))

    var received: Int { counts.value.received }
    var sent: Int { counts.value.sent }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let count = unwrapInboundIn(data).readableBytes
        counts.update { $0.received += count }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let count = unwrapOutboundIn(data).readableBytes
        counts.update { $0.sent += count }
        context.write(data, promise: promise)
    }
}
