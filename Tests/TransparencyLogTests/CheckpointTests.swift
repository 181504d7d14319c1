import Cryptography
import Testing
import TransparencyLog

@Suite struct CheckpointTests {
    private let root = SHA256.hash("root")

    @Test func checkpointsAreThreeLinesAndReadBack() throws {
        let checkpoint = try Checkpoint(origin: "us.example/krus", size: 42, root: root)
        #expect(checkpoint.text == "us.example/krus\n42\n\(root.base64)\n")
        #expect(try Checkpoint(parsing: checkpoint.text) == checkpoint)
        let largest = try Checkpoint(origin: "us.example/krus", size: UInt64(Int64.max), root: root)
        #expect(try Checkpoint(parsing: largest.text) == largest)
        let empty = try Checkpoint(origin: "us.example/krus", size: 0, root: MerkleHasher.emptyRoot)
        #expect(try Checkpoint(parsing: empty.text) == empty)
    }

    @Test func otherTextsAreRefused() throws {
        let base64 = root.base64
        for text in [
            "", "\n", "o\n1\n", "o\n1\n\(base64)", "o\n1\n\(base64)\nextension\n", "o\n1\n\(base64)\n\n",
            "o\n01\n\(base64)\n", "o\n+1\n\(base64)\n", "o\n-1\n\(base64)\n", "o\n1 \n\(base64)\n", "o\n\n\(base64)\n",
            "o\n9223372036854775808\n\(base64)\n", "o\n18446744073709551616\n\(base64)\n", "\n1\n\(base64)\n",
            "o o\n1\n\(base64)\n", "o+o\n1\n\(base64)\n", "o\n0\n\(base64)\n", "o\n1\n\(base64.dropLast())\n",
            "o\n1\n\(base64) \n", "o\n1\nAAAA\n", "o\n1\n\(root.hex)\n", "o\r\n1\n\(base64)\n",
        ] {
            #expect(throws: NoteError.self, "\(text.debugDescription)") { try Checkpoint(parsing: text) }
        }
    }

    @Test func onlyTheLogsOwnKeySignsForIt() throws {
        let checkpoint = try Checkpoint(origin: "us.example/krus", size: 42, root: root)
        let signer = try NoteSigner(name: "us.example/krus", privateKey: testKey(1))
        let other = try NoteSigner(name: "kr.example/krus", privateKey: testKey(2))
        let note = try checkpoint.sign(with: signer)
        #expect(try Checkpoint(verifying: note, logKey: signer.verifierKey) == checkpoint)
        #expect(throws: NoteError.self) { try checkpoint.sign(with: other) }
        #expect(throws: NoteError.notSignedByLog(origin: "kr.example/krus")) {
            try Checkpoint(verifying: note, logKey: other.verifierKey)
        }
        let foreign = try SignedNote(text: checkpoint.text, signatures: [other.sign(checkpoint.text)])
        #expect(throws: NoteError.wrongOrigin(expected: "kr.example/krus", actual: "us.example/krus")) {
            try Checkpoint(verifying: foreign, logKey: other.verifierKey)
        }
        let changed = try SignedNote(
            text: checkpoint.text.replacing("42", with: "43"), signatures: note.signatures)
        #expect(throws: NoteError.badSignature(name: "us.example/krus", keyID: signer.verifierKey.keyID)) {
            try Checkpoint(verifying: changed, logKey: signer.verifierKey)
        }
        let mirror = try VerifierKey(
            name: "us.example/krus", algorithm: .cosignature, publicKey: testKey(1).publicKey)
        #expect(throws: NoteError.wrongKeyType) { try Checkpoint(verifying: note, logKey: mirror) }
    }
}

@Suite struct CosignatureTests {
    private let root = SHA256.hash("root")

    @Test func cosignaturesDateACheckpointAndReadBack() throws {
        let checkpoint = try Checkpoint(origin: "us.example/krus", size: 42, root: root)
        let cosigner = try Cosigner(name: "kr.example", privateKey: testKey(3))
        let cosignature = try cosigner.cosign(checkpoint, time: 1_790_000_000)
        try cosignature.verify(checkpoint, by: cosigner.verifierKey)
        let line = try cosignature.line
        #expect(try Cosignature(parsing: line) == cosignature)
        #expect(try Cosignature(parsing: line).line == line)
        // Key id, time, signature.
        let blob = try #require(line.split(separator: " ").last.flatMap { Base64.decode(String($0)) })
        #expect(blob.count == 76)
        #expect(Array(blob[4..<12]) == [0, 0, 0, 0, 0x6A, 0xB1, 0x3B, 0x80])
        // The message, written out.
        let message = "cosignature/v1\ntime 1790000000\n" + checkpoint.text
        #expect(try testKey(3).publicKey.verifies(Array(blob[12...]), of: Array(message.utf8)))
    }

    @Test func thePublishedCosignatureReadsBack() throws {
        // The example of the cosignature specification, whose key is not given.
        let line = """
            — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZ\
            qhf5nNo0xUe+mbIUBkBIfZ+qnA==
            """
        let cosignature = try Cosignature(parsing: line)
        #expect(cosignature.name == "witness.example.com/w1")
        #expect(cosignature.keyID == 0x8d66_cf3f)
        #expect(cosignature.time == 1_679_315_147)
        #expect(try cosignature.line == line)
    }

    @Test func nothingElsePasses() throws {
        let checkpoint = try Checkpoint(origin: "us.example/krus", size: 42, root: root)
        let cosigner = try Cosigner(name: "kr.example", privateKey: testKey(3))
        let cosignature = try cosigner.cosign(checkpoint, time: 7)
        let key = cosigner.verifierKey
        let larger = try Checkpoint(origin: "us.example/krus", size: 43, root: root)
        #expect(throws: NoteError.badSignature(name: "kr.example", keyID: key.keyID)) {
            try cosignature.verify(larger, by: key)
        }
        let later = try Cosignature(
            name: "kr.example", keyID: key.keyID, time: 8, signature: cosignature.signature)
        #expect(throws: NoteError.self) { try later.verify(checkpoint, by: key) }
        let otherKey = try Cosigner(name: "kr.example", privateKey: testKey(4)).verifierKey
        #expect(throws: NoteError.self) { try cosignature.verify(checkpoint, by: otherKey) }
        let logKey = try VerifierKey(name: "kr.example", algorithm: .ed25519, publicKey: key.publicKey)
        #expect(throws: NoteError.wrongKeyType) { try cosignature.verify(checkpoint, by: logKey) }
        #expect(throws: NoteError.badTime) { try cosigner.cosign(checkpoint, time: 1 << 63) }
        let plain = try NoteSigner(name: "kr.example", privateKey: testKey(3)).sign(checkpoint.text)
        #expect(throws: NoteError.notACosignature) { try Cosignature(plain) }
        for line in ["", "— n", "— n AAAAAAA=", try cosignature.line + "\n", String(try cosignature.line.dropFirst())] {
            #expect(throws: NoteError.self) { try Cosignature(parsing: line) }
        }
    }

    @Test func notesCarryCosignaturesBesideTheLogsSignature() throws {
        let checkpoint = try Checkpoint(origin: "us.example/krus", size: 42, root: root)
        let signer = try NoteSigner(name: "us.example/krus", privateKey: testKey(1))
        let cosigner = try Cosigner(name: "kr.example", privateKey: testKey(3))
        var note = try checkpoint.sign(with: signer)
        try note.add(cosigner.cosign(checkpoint, time: 7).noteSignature)
        let keys = [signer.verifierKey, cosigner.verifierKey]
        #expect(try note.verifiedKeys(among: keys) == keys)
        #expect(try SignedNote(parsing: note.serialized) == note)
        #expect(try Checkpoint(verifying: note, logKey: keys[0]) == checkpoint)
    }
}

@Suite struct TLogProofTests {
    private let hasher = MerkleHasher()
    private let bodies = (0..<300).map { Array("body \($0)".utf8) }

    private func proof(
        _ index: UInt64, extra: [UInt8]? = nil, cosigners: [Cosigner] = []
    ) throws -> (TLogProof, VerifierKey) {
        var tree = NaiveTree(count: 0)
        tree.leaves = bodies.map { hasher.leaf($0) }
        let signer = try NoteSigner(name: "us.example/krus", privateKey: testKey(1))
        let checkpoint = try Checkpoint(origin: "us.example/krus", size: 300, root: tree.root(size: 300))
        var note = try checkpoint.sign(with: signer)
        for cosigner in cosigners { try note.add(cosigner.cosign(checkpoint, time: 7).noteSignature) }
        let proof = try TLogProof.make(index: index, note: note, extra: extra, from: tree, hasher: hasher)
        return (proof, signer.verifierKey)
    }

    @Test func proofFilesVerifyAndReadBack() throws {
        for (index, extra): (UInt64, [UInt8]?) in [(0, nil), (17, []), (299, [1, 2, 3])] {
            let (proof, key) = try proof(index, extra: extra)
            let text = proof.serialized
            #expect(text.hasPrefix("c2sp.org/tlog-proof@v1\n"))
            #expect(text.hasSuffix("\n\n" + proof.note.serialized))
            let again = try TLogProof(parsing: Array(text.utf8))
            #expect(again == proof)
            #expect(again.serialized == text)
            #expect(again.extra == extra)
            let checkpoint = try again.verify(body: bodies[Int(index)], logKey: key, hasher: hasher)
            #expect(checkpoint.size == 300)
            #expect(throws: ProofError.wrongRoot) {
                try again.verify(body: bodies[Int(index) ^ 1], logKey: key, hasher: hasher)
            }
            let other = try VerifierKey(
                name: "us.example/krus", algorithm: .ed25519, publicKey: testKey(2).publicKey)
            #expect(throws: NoteError.notSignedByLog(origin: "us.example/krus")) {
                try again.verify(body: bodies[Int(index)], logKey: other, hasher: hasher)
            }
        }
    }

    @Test func cosignaturesAreCountedByKey() throws {
        let cosigners = try (5...7).map { try Cosigner(name: "n\($0).example", privateKey: testKey($0)) }
        let keys = cosigners.map(\.verifierKey)
        let (proof, key) = try proof(5, cosigners: [cosigners[0], cosigners[1], cosigners[0]])
        func verify(_ keys: [VerifierKey], _ required: Int) throws {
            _ = try proof.verify(
                body: bodies[5], logKey: key, cosigners: keys, requiredCosignatures: required, hasher: hasher)
        }
        try verify(keys, 2)
        try verify([], 0)
        #expect(throws: NoteError.tooFewCosignatures(required: 3, verified: 2)) { try verify(keys, 3) }
        #expect(throws: NoteError.tooFewCosignatures(required: 1, verified: 0)) { try verify([keys[2]], 1) }
        #expect(throws: NoteError.wrongKeyType) { try verify([key], 1) }
    }

    @Test func otherFormsAreRefused() throws {
        let text = try proof(17, extra: [1, 2, 3]).0.serialized
        let hash = SHA256Digest.zero.base64
        for (old, new) in [
            ("@v1", "@v2"), ("extra AQID\n", "extra AQI\n"), ("extra AQID\n", "extra  AQID\n"),
            ("extra AQID\nindex 17\n", "index 17\nextra AQID\n"), ("index 17", "index 017"), ("index 17", "index -17"),
            ("index 17", "index"), ("index 17", "Index 17"), ("index 17", "index 9223372036854775808"),
            ("index 17\n", "index 17\n\n"), ("index 17\n", "index 17\nAAAA\n"), ("index 17\n", ""),
            ("index 17\n", "index 17\n" + String(repeating: hash + "\n", count: 63)), ("\n\nus.", "\nus."),
            ("index 17\n", "index 17\r\n"),
        ] {
            let changed = text.replacing(old, with: new, maxReplacements: 1)
            #expect(changed != text)
            #expect(throws: (any Error).self, "\(old.debugDescription) → \(new.debugDescription)") {
                let proof = try TLogProof(parsing: changed)
                // One empty line too early leaves a note that begins with hashes: no checkpoint.
                _ = try Checkpoint(parsing: proof.note.text)
            }
        }
        #expect(throws: NoteError.self) { try TLogProof(parsing: "") }
        #expect(throws: NoteError.notUTF8) { try TLogProof(parsing: [0xFF]) }
    }

    @Test func changedFilesAreRefusedOrReadBackAsTheyAre() throws {
        var random = SeededGenerator(seed: 9)
        let (proof, key) = try proof(17, extra: [1, 2, 3])
        let original = Array(proof.serialized.utf8)
        for _ in 0..<3_000 {
            var bytes = original
            let position = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: position)
            default: bytes.insert(UInt8.random(in: 10...127, using: &random), at: position)
            }
            guard bytes != original, let changed = try? TLogProof(parsing: bytes) else { continue }
            #expect(Array(changed.serialized.utf8) == bytes)
            if (try? changed.verify(body: bodies[17], logKey: key, hasher: hasher)) != nil {
                // Only what nothing authenticates may have changed.
                #expect(changed.inclusion == proof.inclusion && changed.note.text == proof.note.text)
            }
        }
    }
}
