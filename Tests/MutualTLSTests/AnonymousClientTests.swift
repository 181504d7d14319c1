import MutualTLS
import NIOCore
import Testing

@Suite("A server that asks nobody who it is")
struct AnonymousClientTests {
    private func anonymous(_ node: Node) throws -> TLSContext {
        var configuration = try node.context(trusting: []).configuration
        configuration.applicationProtocols = []
        configuration.asksForClientCertificate = false
        return try TLSContext(configuration)
    }

    @Test("lets a client without a certificate in, and says that it knows nobody")
    func letsIn() async throws {
        let server = try await TestServer.start(anonymous(Node("us.example")), echoes: true)
        let tool = try Tool("openssl", ["s_client", "-connect", "127.0.0.1:\(server.port)", "-tls1_3"])
        defer { tool.stop() }
        let seen = try await server.recorder.wait("the handshake") { $0.isAnonymous }
        #expect(seen.handshake == nil)
        tool.type("anybody there\n")
        _ = try await server.recorder.wait("the bytes") { $0.bytes == Array("anybody there\n".utf8) }
        tool.type("Q\n")
        _ = try await tool.finished()
        #expect(server.refusals.seen.errors == [])
        #expect(server.listener.handshaking == 0)
        await server.stop()
    }

    @Test("takes no note of a certificate that is sent all the same")
    func certificate() async throws {
        let folder = try Folder()
        let kr = try Node("kr.example")
        let server = try await TestServer.start(anonymous(Node("us.example")))
        let tool = try Tool(
            "openssl", ["s_client", "-connect", "127.0.0.1:\(server.port)", "-tls1_3"] + folder.arguments(kr))
        defer { tool.stop() }
        let seen = try await server.recorder.wait("the handshake") { $0.isAnonymous }
        #expect(seen.handshake == nil)
        tool.type("Q\n")
        _ = try await tool.finished()
        await server.stop()
    }

    @Test("speaks nothing older than TLS 1.3")
    func version() async throws {
        let server = try await TestServer.start(anonymous(Node("us.example")))
        let tool = try Tool("openssl", ["s_client", "-connect", "127.0.0.1:\(server.port)", "-tls1_2"])
        defer { tool.stop() }
        _ = try await server.refusals.wait("a refusal") { !$0.errors.isEmpty }
        tool.endInput()
        _ = try await tool.finished()
        #expect(!server.recorder.seen.isAnonymous)
        await server.stop()
    }

    @Test("Its context is none to connect with: such a client would believe any server")
    func client() async throws {
        let us = try Node("us.example")
        let server = try await TestServer.start(us.context(trusting: [us]))
        let refusal = await #expect(throws: TLSError.self) {
            _ = try await connect(server.port, anonymous(us), expecting: "us.example")
        }
        #expect(refusal?.code == .badConfiguration)
        #expect(server.recorder.seen.handshake == nil)
        await server.stop()
    }
}
