import Cryptography
import Testing

@Suite struct HashingTests {
    @Test func sha256MatchesFIPS180() {
        #expect(
            SHA256.hash("abc").hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(SHA256.hash("").base64 == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
    }

    @Test func aContextCanBeUsedAgain() {
        let hasher = SHA256()
        let message = [UInt8]("abc".utf8)
        let first = message.withUnsafeBytes { hasher.hash($0) }
        _ = message.withUnsafeBytes { hasher.hash(prefix: 1, $0) }
        #expect(message.withUnsafeBytes { hasher.hash($0) } == first)
    }

    @Test func blake2bMatchesLibrarySpecification() {
        // BLAKE2b-256 of the empty message.
        #expect(
            Hexadecimal.encode(BLAKE2b.hash([]))
                == "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8")
    }
}

@Suite struct EncodingTests {
    @Test(arguments: ["A", "AA", "AAA", "AA==\n", "AB==", "AAA=A", "AA-_", " AA==", "===="])
    func base64RefusesWhatItWouldNotWrite(_ text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test func base64RoundTrips() {
        for count in 0..<70 {
            let bytes = RandomBytes.make(count: count)
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
            #expect(Hexadecimal.decode(Hexadecimal.encode(bytes)) == bytes)
        }
    }

    @Test(arguments: ["0", "0g", "+1", "0x00"])
    func hexadecimalRefusesOtherText(_ text: String) {
        #expect(Hexadecimal.decode(text) == nil)
    }
}

@Suite struct SecretTests {
    @Test func secretsDoNotPrint() throws {
        var plain = [UInt8]("hunter2".utf8)
        let secret = try SecretBytes(wiping: &plain)
        #expect(plain == [0, 0, 0, 0, 0, 0, 0])
        #expect("\(secret)" == "<7 secret bytes>")
        var dumped = ""
        dump(secret, to: &dumped)
        #expect(!dumped.contains("hunter2"))
    }

    @Test func ed25519MatchesRFC8032() throws {
        var seed = try #require(
            Hexadecimal.decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
        let key = try Ed25519.PrivateKey(seed: SecretBytes(wiping: &seed))
        #expect(
            Hexadecimal.encode(key.publicKey.bytes)
                == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        let signature = key.sign([])
        #expect(Hexadecimal.encode(signature).hasPrefix("e5564300c360ac729086e2cc806e828a"))
        #expect(key.publicKey.verifies(signature, of: []))
        #expect(!key.publicKey.verifies(signature, of: [0]))
        #expect(!key.publicKey.verifies(Array(signature.dropLast()), of: []))
    }

    @Test func sealedBoxesOpenForTheirKeyOnly() throws {
        let key = try SealedBox.PrivateKey()
        let other = try SealedBox.PrivateKey()
        let content = try SecretBytes.random(count: 32)
        var box = try key.publicKey.seal(content)
        #expect(try key.open(box).equals(content))
        #expect(throws: CryptographyError.notAuthentic) { try other.open(box) }
        box[40] ^= 1
        #expect(throws: CryptographyError.notAuthentic) { try key.open(box) }
        #expect(throws: CryptographyError.self) { try key.open([1, 2, 3]) }
    }

    @Test func boxesOfOneSenderOpenLikeAnyOtherAndForTheirKeyOnly() throws {
        let keys = try (0..<3).map { _ in try SealedBox.PrivateKey() }
        let content = try SecretBytes.random(count: 32)
        let sender = try SealedBox.Sender(of: content)
        let boxes = try keys.map { try sender.box(to: $0.publicKey) }
        for (key, box) in zip(keys, boxes) {
            #expect(box.count == content.count + SealedBox.overhead)
            #expect(try key.open(box).equals(content))
            for other in boxes where other != box {
                #expect(throws: CryptographyError.notAuthentic) { try key.open(other) }
            }
        }
        #expect(Set(boxes.map { $0.prefix(32) }).count == 1, "the sender's key")
        #expect(Set(boxes.map { $0.dropFirst(32) }).count == 3)
        // The next content has another sender.
        let next = try SealedBox.Sender(of: content).box(to: keys[0].publicKey)
        #expect(next.prefix(32) != boxes[0].prefix(32))
    }

    @Test func sealedBoxesRefuseKeysOfSmallOrder() throws {
        let zero = try SealedBox.PublicKey([UInt8](repeating: 0, count: 32))
        let content = try SecretBytes.random(count: 32)
        #expect(throws: CryptographyError.badPublicKey) { try zero.seal(content) }
        #expect(throws: CryptographyError.badPublicKey) { try SealedBox.Sender(of: content).box(to: zero) }
    }

    @Test func authenticatedEncryptionBindsItsAssociatedData() throws {
        let key = try SecretBytes.random(count: 32)
        let plaintext = try SecretBytes.random(count: 100)
        let nonce = RandomBytes.make(count: 24)
        let ciphertext = try XChaCha20Poly1305.seal(plaintext, key: key, nonce: nonce, associatedData: [1])
        let opened = try XChaCha20Poly1305.open(ciphertext, key: key, nonce: nonce, associatedData: [1])
        #expect(opened.equals(plaintext))
        #expect(throws: CryptographyError.notAuthentic) {
            try XChaCha20Poly1305.open(ciphertext, key: key, nonce: nonce, associatedData: [2])
        }
    }
}
