import Cryptography
import NodeService
import Reconciliation
import Testing

/// Frames that no honest node writes.
@Suite("Hostile frames", .serialized) struct HostileFrameTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: [UInt8]
        let words: String

        init(_ description: String, _ bytes: [UInt8], _ words: String) {
            testDescription = description
            self.bytes = bytes
            self.words = words
        }
    }

    static let cases = [
        Case("an empty control frame", [0, 0, 0, 0, 0], "an empty control frame"),
        Case("an empty bulk frame", [0, 0, 0, 0, 1], "an empty bulk frame"),
        Case("a gigantic control frame", [0xFF, 0xFF, 0xFF, 0xFF, 0], "a control frame of 4294967295 bytes"),
        Case("a control frame one byte too long", [0, 1, 0, 1, 0], "a control frame of 65537 bytes"),
        Case("a bulk frame one byte too long", [0, 0x80, 0, 1, 1], "a bulk frame of 8388609 bytes"),
        Case("another kind of frame", [0, 0, 0, 1, 7, 0], "a frame of unknown kind 7"),
        Case("what is no protobuf", [0, 0, 0, 3, 0, 0xFF, 0xFF, 0xFF], "a control frame that is not a valid message"),
        Case("a bulk frame without a header", [0, 0, 0, 1, 1, 0], "a bulk frame without a header"),
        Case(
            "a bulk header that ends behind its frame", [0, 0, 0, 3, 1, 0xFF, 0xFF, 0],
            "a bulk frame shorter than its header"),
        Case("a bulk frame of nothing known", [0, 0, 0, 2, 1, 0, 0], "a bulk frame of unknown content"),
        Case(
            "unknown groups in unknown groups, ten thousand deep", nested(10_000),
            "a control frame that is not a valid message"),
    ]

    /// A field that no message has, as a group that holds itself.
    private static func nested(_ depth: Int) -> [UInt8] {
        let begin: [[UInt8]] = Array(repeating: [0xA3, 0x06], count: depth)
        let end: [[UInt8]] = Array(repeating: [0xA4, 0x06], count: depth)
        let payload = Array((begin + end).joined())
        return [0, 0, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF), 0] + payload
    }

    @Test("A frame that cannot be ends the session before anything is made of it", arguments: cases)
    func frames(_ attack: Case) async throws {
        for isGreeted in [false, true] {
            let scene = try await HostileScene(HostilePeer())
            let report = try await scene.attack { line in
                if isGreeted { try await line.meet() }
                line.say(attack.bytes)
            }
            expect(report, .violation, attack.words)
            await scene.end()
        }
    }

    @Test("Counts that do not fit what they count end the session", arguments: WrongCount.allCases)
    func counts(_ attack: WrongCount) async throws {
        let xx = try HostilePeer()
        let scene = try await HostileScene(xx)
        let report = try await scene.attack { line in
            try await line.meet()
            var bytes = try HostileLine.bytes(attack.message(xx))
            if attack == .bytesBehind {
                bytes[3] += 1
                bytes.append(0)
            }
            line.say(bytes)
        }
        expect(report, .violation, attack.words)
        await scene.end()
    }

    enum WrongCount: CaseIterable {
        case fewerEntries
        case moreEntries
        case emptyBundle
        case overfullBundle
        case manyBundles
        case bytesBehind
        case manyHashes
        case emptyRange
        case rangeBeyondTree
        case manyHeads
        case manyUnknown
        case manyCosignatures
        case hugeSize
        case longText

        var words: String {
            switch self {
            case .fewerEntries: "9 entries in a frame for 0..<10"
            case .moreEntries: "11 entries in a frame for 0..<10"
            case .emptyBundle: "a bundle of 0 entries"
            case .overfullBundle: "a bundle of 257 entries"
            case .manyBundles: "257 bundles in one message; at most 256"
            case .bytesBehind: "bytes behind the last bundle of a frame"
            case .manyHashes: "127 hashes in a range proof in one message; at most 126"
            case .emptyRange: "a range 10..<10 that a tree of 300 does not have"
            case .rangeBeyondTree: "a range 0..<301 that a tree of 300 does not have"
            case .manyHeads: "401 heads in one message; at most 400"
            case .manyUnknown: "1501 log ids in one message; at most 1500"
            case .manyCosignatures: "129 cosignatures in one message; at most 128"
            case .hugeSize: "a size of 9223372036854775808"
            case .longText: "a text of 1025 bytes"
            }
        }

        func message(_ xx: HostilePeer) throws -> Message {
            let ten = try xx.entries(0..<10, treeSize: 300)
            let bundle = ten.bundles[0]
            func entries(_ bundles: [BundlePiece], proof: [SHA256Digest]? = nil) -> Message {
                .entries(EntryRange(range: ten.range, proof: proof ?? ten.proof, bundles: bundles))
            }
            func piece(_ entries: Int) -> BundlePiece {
                BundlePiece(entries: entries, isCompressed: false, data: bundle.data)
            }
            switch self {
            case .fewerEntries: return entries([piece(9)])
            case .moreEntries: return entries([piece(11)])
            case .emptyBundle: return entries([piece(0)])
            case .overfullBundle: return entries([piece(257)])
            case .manyBundles:
                return entries((0..<257).map { _ in BundlePiece(entries: 1, isCompressed: false, data: [0, 1, 0]) })
            case .bytesBehind:
                return entries([bundle])
            case .manyHashes: return entries([bundle], proof: Array(repeating: .zero, count: 127))
            case .emptyRange: return .request(RangeRequest(log: xx.log, start: 10, end: 10, treeSize: 300))
            case .rangeBeyondTree: return .request(RangeRequest(log: xx.log, start: 0, end: 301, treeSize: 300))
            case .manyHeads:
                return .heads(
                    community: "krus", Array(repeating: Head(log: xx.log, size: 0, root: .zero), count: 401),
                    complete: false, settled: true)
            case .manyUnknown: return .unknown(Array(repeating: xx.log, count: 1_501))
            case .manyCosignatures:
                let line = CosignatureLine(cosigner: "", size: 0, time: 0, line: "")
                return .cosignatures(xx.log, Array(repeating: line, count: 129))
            case .hugeSize:
                return .heads(
                    community: "krus", [Head(log: xx.log, size: 1 << 63, root: .zero)], complete: false, settled: true)
            case .longText:
                return .heads(community: String(repeating: "x", count: 1_025), [], complete: false, settled: true)
            }
        }
    }

    enum WrongGreeting: String, CaseIterable {
        case none = "a message before the hello"
        case twice = "a second hello"
        case otherName = "the peer calls itself kr.example but its certificate is xx.example's"
        case otherVersion = "protocol version 2; this node speaks 1"
        case manyCommunities = "1001 communities in one message; at most 1000"
    }

    @Test("Whoever does not greet as it should is not spoken to", arguments: WrongGreeting.allCases)
    func greetings(_ attack: WrongGreeting) async throws {
        let scene = try await HostileScene(HostilePeer())
        let report = try await scene.attack { line in
            switch attack {
            case .none: try line.say(.ping(nonce: 1, isReply: false))
            case .twice:
                try line.greet(digest: .zero)
                try line.greet(digest: .zero)
            case .otherName: try line.greet(digest: .zero, node: "kr.example")
            case .otherVersion:
                try line.say(
                    .hello(
                        Hello(
                            major: 2, node: HostilePeer.name, communities: [], memory: nil, once: false, settled: true))
                )
            case .manyCommunities:
                try line.greet(digest: .zero, communities: (0..<1_001).map { "c\($0)" })
            }
            #expect(try await line.heardClose() == attack.rawValue)
        }
        expect(report, .violation, attack.rawValue)
        await scene.end()
    }
}
