import COpenSSL
import MutualTLS
import NIOCore
import Synchronization

/// SHA-256 as bytes come. One owner at a time.
struct RunningHash: ~Copyable {
    private let state = EVP_MD_CTX_new()

    init() { EVP_DigestInit_ex(state, EVP_sha256(), nil) }

    deinit { EVP_MD_CTX_free(state) }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        EVP_DigestUpdate(state, bytes.baseAddress, bytes.count)
    }

    mutating func finish() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        EVP_DigestFinal_ex(state, &digest, nil)
        return digest
    }
}

/// Counts and hashes what arrives; the hash is recorded as `bytes` when the channel ends.
final class HashingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let recorder: Recorder
    private var hash = RunningHash()

    init(_ recorder: Recorder) { self.recorder = recorder }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        buffer.withUnsafeReadableBytes { hash.add($0) }
        recorder.update { $0.byteCount += buffer.readableBytes }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        recorder.update { seen in
            if let error = error as? TLSError { seen.errors.append(error) }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        let digest = hash.finish()
        recorder.update {
            $0.bytes = digest
            $0.isInactive = true
        }
        context.fireChannelInactive()
    }
}

/// The channels that a listener accepted.
final class AcceptedChannels: Sendable {
    private let channels = Mutex<[any Channel]>([])

    func add(_ channel: any Channel) { channels.withLock { $0.append(channel) } }

    func first() async throws -> any Channel {
        for _ in 0..<2_000 {
            if let channel = channels.withLock({ $0.first }) { return channel }
            try await Task.sleep(for: .milliseconds(2))
        }
        throw FixtureError.timedOut("an accepted channel")
    }
}

/// A context that can be replaced.
final class ContextBox: Sendable {
    private let box: Mutex<TLSContext>

    init(_ context: TLSContext) { box = Mutex(context) }

    var current: TLSContext { box.withLock { $0 } }
    func replace(_ context: TLSContext) { box.withLock { $0 = context } }
}

/// A write whose outcome is waited for later.
func post(_ buffer: ByteBuffer, to channel: any Channel) -> EventLoopFuture<Void> {
    channel.writeAndFlush(buffer)
}
