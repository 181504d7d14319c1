import MutualTLS
import NIOCore

/// Stands behind the TLS handler and waits until the peer has proved who it is; then puts the frame handlers in its
/// place and hands the connection on. Everything happens on the event loop, before the first byte of the peer's.
final class SessionStarter: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// A connection whose peer is known and that speaks frames from here on.
    struct Connection: Sendable {
        let peer: PeerIdentity
        let frames: NIOAsyncChannel<RawFrame, ByteBuffer>
        let counter: ByteCounter
    }

    private let onReady: (Connection) -> Void
    private let onEnd: () -> Void

    /// `onEnd` is told when the connection is over, whether or not it was ever ready.
    init(onReady: @escaping (Connection) -> Void, onEnd: @escaping () -> Void = {}) {
        self.onReady = onReady
        self.onEnd = onEnd
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        onEnd()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSEvent.handshakeCompleted(let peer, _) = event {
            let counter = ByteCounter()
            do {
                let frames = try FrameChannel.wrap(context.channel, counter: counter)
                onReady(Connection(peer: peer, frames: frames, counter: counter))
            } catch {
                context.fireErrorCaught(error)
                context.close(promise: nil)
            }
        }
        context.fireUserInboundEventTriggered(event)
    }
}
