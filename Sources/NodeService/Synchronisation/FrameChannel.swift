import NIOCore
import Reconciliation

/// Sets up a connected channel to speak frames, and counts its bytes.
enum FrameChannel {
    /// Adds the frame handlers behind whatever stands in the pipeline. To be called on the channel's event loop.
    static func wrap(
        _ channel: any Channel, counter: ByteCounter
    ) throws -> NIOAsyncChannel<RawFrame, ByteBuffer> {
        try channel.pipeline.syncOperations.addHandler(counter)
        try channel.pipeline.syncOperations.addHandler(
            ByteToMessageHandler(FrameDecoder(counter: counter), maximumBufferSize: 2 * FrameLimits.maximumBulk))
        let frames = try NIOAsyncChannel(
            wrappingChannelSynchronously: channel,
            configuration: .init(
                // A frame may be several megabytes: a handful of them is all that waits.
                backPressureStrategy: .init(lowWatermark: 2, highWatermark: 4), inboundType: RawFrame.self,
                outboundType: ByteBuffer.self))
        // Nothing was read before these handlers stood; from here on the stream asks for what it can take.
        try channel.syncOptions?.setOption(.autoRead, value: true)
        return frames
    }
}
