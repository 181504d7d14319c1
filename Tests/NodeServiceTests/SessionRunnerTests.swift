import Cryptography
import Glibc
import LogStore
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NodeService
import Reconciliation
import Testing
import TransparencyLog

/// Two stores in folders of their own, and sessions between them over plain connections on loopback: what a
/// session promises does not depend on what encrypts it.
@Suite struct SessionRunnerTests {
    @Test func aPartnerCatchesUpAndBothHoldTheSameAfterwards() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let kr = try TestNode("kr.example", partners: ["us.example"])
        try us.know(kr)
        try kr.know(us)
        try us.append(700)
        try kr.append(3)
        let (first, _) = try await synchronise(us, kr)
        #expect(first.error == nil)
        #expect(first.sent == 700)
        #expect(first.received == 3)
        #expect(try us.heads() == kr.heads())
        #expect(try kr.store.log("us.example/krus")?.size == 700)
        // Each has cosigned the other's log, and the owner has got the cosignature.
        #expect(try us.store.cosignatures(of: us.log.id).map(\.cosigner) == ["kr.example"])
        #expect(try kr.store.cosignatures(of: kr.log.id).map(\.cosigner) == ["us.example"])

        let (again, _) = try await synchronise(us, kr)
        #expect(again.error == nil)
        #expect(again.sent == 0)
        #expect(again.bytesIn + again.bytesOut <= 800)
        #expect(again.roundTrips == 1)
    }

    @Test func everySizeGrowsInEveryStep() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let kr = try TestNode("kr.example", partners: ["us.example"])
        try us.know(kr)
        try kr.know(us)
        for count in [1, 1, 254, 1, 255, 2, 300, 5_000, 1] {
            try us.append(count)
            let (report, _) = try await synchronise(kr, us)
            #expect(report.error == nil)
            #expect(report.received == UInt64(count))
            #expect(try us.heads() == kr.heads())
        }
    }

    @Test func aRelayBringsALogItsPeerCannotReach() async throws {
        let us = try TestNode("us.example", partners: ["kr.example", "jp.example"])
        let kr = try TestNode("kr.example", partners: ["us.example", "jp.example"])
        let jp = try TestNode("jp.example", partners: ["us.example", "kr.example"])
        for (one, other) in [(us, kr), (us, jp), (kr, us), (kr, jp), (jp, us), (jp, kr)] { try one.know(other) }
        try us.append(1_000)
        #expect(try await synchronise(us, kr).0.error == nil)
        #expect(try await synchronise(jp, kr).0.error == nil)
        #expect(try jp.store.log("us.example/krus")?.size == 1_000)
        // The receipt of jp reaches us through kr.
        #expect(try await synchronise(us, kr).0.error == nil)
        #expect(try us.store.cosignatures(of: us.log.id).map(\.cosigner) == ["jp.example", "kr.example"])
    }

    @Test func aPeerOutsideTheCommunityGetsNothing() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let jp = try TestNode("jp.example", partners: ["us.example"])
        try us.know(jp)
        try jp.know(us)
        try us.append(10)
        let (report, _) = try await synchronise(jp, us)
        #expect(report.received == 0)
        #expect(try jp.store.log("us.example/krus")?.size == 0)
    }

    @Test func aBrokenTransferGoesOnWhereItWas() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let kr = try TestNode("kr.example", partners: ["us.example"])
        try us.know(kr)
        try kr.know(us)
        try us.append(100_000)
        var held: UInt64 = 0
        for limit in [20_000, 20_000, 30_000] {
            let (report, _) = try await synchronise(kr, us, cutAfter: limit)
            #expect(report.error != nil)
            let size = try #require(try kr.store.log("us.example/krus")).size
            #expect(size >= held)
            held = size
        }
        #expect(held > 0 && held < 100_000)
        let (report, _) = try await synchronise(kr, us)
        #expect(report.error == nil)
        #expect(report.received == 100_000 - held)
        #expect(try us.heads() == kr.heads())
    }

    @Test func severalPeersShareTheWorkOfOneLog() async throws {
        let us = try TestNode("us.example", partners: ["kr.example", "jp.example", "in.example"])
        let kr = try TestNode("kr.example", partners: ["us.example", "jp.example", "in.example"])
        let jp = try TestNode("jp.example", partners: ["us.example", "kr.example", "in.example"])
        let india = try TestNode("in.example", partners: ["us.example", "kr.example", "jp.example"])
        let all = [us, kr, jp, india]
        for one in all { for other in all where one !== other { try one.know(other) } }
        try us.append(100_000)
        #expect(try await synchronise(kr, us).0.error == nil)
        #expect(try await synchronise(jp, us).0.error == nil)
        async let first = synchronise(india, kr, requestSize: 1_024)
        async let second = synchronise(india, jp, requestSize: 1_024)
        let reports = try await [first, second]
        #expect(reports.allSatisfy { $0.0.error == nil && $0.1.error == nil })
        #expect(try india.store.log(us.log.origin)?.head == us.store.log(us.log.origin)?.head)
        // Both have brought entries of it, and none came twice.
        let brought = reports.map(\.1.sent)
        #expect(brought.allSatisfy { $0 > 4_000 }, "\(brought)")
        #expect(brought.reduce(0, +) <= 100_000 + 10)
    }
}

/// A clock that tests turn, in Unix seconds.
final class Moment: Sendable {
    private let seconds = NIOLockedValueBox(UInt64(time(nil)))

    var value: UInt64 {
        get { seconds.withLockedValue { $0 } }
        set { seconds.withLockedValue { $0 = newValue } }
    }
}

/// A node in a temporary folder, with one own log.
final class TestNode: Sendable {
    let name: String
    let store: SQLiteLogStore
    let context: SyncContext
    let log: StoredLog
    let signer: NoteSigner
    private let folder: String

    /// With a signer the own log is another copy of that signer's. Further communities, with their members, hold no
    /// own log.
    init(
        _ name: String, partners: [String], community: String = "krus", also further: [String: [String]] = [:],
        signer given: NoteSigner? = nil, mirror: Ed25519.PrivateKey? = nil, now: Moment? = nil
    ) throws {
        self.name = name
        folder = "/tmp/entente-test-\(RandomBytes.make(count: 8).map { String($0, radix: 16) }.joined())"
        mkdir(folder, 0o700)
        store = try SQLiteLogStore(
            path: folder + "/node.sqlite", signedPath: folder + "/signed.sqlite", node: name)
        signer = try given ?? NoteSigner(name: "\(name)/\(community)", privateKey: Ed25519.PrivateKey())
        log = try store.createLog(
            origin: "\(name)/\(community)", node: name, community: community, isOwn: true,
            verifierKey: self.signer.verifierKey.text)
        context = SyncContext(
            store: store,
            federation: Federation(
                node: name, members: further.merging([community: [name] + partners]) { $1 }, mirrorKeys: [:]),
            cosigner: try Cosigner(name: name, privateKey: mirror ?? Ed25519.PrivateKey()),
            now: { now?.value ?? UInt64(time(nil)) })
    }

    deinit {
        for file in ["node.sqlite", "signed.sqlite"] {
            for suffix in ["", "-wal", "-shm"] { unlink("\(folder)/\(file)\(suffix)") }
        }
        rmdir(folder)
    }

    func know(_ other: TestNode) throws {
        try store.createLog(
            origin: other.log.origin, node: other.name, community: other.log.community, isOwn: false,
            verifierKey: other.log.verifierKey)
        context.know(other.context.cosigner.verifierKey)
    }

    func append(_ count: Int, text: String = "") throws {
        let base = try store.log(log.origin)?.size ?? 0
        var index = 0
        while index < count {
            let batch = (index..<min(count, index + 4_096)).map {
                NewEntry(
                    body: [UInt8](
                        "{\"v\":1,\"type\":\"test\",\"n\":\(base + UInt64($0)),\"of\":\"\(name)\(text)\"}".utf8))
            }
            index += batch.count
            try append(batch)
        }
    }

    func append(_ bodies: [[UInt8]]) throws {
        try append(bodies.map { NewEntry(body: $0) })
    }

    func append(_ entries: [NewEntry]) throws {
        try append(entries, to: log.origin, signer: signer)
    }

    func append(_ entries: [NewEntry], to origin: String, signer: NoteSigner) throws {
        _ = try store.append(
            entries, to: origin,
            options: AppendOptions { size, root in
                try Checkpoint(origin: origin, size: size, root: root).sign(with: signer).serialized
            })
    }

    /// Appends a record with a sealed part; what names it.
    ///
    /// - Parameter isHeld: whether this node has the bytes that the record names.
    func appendSealed(_ text: String, to nodes: [String], isHeld: Bool = true) throws -> BlobReference {
        let bytes = [UInt8](text.utf8)
        let key = String(repeating: "0", count: 64)
        let recipients = nodes.sorted().map { #"{"node":"\#($0)","key_id":"\#(key)"}"# }.joined(separator: ",")
        let salt = Base64.encode([UInt8](repeating: 0, count: 16))
        let commitment = Base64.encode([UInt8](repeating: 0, count: 32))
        let header =
            #"{"suite":"entente-seal/1","salt":"\#(salt)","recipients":[\#(recipients)],"fields":["note"],"#
            + #""size":\#(bytes.count),"sha256":"\#(SHA256.hash(bytes).hex)","commitment":"\#(commitment)"}"#
        let body = [UInt8](#"{"v":1,"type":"attribution","label":"x","sealed":\#(header)}"#.utf8)
        let index = try store.log(log.origin)?.size ?? 0
        try append([
            NewEntry(body: body, blob: isHeld ? NewBlob(sha256: SHA256.hash(bytes), bytes: bytes) : nil)
        ])
        return BlobReference(log: log.id, index: index, sha256: SHA256.hash(bytes), size: bytes.count)
    }

    func heads() throws -> [SignedHead?] {
        try store.logs().map(\.head)
    }
}

/// One session between two nodes, begun by the first; their reports.
func synchronise(
    _ initiator: TestNode, _ responder: TestNode, cutAfter limit: Int? = nil, requestSize: UInt64 = 16_384
) async throws -> (SessionReport, SessionReport) {
    let group = MultiThreadedEventLoopGroup.singleton
    let (accepted, accept) = AsyncStream.makeStream(of: (any Channel).self)
    let server = try await ServerBootstrap(group: group)
        .childChannelOption(.autoRead, value: false)
        .childChannelInitializer { channel in
            accept.yield(channel)
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        .bind(host: "127.0.0.1", port: 0).get()
    let address = try #require(server.localAddress)
    async let first: SessionReport = {
        let channel = try await ClientBootstrap(group: group).channelOption(.autoRead, value: false)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let limit { try channel.pipeline.syncOperations.addHandler(Cut(after: limit)) }
                }
            }
            .connect(to: address).get()
        return await run(initiator, with: responder.name, isInitiator: true, requestSize, channel)
    }()
    async let second: SessionReport = {
        for await channel in accepted {
            return await run(responder, with: initiator.name, isInitiator: false, requestSize, channel)
        }
        return SessionReport(peer: initiator.name)
    }()
    let reports = try await (first, second)
    try await server.close()
    return reports
}

private func run(
    _ node: TestNode, with peer: String, isInitiator: Bool, _ requestSize: UInt64, _ channel: any Channel
) async -> SessionReport {
    var configuration = SessionConfiguration(
        node: node.name, peer: peer, communities: node.context.communities(admitting: peer),
        isInitiator: isInitiator, once: true)
    configuration.requestSize = requestSize
    return await SessionRunner(
        context: node.context, configuration: configuration,
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    ).run(over: channel)
}

/// Cuts the connection after so many bytes have come in.
private final class Cut: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    private let limit: Int
    private let count = NIOLockedValueBox(0)

    init(after limit: Int) {
        self.limit = limit
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data).readableBytes
        let total = count.withLockedValue { count in
            count += bytes
            return count
        }
        if total > limit {
            context.close(promise: nil)
        } else {
            context.fireChannelRead(data)
        }
    }
}
