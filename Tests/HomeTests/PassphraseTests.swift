import Cryptography
import Foundation
import Home
import Testing

@Suite("Keys under a passphrase")
struct PassphraseTests {
    private let temporary: TemporaryFolder
    private let home: HomeFolder
    /// A guess costs next to nothing here; the program takes 256 MiB.
    private let cost = PasswordHash.Cost(passes: 1, memoryByteCount: 8_192)

    init() throws {
        temporary = try TemporaryFolder()
        home = try HomeFolder.create(temporary("home"))
    }

    private func path(_ name: String) -> String { "\(home.keysFolder)/\(name)" }

    private func secret(_ text: String) throws -> SecretBytes {
        var bytes = Array(text.utf8)
        return try SecretBytes(wiping: &bytes)
    }

    private func keys(_ passphrase: String?) throws -> Keystore {
        guard let passphrase else { return try Keystore(home, node: "us.example") }
        let bytes = try secret(passphrase)
        return try Keystore(home, node: "us.example", unlocker: KeyUnlocker { bytes })
    }

    /// One key of every kind, in clear, and what must not be found on the disk once they are not.
    private func makePlain() throws -> [String] {
        let keys = try keys(nil)
        let secrets = [
            try keys.createLogKey(community: "krus").seed, try keys.createMirrorKey().seed,
            try keys.createSealingKey(epoch: 1).secret, try keys.createDoublesKey(),
            try makeWitnessKey(keys).seed,
        ]
        try keys.storeTLSKey(pem: secret("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
        return secrets.map { $0.withUnsafeBytes { Base64.encode([UInt8]($0)) } } + ["PRIVATE KEY"]
    }

    private func makeWitnessKey(_ keys: Keystore) throws -> Ed25519.PrivateKey {
        let key = try Ed25519.PrivateKey()
        try keys.storeWitnessKey(key)
        return key
    }

    private func expectReadable(_ keys: Keystore, at location: SourceLocation = #_sourceLocation) throws {
        let log = try keys.logKey(community: "krus")
        #expect(try keys.logCardKey(community: "krus").publicKey == log.publicKey, sourceLocation: location)
        let mirror = try keys.mirrorKey()
        #expect(try keys.mirrorCardKey().publicKey == mirror.publicKey, sourceLocation: location)
        let sealing = try keys.sealingKey(epoch: 1)
        #expect(try keys.sealingPublicKey(epoch: 1) == sealing.publicKey, sourceLocation: location)
        let witness = try keys.witnessKey()
        #expect(try keys.witnessPublicKey() == witness.publicKey, sourceLocation: location)
        #expect(try keys.doublesKey().count == 32, sourceLocation: location)
        #expect(try keys.tlsKey().count == 59, sourceLocation: location)
    }

    private func onDisk() throws -> String {
        try Disk.names(home.keysFolder).map { try Disk.text(path($0)) }.joined()
    }

    @Test("can be read with the passphrase, and are nowhere in the folder in clear")
    func protecting() throws {
        let secrets = try makePlain()
        // What a crash while a key was made has left: a second name of it.
        try FileManager.default.copyItem(atPath: path("mirror.key"), toPath: path(".mirror.key.0badcafe.tmp"))
        #expect(try onDisk().contains(secrets[0]))
        try keys(nil).protect(with: secret("correct horse"), cost: cost)
        let text = try onDisk()
        for secret in secrets { #expect(!text.contains(secret)) }
        try expectReadable(keys("correct horse"))
        for name in try Disk.names(home.keysFolder) { #expect(Disk.mode(path(name)) == 0o600) }
    }

    @Test("lie in memory of their own once they are opened, not in what passing secrets share")
    func memory() throws {
        _ = try makePlain()
        try keys(nil).protect(with: secret("correct horse"), cost: cost)
        for keys in [try keys("correct horse"), try keys("correct horse")] {
            let opened = [
                try keys.logKey(community: "krus").seed, try keys.mirrorKey().seed,
                try keys.sealingKey(epoch: 1).secret, try keys.doublesKey(), try keys.blindIndexKey(),
                try keys.tlsKey(),
            ]
            #expect(opened.allSatisfy { !$0.isInSlot })
        }
        // Otherwise this shows nothing.
        #expect(try SecretBytes.random(count: 32, isPassing: true).isInSlot)
    }

    @Test("are not cut off from the passphrase by its removal while one of them cannot be read")
    func removalPastAnUnreadableKey() throws {
        _ = try makePlain()
        try keys(nil).protect(with: secret("correct horse"), cost: cost)
        chmod(path("mirror.key"), 0o640)
        let wide = try #require(throws: HomeError.self) { try keys("correct horse").unprotect() }
        #expect(wide.description.contains("chmod 600"))
        chmod(path("mirror.key"), 0o600)
        // As a later release may write it.
        let strange = try Disk.text(path("mirror.key")).replacing("ed25519-cosignature", with: "ed448-cosignature")
        try strange.write(toFile: path("other.key"), atomically: false, encoding: .utf8)
        chmod(path("other.key"), 0o600)
        let unknown = try #require(throws: HomeError.self) { try keys("correct horse").unprotect() }
        #expect(unknown.path == path("other.key"))
        unlink(path("other.key"))
        try expectReadable(keys("correct horse"))
        try keys("correct horse").unprotect()
        try expectReadable(keys(nil))
    }

    @Test("are not called protected by a new passphrase while nobody has what they are encrypted under")
    func withoutTheirLock() throws {
        _ = try makePlain()
        try keys(nil).protect(with: secret("correct horse"), cost: cost)
        let lock = path("passphrase.lock")
        let kept = try Disk.text(lock)
        unlink(lock)
        let gone = try #require(throws: HomeError.self) {
            try keys(nil).protect(with: secret("new phrase"), cost: cost)
        }
        #expect(gone.description.contains("passphrase opens it, is gone: put that back"))
        #expect(!Disk.exists(lock))
        try Disk.write(kept, lock)
        try expectReadable(keys("correct horse"))
        // One file of another home is enough, be the others plain or not.
        let strange = try Disk.text(path("sealing-1.key"))
        try keys("correct horse").unprotect()
        try Disk.write(strange, path("sealing-7.key"))
        let foreign = try #require(throws: HomeError.self) {
            try keys(nil).protect(with: secret("new phrase"), cost: cost)
        }
        #expect(foreign.path == path("sealing-7.key") && !Disk.exists(lock))
        unlink(path("sealing-7.key"))
        try keys(nil).protect(with: secret("new phrase"), cost: cost)
        try Disk.write(strange, path("sealing-7.key"))
        let other = try #require(throws: HomeError.self) {
            try keys("new phrase").protect(with: secret("third phrase"), cost: cost)
        }
        #expect(other.path == path("sealing-7.key"))
        unlink(path("sealing-7.key"))
        try expectReadable(keys("new phrase"))
    }

    @Test("cannot be read with a wrong passphrase, or without one; public keys can")
    func wrong() throws {
        _ = try makePlain()
        try keys(nil).protect(with: secret("correct horse"), cost: cost)
        for wrong in ["correct hors", "correct horse ", "Correct horse"] {
            let error = try #require(throws: HomeError.self) { try keys(wrong).mirrorKey() }
            #expect(error.category == .notPermitted)
            #expect(!error.message.contains(wrong))
        }
        #expect(try #require(throws: HomeError.self) { try keys(nil).tlsKey() }.category == .notPermitted)
        _ = try keys(nil).mirrorCardKey()
        _ = try keys(nil).logCardKey(community: "krus")
        _ = try keys(nil).sealingPublicKey(epoch: 1)
    }

    @Test("made later are encrypted like the others")
    func later() throws {
        _ = try makePlain()
        try keys(nil).protect(with: secret("correct horse"), cost: cost)
        let made = try keys("correct horse").createSealingKey(epoch: 2)
        #expect(try Disk.text(path("sealing-2.key")).hasPrefix("entente-key/1 passphrase x25519 us.example#2 "))
        #expect(try keys("correct horse").sealingKey(epoch: 2).publicKey == made.publicKey)
        // Without the passphrase none is made, rather than a plain one.
        #expect(throws: HomeError.self) { try keys(nil).createSealingKey(epoch: 3) }
        #expect(!Disk.exists(path("sealing-3.key")))
    }

    @Test("answer to the new passphrase alone after a change, and to none after it is taken away")
    func changing() throws {
        _ = try makePlain()
        try keys(nil).protect(with: secret("correct horse"), cost: cost)
        #expect(throws: HomeError.self) { try keys("wrong horse").protect(with: secret("new phrase"), cost: cost) }
        try expectReadable(keys("correct horse"))
        try keys("correct horse").protect(with: secret("new phrase"), cost: cost)
        #expect(throws: HomeError.self) { try keys("correct horse").mirrorKey() }
        try expectReadable(keys("new phrase"))
        #expect(throws: HomeError.self) { try keys("correct horse").unprotect() }
        try keys("new phrase").unprotect()
        try expectReadable(keys(nil))
        #expect(try !keys(nil).isProtected)
    }

    @Test("stay readable wherever encrypting or decrypting them stops, and doing it again goes on")
    func interrupted() throws {
        let secrets = try makePlain()
        let names = try Disk.names(home.keysFolder)
        let plain = try names.map { try Disk.text(path($0)) }
        try keys(nil).protect(with: secret("correct horse"), cost: cost)
        let protected = try names.map { try Disk.text(path($0)) }
        // After any number of files, those before in their new form and those behind in their old one.
        for count in 0...names.count {
            for (index, name) in names.enumerated() {
                try Disk.write(index < count ? protected[index] : plain[index], path(name))
            }
            try expectReadable(keys("correct horse"))
        }
        for (index, name) in names.enumerated() where index > 1 { try Disk.write(plain[index], path(name)) }
        try keys("correct horse").protect(with: secret("correct horse"), cost: cost)
        let text = try onDisk()
        for secret in secrets { #expect(!text.contains(secret)) }
    }

    @Test("are refused where any of it was changed: parameters, owner, public key, ciphertext")
    func tampering() throws {
        _ = try makePlain()
        try keys(nil).protect(with: secret("correct horse"), cost: cost)
        for (name, count) in [("passphrase.lock", 8), ("mirror.key", 7)] {
            let line = try Disk.text(path(name))
            let fields = line.dropLast().split(separator: " ").map(String.init)
            #expect(fields.count == count)
            for position in fields.indices {
                var changed = fields
                // A number stays one, base64 stays base64.
                let first = changed[position].removeFirst()
                changed[position].insert(
                    first == "2" ? "3" : first == "A" ? "B" : first.isNumber ? "2" : "A",
                    at: changed[position].startIndex)
                try Disk.write(changed.joined(separator: " ") + "\n", path(name))
                #expect(throws: HomeError.self, "\(name), field \(position)") { try keys("correct horse").mirrorKey() }
            }
            for text in ["", "\n", String(line.dropLast()), line + "\n", line.replacing(" ", with: "  ")] {
                try Disk.write(text, path(name))
                #expect(throws: HomeError.self) { try keys("correct horse").mirrorKey() }
            }
            try Disk.write(line, path(name))
        }
        try expectReadable(keys("correct horse"))
    }

    @Test(
        "whose file asks for more memory or time than a passphrase may cost are refused before any is taken",
        arguments: [
            "1 1073741825", "33 8192", "0 8192", "1 8191", "4294967296 8192", "1 99999999999999999999", "-1 8192",
        ])
    func cost(parameters: String) throws {
        _ = try makePlain()
        try keys(nil).protect(with: secret("correct horse"), cost: cost)
        let line = try Disk.text(path("passphrase.lock"))
        try Disk.write(line.replacing(" 1 8192 ", with: " \(parameters) "), path("passphrase.lock"))
        #expect(
            try #require(throws: HomeError.self) { try keys("correct horse").mirrorKey() }.category == .configuration)
    }

    @Test("of one purpose or node do not stand in for another's")
    func swapped() throws {
        _ = try makePlain()
        try keys(nil).protect(with: secret("correct horse"), cost: cost)
        let text = try Disk.text(path("mirror.key"))
        try Disk.write(
            text.replacing("ed25519-cosignature us.example ", with: "ed25519 us.example/krus "), path("log-krus.key"))
        #expect(throws: HomeError.self) { try keys("correct horse").logKey(community: "krus") }
    }

    @Test("are refused where others can read the passphrase's file, with the command that mends it")
    func wide() throws {
        _ = try makePlain()
        try keys(nil).protect(with: secret("correct horse"), cost: cost)
        chmod(path("passphrase.lock"), 0o644)
        let error = try #require(throws: HomeError.self) { try keys("correct horse").mirrorKey() }
        #expect(error.message.hasSuffix("run: chmod 600 \(path("passphrase.lock"))"))
    }

    @Test("take no new passphrase that is too short, and then stay as they are")
    func short() throws {
        _ = try makePlain()
        #expect(throws: HomeError.self) { try keys(nil).protect(with: secret("seven77"), cost: cost) }
        #expect(try !keys(nil).isProtected)
        try expectReadable(keys(nil))
    }

    @Test("take the first line of a descriptor as their passphrase, and leave the rest")
    func descriptor() throws {
        let cases: [(String, String?)] = [
            ("phrase", "phrase"), ("phrase\n", "phrase"), ("phrase\r\nmore\n", "phrase"), ("a b \n", "a b "), ("", nil),
            ("\n", nil), (String(repeating: "x", count: 1_024), String(repeating: "x", count: 1_024)),
            (String(repeating: "x", count: 1_025), nil),
        ]
        for (text, expected) in cases {
            try Disk.write(text, temporary("phrase"))
            let descriptor = open(temporary("phrase"), O_RDONLY)
            defer { close(descriptor) }
            guard let expected else {
                #expect(throws: HomeError.self) { try Passphrase.read(descriptor: descriptor) }
                continue
            }
            #expect(try Passphrase.read(descriptor: descriptor).equals(secret(expected)))
        }
        #expect(throws: HomeError.self) { try Passphrase.read(descriptor: 987) }
    }

    @Test("take a credential of systemd as their passphrase, from the folder that it names")
    func credential() throws {
        try Disk.write("correct horse\n", temporary("entente-passphrase"), mode: 0o440)
        let folder = temporary.path
        let found = try Passphrase.credential { $0 == "CREDENTIALS_DIRECTORY" ? folder : nil }
        #expect(try #require(found).equals(secret("correct horse")))
        #expect(try Passphrase.credential { _ in nil } == nil)
        #expect(try Passphrase.credential { _ in "\(folder)/none" } == nil)
    }
}
