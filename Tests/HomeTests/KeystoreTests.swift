import Cryptography
import Foundation
import Home
import Testing

@Suite("The keystore")
struct KeystoreTests {
    private let temporary: TemporaryFolder
    private let home: HomeFolder
    private let keys: Keystore

    init() throws {
        temporary = try TemporaryFolder()
        home = try HomeFolder.create(temporary("home"))
        keys = try Keystore(home, node: "us.example")
    }

    private func path(_ name: String) -> String { "\(home.keysFolder)/\(name)" }

    @Test("gives back every key it made")
    func roundTrip() throws {
        let log = try keys.createLogKey(community: "krus")
        let successor = try keys.createLogKey(community: "krus", generation: 2)
        let mirror = try keys.createMirrorKey()
        let sealing = try keys.createSealingKey(epoch: 1)
        let doubles = try keys.createDoublesKey()
        #expect(try keys.logKey(community: "krus").publicKey == log.publicKey)
        #expect(try keys.logKey(community: "krus", generation: 2).publicKey == successor.publicKey)
        #expect(try keys.mirrorKey().publicKey == mirror.publicKey)
        #expect(try keys.sealingKey(epoch: 1).publicKey == sealing.publicKey)
        #expect(try keys.doublesKey().equals(doubles))
        #expect(Set([log.publicKey, successor.publicKey, mirror.publicKey]).count == 3)
        #expect(
            try Disk.names(home.keysFolder) == [
                "doubles.key", "log-krus.2.key", "log-krus.key", "mirror.key", "sealing-1.key",
            ])
        for name in try Disk.names(home.keysFolder) { #expect(Disk.mode(path(name)) == 0o600) }
    }

    @Test("makes public keys that a card accepts")
    func cardKeys() throws {
        _ = try keys.createLogKey(community: "krus")
        _ = try keys.createMirrorKey()
        let sealing = try keys.createSealingKey(epoch: 1)
        let card = try PeerCard(
            node: "us.example", endpoint: nil, trust: .pins([SHA256.hash("certificate")]),
            mirrorKey: keys.mirrorCardKey(), sealingKeys: [PeerCard.SealingKey(epoch: 1, key: sealing.publicKey)],
            logs: [
                PeerCard.Log(
                    community: "krus", origin: "us.example/krus", key: keys.logCardKey(community: "krus"))
            ])
        #expect(try Samples.parsedCard(card.text()) == card)
    }

    @Test("writes one line: format, protection, purpose, owner and 32 bytes in base64")
    func format() throws {
        let key = try keys.createLogKey(community: "krus")
        let text = try Disk.text(path("log-krus.key"))
        let seed = key.seed.withUnsafeBytes { Base64.encode([UInt8]($0)) }
        #expect(text == "entente-key/1 plain ed25519 us.example/krus \(seed)\n")
    }

    @Test("encodes and decodes every byte value as base64 does")
    func base64() throws {
        for start in stride(from: 0, to: 256, by: 4) {
            let bytes = (0..<32).map { UInt8(truncatingIfNeeded: start + $0 * 37) }
            let line = "entente-key/1 plain blake2b us.example \(Base64.encode(bytes))\n"
            try Disk.write(line, path("doubles.key"))
            #expect(try keys.doublesKey().withUnsafeBytes { [UInt8]($0) } == bytes)
        }
    }

    @Test("never overwrites a key")
    func noOverwriting() throws {
        let first = try keys.createMirrorKey()
        let error = try #require(throws: HomeError.self) { try keys.createMirrorKey() }
        #expect(error.category == .exists)
        #expect(try keys.mirrorKey().publicKey == first.publicKey)
        #expect(try Disk.names(home.keysFolder) == ["mirror.key"])
    }

    @Test("lists the epochs of sealing keys in ascending order")
    func epochs() throws {
        for epoch: UInt32 in [10, 2, 1] { _ = try keys.createSealingKey(epoch: epoch) }
        for name in ["sealing-.key", "sealing-0.key", "sealing-03.key", "sealing-x.key", ".sealing-4.key.ab.tmp"] {
            try Disk.write("", path(name))
        }
        #expect(try keys.sealingEpochs() == [1, 2, 10])
        #expect(throws: HomeError.self) { try keys.createSealingKey(epoch: 0) }
    }

    @Test("keeps the TLS key byte for byte, and replaces it only when asked")
    func tlsKey() throws {
        var pem = Array("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".utf8)
        let secret = try SecretBytes(wiping: &pem)
        try keys.storeTLSKey(pem: secret)
        #expect(try keys.tlsKey().equals(secret))
        #expect(throws: HomeError.self) { try keys.storeTLSKey(pem: secret) }
        var other = Array("other".utf8)
        try keys.storeTLSKey(pem: SecretBytes(wiping: &other), replacing: true)
        #expect(try keys.tlsKey().count == 5)
        #expect(Disk.mode(path("tls.key")) == 0o600)
    }

    private static let seed = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

    @Test(
        "refuses a file that is not exactly such a line, and quotes none of its secret",
        arguments: [
            "", "\n", seed, "entente-key/1 plain ed25519-cosignature us.example \(seed)",
            "entente-key/2 plain ed25519-cosignature us.example \(seed)\n",
            "entente-key/1 plain ed25519-cosignature us.example \(seed)\n\n",
            "entente-key/1 plain ed25519-cosignature us.example \(seed)\r\n",
            "entente-key/1  plain ed25519-cosignature us.example \(seed)\n",
            "entente-key/1 plain ed25519-cosignature us.example  \(seed)\n",
            "entente-key/1 plain ed25519-cosignature us.example \(seed) \n",
            "entente-key/1 plain ed25519-cosignature us.example \(seed.dropLast(4))\n",
            "entente-key/1 plain ed25519-cosignature us.example \(seed.dropLast(2))9=\n",
            "entente-key/1 plain ed25519-cosignature us.example \(seed.dropLast(1))A\n",
            "entente-key/1 plain ed25519-cosignature us.example \(seed.replacing("C", with: "_"))\n",
            "entente-key/1 plain ed25519 us.example \(seed)\n",
            "entente-key/1 plain ed25519-cosignature kr.example \(seed)\n",
            "entente-key/1 argon2id ed25519-cosignature us.example m=1,t=1,p=1 \(seed)\n",
            "entente-key/1 plain ed25519-cosignature us.example\n",
            "entente-key/1 plain ed25519-cosignature \(seed) us.example\n",
            "entente-key/1 \(seed) ed25519-cosignature us.example x\n",
            "entente-key/1 plain \(seed) us.example x\n",
            String(repeating: "x", count: 5_000) + "\n",
        ])
    func malformed(text: String) throws {
        try Disk.write(text, path("mirror.key"))
        let error = try #require(throws: HomeError.self) { try keys.mirrorKey() }
        #expect(!"\(error)".contains("AAECAwQF"))
        #expect(error.path == path("mirror.key"))
    }

    @Test("refuses the key of one log in the place of another's")
    func swapped() throws {
        _ = try keys.createLogKey(community: "krus")
        _ = try keys.createLogKey(community: "swap")
        #expect(rename(path("log-krus.key"), path("log-swap.key")) == 0)
        let error = try #require(throws: HomeError.self) { try keys.logKey(community: "swap") }
        #expect(error.message.contains("us.example/krus"))
    }

    @Test(
        "refuses a key that others can read, with the command that mends it", arguments: [0o640, 0o604, 0o660, 0o777])
    func wide(mode: UInt32) throws {
        _ = try keys.createMirrorKey()
        chmod(path("mirror.key"), mode_t(mode))
        let error = try #require(throws: HomeError.self) { try keys.mirrorKey() }
        #expect(error.category == .notPermitted)
        #expect(error.message.hasSuffix("run: chmod 600 \(path("mirror.key"))"))
    }

    @Test("refuses symbolic links, folders and pipes in the place of a key")
    func notAFile() throws {
        _ = try keys.createMirrorKey()
        #expect(rename(path("mirror.key"), temporary("elsewhere")) == 0)
        try FileManager.default.createSymbolicLink(
            atPath: path("mirror.key"), withDestinationPath: temporary("elsewhere"))
        #expect(try #require(throws: HomeError.self) { try keys.mirrorKey() }.message.contains("symbolic link"))
        #expect(mkfifo(path("doubles.key"), 0o600) == 0)
        #expect(throws: HomeError.self) { try keys.doublesKey() }
        #expect(mkdir(path("tls.key"), 0o700) == 0)
        #expect(throws: HomeError.self) { try keys.tlsKey() }
        #expect(try #require(throws: HomeError.self) { try keys.sealingKey(epoch: 1) }.category == .noInput)
    }

    @Test("has the witness key in a file of its own, under a name that no log has, until it is destroyed")
    func witnessKey() throws {
        #expect(try keys.witnessPublicKey() == nil && keys.witnessKeyVersion() == nil)
        let key = try Ed25519.PrivateKey()
        try keys.storeWitnessKey(key)
        #expect(try keys.witnessKey().publicKey == key.publicKey)
        #expect(
            try #require(throws: HomeError.self) { try keys.storeWitnessKey(Ed25519.PrivateKey()) }.category == .exists)
        #expect(keys.witnessName == "us.example/_witness")
        // No community has that name, so no log of a node has that origin.
        #expect(throws: HomeError.self) { try keys.createLogKey(community: "_witness") }
        #expect(try keys.logGenerations().isEmpty)
        // The two cosigning keys do not stand in for each other.
        #expect(rename(path("witness.key"), path("mirror.key")) == 0)
        #expect(throws: HomeError.self) { try keys.mirrorKey() }
        #expect(rename(path("mirror.key"), path("witness.key")) == 0)
        let version = try keys.witnessKeyVersion()
        try keys.destroyWitnessKey()
        #expect(!FileManager.default.fileExists(atPath: path("witness.key")))
        try keys.storeWitnessKey(Ed25519.PrivateKey())
        #expect(try keys.witnessKeyVersion() != version)
    }

    @Test("takes no name that leads out of its folder", arguments: ["../x", "", "a/b", "A", "a.b"])
    func names(community: String) {
        #expect(throws: HomeError.self) { try keys.createLogKey(community: community) }
        #expect(throws: HomeError.self) { try Keystore(home, node: "../us") }
    }

    @Test("never prints a secret")
    func printing() throws {
        let key = try keys.createSealingKey(epoch: 1)
        let secret = key.secret.withUnsafeBytes { Base64.encode([UInt8]($0)) }
        var dumped = ""
        dump(key, to: &dumped)
        dump(keys, to: &dumped)
        #expect(!dumped.contains(secret))
        #expect(!"\(key) \(keys)".contains(secret))
    }
}
