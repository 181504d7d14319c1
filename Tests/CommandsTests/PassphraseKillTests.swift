import Cryptography
import Foundation
import Glibc
import Home
import Testing

/// SIGKILL at every step at which a change of the passphrase has changed something on the disk: the keys open the old
/// way or the new one, and the same command completes what was begun.
@Suite(.serialized) struct PassphraseKillTests {
    private let place: Place
    private let phrases: [String: String]

    init() throws {
        let place = try Place()
        phrases = try ["old", "new"].reduce(into: [:]) {
            $0[$1] = try place.file("\($1).txt", "the \($1) passphrase\n")
        }
        self.place = place
    }

    enum Change: String, CaseIterable {
        case set, change, remove

        var before: String? { self == .set ? nil : "old" }
        /// `nil` is no passphrase.
        var after: String? { self == .remove ? nil : "new" }
    }

    private static let hasTracer = access("/usr/bin/strace", X_OK) == 0

    private var keys: String { "\(place.path)/us/keys" }

    /// - Parameter now: the passphrase so far.
    private func change(_ change: Change, now: String?, below tool: [String] = []) throws -> Entente.Outcome {
        try place.detached(
            "us", ["key", "passphrase"] + (change.after == nil ? ["--no-passphrase"] : []),
            phrase: now.flatMap { phrases[$0] }, new: change.after.flatMap { phrases[$0] }, below: tool)
    }

    /// Whether every key opens with this passphrase; with `nil`, without any.
    private func opens(_ name: String?) throws -> Bool {
        let home = try HomeFolder.open("\(place.path)/us")
        let unlocker =
            name.map { name in
                KeyUnlocker {
                    var text = Array("the \(name) passphrase".utf8)
                    return try SecretBytes(wiping: &text)
                }
            } ?? .plainOnly
        let keys = try Keystore(home, node: "us.example", unlocker: unlocker)
        do {
            // The first that is encrypted takes the time of a guess.
            _ = try (keys.mirrorKey(), keys.logKey(community: "krus"))
            for epoch in try keys.sealingEpochs() { _ = try keys.sealingKey(epoch: epoch) }
            _ = try (keys.doublesKey(), keys.blindIndexKey(), keys.tlsKey())
            return true
        } catch let error as HomeError where error.category == .notPermitted {
            return false
        }
    }

    private func startOver(_ change: Change) throws {
        try? FileManager.default.removeItem(atPath: keys)
        try FileManager.default.copyItem(atPath: "\(place.path)/saved-\(change)", toPath: keys)
    }

    @Test(.enabled(if: hasTracer, "needs strace in /usr/bin"), arguments: Change.allCases)
    func killedAtEveryStep(_ kind: Change) throws {
        try place.found("us")
        if kind != .set {
            let set = try place.detached("us", ["key", "passphrase"], new: phrases["old"])
            #expect(set.status == 0, "\(set.errors)")
        }
        try FileManager.default.copyItem(atPath: keys, toPath: "\(place.path)/saved-\(kind)")
        var killed = 0
        // What changes something, and what makes it last; each call that is made, up to the last.
        for call in ["rename", "link", "unlink", "fsync"] {
            // The disk is waited for twice for each file, before and after its name changes.
            for number in stride(from: 1, through: 64, by: call == "fsync" ? 3 : 1) {
                try startOver(kind)
                let outcome = try change(
                    kind, now: kind.before,
                    below: [
                        "/usr/bin/strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(call)", "-e",
                        "inject=\(call):signal=SIGKILL:when=\(number)",
                    ])
                guard outcome.status != 0 else { break }
                killed += 1
                let ways = try [kind.before, kind.after].filter { try opens($0) }
                #expect(!ways.isEmpty, "\(kind): neither after \(call) \(number)")
                // The same again, from wherever it stopped: it goes on, or there was nothing left to do.
                guard number % 6 == 1 else { continue }
                // A first passphrase counts from the moment that its file is there.
                let again = try change(kind, now: kind == .set ? kind.after : ways.first ?? nil)
                #expect(again.status == 0, "\(kind), \(call) \(number): \(again.errors)")
                #expect(try opens(kind.after))
                if kind != .remove { #expect(try place.isEncrypted("us")) }
            }
        }
        // Otherwise nobody was killed, and nothing is shown.
        #expect(killed >= (kind == .change ? 2 : 10), "\(killed)")
    }

    /// Where there is no tracer: as soon as so many files are others than they were.
    @Test(arguments: Change.allCases)
    func killedWhileFilesChange(_ kind: Change) throws {
        try place.found("us")
        if kind != .set {
            let set = try place.detached("us", ["key", "passphrase"], new: phrases["old"])
            #expect(set.status == 0, "\(set.errors)")
        }
        try FileManager.default.copyItem(atPath: keys, toPath: "\(place.path)/saved-\(kind)")
        for count in kind == .change ? [1] : [1, 3, 5, 7] {
            try startOver(kind)
            let before = try state()
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/bash")
            let options = kind == .remove ? "--no-passphrase" : "--new-passphrase-fd 4 4<'\(phrases["new"] ?? "")'"
            let old = kind == .set ? "" : "--passphrase-fd 3 3<'\(phrases["old"] ?? "")'"
            process.arguments = [
                "-c", "exec '\(Entente.path)' --home '\(place.path)/us' key passphrase \(options) \(old)",
            ]
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            while process.isRunning, try state().filter({ before[$0.key] != $0.value }).count < count {}
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            #expect(try opens(kind.before) || opens(kind.after), "\(kind) after \(count) files")
        }
    }

    /// The files by name, each with what the file system calls it.
    private func state() throws -> [String: UInt] {
        try FileManager.default.contentsOfDirectory(atPath: keys).reduce(into: [:]) { files, name in
            var status = stat()
            if stat("\(keys)/\(name)", &status) == 0 { files[name] = UInt(status.st_ino) }
        }
    }
}
