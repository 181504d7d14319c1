import Cryptography
import Reconciliation
import Testing

@Suite("Frames and messages")
struct FrameCodingTests {
    /// One message of every kind, with every field set.
    private static func examples(_ random: inout SplitMix64) -> [Message] {
        let log = random.digest()
        let heads =
            (0..<5).map { _ in random.head() } + [Head(log: random.digest(), size: 0, root: .zero, pinnedSize: 9)]
        let range = RangeRequest(log: log, start: 3, end: 260, treeSize: 300)
        let key = BlobKey(log: log, index: 7, sha256: random.digest())
        let hashes = (0..<9).map { _ in random.digest() }
        let children = (0..<16).map { _ in random.digest() }
        let deep = IDRange(digits: [1, 2, 15])
        var inside = log.bytes
        inside[0] = 0x12
        inside[1] = 0xF0 | (inside[1] & 0x0F)
        let insideHead = random.head(log: SHA256Digest(inside))
        return [
            .hello(
                Hello(
                    node: "us.example", communities: [CommunityDigest(name: "krus", digest: random.digest())],
                    memory: random.digest(), once: true, settled: true)),
            .hello(Hello(node: "us.example", communities: [], memory: nil, once: false, settled: false)),
            .heads(community: "krus", heads, complete: true, settled: false),
            .heads(community: "", [], complete: false, settled: true),
            .ranges(
                [
                    RangeNode(community: "krus", range: IDRange(), content: .children(children)),
                    RangeNode(community: "krus", range: deep, content: .heads([insideHead], more: true)),
                    RangeNode(community: "krus", range: deep, content: .heads([], more: false)),
                ], settled: true),
            .offer(Offer(log: log, checkpoint: "us.example/krus\n1\n", fromSize: 4, proof: hashes, isPushed: true)),
            .request(range), .requestRefusal(range), .unknown(hashes), .logRefusal(log, reason: "because"),
            .cosignatures(log, [CosignatureLine(cosigner: "kr.example", size: 4, time: 5, line: "— kr.example x")]),
            .blobRequest(key), .blobRefusal(key),
            .receipts(
                log, [ReceiptLine(index: 1, sha256: random.digest(), holder: "kr.example", time: 6, line: "— x y")]),
            .receiptPages(ReceiptPages(log: log, digest: random.digest(), isAnswer: false)),
            .receiptPages(
                ReceiptPages(
                    log: log, digest: .zero, isAnswer: true, pages: [0: random.digest(), 9: random.digest()],
                    more: true)),
            .prefixRequest(PrefixRequest(log: log, size: 5, treeSize: 9)),
            .prefix(PrefixRequest(log: log, size: 5, treeSize: 9), hashes),
            .nodesRequest(SubtreeRequest(log: log, level: 5, index: 3)),
            .nodes(SubtreeRequest(log: log, level: 5, index: 3), children),
            .fork(log, evidence: Array("evidence".utf8)), .agree(random.digest()),
            .close(reason: "done", memory: random.digest()), .close(reason: "no", memory: nil),
            .ping(nonce: 8, isReply: true), .blob(key, [1, 2, 3]),
            .entries(
                EntryRange(
                    range: RangeRequest(log: log, start: 3, end: 260, treeSize: 300), proof: hashes,
                    bundles: [
                        BundlePiece(entries: 253, isCompressed: true, data: [9, 9]),
                        BundlePiece(entries: 4, isCompressed: false, data: [8]),
                    ])),
        ]
    }

    private static func payload(_ message: Message) throws -> (FrameKind, [UInt8]) {
        let frame = try EncodedFrame(message)
        let kind = try #require(FrameKind(rawValue: frame.head[4]))
        return (kind, Array(frame.head.dropFirst(5)) + frame.parts.flatMap { $0 })
    }

    @Test("Every message comes out as it went in, and its prefix says how long it is")
    func roundTrip() throws {
        var random = SplitMix64(1)
        for message in Self.examples(&random) {
            let frame = try EncodedFrame(message)
            let (kind, payload) = try Self.payload(message)
            let length = frame.head.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
            #expect(try FramePrefix(length: length, kind: frame.head[4]).payloadSize == payload.count)
            #expect(frame.byteCount == payload.count + 5)
            #expect(try Message(payload: payload, kind: kind) == message)
        }
    }

    @Test("Damaged frames are refused or read as something valid, and never trap", arguments: 0..<40)
    func damaged(seed: UInt64) throws {
        var random = SplitMix64(seed)
        for message in Self.examples(&random) {
            let (kind, payload) = try Self.payload(message)
            for _ in 0..<20 {
                var bytes = payload
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
                case 1: bytes.append(UInt8.random(in: 0...255, using: &random))
                case 2 where !bytes.isEmpty:
                    bytes.insert(
                        UInt8.random(in: 0...255, using: &random), at: Int.random(in: 0..<bytes.count, using: &random))
                default:
                    guard !bytes.isEmpty else { continue }
                    let position = Int.random(in: 0..<bytes.count, using: &random)
                    bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                }
                do {
                    let read = try Message(payload: bytes, kind: kind)
                    // What can be read can be written, and says the same then.
                    if read != .ignored {
                        let (kind, payload) = try Self.payload(read)
                        #expect(try Message(payload: payload, kind: kind) == read)
                    }
                } catch is ProtocolViolation {}
            }
        }
    }

    @Test("A length or kind that is not allowed is refused before anything is allocated")
    func prefixes() throws {
        #expect(throws: ProtocolViolation.self) { try FramePrefix(length: 0, kind: 0) }
        #expect(throws: ProtocolViolation.self) { try FramePrefix(length: 65_537, kind: 0) }
        #expect(throws: ProtocolViolation.self) { try FramePrefix(length: 8_388_609, kind: 1) }
        #expect(throws: ProtocolViolation.self) { try FramePrefix(length: .max, kind: 1) }
        #expect(throws: ProtocolViolation.self) { try FramePrefix(length: 5, kind: 2) }
        #expect(try FramePrefix(length: 65_536, kind: 0).payloadSize == 65_536)
        #expect(try FramePrefix(length: 8_388_608, kind: 1).payloadSize == 8_388_608)
    }

    @Test("The largest lists that are sent fit a control frame")
    func largest() throws {
        var random = SplitMix64(2)
        let name = String(repeating: "c", count: 32)
        let heads = (0..<FrameLimits.maximumHeadsInFrame).map { _ -> Head in
            Head(
                log: random.digest(), size: UInt64(Int64.max), root: random.digest(), pinnedSize: UInt64(Int64.max),
                beside: random.digest())
        }
        _ = try EncodedFrame(.heads(community: name, heads, complete: true, settled: true))
        let children = (0..<16).map { _ in random.digest() }
        let nodes = (0..<FrameLimits.maximumNodesInFrame).map { _ in
            RangeNode(
                community: name, range: IDRange(digits: [UInt8](repeating: 7, count: 64)), content: .children(children))
        }
        _ = try EncodedFrame(.ranges(nodes, settled: true))
        _ = try EncodedFrame(.unknown((0..<FrameLimits.maximumUnknown).map { _ in random.digest() }))
        let line = CosignatureLine(
            cosigner: String(repeating: "n", count: 253), size: .max >> 1, time: .max >> 1,
            line: String(repeating: "l", count: 120))
        _ = try EncodedFrame(
            .cosignatures(random.digest(), Array(repeating: line, count: FrameLimits.maximumCosignatures)))
        let receipt = ReceiptLine(
            index: .max >> 1, sha256: random.digest(), holder: String(repeating: "n", count: 253), time: .max >> 1,
            line: String(repeating: "l", count: 400))
        let pieces = ReceiptLine.pieces(Array(repeating: receipt, count: 1_000))
        #expect(pieces.flatMap { $0 }.count == 1_000)
        for piece in pieces { _ = try EncodedFrame(.receipts(random.digest(), piece)) }
        let pages = (0..<UInt64(FrameLimits.maximumReceiptPages)).map { (UInt64.max >> 1 - $0, random.digest()) }
        _ = try EncodedFrame(
            .receiptPages(
                ReceiptPages(
                    log: random.digest(), digest: random.digest(), isAnswer: true,
                    pages: Dictionary(uniqueKeysWithValues: pages), more: true)))
    }
}
