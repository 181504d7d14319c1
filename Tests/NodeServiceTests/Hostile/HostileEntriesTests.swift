import Cryptography
import LogStore
import NodeService
import Reconciliation
import Testing
import TransparencyLog

/// Entries that nobody asked for, that belong elsewhere, or that are not what was signed.
@Suite("Hostile entries", .serialized) struct HostileEntriesTests {
    enum Unasked: CaseIterable {
        case before
        case foreign
        case twice
        case overlapping
        case ahead
        case otherTree
        case refusal
        case blob
        case prefix
        case nodes

        var words: String {
            switch self {
            case .before: "entries 0..<300 of xx.example/krus that were not asked for"
            case .foreign: "entries 0..<40 of kr.example/krus that were not asked for"
            case .twice: "entries 0..<300 of xx.example/krus that were not asked for"
            case .overlapping: "entries 100..<300 of xx.example/krus that were not asked for"
            case .ahead: "entries 256..<300 of xx.example/krus that were not asked for"
            case .otherTree: "entries 0..<10 of xx.example/krus that were not asked for"
            case .refusal: "a refusal of what was not asked for"
            case .blob: "a blob that was not asked for"
            case .prefix: "the beginning of a log that was not asked for"
            case .nodes: "nodes of a log that were not asked for"
            }
        }

        /// What was proved before the lie.
        var kept: UInt64 {
            switch self {
            case .twice: 300
            case .overlapping: 256
            default: 0
            }
        }

        func messages(_ xx: HostilePeer, _ kr: StoredLog) throws -> [Message] {
            switch self {
            case .before: [.entries(try xx.entries(0..<300, treeSize: 300))]
            case .foreign:
                [
                    .entries(
                        EntryRange(
                            range: RangeRequest(log: kr.id, start: 0, end: 40, treeSize: 40), proof: [],
                            bundles: try xx.entries(0..<40, treeSize: 40).bundles))
                ]
            case .twice:
                [.entries(try xx.entries(0..<300, treeSize: 300)), .entries(try xx.entries(0..<300, treeSize: 300))]
            case .overlapping:
                [.entries(try xx.entries(0..<256, treeSize: 300)), .entries(try xx.entries(100..<300, treeSize: 300))]
            case .ahead: [.entries(try xx.entries(256..<300, treeSize: 300))]
            case .otherTree: [.entries(try xx.entries(0..<10, treeSize: 299))]
            case .refusal: [.requestRefusal(RangeRequest(log: xx.log, start: 0, end: 20, treeSize: 300))]
            case .blob: [.blob(BlobKey(log: xx.log, index: 0, sha256: .zero), [1])]
            case .prefix: [.prefix(PrefixRequest(log: xx.log, size: 1, treeSize: 2), [])]
            case .nodes: [.nodes(SubtreeRequest(log: xx.log, level: 4, index: 0), [])]
            }
        }
    }

    @Test("What was not asked for, comes twice or overlaps ends the session", arguments: Unasked.allCases)
    func unasked(_ attack: Unasked) async throws {
        let xx = try HostilePeer()
        let scene = try await HostileScene(xx)
        let report = try await scene.attack(keeping: attack.kept) { line in
            try await line.meet([xx.head(300)])
            if ![.before, .foreign].contains(attack) {
                try line.say(xx.offer(300))
                _ = try await line.hear("a request") { if case .request = $0 { true } else { false } }
            }
            try line.say(attack.messages(xx, scene.kr.log))
            #expect(try await line.heardClose().contains(attack.words))
        }
        expect(report, .violation, attack.words)
        await scene.end()
    }

    enum Falsified: CaseIterable {
        case body
        case proof
        case shortProof
        case emptyBody
        case longBody
        case fewerBodies
        case cutBody

        var words: String {
            switch self {
            case .body, .proof, .shortProof:
                "entries 0..<300 do not belong to the signed checkpoint of xx.example/krus"
            case .emptyBody, .longBody, .cutBody: "xx.example/krus: entry bundle 0: "
            case .fewerBodies: "xx.example/krus: entry bundle 0: 255 entries in it, not 256"
            }
        }
    }

    @Test("Entries that are not what was signed end the session and are not stored", arguments: Falsified.allCases)
    func falsified(_ attack: Falsified) async throws {
        let xx = try HostilePeer(entries: 400)
        let scene = try await HostileScene(xx)
        let report = try await scene.attack { line in
            try await line.meet([xx.head(400)])
            try line.say(xx.offer(400))
            _ = try await line.hear("a request") { if case .request = $0 { true } else { false } }
            let good = try xx.entries(0..<300, treeSize: 400)
            var proof = good.proof
            var first = good.bundles[0].data
            switch attack {
            case .body: first[10] ^= 1
            case .proof: proof[0] = .zero
            case .shortProof: proof.removeLast()
            case .emptyBody: first = [0, 0] + first.dropFirst(2 + xx.tree.bodies[0].count)
            case .longBody:
                first =
                    [0x40, 0x01] + Array(repeating: 0x20, count: 16_385) + first.dropFirst(2 + xx.tree.bodies[0].count)
            case .fewerBodies: first = Array(first.dropFirst(2 + xx.tree.bodies[0].count))
            case .cutBody: first.removeLast()
            }
            try line.say(
                .entries(
                    EntryRange(
                        range: good.range, proof: proof,
                        bundles: [BundlePiece(entries: 256, isCompressed: false, data: first), good.bundles[1]])))
        }
        expect(report, .violation, attack.words)
        await scene.end()
    }

    @Test(
        "A frame of zstd that is a bomb, or no plain frame, ends the session before it is unpacked",
        arguments: ZstdBomb.allCases)
    func bombs(_ bomb: ZstdBomb) async throws {
        let xx = try HostilePeer()
        let scene = try await HostileScene(xx)
        let report = try await scene.attack(memory: 128 << 20) { line in
            // What is claimed is of no matter: it never gets as far as a proof.
            let note = try xx.note(origin: xx.origin, size: 16_384, root: SHA256.hash("any"), by: xx.signer).serialized
            try await line.meet()
            try line.say(.offer(Offer(log: xx.log, checkpoint: note, fromSize: 0, proof: [])))
            _ = try await line.hear("a request") { if case .request = $0 { true } else { false } }
            let bundle = BundlePiece(entries: 256, isCompressed: true, data: bomb.frame)
            try line.say(
                .entries(
                    EntryRange(
                        range: RangeRequest(log: xx.log, start: 0, end: 16_384, treeSize: 16_384), proof: [],
                        bundles: Array(repeating: bundle, count: 64))))
            // Unpacking what may be unpacked takes longer than the node is patient here with a silent peer.
            try await line.chatUntilClosed()
        }
        expect(report, .violation, bomb.words)
        await scene.end()
    }

    @Test("What is said of a frozen log changes nothing, and is answered with the evidence")
    func frozen() async throws {
        let xx = try HostilePeer()
        let scene = try await HostileScene(xx)
        // Its owner has signed two roots for one size.
        let key = xx.signer.verifierKey
        let roots = [xx.tree.root(300), SHA256.hash("another history")]
        let signed = try roots.map { try xx.note(origin: xx.origin, size: 300, root: $0, by: xx.signer) }
        let evidence = try ForkEvidence(key: key, signed[0], signed[1], prefix: [], difference: nil)
        #expect(try scene.us.store.freeze(xx.log, evidence: evidence, reason: "two roots", time: 1))
        let report = try await scene.attack { line in
            try await line.meet([xx.head(300)])
            try line.say(xx.offer(300, isPushed: true), .entries(xx.entries(0..<300, treeSize: 300)))
            let told = try await line.hear("the evidence") { if case .fork = $0 { true } else { false } }
            guard case .fork(_, let bytes) = told else { return }
            #expect(bytes == evidence.serialized.utf8.map { $0 })
            // Pushed and dropped; what comes after that was not asked for.
            try line.say(.entries(xx.entries(0..<300, treeSize: 300)))
        }
        expect(report, .violation, "entries 0..<300 that were not asked for")
        await scene.end()
    }

    @Test("A log of a community that the peer is not in is answered like one that is not there")
    func foreignCommunity() async throws {
        let xx = try HostilePeer()
        let hidden = SHA256.hash("us.example/secret")
        let nowhere = SHA256.hash("us.example/nowhere")
        let scene = try await HostileScene(xx) { us in try us.addLog("us.example/secret", community: "secret") }
        let report = try await scene.attack { line in
            try await line.meet(communities: ["krus", "secret"])
            var answers: [[Message]] = []
            for log in [hidden, nowhere] {
                let begin = line.heard.count
                try line.say(
                    .request(RangeRequest(log: log, start: 0, end: 1, treeSize: 1)),
                    .offer(Offer(log: log, checkpoint: "", fromSize: 0, proof: [])),
                    .cosignatures(log, []), .receipts(log, []),
                    .receiptPages(ReceiptPages(log: log, digest: .zero, isAnswer: false)),
                    .prefixRequest(PrefixRequest(log: log, size: 1, treeSize: 1)),
                    .nodesRequest(SubtreeRequest(log: log, level: 1, index: 0)),
                    .blobRequest(BlobKey(log: log, index: 0, sha256: .zero)))
                // Some answers come from another task: they are compared as a set.
                answers.append(
                    try await within("eight answers") {
                        let heard = line.heard[begin...].filter { $0.speaks(of: log) }
                        return heard.count >= 8 ? heard.map { $0.about(.zero) } : nil
                    })
            }
            #expect(Set(answers[0]) == Set(answers[1]))
            #expect(
                !line.heard.contains { if case .hello(let hello) = $0 { hello.communities.count > 1 } else { false } })
            try line.say(.close(reason: "done", memory: nil))
        }
        #expect(report.error == nil)
        await scene.end()
    }
}

/// Frames of zstd (RFC 8878), made by hand.
enum ZstdBomb: CaseIterable {
    case declaresFourGiB
    case declaresNothing
    case largeWindow
    case dictionary
    case skippable
    case twoFrames
    case longerThanDeclared
    case padded
    case noFrame
    /// 256 bodies of 16,384 bytes in a frame of some two thousand, 64 times: allowed, and unpacked one by one.
    case full

    private static let magic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]

    /// The last block: so many zeros.
    private static func zeros(_ count: Int, isLast: Bool = true) -> [UInt8] {
        let header = count << 3 | 1 << 1 | (isLast ? 1 : 0)
        return [UInt8(header & 0xFF), UInt8(header >> 8 & 0xFF), UInt8(header >> 16 & 0xFF), 0]
    }

    var frame: [UInt8] {
        let magic = ZstdBomb.magic
        switch self {
        case .declaresFourGiB: return magic + [0xE0, 0, 0, 0, 0, 1, 0, 0, 0] + ZstdBomb.zeros(100_000)
        case .declaresNothing: return magic + [0x00, 0x58] + ZstdBomb.zeros(100_000)
        case .largeWindow: return magic + [0x80, 0x70, 0, 0, 1, 0] + ZstdBomb.zeros(65_536)
        case .dictionary: return magic + [0xA1, 7, 0, 0, 1, 0] + ZstdBomb.zeros(65_536)
        case .skippable: return [0x50, 0x2A, 0x4D, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]
        case .twoFrames:
            let one = magic + [0xA0, 0, 0, 1, 0] + ZstdBomb.zeros(65_536)
            return one + one
        case .longerThanDeclared: return magic + [0xA0, 0, 0, 1, 0] + ZstdBomb.zeros(131_072)
        case .padded: return magic + [0x20, 1] + [0x09, 0, 0, 0]
        case .noFrame: return [1, 2, 3, 4, 5, 6, 7, 8]
        case .full:
            let size = 256 * 16_386
            var frame = magic + [0xA0] + (0..<4).map { UInt8(size >> (8 * $0) & 0xFF) }
            for body in 0..<256 {
                // A raw block with the length, then as many zeros.
                frame += [0x10, 0, 0, 0x40, 0x00] + ZstdBomb.zeros(16_384, isLast: body == 255)
            }
            return frame
        }
    }

    var words: String {
        switch self {
        case .declaresFourGiB: "entry bundle 0: too large when unpacked"
        case .declaresNothing: "entry bundle 0: a zstd frame without its content size"
        case .largeWindow: "entry bundle 0: a zstd frame with too large a window"
        case .dictionary: "entry bundle 0: a zstd frame that needs a dictionary"
        case .skippable: "entry bundle 0: a skippable zstd frame"
        case .twoFrames: "entry bundle 0: bytes behind the zstd frame"
        case .longerThanDeclared: "entry bundle 0: a damaged zstd frame"
        case .padded: "entry bundle 0: a zstd frame longer than what it holds"
        case .noFrame: "entry bundle 0: not a zstd frame"
        case .full: "entries 0..<16384 do not belong to the signed checkpoint of xx.example/krus"
        }
    }
}

extension Message {
    /// Whether this answers something about a log.
    fileprivate func speaks(of log: LogID) -> Bool {
        switch self {
        case .unknown(let ids): ids.contains(log)
        case .requestRefusal(let range): range.log == log
        case .blobRefusal(let key): key.log == log
        default: false
        }
    }

    /// The same about another log.
    fileprivate func about(_ log: LogID) -> Message {
        switch self {
        case .unknown: .unknown([log])
        case .requestRefusal(let range):
            .requestRefusal(RangeRequest(log: log, start: range.start, end: range.end, treeSize: range.treeSize))
        case .blobRefusal(let key): .blobRefusal(BlobKey(log: log, index: key.index, sha256: key.sha256))
        default: self
        }
    }
}
