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
        // Of the keys of that log the newest card says nothing any more.
        let check = try it.place.run("kr", "verify", file, "--json")
        let unproved = check.objects.first?["unproved"] as? [String] ?? []
        #expect(
            unproved.contains { $0.hasPrefix("that us.example wrote this: us.example says that it did not") },
            "\(unproved)")
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
        #expect(rows.map { $0.contains(Self.mark) } == rows.map { $0.contains(it.lie) } && rows.count == 2)
        #expect(found.errors.contains("1 record of these is not of the node whose log it is"), "\(found.errors)")
        #expect(found.errors.contains("`entente show \(it.lie)`"), "\(found.errors)")
        let objects = try place.must("kr", "search", "--all", "--type", "attribution", "--json").objects
        #expect(
            Dictionary(uniqueKeysWithValues: objects.map { ($0["ref"] as? String, $0["beyond_owner"] as? Bool) })
                == [it.lie: true, it.honest: false])
    }

    @Test func aProofOfItHoldsAndSaysSo() throws {
        let it = try Scene()
        let place = it.place
        let proof = try place.must("kr", "prove", it.lie)
        #expect(proof.errors.contains("us.example says that it did not write this"), "\(proof.errors)")
        proof.expectOneLine()
        let file = try place.file("a.tlog-proof", proof.output)
        try place.must("kr", "verify", file, "--vkey", it.key)
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
