import Cryptography
import Foundation
import Glibc
import LogStore
import Testing

/// Keys, passphrases and sealed values in the memory of the real program: each where it is to be, and nowhere else.
@Suite(.serialized) struct ProcessMemoryTests {
    /// A secret as it may stand in memory.
    private struct Secret {
        let name: String
        let bytes: [UInt8]
        /// Whether guarded memory may have it.
        var isKey = true
    }

    private static let phrase = "Zq7-tarragon-Passphrase-91"
    private static let value = "KestrelQuartz9431Holdings"

    private let place: Place
    private let phraseFile: String

    init() throws {
        place = try Place()
        phraseFile = try place.file("phrase.txt", Self.phrase + "\n")
    }

    /// The private keys of a node under the passphrase, from a copy of its home.
    private func keys(of node: String) throws -> [Secret] {
        let copy = "\(place.path)/copy-\(UUID().uuidString.prefix(8))"
        let made = Process()
        made.executableURL = URL(fileURLWithPath: "/bin/cp")
        made.arguments = ["-r", "\(place.path)/\(node)", copy]
        try made.run()
        made.waitUntilExit()
        unlink("\(copy)/node.sock")
        let name = (copy as NSString).lastPathComponent
        let opened = try place.detached(name, ["key", "passphrase", "--no-passphrase"], phrase: phraseFile)
        #expect(opened.status == 0, "\(opened.errors)")
        defer { try? FileManager.default.removeItem(atPath: copy) }
        var secrets: [Secret] = []
        for file in try FileManager.default.contentsOfDirectory(atPath: "\(copy)/keys") {
            let text = try String(contentsOfFile: "\(copy)/keys/\(file)", encoding: .utf8)
            if text.hasPrefix("-----BEGIN") {
                let lines = text.split(separator: "\n").filter { !$0.hasPrefix("-") }
                let der = [UInt8](try #require(Data(base64Encoded: lines.joined())))
                // The octet string of 32 bytes in an ECPrivateKey (RFC 5915), behind version 1.
                let mark = try #require(
                    der.indices.first { der[$0...].starts(with: [0x02, 0x01, 0x01, 0x04, 0x20]) })
                let scalar = Array(der[(mark + 5)..<(mark + 37)])
                // OpenSSL computes with the least significant byte first.
                secrets.append(Secret(name: "\(file), scalar", bytes: scalar))
                secrets.append(Secret(name: "\(file), scalar as a number", bytes: scalar.reversed()))
                secrets.append(Secret(name: "\(file), PEM", bytes: Array(lines[0].utf8.dropFirst(36))))
                secrets.append(Secret(name: "\(file), PEM", bytes: Array(lines[1].utf8.prefix(40))))
            } else if text.hasPrefix("entente-key/1 plain ") {
                let secret = try #require(text.dropLast().split(separator: " ").last)
                secrets.append(Secret(name: file, bytes: [UInt8](try #require(Data(base64Encoded: String(secret))))))
                secrets.append(Secret(name: "\(file), base64", bytes: Array(secret.utf8)))
            }
        }
        #expect(secrets.count >= 14)
        return try secrets + dataKeys(in: copy)
    }

    /// The data keys of all records that are sealed to a node, and what is derived from them; found without the node's
    /// own code for sealed parts.
    private func dataKeys(in home: String) throws -> [Secret] {
        var keys: [SealedBox.PrivateKey] = []
        for file in try FileManager.default.contentsOfDirectory(atPath: "\(home)/keys") where file.hasPrefix("sealing-")
        {
            let text = try String(contentsOfFile: "\(home)/keys/\(file)", encoding: .utf8)
            var bytes = try #require(text.dropLast().split(separator: " ").last.flatMap { Base64.decode(String($0)) })
            keys.append(try SealedBox.PrivateKey(secret: SecretBytes(wiping: &bytes)))
        }
        let store = try SQLiteLogStore(
            path: "\(home)/node.sqlite", signedPath: "\(home)/signed.sqlite", node: "us.example")
        var secrets: [Secret] = []
        for log in try store.logs() {
            for index in 0..<log.size {
                let body = try #require(try store.body(of: log.id, at: index))
                let record = try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any]
                guard let sealed = record?["sealed"] as? [String: Any], let size = sealed["size"] as? Int,
                    let sha256 = (sealed["sha256"] as? String).flatMap({ SHA256Digest(hex: $0) }),
                    let blob = try store.blob(BlobReference(log: log.id, index: index, sha256: sha256, size: size))
                else { continue }
                for key in keys {
                    // The key's id, the length of the box, the box.
                    let id = SHA256.hash(key.publicKey.bytes).bytes
                    guard let place = Data(blob).range(of: Data(id))?.upperBound else { continue }
                    let dataKey = try key.open(Array(blob[(place + 4)..<(place + 84)]))
                    let derived = try (0...1).map {
                        try KeyDerivation.subkey(of: dataKey, id: $0, context: "entseal1")
                    }
                    for (name, secret) in zip(["data", "commitment", "field"], [dataKey] + derived) {
                        secrets.append(
                            Secret(
                                name: "\(name) key of \(log.origin)#\(index)", bytes: secret.withUnsafeBytes(Array.init)
                            ))
                    }
                }
            }
        }
        #expect(secrets.count >= 24)
        // Those of the first and the last records: each is looked for in hundreds of megabytes.
        return secrets.prefix(12) + secrets.suffix(12)
    }

    private static let others = [
        Secret(name: "the passphrase", bytes: Array(phrase.utf8), isKey: false),
        Secret(name: "the sealed value", bytes: Array(value.utf8), isKey: false),
    ]

    private func expectNoneLeft(
        _ secrets: [Secret], in regions: [MemoryImage.Region], _ what: String,
        at location: SourceLocation = #_sourceLocation
    ) {
        for secret in secrets {
            let places = regions.filter { !($0.isGuarded && secret.isKey) && $0.contains(secret.bytes) }
                .map { String($0.start, radix: 16) + ($0.isGuarded ? ", guarded" : "") }
            #expect(places.isEmpty, "\(secret.name) in the memory of \(what), at \(places)", sourceLocation: location)
        }
    }

    private func submission(_ file: String, _ more: String...) -> [String] {
        [
            "submit", "attribution", "--field", "chain=ETH", "--field",
            "address=0x098B716B8Aaf21512996dC57EB0615e2383E2f96", "--field", "label=thief", "--field",
            "victim=@\(file)", "--to", "kr.example",
        ] + more
    }

    /// us under a passphrase, kr and jp, which know each other; us has opened, sealed, granted, synchronised and changed
    /// keys.
    private func scene() throws -> Process {
        try place.found("us", under: phraseFile)
        for partner in ["kr", "jp"] {
            try place.found(partner)
            let added = try place.detached("us", ["peer", "add", "\(place.path)/\(partner).yaml"], phrase: phraseFile)
            #expect(added.status == 0, "\(added.errors)")
            try place.must(partner, "peer", "add", "\(place.path)/us.yaml")
        }
        try place.must("kr", "peer", "add", "\(place.path)/jp.yaml")
        try place.must("jp", "peer", "add", "\(place.path)/kr.yaml")
        for partner in ["kr", "jp"] { try place.serve(partner) }
        let us = try place.serve("us", under: phraseFile)
        let file = try place.file("value.txt", Self.value + "\n")
        // So many that one of them is left where any would be.
        let rows = try place.file(
            "rows.jsonl",
            (100..<200).map {
                #"{"type":"attribution","subject":{"chain":"eip155:1","address":"0x098b716b8aaf21512996dc57eb0615e2383e2"#
                    + #"\#($0)"},"label":"x","victim":"\#(Self.value)","note":"\#(Self.value) \#($0)"}"# + "\n"
            }.joined())
        for command in [
            submission(file, "--wait", "kr.example"), ["search", "--sealed", "victim=@\(file)"], ["sync"],
            ["key", "rotate", "sealing"], ["key", "rotate", "log"], ["key", "rotate", "mirror"],
            ["key", "rotate", "tls"], ["sync"], submission(file), ["import", rows, "--to", "kr.example"],
            ["grant", reference, "--to", "jp.example"], ["sync"], ["search", "--sealed", "victim=@\(file)"],
        ] {
            var done = try place.detached("us", command)
            // Partners that have just heard of a new key end their sessions, and begin new ones.
            for _ in 0..<5 where done.status != 0 && command == ["sync"] {
                sleep(1)
                done = try place.detached("us", command)
            }
            #expect(done.status == 0, "\(command): \(done.errors)")
        }
        // The running node uses the new TLS key once both partners have confirmed it.
        #expect(Entente.waits { !FileManager.default.fileExists(atPath: "\(place.path)/us/keys/tls.next.key") })
        try expectShown()
        return us
    }

    /// The first record that is sealed: behind the members, with one partner more.
    private let reference = "us.example/krus#3"

    private func expectShown() throws {
        let shown = try place.detached("us", ["show", reference])
        #expect(shown.output.contains(Self.value), "\(shown.output) \(shown.errors)")
    }

    /// us without its databases, started again; once it has all from its partners. The last of them comes when no command
    /// asks any more: it is the running node that ends the recovery.
    private func recovered() throws -> Process {
        place.stop("us")
        place.stop("jp")
        for name in try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/us")
        where name.hasPrefix("node.sqlite") || name.hasPrefix("index.sqlite") {
            try FileManager.default.removeItem(atPath: "\(place.path)/us/\(name)")
        }
        let us = try place.serve("us", under: phraseFile)
        let begun = try place.detached("us", ["recover"])
        #expect(begun.status == 69, "\(begun.errors)")
        try place.serve("jp")
        func isWhole() throws -> Bool {
            let status = try place.detached("us", ["status", "--json"]).objects.first
            let logs = status?["logs"] as? [[String: Any]] ?? []
            return logs.contains { $0["origin"] as? String == "us.example/krus" && $0["state"] as? String == "own" }
        }
        #expect(try Entente.waits(until: isWhole))
        // Doubles are known again, which takes all values.
        let again = try place.detached("us", ["import", "\(place.path)/rows.jsonl", "--to", "kr.example", "--json"])
        #expect(again.objects.first?["duplicates"] as? Int == 100, "\(again.output) \(again.errors)")
        return us
    }

    @Test func keysAreInGuardedMemoryOnlyAndNothingElseIsLeft() throws {
        let us = try scene()
        guard MemoryImage(of: us) != nil else {
            print("skipped: this system does not let the memory of another process be read (root may)")
            return
        }
        let keys = try keys(of: "us")
        // A value of a message that is just passing may be there for a moment; what is left is what stays.
        sleep(2)
        let regions = try #require(MemoryImage(of: us)).regions
        // Otherwise the search shows nothing: what is public is found, and the key that signs now is, guarded.
        #expect(regions.contains { !$0.isGuarded && $0.contains(Array("us.example/krus".utf8)) })
        let mirror = try #require(keys.first { $0.name == "mirror.key" })
        #expect(regions.contains { $0.isGuarded && $0.contains(mirror.bytes) })
        let tls = try #require(keys.first { $0.name == "tls.key, scalar as a number" })
        #expect(regions.contains { $0.isGuarded && $0.contains(tls.bytes) })
        expectNoneLeft(keys + Self.others, in: regions, "the running node")
        try expectNoCore(of: us, keys + Self.others)

        // The same after all that was sealed had to be opened, in the running node and by its means.
        let again = try recovered()
        for command in [["recover"], ["recover", "--restored"]] {
            let done = try place.detached("us", command)
            #expect(done.status == 0, "\(command): \(done.errors)")
        }
        try expectShown()
        sleep(2)
        let after = try #require(MemoryImage(of: again)).regions
        #expect(after.contains { $0.isGuarded && $0.contains(mirror.bytes) })
        expectNoneLeft(keys + Self.others, in: after, "the running node, which was recovered")

        // A command that has sealed, and waits for a partner who is gone.
        place.stop("kr")
        let file = "\(place.path)/value.txt"
        let size = try place.size(of: "us.example/krus", at: "us")
        let (command, _, errors) = try Entente.start(
            ["--home", "\(place.path)/us"] + submission(file, "--wait", "kr.example", "--timeout", "60"))
        defer {
            command.terminate()
            command.waitUntilExit()
            _ = errors
        }
        #expect(try Entente.waits { try place.size(of: "us.example/krus", at: "us") > size })
        sleep(2)
        let waiting = try #require(MemoryImage(of: command)).regions
        #expect(waiting.contains { !$0.isGuarded && $0.contains(Array("us.example/krus".utf8)) })
        expectNoneLeft(keys + Self.others, in: waiting, "a command that has sealed")
    }

    /// What root's debugger writes of a process has no keys either.
    private func expectNoCore(of process: Process, _ secrets: [Secret]) throws {
        guard access("/usr/bin/gcore", X_OK) == 0 else {
            print("skipped: no gcore in /usr/bin")
            return
        }
        let gcore = Process()
        gcore.executableURL = URL(fileURLWithPath: "/usr/bin/gcore")
        gcore.arguments = ["-o", "\(place.path)/core", "\(process.processIdentifier)"]
        gcore.standardOutput = FileHandle.nullDevice
        gcore.standardError = FileHandle.nullDevice
        try gcore.run()
        gcore.waitUntilExit()
        let path = "\(place.path)/core.\(process.processIdentifier)"
        defer { unlink(path) }
        guard let core = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped) else {
            print("skipped: gcore wrote nothing")
            return
        }
        // Segments of memory; the registers beside them may have the last bytes that were copied.
        var segments: [Data] = []
        func number(_ offset: Int, _ count: Int) -> Int {
            (0..<count).reversed().reduce(0) { $0 << 8 | Int(core[offset + $1]) }
        }
        for index in 0..<number(56, 2) {
            let header = number(32, 8) + index * number(54, 2)
            guard number(header, 4) == 1 else { continue }
            let start = number(header + 8, 8)
            segments.append(core[start..<min(core.count, start + number(header + 32, 8))])
        }
        #expect(segments.contains { MemoryImage.stands(Array("us.example/krus".utf8), in: $0) })
        for secret in secrets {
            #expect(
                !segments.contains { MemoryImage.stands(secret.bytes, in: $0) }, "\(secret.name) in what gcore writes")
        }
    }

    @Test func aProcessThatAbortsLeavesNoCoreFileWhateverTheLimits() throws {
        try place.found("us", under: phraseFile)
        let folder = "\(place.path)/work"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        func abort(_ command: String) throws -> (said: String, files: [String]) {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/bash")
            process.arguments = [
                "-c", "cd '\(folder)'; ulimit -c unlimited; \(command) & sleep 3; kill -ABRT $!; wait $!",
            ]
            process.environment = ["PATH": "/usr/bin:/bin", "SWIFT_BACKTRACE": "enable=no"]
            let errors = Pipe()
            process.standardOutput = FileHandle.nullDevice
            process.standardError = errors
            // What a thread does not take, its children do not take either.
            var signals = sigset_t()
            sigemptyset(&signals)
            sigaddset(&signals, SIGABRT)
            pthread_sigmask(SIG_UNBLOCK, &signals, nil)
            try process.run()
            let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            return (said, try FileManager.default.contentsOfDirectory(atPath: folder))
        }
        let other = try abort("sleep 60")
        if !other.said.contains("core dumped") { print("this system writes no core file of any process") }
        for name in other.files { unlink("\(folder)/\(name)") }
        let ours = try abort("'\(Entente.path)' --home '\(place.path)/us' run --passphrase-fd 3 3<'\(phraseFile)'")
        #expect(ours.said.contains("Aborted") && !ours.said.contains("core dumped"), "\(ours.said)")
        #expect(ours.files == [])
    }
}
