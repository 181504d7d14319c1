import Cryptography
import Testing
import TransparencyLog

/// The example of the signed-note specification.
enum PublishedNote {
    static let key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    static let note = """
        This is an example message.

        — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=

        """
}

/// Keys that are the same in every run.
func testKey(_ number: UInt8) throws -> Ed25519.PrivateKey {
    var seed = [UInt8](repeating: number, count: 32)
    return try Ed25519.PrivateKey(seed: SecretBytes(wiping: &seed))
}

@Suite struct VerifierKeyTests {
    @Test func thePublishedKeyReadsBack() throws {
        let key = try VerifierKey(parsing: PublishedNote.key)
        #expect(key.name == "example.com/foo")
        #expect(key.keyID == 0x530d_903a)
        #expect(key.algorithm == .ed25519)
        #expect(key.text == PublishedNote.key)
    }

    @Test func keysWithPlusSignsInTheirBase64ReadBack() throws {
        let checksums = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
        #expect(try VerifierKey(parsing: checksums).text == checksums)
        var seen = 0
        for number: UInt8 in 0...60 {
            for algorithm in [VerifierKey.Algorithm.ed25519, .cosignature] {
                let key = try VerifierKey(
                    name: "us.example/krus", algorithm: algorithm, publicKey: testKey(number).publicKey)
                #expect(try VerifierKey(parsing: key.text) == key)
                if key.text.filter({ $0 == "+" }).count > 2 { seen += 1 }
            }
        }
        #expect(seen > 0)
    }

    @Test(arguments: [
        "", "+", "++", "example.com/foo", "example.com/foo+530d903a", "example.com/foo+530d903a+",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+0530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+30d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/bar+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2l",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
        "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        " example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ])
    func anythingElseIsRefused(text: String) {
        #expect(throws: NoteError.self) { try VerifierKey(parsing: text) }
    }

    @Test func namesHaveNeitherSpacesNorPlusSigns() {
        for name in ["us.example", "us.example/krus/2", "é", "a"] { #expect(KeyName.isValid(name)) }
        for name in [
            "", " ", "a b", "a+b", "a\u{A0}b", "a\u{2003}b", "a\u{3000}", "a\nb", "a\tb", "\u{85}", "a\u{0}",
            String(repeating: "a", count: 1_025),
        ] {
            #expect(!KeyName.isValid(name))
        }
    }
}

@Suite struct SignedNoteTests {
    @Test func thePublishedNoteVerifiesAndReadsBack() throws {
        let note = try SignedNote(parsing: PublishedNote.note)
        #expect(note.text == "This is an example message.\n")
        #expect(note.serialized == PublishedNote.note)
        let key = try VerifierKey(parsing: PublishedNote.key)
        #expect(try note.verifiedKeys(among: [key]) == [key])
    }

    @Test func aPublishedSigningKeyGivesThePublishedSignature() throws {
        // The example of Go's golang.org/x/mod/sumdb/note; Ed25519 always signs the same way.
        var stored = try #require(Base64.decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"))
        #expect(stored.removeFirst() == 1)
        let signer = try NoteSigner(
            name: "PeterNeumann", privateKey: Ed25519.PrivateKey(seed: SecretBytes(wiping: &stored)))
        #expect(signer.verifierKey.keyID == 0xc74f_20a3)
        let text = """
            If you think cryptography is the answer to your problem,
            then you don't know what your problem is.

            """
        #expect(
            try signer.sign(text).line == """
                — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
                """)
    }

    @Test func unknownSignersAreIgnoredAndKnownOnesMustVerify() throws {
        let signers = try (1...3).map { try NoteSigner(name: "n\($0)", privateKey: testKey($0)) }
        let text = "one\n\ntwo\n"
        var note = try SignedNote(text: text, signatures: signers[..<2].map { try $0.sign(text) })
        let keys = signers.map(\.verifierKey)
        #expect(try note.verifiedKeys(among: keys) == Array(keys[..<2]))
        #expect(try note.verifiedKeys(among: [keys[1]]) == [keys[1]])
        #expect(throws: NoteError.noKnownSignature) { try note.verifiedKeys(among: [keys[2]]) }
        #expect(throws: NoteError.noKnownSignature) { try note.verifiedKeys(among: []) }
        // The same name with another key is another signer.
        let namesake = try NoteSigner(name: "n1", privateKey: testKey(9))
        #expect(throws: NoteError.noKnownSignature) { try note.verifiedKeys(among: [namesake.verifierKey]) }
        // A line by a known key that signs something else rejects the whole note.
        try note.add(signers[2].sign("other\n"))
        #expect(throws: NoteError.badSignature(name: "n3", keyID: keys[2].keyID)) {
            try note.verifiedKeys(among: keys)
        }
        #expect(try note.verifiedKeys(among: [keys[0]]) == [keys[0]])
        // Repeated lines count once.
        let repeated = try SignedNote(text: text, signatures: [signers[0].sign(text), signers[0].sign(text)])
        #expect(try repeated.verifiedKeys(among: keys) == [keys[0]])
    }

    @Test func theLastEmptyLineDividesTextFromSignatures() throws {
        let signer = try NoteSigner(name: "n", privateKey: testKey(1))
        for text in ["\n", "a\n", "a\n\n", "\n\n\n", "a\n\n— n AAAAAAA=\n\nb\n", "é\u{301}\u{7F}\n"] {
            let note = try SignedNote(text: text, signatures: [signer.sign(text)])
            let again = try SignedNote(parsing: Array(note.serialized.utf8))
            #expect(Array(again.text.utf8) == Array(text.utf8))
            #expect(again == note)
            #expect(try again.verifiedKeys(among: [signer.verifierKey]).count == 1)
        }
    }

    @Test(arguments: [
        "", "\n", "\n\n", "text\n", "text\n\n", "text\n\n\n", "text\n— n AAAAAAA=\n", "text\n\n- n AAAAAAA=\n",
        "text\n\n— n AAAAAAA=", "text\n\n—  AAAAAAA=\n", "text\n\n— n\n", "text\n\n— n \n", "text\n\n— n AAAAAA==\n",
        "text\n\n— n AAAAAAA\n", "text\n\n— n AAAAAAB=\n", "text\n\n— n+m AAAAAAA=\n", "text\n\n— n m AAAAAAA=\n",
        "text\n\n—n AAAAAAA=\n", "text\n\n— n AAAAAAA= \n", "text\n\n — n AAAAAAA=\n", "text\r\n\n— n AAAAAAA=\n",
        "te\txt\n\n— n AAAAAAA=\n", "text\n\n— n AAAAAAA=\r\n", "text\n\n— n AAAAAAA=\nmore\n",
        "t\u{0}\n\n— n AAAAAAA=\n",
        "text\n\n— n AAAA\u{A0}AAA=\n",
    ])
    func otherFormsAreRefused(note: String) {
        #expect(throws: NoteError.self) { try SignedNote(parsing: note) }
    }

    @Test func sizesAreBounded() throws {
        let line = "— n AAAAAAA=\n"
        #expect(try SignedNote(parsing: "t\n\n" + String(repeating: line, count: 100)).signatures.count == 100)
        #expect(throws: NoteError.tooManySignatures(maximum: 100)) {
            try SignedNote(parsing: "t\n\n" + String(repeating: line, count: 101))
        }
        let long = String(repeating: "a", count: 1 << 20)
        #expect(throws: NoteError.tooLong(maximum: 1 << 20)) { try SignedNote(parsing: long + "\n\n" + line) }
        #expect(throws: NoteError.notUTF8) { try SignedNote(parsing: [0xFF, 0x0A, 0x0A]) }
        var note = try SignedNote(parsing: "t\n\n" + String(repeating: line, count: 100))
        let signature = note.signatures[0]
        #expect(throws: NoteError.tooManySignatures(maximum: 100)) { try note.add(signature) }
        #expect(note.signatures.count == 100)
    }

    @Test func textsEqualOnlyUpToNormalisationAreNotEqual() throws {
        let signer = try NoteSigner(name: "\u{E9}", privateKey: testKey(1))
        let other = try NoteSigner(name: "e\u{301}", privateKey: testKey(1))
        #expect(signer.verifierKey != other.verifierKey)
        #expect(!other.verifierKey.isNamed(by: try signer.sign("t\n")))
    }

    @Test func changedNotesAreRefusedOrReadBackAsTheyAre() throws {
        var random = SeededGenerator(seed: 8)
        let key = try VerifierKey(parsing: PublishedNote.key)
        let original = Array(PublishedNote.note.utf8)
        for _ in 0..<20_000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let position = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: position)
                case 2: bytes.insert([0x0A, 0x20, 0x2B, 0x3D, 0x41].randomElement(using: &random) ?? 0, at: position)
                default: bytes.insert(contentsOf: bytes.suffix(from: position), at: position)
                }
            }
            guard let note = try? SignedNote(parsing: bytes) else { continue }
            #expect(Array(note.serialized.utf8) == bytes)
            if (try? note.verifiedKeys(among: [key])) != nil {
                #expect(note.text == "This is an example message.\n")
            }
        }
    }
}
