import MutualTLS
import NIOCore
import NIOPosix
import Testing

@Suite("Bytes in quantity, over sockets")
struct TransferTests {
    /// Sends `total` bytes of a known pattern in writes of `piece` as the channel takes them; the hash of all of them.
    private func send(_ channel: any Channel, total: Int, piece: Int) async throws -> [UInt8] {
        var hash = RunningHash()
        var random = SplitMix64(state: UInt64(piece))
        let block = ByteBuffer(bytes: (0..<piece).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        var left = total
        var window: [EventLoopFuture<Void>] = []
        while left > 0 {
            guard let slice = block.getSlice(at: 0, length: min(piece, left)) else { throw FixtureError.setup("slice") }
            left -= slice.readableBytes
            slice.withUnsafeReadableBytes { hash.add($0) }
            window.append(post(slice, to: channel))
            if window.count == 16 { try await window.removeFirst().get() }
        }
        for future in window { try await future.get() }
        return hash.finish()
    }

    @Test("64 MiB each way at once arrive whole and in order")
    func bothWays() async throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let total = 64 << 20
        let accepted = AcceptedChannels()
        let incoming = Recorder()
        let context = try us.context(trusting: [kr])
        let listener = try await SecureListener.listen(host: "127.0.0.1", port: 0, context: { context }) { channel in
            try channel.pipeline.syncOperations.addHandler(HashingHandler(incoming))
            accepted.add(channel)
        }
        let port = try #require(listener.localAddress?.port)
        let outgoing = Recorder()
        let connection = try await SecureConnector.connect(
            host: "127.0.0.1", port: port, context: kr.context(trusting: [us]), expecting: "us.example"
        ) { channel in
            try channel.pipeline.syncOperations.addHandler(HashingHandler(outgoing))
        }
        let other = try await accepted.first()
        async let forth = send(connection.channel, total: total, piece: 1_000_003)
        async let back = send(other, total: total, piece: 65_536)
        let (sentForth, sentBack) = try await (forth, back)
        let gotForth = try await incoming.wait("64 MiB", seconds: 60) { $0.byteCount == total }
        let gotBack = try await outgoing.wait("64 MiB", seconds: 60) { $0.byteCount == total }
        #expect(gotForth.errors == [] && gotBack.errors == [])
        try await connection.channel.close().get()
        #expect(try await incoming.wait("the end") { $0.isInactive }.bytes == sentForth)
        #expect(try await outgoing.wait("the end") { $0.isInactive }.bytes == sentBack)
        try await listener.close()
    }

    @Test("Closing right after a large write loses nothing")
    func closeAfterWrite() async throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let server = try await TestServer.start(us.context(trusting: [kr]), keeps: false)
        let connection = try await connect(server.port, kr.context(trusting: [us]), expecting: "us.example")
        let written = post(ByteBuffer(repeating: 9, count: 8 << 20), to: connection.channel)
        try await connection.channel.close().get()
        try await written.get()
        let seen = try await server.recorder.wait("the end") { $0.isInactive }
        #expect(seen.byteCount == 8 << 20)
        #expect(seen.errors == [])
        await server.stop()
    }

    @Test("After closing its output a client still reads the whole answer")
    func halfClose() async throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let accepted = AcceptedChannels()
        let incoming = Recorder()
        let context = try us.context(trusting: [kr])
        let listener = try await SecureListener.listen(host: "127.0.0.1", port: 0, context: { context }) { channel in
            try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
            try channel.pipeline.syncOperations.addHandler(RecorderHandler(incoming))
            accepted.add(channel)
        }
        let port = try #require(listener.localAddress?.port)
        let recorder = Recorder()
        let connection = try await connect(
            port, kr.context(trusting: [us]), expecting: "us.example", recorder: recorder, halfClosure: true)
        try await connection.channel.writeAndFlush(ByteBuffer(string: "question")).get()
        try await connection.channel.close(mode: .output).get()
        await #expect(throws: ChannelError.outputClosed) {
            try await connection.channel.writeAndFlush(ByteBuffer(string: "more")).get()
        }
        let asked = try await incoming.wait("the end of the question") { $0.inputClosed > 0 }
        #expect(asked.bytes == Array("question".utf8))
        #expect(asked.errors == [])
        let other = try await accepted.first()
        try await other.writeAndFlush(ByteBuffer(repeating: 5, count: 3 << 20)).get()
        try await other.close().get()
        let answered = try await recorder.wait("the answer") { $0.isInactive }
        #expect(answered.byteCount == 3 << 20)
        #expect(answered.errors == [])
        #expect(incoming.seen.inputClosed == 1)
        try await listener.close()
    }

    @Test("A reader that does not read holds the writer back instead of filling memory")
    func slowReader() async throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let accepted = AcceptedChannels()
        let incoming = Recorder()
        let context = try us.context(trusting: [kr])
        let listener = try await SecureListener.listen(host: "127.0.0.1", port: 0, context: { context }) { channel in
            try channel.syncOptions?.setOption(.autoRead, value: false)
            try channel.pipeline.syncOperations.addHandler(RecorderHandler(incoming, keeps: false))
            accepted.add(channel)
        }
        let port = try #require(listener.localAddress?.port)
        let connection = try await connect(port, kr.context(trusting: [us]), expecting: "us.example")
        let total = 32 << 20
        let written = post(ByteBuffer(repeating: 9, count: total), to: connection.channel)
        try await Task.sleep(for: .milliseconds(300))
        #expect(incoming.seen.byteCount < 1 << 20, "nobody asked for bytes")
        #expect(!connection.channel.isWritable)
        let other = try await accepted.first()
        let before = incoming.seen.byteCount
        other.read()
        _ = try await incoming.wait("what was asked for") { $0.byteCount > before }
        try await other.setOption(.autoRead, value: true).get()
        try await written.get()
        _ = try await incoming.wait("the rest", seconds: 30) { $0.byteCount == total }
        try await connection.channel.close().get()
        try await listener.close()
    }

    @Test("A hundred connections at once each get their own answer")
    func manyConnections() async throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let server = try await TestServer.start(us.context(trusting: [kr]), echoes: true, keeps: false)
        let context = try kr.context(trusting: [us])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<100 {
                group.addTask {
                    let recorder = Recorder()
                    let connection = try await connect(
                        server.port, context, expecting: "us.example", recorder: recorder)
                    let message = [UInt8](repeating: UInt8(index), count: 1_000 + index * 997)
                    try await connection.channel.writeAndFlush(ByteBuffer(bytes: message)).get()
                    let seen = try await recorder.wait("the echo", seconds: 30) { $0.byteCount == message.count }
                    #expect(seen.bytes == message)
                    #expect(seen.errors == [])
                    try await connection.channel.close().get()
                }
            }
            try await group.waitForAll()
        }
        #expect(server.refusals.seen.errors == [])
        #expect(server.listener.handshaking == 0)
        await server.stop()
    }

    @Test("An asynchronous channel over it carries a conversation to its end")
    func asyncChannel() async throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let server = try await TestServer.start(us.context(trusting: [kr]), echoes: true)
        let (connection, channel) = try await SecureConnector.connect(
            host: "127.0.0.1", port: server.port, context: kr.context(trusting: [us]), expecting: "us.example",
            wrapping: { try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: $0) })
        #expect(connection.peer.node == "us.example")
        let total = 4 << 20
        let received = try await channel.executeThenClose { inbound, outbound in
            async let sending: Void = {
                for _ in 0..<64 { try await outbound.write(ByteBuffer(repeating: 1, count: total / 64)) }
            }()
            var received = 0
            for try await buffer in inbound {
                received += buffer.readableBytes
                if received == total { break }
            }
            try await sending
            return received
        }
        #expect(received == total)
        await server.stop()
    }

    @Test("A context built anew counts for the next connection")
    func reload() async throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let fr = try Node("fr.example")
        let contexts = try ContextBox(us.context(trusting: [kr]))
        let listener = try await SecureListener.listen(
            host: "127.0.0.1", port: 0, context: { contexts.current }, initializer: { _ in })
        let port = try #require(listener.localAddress?.port)
        let old = try await connect(port, kr.context(trusting: [us]), expecting: "us.example")
        contexts.replace(try us.context(trusting: [fr]))
        let recorder = Recorder()
        _ = try? await connect(port, kr.context(trusting: [us]), expecting: "us.example", recorder: recorder)
        #expect(try await recorder.error().code == .refusedByPeer)
        let new = try await connect(port, fr.context(trusting: [us]), expecting: "us.example")
        #expect(old.channel.isActive && new.channel.isActive)
        try await old.channel.close().get()
        try await new.channel.close().get()
        try await listener.close()
    }
}
