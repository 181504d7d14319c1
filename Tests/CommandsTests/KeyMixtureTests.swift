import Foundation
import Glibc
import Testing

/// Key files of which some are under the passphrase and others not, with the real program.
@Suite(.serialized) struct KeyMixtureTests {
    private let place: Place
    private let phrase: String

    init() throws {
        place = try Place()
        phrase = try place.file("phrase.txt", "the old passphrase\n")
        try place.found("us", under: phrase)
    }

    /// A second copy of the home, with its keys protected otherwise.
    private func copy(_ name: String) throws {
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/\(name)")
        let opened = try place.detached(name, ["key", "passphrase", "--no-passphrase"], phrase: phrase)
        #expect(opened.status == 0, "\(opened.errors)")
    }

    private func take(_ file: String, from node: String) throws {
        let own = "\(place.path)/us/keys/\(file)"
        unlink(own)
        try FileManager.default.copyItem(atPath: "\(place.path)/\(node)/keys/\(file)", toPath: own)
    }

    /// What both commands that tell of keys say of this, to whoever knows the passphrase or not.
    private func expectAlarm(
        _ words: String..., phrase: String? = nil, at location: SourceLocation = #_sourceLocation
    ) throws {
        let status = try place.detached("us", ["status", "--check"], phrase: phrase)
        #expect(status.status == 1, sourceLocation: location)
        let list = try place.detached("us", ["key", "list"], phrase: phrase)
        #expect(list.status == 0, sourceLocation: location)
        for word in words {
            #expect(status.output.contains(word), "\(status.output)", sourceLocation: location)
            #expect(list.errors.contains(word), "\(list.errors)", sourceLocation: location)
        }
    }

    private func expectCalm(phrase: String? = nil, at location: SourceLocation = #_sourceLocation) throws {
        let status = try place.detached("us", ["status", "--check"], phrase: phrase)
        #expect(status.status == 0, "\(status.output)", sourceLocation: location)
        #expect(try place.detached("us", ["key", "list"], phrase: phrase).errors == "", sourceLocation: location)
    }

    @Test func keysInClearBesideOthersAreAnAlarmUntilTheyAreEncrypted() throws {
        try expectCalm()
        try copy("plain")
        // As a kill leaves it between two files: PEM, and one of the node's own form.
        for file in ["mirror.key", "tls.key"] { try take(file, from: "plain") }
        try expectAlarm("mirror.key, tls.key in keys/ are in clear", "`entente key passphrase`")
        // What the alarm says helps, with the same passphrase too.
        #expect(try place.detached("us", ["key", "passphrase"], phrase: phrase, new: phrase).status == 0)
        #expect(try place.isEncrypted("us"))
        try expectCalm(phrase: phrase)
        for file in ["mirror.key", "tls.key"] { try take(file, from: "plain") }
        #expect(try place.detached("us", ["key", "passphrase", "--no-passphrase"], phrase: phrase).status == 0)
        try expectCalm()
    }

    @Test func encryptedKeysWithoutThePassphrasesFileAreAnAlarm() throws {
        let lock = "\(place.path)/us/keys/passphrase.lock"
        #expect(rename(lock, "\(place.path)/lock") == 0)
        try expectAlarm("encrypted", "keys/passphrase.lock", "backup")
        #expect(rename("\(place.path)/lock", lock) == 0)
        try expectCalm()
    }

    @Test func aKeyUnderAnotherPassphraseIsAnAlarmForWhoeverHasThisOne() throws {
        try copy("other")
        #expect(try place.detached("other", ["key", "passphrase"], new: phrase).status == 0)
        try take("sealing-1.key", from: "other")
        // Without the passphrase nobody can tell.
        try expectCalm()
        try expectAlarm("sealing-1.key in keys/ was changed", "passphrase.lock", phrase: phrase)
        #expect(
            try place.detached("us", ["status", "--check"], phrase: place.file("no.txt", "no passphrase\n")).status
                == 77)
        try place.serve("us", under: phrase)
        try expectAlarm("sealing-1.key in keys/ was changed")
        place.stop()
    }
}
