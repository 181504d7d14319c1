import MutualTLS
import NIOCore
import Testing

@Suite("Our server against the openssl command as client")
struct ForeignClientTests {
    /// What the server says about a client that runs with `arguments` (besides where to connect).
    private func refusal(_ server: TestServer, _ arguments: [String]) async throws -> (TLSError, String) {
        let tool = try Tool("openssl", ["s_client", "-connect", "127.0.0.1:\(server.port)"] + arguments)
        defer { tool.stop() }
        let refused = try await server.refusals.wait("a refusal of \(arguments)") { !$0.errors.isEmpty }
        tool.endInput()
        _ = try await tool.finished()
        await server.stop()
        #expect(server.recorder.seen.handshake == nil)
        #expect(server.recorder.seen.byteCount == 0)
        return (refused.errors[0], tool.text)
    }

    @Test("A pinned client is let in and served")
    func pinned() async throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let folder = try Folder()
        let server = try await TestServer.start(us.context(trusting: [kr]), echoes: true)
        let tool = try Tool(
            "openssl",
            ["s_client", "-connect", "127.0.0.1:\(server.port)", "-alpn", "entente/1", "-tls1_3"]
                + folder.arguments(kr))
        defer { tool.stop() }
        let seen = try await server.recorder.wait("the handshake") { $0.handshake != nil }
        #expect(seen.handshake?.node == "kr.example")
        #expect(seen.applicationProtocol == "entente/1")
        tool.type("anybody there\n")
        _ = try await server.recorder.wait("the bytes") { $0.bytes == Array("anybody there\n".utf8) }
        try await tool.wait(for: "ALPN protocol: entente/1")
        #expect(!tool.text.contains("New Session Ticket"), "no tickets: a resumed session would skip the pin")
        // The line Q ends s_client with a close_notify.
        tool.type("Q\n")
        _ = try await tool.finished()
        let ended = try await server.recorder.wait("the end") { $0.isInactive }
        #expect(ended.errors == [])
        await server.stop()
    }

    @Test("A client without a certificate is refused")
    func noCertificate() async throws {
        let us = try Node("us.example")
        let server = try await TestServer.start(us.context(trusting: [Node("kr.example")]))
        let (error, output) = try await refusal(server, ["-alpn", "entente/1"])
        #expect(error == TLSError(.noCertificate, "the peer sent no certificate"))
        #expect(output.contains("alert certificate required"))
    }

    @Test("A client whose key no card pins is refused with its fingerprint")
    func notPinned() async throws {
        let us = try Node("us.example")
        let stranger = try Node("kr.example")
        let folder = try Folder()
        let server = try await TestServer.start(us.context(trusting: [Node("kr.example")]))
        let (error, _) = try await refusal(server, ["-alpn", "entente/1"] + folder.arguments(stranger))
        #expect(error.code == .notPinned)
        #expect(
            error.description
                == "the certificate of the peer is pinned by no peer card or log here (SHA-256 \(stranger.pin)); it calls "
                + "itself kr.example; if the peer has a new TLS key, take its new card (`entente identity` there, "
                + "`entente peer add --replace` here)")
    }

    @Test("A pinned certificate out of its dates is refused")
    func dates() async throws {
        let us = try Node("us.example")
        let folder = try Folder()
        // 2026-05-01 and 2001-09-09.
        let expired = try Node("kr.example", from: 1_000_000_000, until: 1_777_593_600)
        var server = try await TestServer.start(us.context(trusting: [expired]))
        var (error, output) = try await refusal(server, ["-alpn", "entente/1"] + folder.arguments(expired))
        #expect(error == TLSError(.certificateExpired, "certificate of kr.example expired on 2026-05-01"))
        #expect(output.contains("alert certificate expired"))
        let early = try Node("fr.example", from: unixNow() + 30 * day, until: unixNow() + 60 * day)
        server = try await TestServer.start(us.context(trusting: [early]))
        (error, output) = try await refusal(server, ["-alpn", "entente/1"] + folder.arguments(early))
        #expect(error.code == .certificateNotYetValid)
        #expect(
            error.description.hasPrefix("certificate of fr.example is valid from \(civilDay(early.identity.notBefore))")
        )
    }

    @Test("A client that offers another protocol, or none, is refused")
    func applicationProtocol() async throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let folder = try Folder()
        for alpn in [["-alpn", "http/1.1,h2"], []] {
            let server = try await TestServer.start(us.context(trusting: [kr]))
            let (error, output) = try await refusal(server, alpn + folder.arguments(kr))
            #expect(error.code == .noApplicationProtocol)
            #expect(output.contains("alert no application protocol"))
        }
    }

    @Test("A client that speaks TLS 1.2 at most is refused")
    func oldVersion() async throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let folder = try Folder()
        let server = try await TestServer.start(us.context(trusting: [kr]))
        let (error, output) = try await refusal(server, ["-tls1_2", "-alpn", "entente/1"] + folder.arguments(kr))
        #expect(error.code == .otherProtocolVersion)
        #expect(output.contains("alert protocol version"))
    }

    @Test("A client that dies without close_notify is reported as cut")
    func truncation() async throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let folder = try Folder()
        let server = try await TestServer.start(us.context(trusting: [kr]))
        let tool = try Tool(
            "openssl",
            ["s_client", "-connect", "127.0.0.1:\(server.port)", "-alpn", "entente/1"] + folder.arguments(kr))
        tool.type("half a sentence\n")
        _ = try await server.recorder.wait("the bytes") { $0.byteCount > 0 }
        tool.stop()
        #expect(try await server.recorder.error().code == .truncated)
        await server.stop()
    }

    @Test("With a CA file: its nodes are let in; a wrong authority, a wrong name and a revoked certificate are not")
    func authority() async throws {
        let good = try DevelopmentAuthority.make()
        let other = try DevelopmentAuthority.make()
        try await good.run(["node", "us.example", "kr.example", "fr.example"])
        try await good.run(["analyst", "park.kr.example"])
        try await other.run(["node", "kr.example"])
        func arguments(_ authority: DevelopmentAuthority, _ name: String) -> [String] {
            let folder = authority.folder
            return ["-alpn", "entente/1", "-cert", folder.path("\(name).pem"), "-key", folder.path("\(name).key")]
        }
        let names = ["kr.example": "kr.example"]

        let welcome = try await TestServer.start(good.context("us.example", trusting: names, checkingRevocation: true))
        let tool = try Tool(
            "openssl", ["s_client", "-connect", "127.0.0.1:\(welcome.port)"] + arguments(good, "kr.example"))
        let seen = try await welcome.recorder.wait("the handshake") { $0.handshake != nil }
        #expect(seen.handshake?.node == "kr.example")
        tool.stop()
        await welcome.stop()

        var server = try await TestServer.start(good.context("us.example", trusting: names))
        #expect(try await refusal(server, arguments(other, "kr.example")).0.code == .untrustedIssuer)

        server = try await TestServer.start(good.context("us.example", trusting: names))
        var error = try await refusal(server, arguments(good, "fr.example")).0
        #expect(
            error == TLSError(.wrongName, "wrong name: the certificate is for fr.example, not a name of a peer"))

        try await good.run(["revoke", "kr.example"])
        server = try await TestServer.start(good.context("us.example", trusting: names, checkingRevocation: true))
        error = try await refusal(server, arguments(good, "kr.example")).0
        #expect(error.code == .revoked)
    }

    /// What a client shows whose certificate says `one.kr.example` as common name, and further only this.
    private func loseClient(_ authority: DevelopmentAuthority, _ extensionLine: String) async throws -> [String] {
        try await authority.run(["node", "us.example"])
        let folder = authority.folder
        try folder.write("extensions", Array(extensionLine.utf8))
        let command = """
            cd '\(folder.path(""))' && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout lose.key \
            -subj /CN=one.kr.example | openssl x509 -req -CA ca.pem -CAkey ca.key -extfile extensions -out lose.pem
            """
        #expect(try await Tool("sh", ["-c", command]).finished() == 0)
        return ["-alpn", "entente/1", "-cert", folder.path("lose.pem"), "-key", folder.path("lose.key")]
    }

    @Test(
        "A common name, and a wildcard, stand for no node",
        arguments: ["keyUsage=digitalSignature", "subjectAltName=DNS:*.kr.example"])
    func loseNames(extensionLine: String) async throws {
        let authority = try DevelopmentAuthority.make()
        let client = try await loseClient(authority, extensionLine)
        let server = try await TestServer.start(
            authority.context("us.example", trusting: ["one.kr.example": "kr.example"]))
        #expect(try await refusal(server, client).0.code == .wrongName)
    }

    @Test(
        "Where wildcards are allowed, as on the web, one stands for a whole label and nothing else",
        arguments: [
            ("subjectAltName=DNS:*.kr.example", true), ("subjectAltName=DNS:o*.kr.example", false),
            ("subjectAltName=DNS:*.example", false), ("keyUsage=digitalSignature", false),
        ])
    func wildcards(extensionLine: String, isLetIn: Bool) async throws {
        let authority = try DevelopmentAuthority.make()
        let client = try await loseClient(authority, extensionLine)
        var trust = try authority.trust(["one.kr.example": "kr.example"])
        trust.authority?.allowsWildcards = true
        let server = try await TestServer.start(
            TLSContext(
                TLSConfiguration(
                    identity: authority.identity("us.example"), trust: trust, applicationProtocols: ["entente/1"])))
        guard isLetIn else {
            #expect(try await refusal(server, client).0.code == .wrongName)
            return
        }
        let tool = try Tool("openssl", ["s_client", "-connect", "127.0.0.1:\(server.port)"] + client)
        #expect(try await server.recorder.wait("the handshake") { $0.handshake != nil }.handshake?.node == "kr.example")
        tool.stop()
        await server.stop()
    }

    @Test("An outdated revocation list, or one of another authority, refuses everybody")
    func revocationList() async throws {
        let authority = try DevelopmentAuthority.make()
        let other = try DevelopmentAuthority.make()
        try await authority.run(["node", "us.example", "kr.example"])
        try await other.run(["crl"])
        let client = [
            "-alpn", "entente/1", "-cert", authority.folder.path("kr.example.pem"), "-key",
            authority.folder.path("kr.example.key"),
        ]
        var trust = try authority.trust(["kr.example": "kr.example"])
        trust.authority?.revocationListsPEM = try other.folder.read("crl.pem")
        let context = try TLSContext(
            TLSConfiguration(
                identity: authority.identity("us.example"), trust: trust, applicationProtocols: ["entente/1"]))
        let server = try await TestServer.start(context)
        #expect(try await refusal(server, client).0.code == .revocationListUnusable)

        try await authority.run(["-d", "7", "crl"])
        let current = try authority.context(
            "us.example", trusting: ["kr.example": "kr.example"], checkingRevocation: true)
        let next = try #require(current.revocationListNextUpdate)
        #expect(abs(next - (unixNow() + 7 * day)) < 60)
    }
}
