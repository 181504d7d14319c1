import Foundation
import Testing

/// The index is made of the logs: what it says otherwise is found by `verify`, named, and mended by deleting it.
@Suite(.serialized) struct IndexAuditTests {
    /// A home whose index has every kind of row: 600 records, one of them withdrawn, one disputed, one sealed.
    private func scene() throws -> Place {
        let place = try Place()
        try place.federate("us", "kr")
        _ = try place.fill("us", records: 600)
        try place.submit("us", "withdrawn")
        try place.must("us", "withdraw", "us.example/krus#300", "--reason", "wrong")
        try place.must("us", "assess", "us.example/krus#301", "dispute", "--reason", "unsure")
        _ = try place.submitSealed("us", "Incheon branch", to: "kr.example")
        try place.must("us", "search", "withdrawn")
        try place.must("us", "search", "--sealed", "victim=Incheon branch")
        return place
    }

    private func problems(_ outcome: Entente.Outcome) -> [String] { AuditScene.problems(outcome) }

    @Test func anIndexThatSaysWhatTheLogsSayIsSoundWhereverItLies() throws {
        let place = try scene()
        let size = try place.size(of: "us.example/krus", at: "us")
        let report = try #require(place.must("us", "verify", "--index", "--json").objects.first)
        #expect(report["ok"] as? Bool == true && report["indexed"] as? Int == size)
        // The digests of sealed values are made with private keys.
        #expect((report["unproved"] as? [String])?.contains { $0.contains("keyed digests") } == true)
        // One that is behind the logs is one that says nothing wrong.
        try place.submit("us", "behind")
        #expect(try place.must("us", "verify", "--index", "--json").objects.first?["indexed"] as? Int == size)
        // The folder of a home, for whoever gets it.
        let outcome = try Entente.run([
            "--home", "\(place.path)/nobody", "verify", "--index", "\(place.path)/us", "--json",
        ])
        #expect(outcome.status == 0 && outcome.objects.first?["indexed"] as? Int == size, "\(outcome.output)")
        #expect(try place.must("us", "verify", "--json").objects.first?["indexed"] is NSNull)
        // An audit that goes on from an earlier one compares what it reads.
        let earlier = try place.file("report.json", place.must("us", "verify", "--index", "--json").output)
        try place.must("us", "search", "behind")
        let later = try place.must("us", "verify", "--index", "--since", earlier, "--json").objects.first
        #expect(later?["ok"] as? Bool == true && (later?["indexed"] as? Int ?? size) < size)
        // While a node fills it.
        try place.serve("us")
        let (writer, _, _) = try Entente.start([
            "--home", "\(place.path)/us", "import",
            place.file("more.jsonl", Entente.run(["bench", "bodies", "--records", "3000"]).output),
        ])
        for _ in 0..<3 {
            try place.must("us", "search", "x")
            try place.must("us", "verify", "--index")
        }
        writer.waitUntilExit()
    }

    /// An audit of what was signed does not go through SQLite's own indexes.
    @Test func damageInTheDatabaseThatNothingSignedTouchesIsFoundToo() throws {
        let place = try Place()
        try place.found("us")
        try place.submit("us", "one")
        let file = URL(fileURLWithPath: "\(place.path)/us/node.sqlite")
        try DatabaseFile(file.path).execute("PRAGMA wal_checkpoint(TRUNCATE)")
        let whole = try Data(contentsOf: file)
        let page = Int(whole[16]) << 8 | Int(whole[17])
        var passedOver = 0
        for number in 1..<whole.count / page where passedOver < 3 {
            var changed = whole
            changed.replaceSubrange(number * page..<(number + 1) * page, with: Data(repeating: 0xa7, count: page))
            try changed.write(to: file)
            guard try place.run("us", "verify").status == 0 else { continue }
            passedOver += 1
            let outcome = try place.run("us", "verify", "--index", "--json")
            let found = outcome.objects.first?["problems"] as? [[String: Any]] ?? []
            #expect(outcome.status == 1 && !found.isEmpty, "page \(number): \(outcome.output)\(outcome.errors)")
            #expect(found.allSatisfy { $0["origin"] as? String == "node.sqlite" }, "\(outcome.output)")
        }
        #expect(passedOver > 0)
    }

    @Test func whateverIsChangedInItIsFoundAndCuredByDeletingIt() throws {
        let place = try scene()
        let index = "\(place.path)/us/index.sqlite"
        try DatabaseFile(index).execute("PRAGMA wal_checkpoint(TRUNCATE)")
        let kept = try Data(contentsOf: URL(fileURLWithPath: index))
        func put(_ data: Data) throws {
            for name in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: index + name) }
            try data.write(to: URL(fileURLWithPath: index))
        }
        // One byte in the middle of a block, or of a row of times.
        func flip(_ table: String, _ column: String, at place: Int) -> String {
            """
            UPDATE \(table) SET \(column) = CAST(substr(\(column), 1, \(place)) || CASE WHEN substr(\(column), \
            \(place + 1), 1) = x'41' THEN x'42' ELSE x'41' END || substr(\(column), \(place + 2)) AS BLOB) \
            WHERE rowid = (SELECT max(rowid) FROM \(table) WHERE length(\(column)) > \(place + 2))
            """
        }
        let changes: [(String, names: String)] = [
            (flip("block", "data", at: 900), ": "), (flip("block", "data", at: 3), ": "),
            (flip("block", "first", at: 2), ": "), (flip("span", "times", at: 8), "us.example/krus#"),
            ("DELETE FROM block WHERE rowid = (SELECT max(rowid) FROM block)", ": "),
            ("DELETE FROM run", "cannot be read"),
            ("DELETE FROM span WHERE rowid = (SELECT max(rowid) FROM span)", "us.example/krus#512"),
            ("UPDATE effect SET kind = 'corroborated' WHERE kind = 'disputed'", "us.example/krus#"),
            ("UPDATE effect SET target_index = 299 WHERE target_index = 300", "us.example/krus#"),
            ("DELETE FROM effect", "us.example/krus#"),
            ("UPDATE log SET entries = entries - 1 WHERE origin = 'us.example/krus'", "does not know"),
            ("UPDATE log SET entries = entries + 700 WHERE origin = 'us.example/krus'", "us.example/krus"),
            ("UPDATE log SET community = 'other'", "another community"),
            ("UPDATE log SET log_id = zeroblob(32) WHERE origin = 'us.example/krus'", "another number"),
            ("UPDATE block SET run = 77 WHERE rowid = 1", "cannot be read"),
        ]
        for (statement, names) in changes {
            try put(kept)
            do {
                let database = try DatabaseFile(index)
                try database.execute(statement)
                try database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            }
            let outcome = try place.run("us", "verify", "--index", "--json")
            #expect(outcome.status == 1, "\(statement): \(outcome.status) \(outcome.errors)")
            let found = problems(outcome)
            #expect(
                found.contains { $0.hasPrefix("index.sqlite: ") && $0.contains(names) && $0.contains("delete") },
                "\(statement): \(found)")
            // The logs are what they were.
            #expect(AuditScene.log(outcome)?["ok"] as? Bool == true, "\(statement)")
        }
        // Bytes of the file, and what is no database at all.
        let used = kept.indices.filter { $0 > 100 && kept[$0] != 0 }
        var found = 0
        for position in stride(from: 0, to: used.count, by: used.count / 30).map({ used[$0] }) {
            var changed = kept
            changed[position] ^= 0x55
            try put(changed)
            let outcome = try place.run("us", "verify", "--index", "--json")
            #expect([0, 1].contains(outcome.status), "\(position): \(outcome.status) \(outcome.errors)")
            #expect(AuditScene.log(outcome)?["ok"] as? Bool == true, "\(position)")
            if outcome.status == 1 { found += 1 }
        }
        #expect(found > 20, "\(found)")
        try put(Data("no database".utf8))
        #expect(try place.run("us", "verify", "--index").status == 1)
        for name in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: index + name) }
        try place.must("us", "search", "withdrawn")
        try place.expectSound("us")
    }
}
