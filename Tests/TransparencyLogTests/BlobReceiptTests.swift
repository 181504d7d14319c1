import Cryptography
import Testing
import TransparencyLog

@Suite struct BlobReceiptTests {
    private let sha256 = SHA256.hash("sealed bytes")
    private let time: UInt64 = 1_764_000_000

    private func receipt(
        origin: String = "us.example/krus", index: UInt64 = 1_042, sha256: SHA256Digest? = nil
    ) throws -> BlobReceipt {
        try BlobReceipt(origin: origin, index: index, sha256: sha256 ?? self.sha256)
    }

    /// The known answer of docs/delivery.md, which another program made.
    @Test func thePublishedReceiptComesOutAndVerifies() throws {
        let cosigner = try Cosigner(name: "kr.example", privateKey: testKey(7))
        #expect(cosigner.verifierKey.text == "kr.example+28001920+BOpKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs")
        let hash = "f35cf5b361b0eaf7b0c02e75808e260e3f379c4745abe45552ba768e85687749"
        #expect(try receipt().text == "entente-blob-receipt/1\nus.example/krus#1042\n\(hash)\n")
        let line =
            "— kr.example KAAZIAAAAABpJIEAW+VEarlLY1igj0F2ttjEKE6vDJ5GdH62UTVk293LloL7+IaXiiIprOXqbglRJQxaBDGVMeb/"
            + "3ru5dyG2n4ooBg=="
        #expect(try cosigner.sign(receipt(), time: time).line == line)
        let read = try Cosignature(parsing: line)
        #expect(read.time == time)
        try read.verify(receipt(), by: cosigner.verifierKey)
    }

    @Test func nothingButThisBlobOfThisRecordAtThisTimeVerifies() throws {
        let cosigner = try Cosigner(name: "kr.example", privateKey: testKey(7))
        let signed = try cosigner.sign(receipt(), time: time)
        for other in [
            try receipt(origin: "us.example/kru"), try receipt(origin: "jp.example/krus"), try receipt(index: 1_043),
            try receipt(index: 104), try receipt(sha256: SHA256.hash("sealed byteS")),
        ] {
            #expect(throws: NoteError.badSignature(name: "kr.example", keyID: signed.keyID)) {
                try signed.verify(other, by: cosigner.verifierKey)
            }
        }
        let later = try Cosignature(
            name: signed.name, keyID: signed.keyID, time: time + 1, signature: signed.signature)
        #expect(throws: NoteError.self) { try later.verify(receipt(), by: cosigner.verifierKey) }
        for bit in stride(from: 0, to: 64 * 8, by: 37) {
            var bytes = signed.signature
            bytes[bit / 8] ^= 1 << (bit % 8)
            let flipped = try Cosignature(name: signed.name, keyID: signed.keyID, time: time, signature: bytes)
            #expect(throws: NoteError.self) { try flipped.verify(receipt(), by: cosigner.verifierKey) }
        }
    }

    @Test func onlyTheHoldersMirrorKeyCounts() throws {
        let cosigner = try Cosigner(name: "kr.example", privateKey: testKey(7))
        let signed = try cosigner.sign(receipt(), time: time)
        let other = try Cosigner(name: "kr.example", privateKey: testKey(8)).verifierKey
        #expect(throws: NoteError.self) { try signed.verify(receipt(), by: other) }
        let renamed = try Cosigner(name: "jp.example", privateKey: testKey(7)).verifierKey
        #expect(throws: NoteError.self) { try signed.verify(receipt(), by: renamed) }
        let logKey = try VerifierKey(name: "kr.example", algorithm: .ed25519, publicKey: testKey(7).publicKey)
        #expect(throws: NoteError.wrongKeyType) { try signed.verify(receipt(), by: logKey) }
    }

    @Test func aReceiptIsNoCheckpointAndACheckpointNoReceipt() throws {
        let cosigner = try Cosigner(name: "kr.example", privateKey: testKey(7))
        #expect(throws: NoteError.self) { try Checkpoint(parsing: receipt().text) }
        // Not even a log that takes the header for its origin: its second line would have to be a size.
        let checkpoint = try Checkpoint(origin: BlobReceipt.header, size: 1_042, root: sha256)
        #expect(throws: NoteError.self) {
            try cosigner.sign(receipt(), time: time).verify(checkpoint, by: cosigner.verifierKey)
        }
        #expect(throws: NoteError.self) {
            try cosigner.cosign(checkpoint, time: time).verify(receipt(), by: cosigner.verifierKey)
        }
    }

    @Test func anOriginCannotAddLinesOfItsOwn() {
        for origin in ["", "us.example/krus\n5", "us.example/ krus", "us.example+krus", "a\u{2028}b"] {
            #expect(throws: NoteError.badName) { try receipt(origin: origin) }
        }
    }
}
