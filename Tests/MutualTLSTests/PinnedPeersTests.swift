import MutualTLS
import NIOCore
import Testing

@Suite("Two nodes with pinned certificates")
struct PinnedPeersTests {
    @Test("Both prove who they are and exchange bytes both ways")
    func exchange() async throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let server = try await TestServer.start(us.context(trusting: [kr]), echoes: true)
        let recorder = Recorder()
        let connection = try await connect(
            server.port, kr.context(trusting: [us]), expecting: "us.example", recorder: recorder)
        #expect(connection.peer.node == "us.example")
        #expect(connection.peer.pin == us.pin)
        #expect(connection.peer.subject == "CN=us.example")
        #expect(connection.peer.notAfter == us.identity.notAfter)
        #expect(connection.applicationProtocol == "entente/1")
        try await connection.channel.writeAndFlush(ByteBuffer(string: "hello")).get()
        let echoed = try await recorder.wait("the echo") { $0.bytes == Array("hello".utf8) }
        #expect(echoed.isAccepted)
        #expect(server.recorder.seen.handshake?.node == "kr.example")
        try await connection.channel.close().get()
        let ended = try await server.recorder.wait("the end") { $0.isInactive }
        #expect(ended.errors == [])
        #expect(recorder.seen.errors == [])
        await server.stop()
    }
}
