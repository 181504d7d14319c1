import Dispatch
import MutualTLS
import NIOCore
import NodeService
import Synchronization
import Testing
import TransparencyLog
import WebService

/// A client against servers that say what they like.
@Suite struct WebClientTests {
    private static let checkpoint = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    private static let missing = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

    private func read(
        _ server: CannedServer, _ files: [PublishedFile] = [.checkpoint]
    ) async throws -> [PublishedContent] {
        let client = try server.client
        return try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                let contents = Mutex([PublishedContent](repeating: .unusable("never given"), count: files.count))
                continuation.resume(
                    with: Result {
                        try WebSource(client).read(files) { place, content in
                            contents.withLock { $0[place] = content }
                        }
                        return contents.withLock { $0 }
                    })
            }
        }
    }

    @Test(arguments: [
        (checkpoint, PublishedContent.bytes([UInt8]("hi".utf8))), (missing, .missing),
        ("HTTP/1.1 410 Gone\r\nContent-Length: 1\r\n\r\nx", .missing),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", .bytes([104, 105])),
        ("HTTP/1.1 100 Continue\r\n\r\n" + checkpoint, .bytes([104, 105])),
        ("HTTP/1.1 503 X\r\nContent-Length: 8\r\n\r\ndamaged\n", .unusable("the server answered 503: damaged")),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
            .unusable("the server sends it in an encoding that was not asked for")
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\nhi", .unusable("it is longer than it may be")),
    ]) func anAnswerIsTakenForWhatItIs(answer: String, content: PublishedContent) async throws {
        let server = try await CannedServer([answer])
        #expect(try await read(server) == [content])
    }

    /// It says nothing of the log, so the log is not called unsound for it.
    @Test(arguments: [
        ("HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n", "sends elsewhere (302)"),
        ("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", "answered 500"),
        ("HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n", "answered 429"),
    ]) func anAnswerAboutTheServerIsAnError(answer: String, says: String) async throws {
        let server = try await CannedServer([answer])
        let error = await #expect(throws: TLSError.self) { try await read(server) }
        #expect(error?.code == .unreachable && "\(error.map { "\($0)" } ?? "")".contains(says))
    }

    @Test(arguments: [
        "", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\nhi", "HTTP/1.1 200 OK\r\nX: ",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi",
    ]) func aServerThatDoesNotAnswerIsAnError(answer: String) async throws {
        let server = try await CannedServer([answer], closes: true)
        await #expect(throws: (any Error).self) { try await read(server) }
    }

    @Test(arguments: [
        "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\n" + String(repeating: "X: \(String(repeating: "y", count: 6_000))\r\n", count: 40),
    ]) func whatIsNoHTTPIsAViolation(answer: String) async throws {
        let server = try await CannedServer([answer], closes: true)
        let error = await #expect(throws: TLSError.self) { try await read(server) }
        #expect(error?.code == .protocolViolation)
    }

    @Test func aBodyWithoutALengthIsCutAtItsLimit() async throws {
        let endless = String(repeating: "x", count: 9_000)
        let server = try await CannedServer(["HTTP/1.1 200 OK\r\n\r\n" + endless, Self.missing], closes: true)
        let tile = try PublishedFile.tile(TileCoordinate(level: 0, number: 0))
        #expect(try await read(server, [tile]) == [.unusable("it is longer than it may be")])
    }

    @Test func whatAServerLeavesUnansweredIsAskedForAgain() async throws {
        // Every connection answers once, however many requests it has.
        let server = try await CannedServer([Self.checkpoint], closes: true)
        let files = [PublishedFile](repeating: .checkpoint, count: 20)
        let contents = try await read(server, files)
        #expect(contents.allSatisfy { $0 == .bytes([104, 105]) })
        #expect(server.connections == 20)
    }

    @Test func anotherServerThanTheOneTrustedIsRefused() async throws {
        let server = try await CannedServer([Self.checkpoint])
        let other = try await CannedServer([Self.checkpoint])
        let client = try WebClient(server.address, context: other.clientContext(), server: "server")
        await #expect(throws: TLSError.self) {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                DispatchQueue.global().async {
                    continuation.resume(with: Result { try WebSource(client).read([.checkpoint]) { _, _ in } })
                }
            }
        }
    }
}

/// A TLS server that answers the first bytes of every connection with the same texts, one for each request seen.
final class CannedServer: Sendable {
    private let listener: SecureListener
    private let identity: TLSIdentity
    private let reader: TLSIdentity
    private let count: Counter

    /// `closes`: ends the connection after the texts.
    init(_ answers: [String], closes: Bool = false) async throws {
        func made(_ name: String) throws -> TLSIdentity {
            let generated = try TLSIdentity.selfSigned(dns: name, validFrom: 1_600_000_000, validUntil: 4_000_000_000)
            return try TLSIdentity(
                certificatePEM: generated.certificatePEM, privateKeyPEM: generated.privateKeyPEM)
        }
        identity = try made("us.example")
        reader = try made("kr.example")
        let pin = try #require(Pin(reader.subjectPublicKeyInfoPin))
        let context = try TLSContext(
            TLSConfiguration(
                identity: identity, trust: PeerTrust(pins: [pin: "kr.example"]), applicationProtocols: []))
        let count = Counter()
        self.count = count
        listener = try await SecureListener.listen(host: "127.0.0.1", port: 0, context: { context }) { channel in
            count.add()
            try channel.pipeline.syncOperations.addHandler(Canned(answers, closes: closes))
        }
    }

    var connections: Int { count.value }

    var address: WebAddress {
        get throws { try #require(WebAddress("https://127.0.0.1:\(listener.localAddress?.port ?? 0)/")) }
    }

    func clientContext() throws -> TLSContext {
        let pin = try #require(Pin(identity.subjectPublicKeyInfoPin))
        return try TLSContext(
            TLSConfiguration(identity: reader, trust: PeerTrust(pins: [pin: "server"]), applicationProtocols: []))
    }

    var client: WebClient {
        get throws { try WebClient(address, context: clientContext(), server: "server") }
    }

    deinit {
        listener.channel.close(promise: nil)
    }
}

final class Counter: Sendable {
    private let count = Mutex(0)
    func add() { count.withLock { $0 += 1 } }
    var value: Int { count.withLock { $0 } }
}

private final class Canned: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private var answers: [String]
    private let closes: Bool

    init(_ answers: [String], closes: Bool) {
        self.answers = answers
        self.closes = closes
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !answers.isEmpty else { return }
        let text = answers.joined()
        answers = []
        let written = context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)))
        if closes {
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            written.whenComplete { _ in bound.value.close(promise: nil) }
        }
    }
}
