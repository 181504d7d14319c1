import Foundation
import Glibc
import Testing

/// A running node is the witness of logs that know nothing of federations: here one that is written in Python.
@Suite(.serialized) struct WitnessTests {
    private static let hasPython = Tool.run("python3", "-c", "import cryptography")?.status == 0
    private static let skipped: Comment = "skipped: no python3 with cryptography here"
    private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Independent/outside_log.py").path

    /// A node with a witness' key, and where it is asked.
    private struct Scene {
        let place: Place
        let address: String
        let key: String

        init(logs: String...) throws {
            place = try Place()
            try place.found("us")
            address = "127.0.0.1:\(try Place.freePort())"
            for log in logs { try Scene.add(log, to: place, listen: address) }
            key = try place.must("us", "witness", "key").output.trimmingCharacters(in: .newlines)
            try place.serve("us")
        }

        /// Waits until something is so, which may take a while to find out; false after some twenty seconds.
        static func waits(until isSo: () throws -> Bool) rethrows -> Bool {
            for _ in 0..<40 {
                if try isSo() { return true }
                usleep(200_000)
            }
            return false
        }

        /// `NAME`, or `NAME=ORIGIN`.
        static func add(_ log: String, to place: Place, listen: String) throws {
            let parts = log.split(separator: "=", maxSplits: 1).map(String.init)
            let key = try vkey(parts[0])
            if parts.count > 1 {
                try place.must("us", "witness", "add", key, "--origin", parts[1], "--listen", listen)
            } else {
                try place.must("us", "witness", "add", key, "--listen", listen)
            }
        }

        static func vkey(_ name: String) throws -> String {
            try #require(Tool.run("python3", script, "key", name)).output.trimmingCharacters(in: .newlines)
        }

        private func arguments(_ scenario: String, _ log: String, _ more: [String]) -> [String] {
            [script, scenario, address, "\(place.path)/us/certs/tls.pem", key, log] + more
        }

        @discardableResult
        func play(
            _ scenario: String, _ log: String, _ more: String..., at location: SourceLocation = #_sourceLocation
        ) throws -> String {
            let outcome = try #require(Tool.run("python3", arguments(scenario, log, more)))
            #expect(outcome.status == 0, "\(scenario): \(outcome.output)", sourceLocation: location)
            return outcome.output.trimmingCharacters(in: .newlines)
        }

        /// Starts a scenario, and waits until it says that it has begun.
        func begin(_ scenario: String, _ log: String, _ more: String...) throws -> (Process, Pipe) {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["python3"] + arguments(scenario, log, more)
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            #expect(String(decoding: output.fileHandleForReading.availableData, as: UTF8.self).hasPrefix("begun"))
            return (process, output)
        }

        func status() throws -> [String: Any] { try #require(place.must("us", "status", "--json").objects.first) }

        func log(_ origin: String) throws -> [String: Any] {
            let witness = try #require(status()["witness"] as? [String: Any])
            let logs = try #require(witness["logs"] as? [[String: Any]])
            return try #require(logs.first { $0["origin"] as? String == origin })
        }
    }

    // MARK: Answers

    @Test(.enabled(if: hasPython, skipped)) func everyAnswerIsTheOneOfTheProtocol() throws {
        let scene = try Scene(
            logs: "log.example/one", "log.example/bad", "sum.example=go.sum database tree", "log.example/é")
        try scene.play("answers", "log.example/one", "log.example/unknown")
        try scene.play("answers", "sum.example=go.sum database tree", "sum.example")
        try scene.play("answers", "log.example/é", "log.example/e\u{301}")
        try scene.play("malformed", "log.example/bad")
        // What was cosigned last is told to the operator.
        let log = try scene.log("go.sum database tree")
        #expect(log["size"] as? Int == 40 && log["evidence"] is NSNull)
        let time = try #require(log["time"] as? String)
        let text = try scene.place.must("us", "status").output
        #expect(text.contains("go.sum database tree  40       \(time)  witnessed"), "\(text)")
        #expect((try scene.status()["alarms"] as? [String]) == [])
        let listed = try scene.place.must("us", "witness", "list", "--json").objects
        #expect(listed.compactMap { $0["origin"] as? String }.count == 4)
        #expect(listed.compactMap { $0["size"] as? Int } == [40, 3, 40, 40])
        // A witness holds nothing: it is no mirror, and no log of this node.
        let peers = try #require(try scene.status()["logs"] as? [[String: Any]])
        #expect(peers.map { $0["origin"] as? String } == ["us.example/krus"])
        #expect(peers.allSatisfy { ($0["cosigned_by"] as? [String]) == [] })
    }

    @Test(.enabled(if: hasPython, skipped)) func nobodyTakesMoreOfTheNodeThanIsDue() throws {
        let scene = try Scene(logs: "log.example/one")
        try scene.play("limits", "log.example/one")
        try scene.place.expectSound("us")
    }

    @Test(.enabled(if: hasPython, skipped)) func ofHistoriesThatArriveAtOnceOneIsCosigned() throws {
        let scene = try Scene(logs: "log.example/0", "log.example/1", "log.example/2", "log.example/3")
        for number in 0..<4 {
            try scene.play("race", "log.example/\(number)")
            // Two signed roots for one size were shown.
            #expect(try scene.log("log.example/\(number)")["evidence"] is String)
        }
    }

    // MARK: Forks

    @Test(.enabled(if: hasPython, skipped)) func twoRootsForOneSizeAreKeptAsProofAndAlarm() throws {
        for name in ["log.example/one", "sum.example=go.sum database tree"] {
            let origin = name.split(separator: "=").last.map(String.init) ?? name
            let scene = try Scene(logs: name)
            try scene.play("fork", name)
            let file = try #require(try scene.log(origin)["evidence"] as? String)
            let alarms = try #require(try scene.status()["alarms"] as? [String])
            #expect(
                alarms.count == 1 && alarms[0].hasPrefix("\(origin), which this node witnesses, has signed two roots"))
            #expect(alarms[0].contains(file))
            #expect(try scene.place.run("us", "status", "--check").status == 1)
            #expect(try scene.place.must("us", "status").output.contains("forked"))
            // Anybody can check it, with the log's key alone.
            let key = try Scene.vkey(String(name.prefix { $0 != "=" }))
            for arguments in [
                ["verify", file, "--vkey", key, "--json"],
                ["--home", "\(scene.place.path)/us", "verify", file, "--json"],
            ] {
                let checked = try Entente.run(arguments)
                #expect(checked.status == 0, "\(checked.errors)")
                #expect(checked.objects.first?["fork"] as? Bool == true)
                #expect(checked.objects.first?["origin"] as? String == origin)
                #expect((checked.objects.first?["unproved"] as? [String]) == [])
            }
            let other = try Entente.run(["verify", file, "--vkey", Scene.vkey("log.example/other")])
            #expect(other.status == 1)
            let example = URL(fileURLWithPath: Self.script).deletingLastPathComponent()
                .appendingPathComponent("../../../docs/examples/check_fork.py").standardized.path
            let independent = try #require(Tool.run("python3", example, file, key))
            #expect(
                independent.status == 0 && independent.output.hasPrefix("\(origin): its key has signed two"),
                "\(independent.output)")
            // Whoever loses the file has it again.
            unlink(file)
            #expect(try scene.log(origin)["evidence"] as? String == file)
            #expect(FileManager.default.fileExists(atPath: file))
        }
    }

    // MARK: Crashes

    @Test(.enabled(if: hasPython, skipped)) func aNodeThatIsKilledGoesOnFromWhatItHadWrittenDown() throws {
        let scene = try Scene(logs: "log.example/one")
        var size = 0
        for delay: UInt32 in [50_000, 120_000, 300_000] {
            let (hammer, output) = try scene.begin("hammer", "log.example/one", "\(size)")
            usleep(delay)
            try scene.place.kill("us")
            hammer.waitUntilExit()
            #expect(hammer.terminationStatus == 0)
            let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            let sizes = said.split(whereSeparator: \.isWhitespace).map(String.init)
            try #require(sizes.count == 2, "\(said)")
            try scene.place.serve("us")
            try scene.play("resume", "log.example/one", sizes[0], sizes[1])
            size = try #require(try scene.log("log.example/one")["size"] as? Int)
            #expect(size == (Int(sizes[1]) ?? 0) + 1)
        }
    }

    private static let canTrace =
        hasPython && geteuid() == 0 && Tool.run("strace", "-o", "/dev/null", "true")?.status == 0

    /// The process ends as it enters the call that makes the mark durable: the mark is written, and nobody was answered.
    @Test(.enabled(if: canTrace, "skipped: no strace, or no right to attach it, here"))
    func aCosignatureThatWasWrittenDownButNotGivenIsThereForTheAsking() throws {
        let scene = try Scene(logs: "log.example/one")
        #expect(try scene.play("grow", "log.example/one", "0", "5") == "200")
        let node = try #require(scene.place.lastRun(of: "us")).processIdentifier
        let tracer = Process()
        tracer.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        tracer.arguments = [
            "strace", "-f", "-p", "\(node)", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e",
            "inject=fsync,fdatasync:signal=KILL",
        ]
        let said = Pipe()
        tracer.standardError = said
        try tracer.run()
        let attached = String(decoding: said.fileHandleForReading.availableData, as: UTF8.self)
        try #require(attached.contains("attached"), "\(attached)")
        usleep(300_000)
        #expect(try scene.play("grow", "log.example/one", "5", "9") == "gone")
        tracer.waitUntilExit()
        scene.place.stop("us")
        try scene.place.serve("us")
        // The mark is there or not; either way the log goes on, and no other history does.
        #expect(try scene.play("resume", "log.example/one", "5", "9") == "9")
    }

    // MARK: Configuration

    @Test(.enabled(if: hasPython, skipped)) func aRunningNodeObeysWithinMoments() throws {
        let scene = try Scene(logs: "log.example/one")
        let answer = { (log: String, old: String, new: String) in try scene.play("grow", log, old, new) }
        #expect(try answer("log.example/two", "0", "3") == "404")
        try Scene.add("log.example/two", to: scene.place, listen: scene.address)
        #expect(try Scene.waits { try answer("log.example/two", "0", "3") == "200" })
        // Without it, and with it again: what was cosigned is known on.
        try scene.place.must("us", "witness", "remove", "log.example/two")
        #expect(try Scene.waits { try answer("log.example/two", "3", "4") == "404" })
        try Scene.add("log.example/two", to: scene.place, listen: scene.address)
        #expect(try Scene.waits { try answer("log.example/two", "0", "4") == "409" })
        // Another address, and none.
        let moved = "127.0.0.1:\(try Place.freePort())"
        try Scene.add("log.example/three", to: scene.place, listen: moved)
        #expect(try Scene.waits { try answer("log.example/two", "3", "4") == "gone" })
        let there = { () -> Bool in
            let run = Tool.run(
                "python3", Self.script, "grow", moved, "\(scene.place.path)/us/certs/tls.pem", scene.key,
                "log.example/three", "0", "1")
            return run?.output == "200\n"
        }
        #expect(Scene.waits(until: there))
        for name in ["one", "two", "three"] { try scene.place.must("us", "witness", "remove", "log.example/\(name)") }
        #expect(Scene.waits { !there() })
        #expect(try scene.status()["witness"] is NSNull)
    }

    /// Who has put an older copy of the machine in its place says so, and the key is used no more.
    @Test(.enabled(if: hasPython, skipped)) func aKeyWithOlderMarksIsUsedNoMore() throws {
        let scene = try Scene(logs: "log.example/one")
        #expect(try scene.play("grow", "log.example/one", "0", "5") == "200")
        scene.place.stop("us")
        try scene.place.must("us", "recover", "--restored")
        try scene.place.serve("us")
        #expect(try scene.play("grow", "log.example/one", "5", "6") == "503")
        try scene.place.must("us", "witness", "key", "--replace")
        #expect(try Scene.waits { try scene.play("grow", "log.example/one", "5", "6") == "200" })
    }

    /// A key whose marks are gone cosigns nothing, since nobody knows what it has cosigned; another one has to be made.
    @Test(.enabled(if: hasPython, skipped)) func aKeyWithoutItsMarksIsUsedNoMore() throws {
        let scene = try Scene(logs: "log.example/one")
        #expect(try scene.play("grow", "log.example/one", "0", "5") == "200")
        scene.place.stop("us")
        for name in ["signed.sqlite", "signed.sqlite-wal", "signed.sqlite-shm"] {
            unlink("\(scene.place.path)/us/\(name)")
        }
        try scene.place.serve("us")
        #expect(try scene.play("grow", "log.example/one", "0", "5") == "503")
        let alarms = try #require(try scene.status()["alarms"] as? [String])
        #expect(alarms.contains { $0.contains("witness key --replace") }, "\(alarms)")
        let other = try scene.place.must("us", "witness", "key", "--replace").output
        #expect(other != scene.key + "\n" && other.hasPrefix("us.example/_witness+"))
        #expect(try Scene.waits { try scene.play("grow", "log.example/one", "0", "5") == "200" })
        #expect((try scene.status()["alarms"] as? [String]) == [])
    }
}

extension WitnessTests {
    // MARK: Commands

    @Test func commandsSayWhatIsWitnessedAndRefuseWhatIsNot() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let sum = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
        let foo = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
        #expect(try place.must("us", "witness", "list", "--json").output.isEmpty)
        #expect(try place.must("us", "key", "list", "--json").objects.allSatisfy { $0["role"] as? String != "witness" })
        let added = try #require(try place.must("us", "witness", "add", foo, "--json").objects.first)
        #expect(added["origin"] as? String == "example.com/foo" && added["listen"] as? String == "127.0.0.1:7964")
        let key = try #require(added["witness"] as? String)
        #expect(key.hasPrefix("us.example/_witness+"))
        #expect(try place.must("us", "witness", "key").output == key + "\n")
        #expect(try place.must("us", "witness", "key", "--json").objects.first?["vkey"] as? String == key)
        let listed = try place.must("us", "key", "list", "--json").objects.filter { $0["role"] as? String == "witness" }
        #expect(listed.map { $0["public_key"] as? String } == [key])
        let mode = try FileManager.default.attributesOfItem(atPath: "\(place.path)/us/keys/witness.key")[
            .posixPermissions]
        #expect(mode as? Int == 0o600)
        // It stands in no card: partners know nothing of it.
        #expect(try !place.must("us", "identity").output.contains("_witness"))
        try place.must("us", "witness", "add", sum, "--origin", "go.sum database tree", "--listen", "127.0.0.1:7999")
        let logs = try place.must("us", "witness", "list", "--json").objects
        #expect(logs.map { $0["origin"] as? String } == ["example.com/foo", "go.sum database tree"])
        #expect(logs.allSatisfy { $0["size"] is NSNull && $0["time"] is NSNull })
        #expect(try place.must("us", "witness").output.contains("never"))

        func refused(_ status: Int32, _ arguments: String..., at location: SourceLocation = #_sourceLocation) throws {
            let outcome = try Entente.run(["--home", "\(place.path)/us"] + arguments)
            #expect(outcome.status == status, "\(arguments): \(outcome.errors)", sourceLocation: location)
            outcome.expectOneLine("\(arguments)", at: location)
        }
        try refused(73, "witness", "add", foo)
        try refused(64, "witness", "add", String(foo.dropLast()))
        try refused(64, "witness", "add", key)
        try refused(64, "witness", "add", sum, "--listen", "nowhere:x")
        try refused(78, "witness", "add", sum, "--listen", "127.0.0.1:\(try port(of: "us", in: place))")
        try refused(78, "witness", "add", sum, "--origin", "two\nlines")
        try refused(64, "witness", "add", sum, "--origin", "us.example/krus")
        try refused(64, "witness", "add", sum, "--origin", "kr.example/krus")
        try refused(66, "witness", "remove", "example.com/bar")
        #expect(try place.must("us", "witness", "list", "--json").objects.count == 2)
        #expect(try place.must("us", "witness", "remove", sum, "--json").objects.count == 1)
        try place.must("us", "witness", "remove", "example.com/foo")
        #expect(try place.must("us", "status", "--json").objects.first?["witness"] is NSNull)
        #expect(try place.must("us", "witness", "key").output == key + "\n")
    }

    private func port(of node: String, in place: Place) throws -> Int {
        let text = try String(contentsOfFile: "\(place.path)/\(node)/node.yaml", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("listen: ") })
        return try #require(Int(line.split(separator: ":").last ?? ""))
    }

    @Test func theKeyIsUnderThePassphraseLikeTheOthers() throws {
        let place = try Place()
        let phrase = try place.file("phrase", "correct horse battery\n")
        func shell(_ command: String, passphrase: Bool) throws -> Tool.Outcome {
            let line =
                "'\(Entente.path)' --home '\(place.path)/us' \(command)"
                + (passphrase ? " --passphrase-fd 3 3<'\(phrase)'" : "")
            return try #require(Tool.run("setsid", "-w", "bash", "-c", line))
        }
        #expect(
            try shell(
                "init --node us.example --community krus --listen 127.0.0.1:0", passphrase: true
            ).status == 0)
        #expect(try shell("witness key", passphrase: false).status == 77)
        let key = try shell("witness key", passphrase: true)
        #expect(key.status == 0 && key.output.hasPrefix("us.example/_witness+"), "\(key.output)")
        let file = try String(contentsOfFile: "\(place.path)/us/keys/witness.key", encoding: .utf8)
        #expect(file.hasPrefix("entente-key/1 passphrase ed25519-witness us.example "))
        // What only reads needs none.
        #expect(try shell("witness key", passphrase: false).output == key.output)
        #expect(try shell("key list", passphrase: false).status == 0)
        #expect(try shell("key passphrase --no-passphrase", passphrase: true).status == 0)
        let plain = try String(contentsOfFile: "\(place.path)/us/keys/witness.key", encoding: .utf8)
        #expect(plain.hasPrefix("entente-key/1 plain ed25519-witness us.example "))
        #expect(try shell("witness key", passphrase: false).output == key.output)
    }
}

extension Place {
    /// Ends `run` as a power cut does.
    func kill(_ node: String) throws {
        let process = try #require(lastRun(of: node))
        Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        stop(node)
    }
}
