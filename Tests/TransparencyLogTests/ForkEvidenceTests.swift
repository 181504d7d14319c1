import Cryptography
import Testing
import TransparencyLog

@Suite("Evidence of a fork")
struct ForkEvidenceTests {
    private static let origin = "us.example/krus"
    private let hasher = MerkleHasher()
    private let signer: NoteSigner

    init() throws {
        signer = try NoteSigner(name: Self.origin, privateKey: Ed25519.PrivateKey())
    }

    private func sign(_ tree: NaiveTree, size: Int, by other: NoteSigner? = nil) throws -> SignedNote {
        let key = other ?? signer
        return try Checkpoint(origin: key.verifierKey.name, size: UInt64(size), root: tree.root(size: size))
            .sign(with: key)
    }

    /// Two histories of so many entries that are equal before `difference`.
    private func histories(_ sizes: (Int, Int), difference: Int) -> (NaiveTree, NaiveTree) {
        let one = NaiveTree(count: sizes.0)
        var other = NaiveTree(count: sizes.1)
        for position in difference..<sizes.1 { other.leaves[position] = SHA256.hash("other \(position)") }
        return (one, other)
    }

    /// What a node does that holds `one` and hears of `other`: asks, searches, writes down.
    private func evidence(_ one: NaiveTree, _ other: NaiveTree) throws -> ForkEvidence {
        let size = UInt64(one.leaves.count), treeSize = UInt64(other.leaves.count)
        let prefix = try ForkEvidence.makePrefix(size: size, treeSize: treeSize, from: other, hasher: hasher)
        var search = try ForkSearch(
            size: size, own: CompactRange(begin: 0, end: size, from: one).hashes, treeSize: treeSize, prefix: prefix)
        var steps = 0
        while let node = search.question {
            steps += 1
            #expect(steps <= 16)
            let nodes = ForkSearch.nodes(below: node)
            try search.answer(own: one.hashes(at: nodes), other: other.hashes(at: nodes))
        }
        let found = try #require(search.result)
        let difference = ForkEvidence.Difference(
            index: found.index, leaves: [found.own, found.other],
            proofs: [
                try RangeProof.make(
                    start: found.index, end: found.index + 1, size: size, from: one, hasher: hasher),
                try search.otherProof(),
            ])
        return try ForkEvidence(
            key: signer.verifierKey, sign(one, size: one.leaves.count), sign(other, size: other.leaves.count),
            prefix: prefix, difference: difference)
    }

    @Test("An outside log may have another origin than its key's name; the document says it then")
    func otherOrigin() throws {
        let origin = "go.sum database tree"
        func note(_ seed: UInt64, origin: String) throws -> SignedNote {
            let text = "\(origin)\n7\n\(NaiveTree(count: 7, seed: seed).root(size: 7).base64)\n"
            return try SignedNote(text: text, signatures: [signer.sign(text)])
        }
        let evidence = try ForkEvidence(
            key: signer.verifierKey, origin: origin, note(0, origin: origin), note(1, origin: origin), prefix: [],
            difference: nil)
        #expect(try evidence.verify().origin == origin)
        let again = try ForkEvidence(parsing: [UInt8](evidence.serialized.utf8))
        #expect(again == evidence && again.serialized.contains("\norigin \(origin)\n"))
        // Without that line, or with another, the checkpoints are not of that log.
        for line in ["", "origin other\n", "origin \(signer.verifierKey.name)\n"] {
            let text = evidence.serialized.replacing("origin \(origin)\n", with: line)
            #expect(throws: (any Error).self) { try ForkEvidence(parsing: [UInt8](text.utf8)).verify() }
        }
        #expect(throws: ForkError.differentLogs) {
            try ForkEvidence(
                key: signer.verifierKey, origin: origin, note(0, origin: origin), note(1, origin: "go.sum"), prefix: [],
                difference: nil)
        }
        #expect(throws: (any Error).self) {
            try ForkEvidence(
                key: signer.verifierKey, note(0, origin: origin), note(1, origin: origin), prefix: [], difference: nil)
        }
    }

    @Test(
        "Every fork is proved, and the first entry that differs is found",
        arguments: [
            (1, 1, 0), (1, 2, 0), (2, 2, 1), (2, 3, 0), (4, 4, 3), (4, 5, 1), (5, 8, 4), (8, 8, 0), (8, 9, 7),
            (255, 256, 254),
            (256, 256, 0), (256, 300, 255), (257, 300, 256), (300, 1_000, 17), (1_000, 1_024, 999), (1_023, 1_025, 512),
        ])
    func proves(one: Int, other: Int, difference: Int) throws {
        let (left, right) = histories((one, other), difference: difference)
        let evidence = try evidence(left, right)
        let finding = try evidence.verify()
        #expect(finding.origin == Self.origin)
        #expect(finding.sizes == [UInt64(one), UInt64(other)])
        #expect(finding.firstDifference == UInt64(difference))
        let bytes = Array(evidence.serialized.utf8)
        #expect(ForkEvidence.isEvidence(bytes))
        #expect(try ForkEvidence(parsing: bytes) == evidence)
    }

    @Test("A log that only grew is never convicted, whatever is handed in as proof")
    func honest() throws {
        let tree = NaiveTree(count: 700)
        for (small, large) in [(1, 2), (4, 8), (255, 256), (256, 700), (300, 700), (700, 700)] {
            let prefix = try ForkEvidence.makePrefix(
                size: UInt64(small), treeSize: UInt64(large), from: tree, hasher: hasher)
            #expect(throws: (any Error).self) {
                try ForkEvidence(
                    key: signer.verifierKey, sign(tree, size: small), sign(tree, size: large), prefix: prefix,
                    difference: nil)
            }
            // A proof that fails proves nothing.
            for position in prefix.indices {
                var wrong = prefix
                wrong[position] = SHA256.hash("wrong")
                #expect(throws: (any Error).self) {
                    try ForkEvidence(
                        key: signer.verifierKey, sign(tree, size: small), sign(tree, size: large), prefix: wrong,
                        difference: nil)
                }
            }
        }
    }

    @Test("Checkpoints of another key or log are refused")
    func foreign() throws {
        let (left, right) = histories((40, 40), difference: 3)
        let forger = try NoteSigner(name: Self.origin, privateKey: Ed25519.PrivateKey())
        let neighbour = try NoteSigner(name: "us.example/other", privateKey: Ed25519.PrivateKey())
        for key in [forger, neighbour] {
            #expect(throws: (any Error).self) {
                try ForkEvidence(
                    key: signer.verifierKey, sign(left, size: 40), sign(right, size: 40, by: key), prefix: [],
                    difference: nil)
            }
        }
    }

    @Test("No change of a document goes unnoticed")
    func tampering() throws {
        let (left, right) = histories((37, 61), difference: 21)
        let bytes = Array(try evidence(left, right).serialized.utf8)
        for position in bytes.indices {
            for flip in [UInt8(1), 0x20] {
                var changed = bytes
                changed[position] ^= flip
                do {
                    // Another key may make a document of its own; it is compared with the log's by whoever reads it.
                    let read = try ForkEvidence(parsing: changed)
                    guard read.key == signer.verifierKey else { continue }
                    try read.verify()
                    Issue.record("byte \(position) was changed and nobody noticed")
                } catch {}
            }
        }
        for count in 0..<bytes.count {
            #expect(throws: (any Error).self) { try ForkEvidence(parsing: Array(bytes.prefix(count))) }
        }
    }

    @Test("A side that lies in the search is found out")
    func lyingSearch() throws {
        let (left, right) = histories((600, 700), difference: 444)
        let prefix = try ForkEvidence.makePrefix(size: 600, treeSize: 700, from: right, hasher: hasher)
        let own = try CompactRange(begin: 0, end: 600, from: left).hashes
        var search = try ForkSearch(size: 600, own: own, treeSize: 700, prefix: prefix)
        let node = try #require(search.question)
        let nodes = ForkSearch.nodes(below: node)
        let mine = try left.hashes(at: nodes)
        var theirs = try right.hashes(at: nodes)
        theirs[2] = SHA256.hash("lie")
        #expect(throws: ProofError.wrongRoot) { try search.answer(own: mine, other: theirs) }
        #expect(throws: (any Error).self) { try search.answer(own: mine, other: Array(theirs.dropLast())) }
    }
}
