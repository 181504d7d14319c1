import MutualTLS
import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Unix time now.
func unixNow() -> Int64 { Int64(time(nil)) }

let day: Int64 = 86_400

/// A node with a self-signed certificate, valid from a day ago unless said otherwise.
struct Node {
    let name: String
    let certificatePEM: [UInt8]
    let keyPEM: [UInt8]
    let identity: TLSIdentity
    let pin: Pin

    init(_ name: String, from: Int64 = unixNow() - day, until: Int64 = unixNow() + 365 * day) throws {
        let made = try TLSIdentity.selfSigned(dns: name, validFrom: from, validUntil: until)
        self.name = name
        certificatePEM = made.certificatePEM
        keyPEM = made.privateKeyPEM
        identity = try TLSIdentity(certificatePEM: made.certificatePEM, privateKeyPEM: made.privateKeyPEM)
        guard let pin = Pin(identity.subjectPublicKeyInfoPin) else { throw FixtureError.setup("pin") }
        self.pin = pin
    }

    func configuration(trusting others: [Node], protocols: [String] = ["entente/1"]) -> TLSConfiguration {
        let pins = Dictionary(others.map { ($0.pin, $0.name) }, uniquingKeysWith: { first, _ in first })
        return TLSConfiguration(identity: identity, trust: PeerTrust(pins: pins), applicationProtocols: protocols)
    }

    func context(trusting others: [Node], protocols: [String] = ["entente/1"]) throws -> TLSContext {
        try TLSContext(configuration(trusting: others, protocols: protocols))
    }
}

enum FixtureError: Error { case setup(String), timedOut(String) }

/// What happened on a channel, seen from behind the TLS handler; tests wait for it, never for ever.
final class Recorder: Sendable {
    struct Seen {
        var bytes: [UInt8] = []
        var byteCount = 0
        var handshake: PeerIdentity?
        var applicationProtocol: String?
        var isAnonymous = false
        var isAccepted = false
        var inputClosed = 0
        var errors: [TLSError] = []
        var otherErrors: [String] = []
        var isInactive = false
        var hash: UInt64 = 0
    }

    private let state = Mutex(Seen())

    var seen: Seen { state.withLock { $0 } }
    func update(_ change: (inout Seen) -> Void) { state.withLock { change(&$0) } }

    /// Waits until the condition holds, at most `seconds`.
    func wait(_ what: String, seconds: Double = 10, until condition: @Sendable (Seen) -> Bool) async throws -> Seen {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            let now = seen
            if condition(now) { return now }
            guard ContinuousClock.now < deadline else { throw FixtureError.timedOut("\(what): saw \(now.errors)") }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    func error() async throws -> TLSError {
        let seen = try await wait("an error") { !$0.errors.isEmpty }
        return seen.errors[0]
    }
}

/// A position-dependent checksum that is quick in debug builds: FNV-1a over 8-byte words would need alignment, so the
/// bytes are folded whole.
func fold(_ hash: UInt64, _ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash = hash
    for byte in bytes {
        hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
    }
    return hash
}

final class RecorderHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let recorder: Recorder
    private let echoes: Bool
    private let keeps: Bool

    init(_ recorder: Recorder, echoes: Bool = false, keeps: Bool = true) {
        self.recorder = recorder
        self.echoes = echoes
        self.keeps = keeps
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        recorder.update { seen in
            seen.byteCount += buffer.readableBytes
            if keeps {
                seen.bytes += buffer.readableBytesView
            } else {
                seen.hash = buffer.withUnsafeReadableBytes { fold(seen.hash, $0) }
            }
        }
        if echoes {
            context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
        }
        context.fireChannelRead(data)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case TLSEvent.handshakeCompleted(let peer, let name):
            recorder.update {
                $0.handshake = peer
                $0.applicationProtocol = name
            }
        case TLSEvent.anonymousHandshakeCompleted:
            recorder.update { $0.isAnonymous = true }
        case TLSEvent.accepted:
            recorder.update { $0.isAccepted = true }
        case ChannelEvent.inputClosed:
            recorder.update { $0.inputClosed += 1 }
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        recorder.update { seen in
            if let error = error as? TLSError {
                seen.errors.append(error)
            } else {
                seen.otherErrors.append("\(error)")
            }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        recorder.update { $0.isInactive = true }
        context.fireChannelInactive()
    }
}

/// A listener on a free port of 127.0.0.1 whose channels are recorded together.
struct TestServer {
    let listener: SecureListener
    let recorder: Recorder
    let refusals: Recorder
    let port: Int

    static func start(
        _ context: TLSContext, echoes: Bool = false, keeps: Bool = true, halfClosure: Bool = false,
        maximumHandshakes: Int = 256, greeting: String? = nil
    ) async throws -> TestServer {
        let recorder = Recorder()
        let refusals = Recorder()
        let listener = try await SecureListener.listen(
            host: "127.0.0.1", port: 0, maximumHandshakes: maximumHandshakes, context: { context },
            onRefusal: { error, _ in refusals.update { $0.errors.append(error) } },
            initializer: { channel in
                if halfClosure {
                    try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
                }
                try channel.pipeline.syncOperations.addHandler(
                    RecorderHandler(recorder, echoes: echoes, keeps: keeps))
                if let greeting {
                    channel.writeAndFlush(ByteBuffer(string: greeting), promise: nil)
                }
            })
        guard let port = listener.localAddress?.port else { throw FixtureError.setup("no port") }
        return TestServer(listener: listener, recorder: recorder, refusals: refusals, port: port)
    }

    func stop() async { try? await listener.close() }
}

/// Connects to a port of 127.0.0.1 with a recorder behind TLS.
func connect(
    _ port: Int, _ context: TLSContext, expecting: String, recorder: Recorder = Recorder(), echoes: Bool = false,
    keeps: Bool = true, halfClosure: Bool = false
) async throws -> SecureConnection {
    try await SecureConnector.connect(host: "127.0.0.1", port: port, context: context, expecting: expecting) {
        channel in
        if halfClosure {
            try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
        }
        try channel.pipeline.syncOperations.addHandler(RecorderHandler(recorder, echoes: echoes, keeps: keeps))
    }
}
