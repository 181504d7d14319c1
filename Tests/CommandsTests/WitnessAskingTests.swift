import Foundation
import NodeService
import Testing

/// A running node has its logs cosigned by the witnesses that node.yaml names, and by nobody else.
@Suite(.serialized) struct WitnessAskingTests {
    private func own(_ place: Place) throws -> (log: [String: Any], alarms: [String]) {
        let status = try #require(place.must("us", "status", "--json").objects.first)
        let log = (status["logs"] as? [[String: Any]])?.first { $0["origin"] as? String == "us.example/krus" }
        return (try #require(log), status["alarms"] as? [String] ?? [])
    }

    private func quorum(_ place: Place) throws -> [String: Any] {
        try own(place).log["quorum"] as? [String: Any] ?? [:]
    }

    private func witnesses(_ place: Place) throws -> [String: [String: Any]] {
        let list = try own(place).log["witnesses"] as? [[String: Any]] ?? []
        return Dictionary(list.map { ($0["name"] as? String ?? "", $0) }, uniquingKeysWith: { first, _ in first })
    }

    @discardableResult
    private func wait(_ seconds: Double = 30, until isTrue: () throws -> Bool) throws -> Bool {
        let end = Date(timeIntervalSinceNow: seconds)
        while Date() < end {
            if try isTrue() { return true }
            Thread.sleep(forTimeInterval: 0.2)
        }
        return try isTrue()
    }

    private func add(_ witness: FakeWitness, _ ways: String..., in place: Place) throws {
        for way in ways {
            let outcome = try Entente.run(["--home", "\(place.path)/us"] + witness.arguments(way))
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
    }

    private func submit(_ place: Place, _ label: String) throws {
        try place.must(
            "us", "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=\(label)")
    }

    @Test func noWitnessIsAskedUnlessSomebodySaysThatItMayLearn() throws {
        let place = try Place()
        try place.found("us")
        let key = "honest.example+3961186e+BL+M5GiDRymKvqr23/VG7zkT5lLVSXExUqCJVazmwEhE"
        let add = ["--home", "\(place.path)/us", "community", "witness", "add", "krus"]
        let unsaid = try Entente.run(add + ["https://w.example", "--vkey", key])
        #expect(unsaid.status == 64)
        #expect(unsaid.errors.contains("honest.example at https://w.example/, and whoever it tells, will learn that"))
        #expect(unsaid.errors.contains("us.example/krus exists, how many records it has and when they are added"))
        #expect(try place.must("us", "community", "witness", "list", "--json").output.isEmpty)
        #expect(try quorum(place).isEmpty)
        let said = try Entente.run(add + ["https://w.example", "--vkey", key, "--yes", "--json"])
        #expect(said.status == 0 && said.errors.contains("will learn"))
        #expect(said.objects.first?["url"] as? String == "https://w.example/")
        for (arguments, status) in [
            (["https://w.example/", "--vkey", key, "--yes"], 73), (["http://w.example", "--vkey", key, "--yes"], 64),
            (["https://v.example", "--vkey", "x", "--yes"], 64),
            (["https://v.example", "--vkey", key, "--pin", "12", "--yes"], 64),
        ] as [([String], Int32)] {
            let refused = try Entente.run(add + arguments)
            #expect(refused.status == status, "\(arguments): \(refused.errors)")
        }
        // A key that says who holds a log says nothing else.
        let card = try String(contentsOfFile: "\(place.path)/us.yaml", encoding: .utf8)
        let mirror = try #require(card.split(separator: "\n").first { $0.contains("mirror_key: ") })
        let role = try Entente.run(
            add + ["https://v.example", "--vkey", String(mirror.split(separator: " ").last ?? ""), "--yes"])
        #expect(role.status == 64 && role.errors.contains("no key has two roles"))
        try place.must("us", "community", "witness", "remove", "krus", "honest.example")
        #expect(try place.run("us", "community", "witness", "remove", "krus", "honest.example").status == 66)
        #expect(try place.must("us", "community", "witness", "list", "--json").output.isEmpty)
    }

    @Test(.enabled(if: FakeWitness.isPossible, FakeWitness.skipped))
    func theNewestCheckpointIsCosignedAndTheCosignatureTravelsInProofs() throws {
        let place = try Place()
        let witness = try FakeWitness(in: place)
        try place.federate("us", "kr")
        try add(witness, "honest", "behind", in: place)
        try place.serve("us")
        #expect(try wait { try quorum(place)["met"] as? Bool == true }, "\((try? witnesses(place)) ?? [:])")
        let (log, alarms) = try own(place)
        let size = try #require(log["size"] as? Int)
        #expect(alarms.isEmpty)
        #expect(try quorum(place)["needed"] as? Int == 2 && quorum(place)["met_size"] as? Int == size)
        // Asked from nothing; one told from where it had to be asked, and was asked from there, with a proof.
        #expect(witness.requests("honest").first?.hasSuffix(" old 0 proof 0 size \(size)") == true)
        #expect(witness.requests("behind").map { $0.contains(" old 0 ") } == [true, false])
        #expect(try place.must("us", "status").output.contains("2 of 2 witnesses, quorum 2 met at \(size) entries"))
        // It grows, and the witness is asked from where it was.
        try submit(place, "more")
        #expect(try wait { try quorum(place)["met_size"] as? Int == size + 1 })
        #expect(witness.requests("honest").last?.contains(" old \(size) ") == true)
        // A witness holds nothing.
        #expect((try own(place).log["cosigned_by"] as? [String])?.isEmpty == true)
        try place.must("kr", "sync")
        #expect(try own(place).log["cosigned_by"] as? [String] == ["kr.example"])
        // Partners get what members have signed only, and nothing troubles them.
        let there = try place.run("kr", "status", "--check", "--json")
        #expect(there.status == 0 && !there.output.contains("honest.example"))
        let again = try place.must("kr", "sync", "us.example", "--json").objects.first
        #expect(again?["round_trips"] as? Int == 1)
        place.stop("us")
        // Proof, tiles, evidence and policy have it.
        let proof = try place.must("us", "prove", "us.example/krus#\(size)").output
        #expect(proof.contains("\u{2014} honest.example ") && proof.contains("\u{2014} behind.example "))
        try place.must("us", "export", "--format", "tiles", "\(place.path)/tiles")
        let published = try String(contentsOfFile: "\(place.path)/tiles/krus/checkpoint", encoding: .utf8)
        #expect(published.contains("\u{2014} honest.example "))
        let evidence = "\(place.path)/it.evidence.html"
        try place.must("us", "export", "--format", "evidence", "us.example/krus#\(size)", evidence)
        let policy = try place.file(
            "it.policy",
            "witness w \(witness.key("honest"))\nwitness b \(witness.key("behind"))\n"
                + "group g all w b\nquorum g\n")
        let judged = try place.run("us", "verify", "--log", "us.example/krus", "--policy", policy)
        #expect(judged.status == 0 && judged.output.contains("us.example/krus, \(size + 1) entries: quorum reached"))
        let card = try String(contentsOfFile: "\(place.path)/us.yaml", encoding: .utf8)
        let key = try #require(card.split(separator: "\n").first { $0.contains(" vkey: ") }?.split(separator: " ").last)
        let filed = try place.run("us", "verify", evidence, "--vkey", String(key), "--policy", policy)
        #expect(filed.status == 0 && !filed.output.contains("held by honest"), "\(filed.output)\(filed.errors)")
        #expect(filed.output.contains("cosigned by honest.example, 20") && !filed.output.contains("further signature"))
        // What was cosigned is audited.
        #expect(try place.must("us", "verify", "--json").objects.first?["ok"] as? Bool == true)
    }

    @Test(.enabled(if: FakeWitness.isPossible, FakeWitness.skipped))
    func aNodeThatIsNotRunAsksThemAfterItHasExchanged() throws {
        let place = try Place()
        let witness = try FakeWitness(in: place)
        try place.federate("us", "kr")
        try add(witness, "honest", "unknown", in: place)
        try place.serve("kr")
        let first = try place.run("us", "sync")
        let size = try #require(own(place).log["size"] as? Int)
        #expect(
            first.status == 0 && first.output.contains("honest.example: cosigned us.example/krus at \(size) entries"))
        #expect(first.errors.contains("unknown.example does not cosign us.example/krus: it does not know"))
        #expect(try witnesses(place)["honest.example"]?["problem"] == nil)
        #expect(try quorum(place)["met"] as? Bool == false)
        // One that has cosigned the newest is left in peace.
        try place.must("us", "sync")
        #expect(witness.requests("honest").count == 1 && witness.requests("unknown").count == 2)
        try submit(place, "more")
        // A partner that is away keeps no witness from it.
        place.stop("kr")
        let alone = try place.run("us", "sync", "--json")
        #expect(alone.status != 0 && alone.objects.count == 1)
        #expect(witness.requests("honest").last?.contains(" old \(size) ") == true)
    }

    @Test(.enabled(if: FakeWitness.isPossible, FakeWitness.skipped))
    func aServerWithoutAPinIsBelievedByTheAuthoritiesOfTheMachine() throws {
        let place = try Place()
        let witness = try FakeWitness(in: place)
        try place.federate("us", "kr")
        let add = ["--home", "\(place.path)/us", "community", "witness", "add", "krus"]
        let key = try witness.key("honest")
        // An address has no name that an authority could vouch for.
        let address = try Entente.run(add + [witness.url("honest"), "--vkey", key, "--yes"])
        #expect(address.status == 64 && address.errors.contains("--pin"), "\(address.errors)")
        let named = witness.url("honest").replacingOccurrences(of: "127.0.0.1", with: "LOCALHOST")
        #expect(try Entente.run(add + [named, "--vkey", key, "--yes"]).status == 0)

        func sync(_ authorities: String) throws -> String {
            try #require(
                Tool.run("env", "SSL_CERT_FILE=\(authorities)", Entente.path, "--home", "\(place.path)/us", "sync")
            ).output
        }
        // It is no authority of the web.
        let other = try #require(Tool.run("env", Entente.path, "--home", "\(place.path)/us", "sync")).output
        #expect(other.contains("honest.example does not cosign us.example/krus: "), "\(other)")
        #expect(witness.requests("honest").isEmpty)
        #expect(try sync("\(place.path)/nothing").contains("\(place.path)/nothing cannot be read: install"))
        let trusted = try sync("\(place.path)/authority.pem")
        #expect(trusted.contains("honest.example: cosigned us.example/krus"), "\(trusted)")
        #expect(try quorum(place)["met"] as? Bool == true)
    }

    @Test(.enabled(if: FakeWitness.isPossible, FakeWitness.skipped))
    func aWitnessThatLiesHangsOrFailsHarmsNobodyAndIsNamed() throws {
        let place = try Place()
        let witness = try FakeWitness(in: place)
        try place.found("us")
        for way in FakeWitness.hostile.keys.sorted() { try add(witness, way, in: place) }
        try add(witness, "honest", in: place)
        let yaml = "\(place.path)/us/node.yaml"
        let text = try String(contentsOfFile: yaml, encoding: .utf8)
        try text.replacingOccurrences(of: "    witnesses:\n", with: "    quorum: 1\n    witnesses:\n")
            .write(toFile: yaml, atomically: false, encoding: .utf8)
        try place.serve("us")
        #expect(try wait { try quorum(place)["met"] as? Bool == true }, "\((try? quorum(place)) ?? [:])")
        // Records go in while others hang.
        try submit(place, "meanwhile")
        let size = try #require(try own(place).log["size"] as? Int)
        #expect(try wait { try quorum(place)["met_size"] as? Int == size })
        #expect(
            try wait(60) { try witnesses(place).values.count { $0["error"] is String } == FakeWitness.hostile.count })
        let said = try witnesses(place)
        for (way, text) in FakeWitness.hostile {
            let error = said["\(way).example"]?["error"] as? String
            #expect(error?.contains(text) == true, "\(way): \(error ?? "nothing")")
            #expect(said["\(way).example"]?["size"] is NSNull)
        }
        #expect(said["honest.example"]?["error"] is NSNull)
        // None is asked again and again.
        for way in FakeWitness.hostile.keys { #expect(witness.requests(way).count <= 4, "\(way)") }
        // Alarms: those that somebody has to do something about, and no others.
        let alarms = try own(place).alarms
        for way in ["forged", "stranger", "future", "ahead", "unproved", "unknown", "wordless", "garbage"] {
            #expect(alarms.contains { $0.contains("the witness \(way).example at https://127.0.0.1:") }, "\(way)")
        }
        #expect(alarms.count == 8, "\(alarms)")
        #expect(alarms.contains { $0.contains("this database is an older copy, or somebody else signs this log") })
        // What was not verified is not kept.
        let proof = try place.must("us", "prove", "us.example/krus#0").output
        #expect(proof.contains("honest.example") && !proof.contains("forged") && !proof.contains("future"))
    }

    @Test(.enabled(if: FakeWitness.isPossible, FakeWitness.skipped))
    func aQuorumThatIsNotMetForLongIsAnAlarmAndSoIsAServerWithAnotherKey() throws {
        let place = try Place()
        let witness = try FakeWitness(in: place)
        try place.found("us")
        let other = String(repeating: "ab", count: 32)
        try place.must(
            "us", "community", "witness", "add", "krus", witness.url("honest"), "--vkey", try witness.key("honest"),
            "--pin", other, "--yes")
        try place.serve("us")
        #expect(try wait { try witnesses(place)["honest.example"]?["error"] is String })
        let error = try witnesses(place)["honest.example"]?["error"] as? String
        #expect(error?.contains("another key than the pin") == true, "\(error ?? "")")
        #expect(witness.requests("honest").isEmpty)
        #expect(try own(place).alarms.isEmpty)
        let long = Int(Clock.now()) - 4 * 3_600
        try DatabaseFile("\(place.path)/us/node.sqlite").execute(
            "UPDATE asked_witness SET since = \(long), error_since = \(long)")
        let alarms = try own(place).alarms
        #expect(alarms.contains { $0.contains("0 of 1 witnesses have cosigned its") && $0.contains("met never") })
        #expect(alarms.contains { $0.contains("the witness honest.example at") }, "\(alarms)")
        #expect(try place.run("us", "status", "--check").status == 1)
        let shown = try place.run("us", "status").output
        #expect(shown.contains("0 of 1 witnesses, quorum 1 NOT met at"))
        // It is given the right pin while the node runs.
        try place.must("us", "community", "witness", "remove", "krus", witness.url("honest"))
        try add(witness, "honest", in: place)
        #expect(try wait { try quorum(place)["met"] as? Bool == true })
        #expect(try own(place).alarms.isEmpty)
    }

    // MARK: With another node as the witness

    private func cardLine(_ node: String, _ what: String, in place: Place) throws -> String {
        let card = try String(contentsOfFile: "\(place.path)/\(node).yaml", encoding: .utf8)
        let line = try #require(card.split(separator: "\n").first { $0.contains(what) })
        return String(try #require(line.split(separator: " ").last))
    }

    /// us.example, and another node that is the witness of its log and knows nothing else of it.
    private func two() throws -> (place: Place, name: String) {
        let place = try Place()
        try place.found("us")
        try place.found("fr")
        let port = try Place.freePort()
        let said = try place.must(
            "fr", "witness", "add", cardLine("us", " vkey: ", in: place), "--listen", "127.0.0.1:\(port)", "--json")
        let key = try #require(said.objects.first?["witness"] as? String)
        try place.serve("fr")
        try place.must(
            "us", "community", "witness", "add", "krus", "https://127.0.0.1:\(port)", "--vkey", key, "--pin",
            cardLine("fr", "sha256:", in: place), "--yes")
        try place.serve("us")
        #expect(try wait { try quorum(place)["met"] as? Bool == true }, "\((try? witnesses(place)) ?? [:])")
        return (place, String(key.prefix { $0 != "+" }))
    }

    private func met(_ place: Place) throws -> Int { try quorum(place)["met_size"] as? Int ?? -1 }

    @Test func anotherNodeIsTheWitness() throws {
        let (place, name) = try two()
        for number in 0..<3 { try submit(place, "record \(number)") }
        let size = try #require(try own(place).log["size"] as? Int)
        #expect(try wait { try met(place) == size })
        let there = try place.must("fr", "witness", "list", "--json").objects.first
        let root = try own(place).log["root"] as? String
        #expect(there?["size"] as? Int == size && there?["root"] as? String == root)
        #expect(try place.must("us", "prove", "us.example/krus#0").output.contains("\u{2014} \(name) "))
        #expect(try place.run("us", "status", "--check").status == 0)
        // The log gets another key, of which the witness is told later.
        try place.must("us", "key", "rotate", "log")
        try submit(place, "under the new key")
        #expect(try wait { try witnesses(place)[name]?["error"] is String })
        let alarm = try own(place).alarms.first { $0.contains(name) }
        #expect(alarm?.contains("give its operator the log's vkey (`entente log show us.example/krus`)") == true)
        let shown = try place.must("us", "log", "show", "us.example/krus", "--json").objects.first
        try place.must("fr", "witness", "add", try #require(shown?["vkey"] as? String))
        // Whoever does not want to wait for the next attempt starts the node anew.
        place.stop("us")
        try place.serve("us")
        #expect(try wait { try quorum(place)["met"] as? Bool == true }, "\((try? witnesses(place)) ?? [:])")
        #expect(try own(place).alarms.isEmpty)
    }

    @Test func aWitnessFindsAHomeThatIsAnOlderCopy() throws {
        let (place, name) = try two()
        place.stop("us")
        // All of it, marks and all: nothing in it says that it is old.
        let copied = Tool.run("cp", "-a", "\(place.path)/us", "\(place.path)/old")
        #expect(copied?.status == 0)
        for number in 0..<2 { try submit(place, "record \(number)") }
        let size = try #require(try own(place).log["size"] as? Int)
        try place.serve("us")
        #expect(try wait { try met(place) == size })
        place.stop("us")
        try place.must(
            "old", "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=another history")
        #expect(try place.run("old", "status", "--check").status == 0)
        try place.serve("old")
        func alarm() throws -> String? {
            let alarms = try place.must("old", "status", "--json").objects.first?["alarms"] as? [String]
            return alarms?.first { $0.contains("the witness \(name) at") }
        }
        #expect(try wait { try alarm() != nil })
        let text = try alarm() ?? ""
        #expect(
            text.contains(
                "it has cosigned \(size) entries of us.example/krus, and \(size - 1) are here: this database is")
        )
        #expect(try place.run("old", "status", "--check").status == 1)
    }
}
