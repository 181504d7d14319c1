import MutualTLS
import NIOCore
import Testing

@Suite("Our client against the openssl command as server")
struct ForeignServerTests {
    /// An `openssl s_server` on a free port.
    private func serve(_ arguments: [String]) async throws -> (Tool, Int) {
        let tool = try Tool("openssl", ["s_server", "-accept", "127.0.0.1:0"] + arguments)
        try await tool.wait(for: "ACCEPT 127.0.0.1:")
        try await Task.sleep(for: .milliseconds(10))
        guard let line = tool.text.split(separator: "\n").first(where: { $0.hasPrefix("ACCEPT ") }),
            let port = line.split(separator: ":").last.flatMap({ Int($0) })
        else { throw FixtureError.setup("no port in \(tool.text)") }
        return (tool, port)
    }

    /// The error with which connecting to such a server ends.
    private func failure(_ arguments: [String], _ context: TLSContext) async throws -> TLSError {
        let (tool, port) = try await serve(arguments)
        defer { tool.stop() }
        do {
            _ = try await connect(port, context, expecting: "us.example")
        } catch let error as TLSError {
            return error
        }
        throw FixtureError.setup("the connection was made")
    }

    @Test("A pinned server is accepted, and bytes go both ways")
    func pinned() async throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let folder = try Folder()
        let (tool, port) = try await serve(
            ["-alpn", "entente/1", "-Verify", "1", "-tls1_3"] + folder.arguments(us))
        defer { tool.stop() }
        let recorder = Recorder()
        let connection = try await connect(
            port, kr.context(trusting: [us]), expecting: "us.example", recorder: recorder)
        #expect(connection.peer.node == "us.example")
        #expect(connection.handshake.keyExchangeGroup != nil)
        try await connection.channel.writeAndFlush(ByteBuffer(string: "from us\n")).get()
        try await tool.wait(for: "from us")
        tool.type("from them\n")
        let seen = try await recorder.wait("the answer") { $0.bytes == Array("from them\n".utf8) }
        #expect(seen.isAccepted)
    }

    @Test("A server whose key no card pins, or another node's card, is refused")
    func pins() async throws {
        let us = try Node("us.example")
        let fr = try Node("fr.example")
        let kr = try Node("kr.example")
        let folder = try Folder()
        let stranger = try await failure(["-alpn", "entente/1"] + folder.arguments(fr), kr.context(trusting: [us]))
        #expect(stranger.code == .notPinned)
        let another = try await failure(["-alpn", "entente/1"] + folder.arguments(fr), kr.context(trusting: [us, fr]))
        #expect(
            another == TLSError(.wrongPeer, "expected us.example, but the certificate is pinned for fr.example"))
    }

    @Test("An expired server is refused")
    func expired() async throws {
        let us = try Node("us.example", from: 1_000_000_000, until: 1_777_593_600)
        let folder = try Folder()
        let error = try await failure(
            ["-alpn", "entente/1"] + folder.arguments(us), Node("kr.example").context(trusting: [us]))
        #expect(error == TLSError(.certificateExpired, "certificate of us.example expired on 2026-05-01"))
    }

    @Test("A server with another protocol, or none, is refused")
    func applicationProtocol() async throws {
        let us = try Node("us.example")
        let context = try Node("kr.example").context(trusting: [us])
        let folder = try Folder()
        for alpn in [["-alpn", "http/1.1"], []] {
            #expect(try await failure(alpn + folder.arguments(us), context).code == .noApplicationProtocol)
        }
    }

    @Test("A server that speaks TLS 1.2 at most is refused")
    func oldVersion() async throws {
        let us = try Node("us.example")
        let folder = try Folder()
        let error = try await failure(
            ["-tls1_2", "-alpn", "entente/1"] + folder.arguments(us), Node("kr.example").context(trusting: [us]))
        #expect(error.code == .otherProtocolVersion)
    }

    @Test("A server of our authority under another name is refused")
    func wrongName() async throws {
        let authority = try DevelopmentAuthority.make()
        try await authority.run(["node", "us.example", "kr.example", "fr.example"])
        let names = ["us.example": "us.example", "fr.example": "fr.example"]
        let context = try authority.context("kr.example", trusting: names)
        let certificate = authority.folder.path("fr.example.pem")
        let key = authority.folder.path("fr.example.key")
        let error = try await failure(["-alpn", "entente/1", "-cert", certificate, "-key", key], context)
        #expect(
            error == TLSError(.wrongName, "wrong name: the certificate is for fr.example, not a name of us.example"))
    }

    @Test("A certificate for clients only serves nobody, under whatever name")
    func wrongUse() async throws {
        let authority = try DevelopmentAuthority.make()
        try await authority.run(["node", "kr.example"])
        try await authority.run(["analyst", "us.example"])
        let context = try authority.context("kr.example", trusting: ["us.example": "us.example"])
        let files = ["-cert", authority.folder.path("us.example.pem"), "-key", authority.folder.path("us.example.key")]
        let error = try await failure(["-alpn", "entente/1"] + files, context)
        #expect(error.code == .certificateUnacceptable)
    }

    @Test("A server's refusal of our certificate arrives with the first read, as that")
    func refusedLater() async throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let folder = try Folder()
        // It verifies against a CA file that knows only itself.
        let arguments = try folder.arguments(us)
        let (tool, port) = try await serve(
            ["-alpn", "entente/1", "-Verify", "1", "-verify_return_error", "-CAfile", folder.path("us.example.pem")]
                + arguments)
        defer { tool.stop() }
        let recorder = Recorder()
        do {
            _ = try await connect(port, kr.context(trusting: [us]), expecting: "us.example", recorder: recorder)
        } catch let error as TLSError {
            // Both halves may arrive in one read.
            #expect(error.code == .refusedByPeer)
        }
        let error = try await recorder.error()
        #expect(error.code == .refusedByPeer)
        #expect(error.description.hasPrefix("the peer refused our certificate: alert "))
        #expect(!recorder.seen.isAccepted)
    }

    @Test("A server that dies without close_notify is reported as cut")
    func truncation() async throws {
        let us = try Node("us.example")
        let folder = try Folder()
        let (tool, port) = try await serve(["-alpn", "entente/1"] + folder.arguments(us))
        let recorder = Recorder()
        _ = try await connect(
            port, Node("kr.example").context(trusting: [us]), expecting: "us.example", recorder: recorder)
        tool.type("half a sentence\n")
        _ = try await recorder.wait("the bytes") { $0.byteCount > 0 }
        tool.stop()
        #expect(try await recorder.error().code == .truncated)
    }
}
