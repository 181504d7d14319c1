import Cryptography
import Foundation
import LogStore
import Logging
import MutualTLS
import NIOCore
import NodeService
import Synchronization
import Testing
import TransparencyLog
import WebService

/// What a reader may take of the server, and what becomes of one that takes more.
@Suite struct TileServerLimitTests {
    private static let request = "GET /krus/checkpoint HTTP/1.1\r\nHost: x\r\n\r\n"

    /// A server with an empty store, and a context of the one reader it knows.
    private func scene(
        _ limits: TileServer.Limits = TileServer.Limits(), fill: (SQLiteLogStore) throws -> Void = { _ in }
    ) async throws -> (server: TileServer, reader: Reader) {
        let folder = try Folder()
        let store = try SQLiteLogStore(
            path: folder.path + "/node.sqlite", signedPath: folder.path + "/signed.sqlite", node: "us.example")
        try fill(store)
        func made(_ name: String) throws -> TLSIdentity {
            let generated = try TLSIdentity.selfSigned(dns: name, validFrom: 1_600_000_000, validUntil: 4_000_000_000)
            return try TLSIdentity(certificatePEM: generated.certificatePEM, privateKeyPEM: generated.privateKeyPEM)
        }
        let us = try made("us.example")
        let kr = try made("kr.example")
        func context(_ identity: TLSIdentity, knows peer: TLSIdentity, as name: String) throws -> TLSContext {
            let pin = try #require(Pin(peer.subjectPublicKeyInfoPin))
            return try TLSContext(
                TLSConfiguration(identity: identity, trust: PeerTrust(pins: [pin: name]), applicationProtocols: []))
        }
        let node = try context(us, knows: kr, as: "kr.example")
        let publishing = Publishing(
            store: store,
            federation: {
                let both = ["us.example", "kr.example"]
                return Federation(
                    node: "us.example",
                    members: ["krus": both, "mirror": both, "swap": both, "checkpoint": both, "own": ["us.example"]],
                    mirrorKeys: [:])
            }, tls: { node })
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let server = try await TileServer.listen(
            at: Endpoint(host: "127.0.0.1", port: 0), publishing: publishing, limits: limits, logger: logger)
        return (
            server,
            Reader(
                port: try #require(server.port), context: try context(kr, knows: us, as: "us.example"), folder: folder)
        )
    }

    // MARK: Which logs

    /// Appends to an own log, signed; `members` as its records name them, where they do.
    private static func append(_ origin: String, members: [String]? = nil, to store: SQLiteLogStore) throws {
        let signer = try NoteSigner(name: origin, privateKey: Ed25519.PrivateKey())
        let parts = origin.split(separator: "/")
        try store.createLog(
            origin: origin, node: String(parts[0]), community: String(parts[1]), isOwn: true,
            verifierKey: signer.verifierKey.text)
        var record = #"{"v":1,"type":"members","time":"2026-01-01T00:00:00Z","author":"a","tlp":"green","members":["#
        record += (members ?? []).map { "\"\($0)\"" }.joined(separator: ",") + "]}"
        let body = members == nil ? "{}" : record
        _ = try store.append(
            [NewEntry(body: [UInt8](body.utf8))], to: origin,
            options: AppendOptions { size, root in
                try Checkpoint(origin: origin, size: size, root: root).sign(with: signer).serialized
            })
    }

    /// Nothing but the path and the reader decides, and all that is not for the reader looks as if it were not there.
    @Test func everyLogStandsUnderItsPathForThoseWhoMaySeeIt() async throws {
        let (server, reader) = try await scene { store in
            for origin in [
                "us.example/krus", "us.example/krus/2", "us.example/mirror", "us.example/mirror/2",
                "us.example/checkpoint", "us.example/own", "us.example/gone",
            ] { try Self.append(origin, to: store) }
            try Self.append("us.example/swap", members: ["us.example"], to: store)
            try Self.append("kr.example/krus", to: store)
            try Self.append("kr.example/own", to: store)
            try store.execute("UPDATE log SET own = 0 WHERE node = 'kr.example'")
            try Self.append("us.example/krus/3", to: store)
            try store.execute("UPDATE log SET frozen = 'it forked' WHERE origin = 'us.example/krus/3'")
        }
        func mirror(_ origin: String) -> String { "mirror/\(SHA256.hash(origin).hex)" }
        func get(_ path: String) async throws -> String {
            try await reader.connect().end(
                after: "GET /\(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        }
        let absent = try await get("nowhere/checkpoint")
        #expect(count(404, in: absent) == 1)
        for (path, origin) in [
            ("krus", "us.example/krus"), ("krus/2", "us.example/krus/2"), ("mirror", "us.example/mirror"),
            ("mirror/2", "us.example/mirror/2"), ("checkpoint", "us.example/checkpoint"),
            (mirror("kr.example/krus"), "kr.example/krus"),
        ] {
            #expect(try await get("\(path)/checkpoint").contains("\r\n\r\n\(origin)\n1\n"), "\(path)")
            #expect(try await get("\(path)/tile/entries/000.p/1").hasSuffix("\r\n\r\n\u{0}\u{2}{}"), "\(path)")
            for file in ["tile/0/000", "tile/0/000.p/2", "tile/0/001.p/1", "tile/1/000.p/1", "tile/entries/000"] {
                #expect(try await get("\(path)/\(file)") == absent)
            }
        }
        for path in [
            "own", "gone", "swap", "krus/1", "krus/3", "krus/02", mirror("us.example/krus"), mirror("kr.example/own"),
            mirror("kr.example/krus").uppercased(), "us.example/krus", "kr.example/krus", "krus/..", "..",
        ] { #expect(try await get("\(path)/checkpoint") == absent, "\(path)") }
        try await server.close()
    }

    // MARK: How much

    private func count(_ status: Int, in text: String) -> Int {
        text.components(separatedBy: "HTTP/1.1 \(status)").count - 1
    }

    @Test func requestsSentTogetherAreAnsweredInTheirOrder() async throws {
        let (server, reader) = try await scene()
        let connection = try await reader.connect()
        let last = Self.request.replacingOccurrences(of: "Host", with: "Connection: close\r\nHost")
        let text = try await connection.end(after: String(repeating: Self.request, count: 30) + last)
        #expect(count(404, in: text) == 31)
        try await server.close()
    }

    @Test(arguments: [
        "nonsense\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\n" + String(repeating: "X: y\r\n", count: 100) + "\r\n",
    ]) func whatIsNoProperRequestEndsTheConnection(text: String) async throws {
        let (server, reader) = try await scene()
        let answer = try await reader.connect().end(after: text)
        #expect(count(400, in: answer) == 1, "\(answer)")
        try await server.close()
    }

    @Test(arguments: ["", "GET /krus/checkpoint HT", request + "GET /krus/ch"])
    func aRequestThatDoesNotComeEndsTheConnection(text: String) async throws {
        var limits = TileServer.Limits()
        limits.requestTime = .milliseconds(200)
        let (server, reader) = try await scene(limits)
        let answer = try await reader.connect().end(after: text)
        #expect(count(404, in: answer) == (text.hasPrefix(Self.request) ? 1 : 0))
        try await server.close()
    }

    @Test func onePeerHasSomeConnectionsAndNoMore() async throws {
        var limits = TileServer.Limits()
        limits.maximumPerPeer = 3
        let (server, reader) = try await scene(limits)
        var open: [RawConnection] = []
        for _ in 0..<3 {
            let connection = try await reader.connect()
            try await connection.send(Self.request)
            #expect(try await connection.waits { count(404, in: $0) == 1 })
            open.append(connection)
        }
        #expect(try await reader.connect().end(after: Self.request) == "")
        // Whoever leaves makes room.
        try await open[0].close()
        var isIn = false
        for _ in 0..<100 where !isIn {
            let close = Self.request.replacingOccurrences(of: "Host", with: "Connection: close\r\nHost")
            isIn = try await count(404, in: reader.connect().end(after: close)) == 1
        }
        #expect(isIn)
        for connection in open.dropFirst() { try await connection.close() }
        try await server.close()
    }
}

/// Opens connections as a reader that the server knows.
private struct Reader: Sendable {
    let port: Int
    let context: TLSContext
    /// Of the server's store; goes with the reader.
    let folder: Folder

    func connect() async throws -> RawConnection {
        let received = Received()
        let connection = try await SecureConnector.connect(
            host: "127.0.0.1", port: port, context: context, expecting: "us.example"
        ) { try $0.pipeline.syncOperations.addHandler(Receiver(received)) }
        return RawConnection(channel: connection.channel, received: received)
    }
}

private struct RawConnection: Sendable {
    let channel: any Channel
    let received: Received

    func send(_ text: String) async throws {
        try await channel.writeAndFlush(ByteBuffer(string: text))
    }

    /// Sends, and waits until the server has ended the connection; what it said.
    func end(after text: String) async throws -> String {
        // The server may have ended it already.
        if !text.isEmpty { try? await send(text) }
        try? await channel.closeFuture.get()
        return received.text
    }

    func waits(until isSo: (String) -> Bool) async throws -> Bool {
        for _ in 0..<1_000 {
            if isSo(received.text) { return true }
            try await Task.sleep(for: .milliseconds(5))
        }
        return false
    }

    func close() async throws { try? await channel.close().get() }
}

private final class Received: Sendable {
    private let bytes = Mutex<[UInt8]>([])
    func add(_ more: ByteBuffer) { bytes.withLock { $0 += more.readableBytesView } }
    var text: String { String(decoding: bytes.withLock { $0 }, as: UTF8.self) }
}

private final class Receiver: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let received: Received

    init(_ received: Received) {
        self.received = received
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received.add(unwrapInboundIn(data))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

private final class Folder: Sendable {
    let path = NSTemporaryDirectory() + "ent-web-\(UUID().uuidString.prefix(8))"

    init() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }
}
