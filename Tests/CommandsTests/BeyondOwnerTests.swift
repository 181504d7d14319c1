import Foundation
import Testing

/// An entry that a thief wrote behind the end of a log, wherever it is shown, proved or handed on, with the real program.
@Suite(.serialized) struct BeyondOwnerTests {
    private static let log = "us.example/krus"
    private static let mark = "NOT ITS OWNER'S"

    /// kr has taken a record of a thief's and its withdrawal of the owner's first one, and then the owner's successor.
    private struct Scene {
        let place: Place
        /// The first entry that is not the owner's.
        let end: Int
        let key: String
        var lie: String { "\(BeyondOwnerTests.log)#\(end)" }
        var honest: String { "\(BeyondOwnerTests.log)#\(end - 1)" }

        init() throws {
            place = try Place()
            try place.federate("us", "kr")
            try place.submit("us", "honest")
            try place.serve("us")
            try place.must("kr", "sync", "us.example")
            place.stop("us")
            try? FileManager.default.removeItem(atPath: "\(place.path)/us/node.sock")
            try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/thief")
            end = try place.size(of: BeyondOwnerTests.log, at: "us")
            key = try #require(
                place.must("us", "community", "list", "--json").objects.first?["vkey"] as? String)
            try place.must("us", "key", "stolen", "log", "--yes")
            try place.submit("thief", "lie")
            try place.must("thief", "withdraw", "\(BeyondOwnerTests.log)#\(end - 1)", "--reason", "gone")
            try place.serve("kr")
            try place.must("thief", "sync", "kr.example")
            try place.must(
                "kr", "peer", "add", place.file("new.yaml", place.must("us", "identity").output), "--replace")
            try place.serve("us")
            try place.must("kr", "sync", "us.example")
        }
    }

    private func said(_ outcome: Entente.Outcome) -> Bool? { outcome.objects.first?["beyond_owner"] as? Bool }

    /// Evidence that was written before the owner said so.
    @Test func whatWasHandedOnBeforeIsMarkedByWhoKnowsBetter() throws {
        let it = try Scene()
        let file = "\(it.place.path)/old.evidence.html"
        try it.place.must("thief", "export", "--format", "evidence", it.lie, file)
        #expect(try String(contentsOfFile: file, encoding: .utf8).contains("entente-evidence/2"))
        // Of the keys of that log the newest card says nothing any more; the home has them.
        for keys in [[], ["--vkey", it.key]] {
            let check = try Entente.run(["--home", "\(it.place.path)/kr", "verify", file, "--json"] + keys)
            let unproved = check.objects.first?["unproved"] as? [String] ?? []
            #expect(
                unproved.contains { $0.hasPrefix("that us.example wrote this: us.example says that it did not") },
                "\(unproved)")
            #expect(check.status == 0 && said(check) == true, "\(check.output)")
            #expect(unproved.contains { $0.hasSuffix("only the database of this home") } == keys.isEmpty, "\(unproved)")
        }
        // Where no home knows that, or none is there, nothing stands in the way of the keys that were given.
        for home in [[], ["--home", "\(it.place.path)/none"]] {
            let check = try Entente.run(home + ["verify", file, "--vkey", it.key, "--json"])
            #expect(check.status == 0 && check.errors.isEmpty && check.objects.first?["beyond_owner"] is NSNull)
        }
        #expect(try Entente.run(["--home", "\(it.place.path)/none", "verify", file]).status == 66)
    }

    @Test func itsLogSaysWhereTheOwnersPartEnds() throws {
        let it = try Scene()
        let row = try it.place.must("kr", "log", "list").output.split(separator: "\n").first {
            $0.hasPrefix(Self.log + " ")
        }
        #expect(row?.contains("given up at \(it.end) ") == true, "\(row ?? "")")
        let shown = try it.place.must("kr", "log", "show", Self.log).output
        #expect(shown.contains("owner's part \(it.end) entries") && shown.contains("from #\(it.end) on"), "\(shown)")
        let objects = try it.place.must("kr", "log", "list", "--json").objects
        #expect(objects.first { $0["origin"] as? String == Self.log }?["given_up_at"] as? Int == it.end)
        #expect(objects.first { $0["origin"] as? String == "kr.example/krus" }?["given_up_at"] is NSNull)
        let object = try it.place.must("kr", "log", "show", Self.log, "--json").objects.first
        #expect(object?["given_up_at"] as? Int == it.end)
    }

    @Test func whatAThiefOpenedOrErasedIsNotCalledItsAuthors() throws {
        let theft = try LogTheft(isNoticed: false)
        let place = theft.place
        let log = LogTheft.log
        try place.must("thief", "grant", theft.sealed, "--to", "kr.example")
        try place.must("thief", "erase", theft.sealed, "--yes")
        try theft.deceive("kr")
        try place.must("us", "key", "stolen", "log", "--yes")
        try theft.takeCard("kr")
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        let shown = try place.must("kr", "show", theft.sealed).output
        let (grant, erasure) = ("\(log)#\(theft.size)", "\(log)#\(theft.size + 1)")
        for text in [
            "sealed part opened to kr.example by \(grant)  ", "the sealed part was erased by \(erasure)  ",
            "sealed part erased by \(erasure)  ",
        ] { #expect(shown.contains(text + Self.mark), "\(shown)") }
        #expect(!shown.contains("its author"))
        func said(_ name: String) throws -> [Bool?] {
            let value = try place.must("kr", "show", theft.sealed, "--json").objects.first?[name]
            let items = value as? [[String: Any]] ?? [value as? [String: Any] ?? [:]]
            return items.map { $0["beyond_owner"] as? Bool }
        }
        #expect(try said("granted") == [true] && said("erased") == [true])
        func erased() throws -> [Int?] {
            let logs = try place.must("kr", "verify", "--json").objects.first?["logs"] as? [[String: Any]]
            let found = logs?.first { $0["origin"] as? String == log }
            return [found?["erased"] as? Int, found?["erased_beyond_owner"] as? Int]
        }
        #expect(try erased() == [1, 1])
        let audit = try place.must("kr", "verify").output
        #expect(audit.contains("1 sealed part erased by entries that are \(Self.mark)"), "\(audit)")
        #expect(!audit.contains("their author"))
        // Once the owner asks for it as well, it is the owner's word.
        try place.must("us", "erase", theft.sealed, "--yes")
        try place.must("kr", "sync", "us.example")
        #expect(try place.must("kr", "show", theft.sealed).output.contains("the sealed part was erased by its author"))
        #expect(try said("erased") == [false] && erased() == [1, 0])
        #expect(try place.must("kr", "verify").output.contains("1 sealed part erased by their author; none is missing"))
    }

    @Test func itIsMarkedWhereverItIsSeen() throws {
        let it = try Scene()
        let place = it.place
        let shown = try place.must("kr", "show", it.lie)
        #expect(shown.output.contains("\(Self.mark): us.example says that it did not write this"), "\(shown.output)")
        #expect(try said(place.must("kr", "show", it.lie, "--json")) == true)
        let raw = try place.must("kr", "show", it.lie, "--raw")
        #expect(raw.errors.contains("us.example says that it did not write this") && raw.output.hasPrefix("{"))

        // What it says of others is marked there, too.
        let other = try place.must("kr", "show", it.honest)
        let line = other.output.split(separator: "\n").first { $0.contains("withdrawn by") }
        #expect(line?.contains(Self.mark) == true, "\(other.output)")
        #expect(!other.output.contains("did not write this"))
        let view = try #require(place.must("kr", "show", it.honest, "--json").objects.first)
        #expect(view["beyond_owner"] as? Bool == false)
        #expect((view["opinions"] as? [[String: Any]])?.map { $0["beyond_owner"] as? Bool } == [true])

        let found = try place.must("kr", "search", "--all", "--type", "attribution")
        let rows = found.output.split(separator: "\n").filter { $0.contains("us.example/krus#") }
        #expect(
            rows.map { $0.contains("current, \(Self.mark)") } == rows.map { $0.contains(it.lie) } && rows.count == 2)
        let withdrawn = rows.filter { $0.contains("withdrawn by an entry \(Self.mark)") }
        #expect(withdrawn.count == 1 && withdrawn.first?.contains(it.honest) == true, "\(rows)")
        #expect(found.errors.contains("1 record of these is not of the node whose log it is"), "\(found.errors)")
        #expect(found.errors.contains("`entente show \(it.lie)`"), "\(found.errors)")
        let objects = try place.must("kr", "search", "--all", "--type", "attribution", "--json").objects
        #expect(
            Dictionary(uniqueKeysWithValues: objects.map { ($0["ref"] as? String, $0["beyond_owner"] as? Bool) })
                == [it.lie: true, it.honest: false])
        #expect(
            Dictionary(
                uniqueKeysWithValues: objects.map { ($0["ref"] as? String, $0["state_beyond_owner"] as? Bool) })
                == [it.lie: false, it.honest: true])
    }

    @Test func aProofOfItHoldsAndSaysSo() throws {
        let it = try Scene()
        let place = it.place
        let proof = try place.must("kr", "prove", it.lie)
        #expect(proof.errors.contains("us.example says that it did not write this"), "\(proof.errors)")
        proof.expectOneLine()
        let file = try place.file("a.tlog-proof", proof.output)
        let body = try place.file("a.json", try place.must("kr", "show", it.lie, "--raw").output)
        for more in [[], ["--body", body]] {
            let check = try Entente.run(
                ["--home", "\(place.path)/kr", "verify", file, "--vkey", it.key, "--json"] + more)
            let unproved = check.objects.first?["unproved"] as? [String] ?? []
            #expect(check.status == 0 && said(check) == true)
            #expect(unproved.contains { $0.hasPrefix("that us.example wrote this: us.example says") }, "\(unproved)")
        }
        let alone = try Entente.run(["verify", file, "--vkey", it.key, "--body", body, "--json"])
        #expect(alone.status == 0 && alone.errors.isEmpty && alone.objects.first?["beyond_owner"] is NSNull)
        #expect(try said(place.must("kr", "prove", it.lie, "--json")) == true)
        let dated = try place.must("kr", "prove", it.lie, "--as-of", "2999-01-01", "--json")
        #expect(said(dated) == true && dated.errors.contains("did not write this"))
        let honest = try place.must("kr", "prove", it.honest, "--json")
        #expect(said(honest) == false && honest.errors.isEmpty)
    }

    private static let example = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../docs/examples/check_evidence.py").standardized.path
    private static let hasPython = Tool.run("python3", "-c", "import cryptography")?.status == 0

    @Test func whatIsHandedOnSaysSo() throws {
        let it = try Scene()
        let place = it.place
        let file = "\(place.path)/a.evidence.html"
        let written = try place.must("kr", "export", "--format", "evidence", it.lie, file, "--json")
        #expect(said(written) == true && written.errors.contains("did not write this"), "\(written.errors)")
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(text.contains("Not the word of us.example: kr.example knows") && text.contains("entente-evidence/3"))
        let check = try Entente.run(["verify", file, "--vkey", it.key, "--json"])
        #expect(check.status == 0, "\(check.output)")
        let unproved = check.objects.first?["unproved"] as? [String] ?? []
        #expect(unproved.contains { $0.hasPrefix("that us.example wrote this: kr.example says") }, "\(unproved)")
        // So does an audit of a home that it lies in.
        try FileManager.default.createDirectory(atPath: "\(place.path)/kr/evidence", withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: file, toPath: "\(place.path)/kr/evidence/a.evidence.html")
        let audit = try place.must("kr", "verify", "--json").objects.first?["unproved"] as? [String] ?? []
        #expect(audit.contains { $0.contains("that us.example wrote it: it had given the log up by then") }, "\(audit)")
        // Nobody takes that out of it, or moves the end.
        for (old, new) in [("given_up_at", "taken_up_at"), ("\"given_up_at\":\(it.end)", "\"given_up_at\":1")] {
            let changed = try place.file("b.evidence.html", text.replacingOccurrences(of: old, with: new))
            #expect(try Entente.run(["verify", changed, "--vkey", it.key]).status != 0, "\(old)")
        }
        if Self.hasPython {
            let outcome = try #require(Tool.run("python3", Self.example, file, it.key))
            #expect(outcome.status == 0 && outcome.output.contains("NOT ITS OWNER'S, says kr.example"), "\(outcome)")
            // What nobody has signed neither writes over the line nor says what no such file may.
            let exporter = #""exported_by":"kr.example"#
            let forged = try place.file(
                "d.html", text.replacingOccurrences(of: exporter, with: exporter + #"\r\u001b[2K\u009b2Jcosigned"#))
            let escaped = try #require(Tool.run("python3", Self.example, forged, it.key))
            #expect(escaped.output.contains(#"says kr.example\r\x1b[2K\x9b2Jcosigned: the log"#), "\(escaped.output)")
            for end in ["\(it.end + 1)", "-1", "\"\(it.end)\"", "null", "true", "1.0", "1,\"given_up_at\":1"] {
                let changed = try place.file(
                    "e.html",
                    text.replacingOccurrences(of: "\"given_up_at\":\(it.end)", with: "\"given_up_at\":\(end)"))
                let refused = try #require(Tool.run("python3", Self.example, changed, it.key))
                #expect(refused.status == 1 && refused.output.hasPrefix("NOT PROVED: "), "\(end) \(refused.output)")
                #expect(try Entente.run(["verify", changed, "--vkey", it.key]).status == 65, "\(end)")
            }
        }
        let honest = "\(place.path)/c.evidence.html"
        let other = try place.must("kr", "export", "--format", "evidence", it.honest, honest, "--json")
        #expect(said(other) == false && other.errors.isEmpty)
        #expect(try String(contentsOfFile: honest, encoding: .utf8).contains("entente-evidence/2"))

        let tiles = try place.must("kr", "export", "--format", "tiles", "\(place.path)/tiles", "--json")
        #expect(tiles.errors.contains("\(Self.log) has 2 entries here from #\(it.end) on that us.example says"))
        tiles.expectOneLine()
        let logs = tiles.objects.filter { $0["beyond_owner"] as? Bool == true }
        #expect(logs.compactMap { $0["origin"] as? String } == [Self.log])
    }
}
