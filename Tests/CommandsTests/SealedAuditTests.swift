import Foundation
import Testing

/// What `verify --sealed` and `search --sealed` say of sealed parts that they could not open, with the real program.
@Suite(.serialized) struct SealedAuditTests {
    /// us with records sealed to kr, which has them.
    private struct Scene {
        let place: Place
        let question: String
        private let file: String

        init() throws {
            place = try Place()
            try place.federate("us", "kr")
            file = try place.file("case.txt", "2023-0417")
            question = "case_number=@\(file)"
            try place.serve("us")
        }

        /// The index of a record that us has sealed to kr, and kr has fetched.
        func submit() throws -> Int {
            let outcome = try place.must(
                "us", "submit", "attribution", "--field", "chain=BTC", "--field",
                "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=\(UUID().uuidString)", "--field",
                "case_number=@\(file)",
                "--to", "kr.example", "--json")
            try sync()
            return try #require(
                (outcome.objects.first?["ref"] as? String)?.split(separator: "#").last.flatMap { Int($0) })
        }

        func sync() throws { try place.must("kr", "sync", "us.example") }

        func alter(_ statement: String, at index: Int) throws {
            try DatabaseFile("\(place.path)/kr/node.sqlite").execute("\(statement) WHERE entry = \(index)")
        }

        /// How many were opened, the others by reason, and what is not proved.
        func audit(status: Int32 = 0) throws -> (opened: Int?, others: [String: [Int]], unproved: [String]) {
            let outcome = try place.run("kr", "verify", "--sealed", "--json")
            #expect(outcome.status == status, "\(outcome.output)")
            let report = try #require(outcome.objects.first)
            let sealed = try #require(report["sealed"] as? [String: Any])
            let opened = sealed["opened"] as? Int
            let checked = (report["checked"] as? [String] ?? []).last
            #expect(checked?.hasPrefix("what is sealed to this node, opened") == true)
            #expect(checked?.hasSuffix(": \(opened ?? -1) sealed \(opened == 1 ? "part" : "parts")") == true)
            var others: [String: [Int]] = [:]
            for group in sealed["not_opened"] as? [[String: Any]] ?? [] {
                #expect(group["origin"] as? String == LogTheft.log)
                let entries = try #require(group["entries"] as? [Int])
                #expect(group["count"] as? Int == entries.count)
                others[try #require(group["reason"] as? String)] = entries
            }
            let unproved = (report["unproved"] as? [String] ?? []).filter { $0.contains("what is sealed to this node") }
            return (opened, others, unproved)
        }

        func search() throws -> Entente.Outcome { try place.must("kr", "search", "--sealed", question, "--json") }
    }

    @Test func whatWasNotOpenedIsListedWithTheReason() throws {
        let it = try Scene()
        let (first, second) = (try it.submit(), try it.submit())
        var said = try it.audit()
        #expect(said.opened == 2 && said.others.isEmpty && said.unproved.isEmpty)
        #expect(try it.place.must("kr", "verify", "--sealed").output.contains("opened 2 sealed parts for this node"))
        // What nobody opens says nothing of that.
        #expect(try it.place.must("kr", "verify", "--json").objects.first?["sealed"] is NSNull)
        try it.alter("UPDATE blob SET data = NULL", at: second)
        said = try it.audit()
        #expect(said.opened == 1 && said.others == ["not_here_yet": [second]])
        #expect(
            said.unproved == [
                "\(LogTheft.log): what is sealed to this node in 1 record, #\(second): it has not come yet"
            ])
        try it.sync()
        #expect(try it.audit().opened == 2)

        let key = "\(it.place.path)/kr/keys/sealing-1.key"
        try FileManager.default.moveItem(atPath: key, toPath: "\(it.place.path)/kept")
        said = try it.audit()
        #expect(said.opened == 0 && said.others == ["key_missing": [first, second]])
        #expect(said.unproved.count == 1 && said.unproved[0].contains("2 records, #\(first) to #\(second): the key"))
        #expect(try it.place.must("kr", "verify", "--sealed").output.contains("opened no sealed part for this node"))
        try FileManager.default.moveItem(atPath: "\(it.place.path)/kept", toPath: key)
        #expect(try it.audit().opened == 2)

        try it.place.must("kr", "key", "rotate", "sealing")
        try it.sync()
        _ = try it.submit()
        try it.place.must("kr", "key", "destroy", "1", "--yes")
        said = try it.audit()
        #expect(said.opened == 1 && said.others == ["key_destroyed": [first, second]])
        #expect(said.unproved.count == 1 && said.unproved[0].hasSuffix("was destroyed"), "\(said.unproved)")
        // What is sealed to others alone is no gap.
        #expect(try it.place.must("us", "verify", "--sealed").output.contains("opened 3 sealed parts for this node"))
    }

    @Test func damageToASealedPartIsSaidBySearchAndAudit() throws {
        let it = try Scene()
        let (first, second) = (try it.submit(), try it.submit())
        #expect(try it.search().objects.count == 2)
        try it.alter("UPDATE blob SET data = zeroblob(length(data))", at: first)
        func expectSaid() throws {
            let found = try it.search()
            #expect(found.objects.compactMap { $0["ref"] as? String } == ["\(LogTheft.log)#\(second)"])
            #expect(found.errors.contains("1 sealed part is damaged here"), "\(found.errors)")
            #expect(found.errors.contains("\(LogTheft.log)#\(first); run `entente scrub --repair`"))
            found.expectOneLine()
        }
        // When it is found so, ever after, and by an index that is made anew.
        try expectSaid()
        try expectSaid()
        for name in try FileManager.default.contentsOfDirectory(atPath: "\(it.place.path)/kr")
        where name.hasPrefix("index.sqlite") {
            try FileManager.default.removeItem(atPath: "\(it.place.path)/kr/\(name)")
        }
        try expectSaid()
        let said = try it.audit(status: 1)
        #expect(said.opened == 1 && said.others == ["damaged": [first]])
        try it.place.must("kr", "scrub", "--repair")
        let mended = try it.search()
        #expect(mended.objects.count == 2 && mended.errors.isEmpty, "\(mended.errors)")
        #expect(try it.audit().opened == 2)
    }
}
