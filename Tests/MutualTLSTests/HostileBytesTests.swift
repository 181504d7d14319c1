import MutualTLS
import NIOCore
import NIOPosix
import Testing

@Suite("Peers that do not play by the rules")
struct HostileBytesTests {
    /// A bare TCP connection.
    private func dial(_ port: Int, recorder: Recorder = Recorder()) async throws -> any Channel {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(RecorderHandler(recorder))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
    }

    /// A bare TCP server that says something to whoever connects.
    private func speak(_ bytes: [UInt8]) async throws -> (any Channel, Int) {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            .bind(host: "127.0.0.1", port: 0).get()
        guard let port = server.localAddress?.port else { throw FixtureError.setup("no port") }
        return (server, port)
    }

    @Test(
        "Something else than TLS on the port is named and closed",
        arguments: [
            ("GET / HTTP/1.1\r\nHost: us.example\r\n\r\n", "not TLS: looks like HTTP"),
            ("POST /submit HTTP/1.1\r\n\r\n", "not TLS: looks like HTTP"),
            ("SSH-2.0-OpenSSH_9.7\r\n", "not TLS: looks like SSH"),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "not TLS: looks like the PROXY protocol"),
            ("\u{0}\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}", "not TLS: the first byte is 0, a TLS record begins with 22"),
        ])
    func notTLS(said: String, expected: String) async throws {
        let us = try Node("us.example")
        let server = try await TestServer.start(us.context(trusting: []))
        let recorder = Recorder()
        let channel = try await dial(server.port, recorder: recorder)
        try await channel.writeAndFlush(ByteBuffer(string: said)).get()
        let refused = try await server.refusals.wait("the refusal") { !$0.errors.isEmpty }
        #expect(refused.errors == [TLSError(.notTLS, expected)])
        _ = try await recorder.wait("the close") { $0.isInactive }
        await server.stop()
    }

    @Test("A client that reaches something else than TLS says what it looks like")
    func notTLSServer() async throws {
        let us = try Node("us.example")
        let (server, port) = try await speak(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
        await #expect(throws: TLSError(.notTLS, "not TLS: looks like HTTP")) {
            try await connect(port, Node("kr.example").context(trusting: [us]), expecting: "us.example")
        }
        try await server.close().get()
    }

    @Test("Random bytes, with and without the look of a record, end in one error")
    func garbage() async throws {
        let us = try Node("us.example")
        let context = try us.context(trusting: [])
        var random = SplitMix64(state: 20_260_501)
        for round in 0..<40 {
            let server = try await TestServer.start(context)
            let channel = try await dial(server.port)
            var bytes = (0..<600).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            if round % 2 == 0 { bytes.replaceSubrange(0..<5, with: [22, 3, 1, 1, 0]) }
            try? await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
            let refused = try await server.refusals.wait("a refusal") { !$0.errors.isEmpty }
            #expect(refused.errors.count == 1)
            #expect([.notTLS, .protocolViolation, .otherProtocolVersion].contains(refused.errors[0].code))
            try? await channel.close().get()
            await server.stop()
        }
    }

    @Test("A silent client is closed when the handshake deadline passes")
    func silentClient() async throws {
        let us = try Node("us.example")
        var configuration = us.configuration(trusting: [])
        configuration.handshakeTimeout = 150
        let server = try await TestServer.start(TLSContext(configuration))
        let recorder = Recorder()
        let channel = try await dial(server.port, recorder: recorder)
        let refused = try await server.refusals.wait("the deadline") { !$0.errors.isEmpty }
        #expect(refused.errors == [TLSError(.handshakeTimeout, "the TLS handshake took longer than 150 ms")])
        _ = try await recorder.wait("the close") { $0.isInactive }
        #expect(!channel.isActive)
        await server.stop()
    }

    @Test("A silent server makes connecting fail when the handshake deadline passes")
    func silentServer() async throws {
        let (server, port) = try await speak([])
        let us = try Node("us.example")
        var configuration = try Node("kr.example").configuration(trusting: [us])
        configuration.handshakeTimeout = 150
        let context = try TLSContext(configuration)
        await #expect(throws: TLSError(.handshakeTimeout, "the TLS handshake took longer than 150 ms")) {
            try await connect(port, context, expecting: "us.example")
        }
        try await server.close().get()
    }

    @Test("A client that trickles its handshake byte by byte is closed by the same deadline")
    func trickle() async throws {
        let us = try Node("us.example")
        var configuration = us.configuration(trusting: [])
        configuration.handshakeTimeout = 300
        let server = try await TestServer.start(TLSContext(configuration))
        let channel = try await dial(server.port)
        let trickling = Task {
            for byte: UInt8 in [22, 3, 1, 2, 0] + [UInt8](repeating: 1, count: 400) {
                try await channel.writeAndFlush(ByteBuffer(bytes: [byte])).get()
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        let refused = try await server.refusals.wait("the deadline") { !$0.errors.isEmpty }
        trickling.cancel()
        #expect([.handshakeTimeout, .protocolViolation].contains(refused.errors[0].code))
        await server.stop()
    }

    @Test("Connections beyond the number of handshakes allowed are closed, and there is room again after")
    func handshakeLimit() async throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let server = try await TestServer.start(us.context(trusting: [kr]), maximumHandshakes: 2)
        let first = try await dial(server.port)
        let second = try await dial(server.port)
        while server.listener.handshaking < 2 { try await Task.sleep(for: .milliseconds(2)) }
        let recorder = Recorder()
        _ = try await dial(server.port, recorder: recorder)
        _ = try await recorder.wait("the close") { $0.isInactive }
        try await first.close().get()
        try await second.close().get()
        while server.listener.handshaking > 0 { try await Task.sleep(for: .milliseconds(2)) }
        let connection = try await connect(server.port, kr.context(trusting: [us]), expecting: "us.example")
        #expect(connection.peer.node == "us.example")
        try await connection.channel.close().get()
        await server.stop()
    }

    @Test("Nobody listening is told as that")
    func unreachable() async throws {
        let us = try Node("us.example")
        let (server, port) = try await speak([])
        try await server.close().get()
        do {
            _ = try await connect(port, Node("kr.example").context(trusting: [us]), expecting: "us.example")
            Issue.record("connected to nobody")
        } catch let error as TLSError {
            #expect(error.code == .unreachable)
            #expect(error.description.hasPrefix("cannot connect to 127.0.0.1:\(port): "))
        }
    }

    @Test("A refused client learns why though it was writing already")
    func refusedWhileWriting() async throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        for _ in 0..<20 {
            let server = try await TestServer.start(us.context(trusting: []))
            let recorder = Recorder()
            // The client believes the handshake is over and sends, while the server refuses.
            let connection = try? await connect(
                server.port, kr.context(trusting: [us]), expecting: "us.example", recorder: recorder)
            connection?.channel.writeAndFlush(ByteBuffer(repeating: 1, count: 200_000), promise: nil)
            let error = try await recorder.error()
            #expect(error.code == .refusedByPeer, "\(error)")
            // The client may read why before the server's listener has been told.
            #expect(try await server.refusals.error().code == .notPinned)
            #expect(server.recorder.seen.byteCount == 0)
            await server.stop()
        }
    }
}

/// A small generator with a seed, so that a failure can be repeated.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
