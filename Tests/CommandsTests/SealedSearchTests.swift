import Foundation
import Glibc
import Testing

/// `search --sealed`, between nodes, with the real program.
@Suite(.serialized) struct SealedSearchTests {
    private func submit(_ place: Place, _ caseNumber: String, to readers: String...) throws -> String {
        let file = try place.file("case.txt", caseNumber)
        let outcome = try Entente.run(
            [
                "--home", "\(place.path)/us", "submit", "attribution", "--field", "chain=BTC", "--field",
                "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=thief", "--field",
                "case_number=@\(file)", "--json",
            ] + readers.flatMap { ["--to", $0] })
        return try #require(outcome.objects.first?["ref"] as? String)
    }

    private func search(_ place: Place, _ node: String, _ arguments: String...) throws -> [String] {
        let outcome = try Entente.run(["--home", "\(place.path)/\(node)", "search", "--json"] + arguments)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return outcome.objects.compactMap { $0["ref"] as? String }
    }

    @Test func recipientsFindItOthersDoNotAndLateBlobsAreFoundWhenTheyCome() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let first = try submit(place, "2023-0417", to: "kr.example")
        try place.serve("us")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        let question = "case_number=2023-0417"
        #expect(try search(place, "us", "--sealed", question) == [first])
        #expect(try search(place, "kr", "--sealed", question) == [first])
        #expect(try search(place, "jp", "--sealed", question) == [])
        #expect(try search(place, "kr", "--sealed", question, "--type", "attribution", "thief") == [first])
        #expect(try search(place, "kr", "--sealed", question, "--type", "actor") == [])
        let file = try place.file("q.txt", "2023-0417\n")
        #expect(try search(place, "kr", "--sealed", "case_number=@\(file)") == [first])

        // The record is here, its envelope not yet: it is found once that has come.
        let second = try submit(place, "2024-1", to: "kr.example")
        try place.must("kr", "sync", "us.example")
        let database = try DatabaseFile("\(place.path)/kr/node.sqlite")
        func lose(_ reference: String) throws {
            try database.execute("UPDATE blob SET data = NULL WHERE entry = \(reference.split(separator: "#")[1])")
        }
        try lose(second)
        #expect(try search(place, "kr", "--sealed", "case_number=2024-1") == [])
        #expect(try search(place, "kr", "--sealed", question) == [first])
        try place.must("kr", "sync", "us.example")
        #expect(try search(place, "kr", "--sealed", "case_number=2024-1") == [second])

        // An envelope that is gone is found no more, until it comes back.
        try lose(first)
        #expect(try search(place, "kr", "--sealed", question) == [])
        try place.must("kr", "sync", "us.example")
        #expect(try search(place, "kr", "--sealed", question) == [first])
        // One that has rotted is not called one that has still to come.
        try DatabaseFile("\(place.path)/us/node.sqlite").execute("UPDATE blob SET data = zeroblob(length(data))")
        #expect(try place.must("us", "show", first).output.contains("the sealed part is damaged here"))
        for node in ["us", "kr", "jp"] {
            for file in try FileManager.default.subpathsOfDirectory(atPath: "\(place.path)/\(node)") {
                let data = FileManager.default.contents(atPath: "\(place.path)/\(node)/\(file)") ?? Data()
                for value in ["2023-0417", "2023 0417", "2024-1"] {
                    #expect(data.range(of: Data(value.utf8)) == nil, "\(node)/\(file)")
                }
            }
        }
    }

    @Test(arguments: [false, true])
    func whatAGrantOpensIsFoundAndWhatIsErasedIsNotAnyMore(membersCarry: Bool) throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        if membersCarry {
            // jp holds the sealed part before it may read it.
            let file = "\(place.path)/us/node.yaml"
            let text = try String(contentsOfFile: file, encoding: .utf8)
            #expect(text.contains("carry_sealed: recipients"))
            try text.replacingOccurrences(of: "carry_sealed: recipients", with: "carry_sealed: members")
                .write(toFile: file, atomically: true, encoding: .utf8)
            chmod(file, 0o600)
            // What changed is published with the members.
            try place.must("us", "peer", "add", "\(place.path)/kr.yaml", "--replace")
        }
        try place.serve("us")
        let other = try submit(place, "2024-1", to: "kr.example", "jp.example")
        let reference = try submit(place, "2023-0417", to: "kr.example")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        let question = "case_number=2023-0417"
        #expect(try search(place, "kr", "--sealed", question) == [reference])
        #expect(try search(place, "jp", "--sealed", question) == [])
        let view = try #require(place.must("jp", "show", reference, "--json").objects.first)
        #expect(view["sealed_part"] as? String == "not_for_this_node")
        let held = try place.must("us", "show", reference, "--json").objects.first
        #expect(held?["sealed_held_by"] as? [String] == (membersCarry ? ["jp.example"] : []) + ["kr.example"])

        try place.must("us", "grant", reference, "--to", "jp.example")
        try place.must("jp", "sync", "us.example")
        #expect(try search(place, "jp", "--sealed", question) == [reference])
        #expect(try search(place, "jp", "--sealed", "case_number=2024-1") == [other])

        try place.must("us", "erase", reference, "--yes")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        for node in ["us", "kr", "jp"] {
            #expect(try search(place, node, "--sealed", question) == [])
            #expect(try search(place, node, "--sealed", "case_number=2024-1") == [other])
        }
    }

    @Test func withdrawnRecordsAreLeftOutAndCounted() throws {
        let place = try Place()
        try place.found("us")
        let reference = try submit(place, "2023-0417")
        try place.must("us", "withdraw", reference)
        let outcome = try place.must("us", "search", "--sealed", "case_number=2023-0417")
        #expect(outcome.errors.contains("1 withdrawn or superseded left out"))
        #expect(try search(place, "us", "--sealed", "case_number=2023-0417", "--all") == [reference])
    }

    @Test func badQuestionsAreRefusedInOneLineWithoutTheValue() throws {
        let place = try Place()
        try place.found("us")
        for question in ["tlp=hidden", "tag_type=hidden", "nothing=hidden", "case_number", "case_number="] {
            let outcome = try place.run("us", "search", "--sealed", question)
            #expect(outcome.status == 64, "\(question): \(outcome.errors)")
            outcome.expectOneLine(question)
            #expect(!outcome.errors.contains("hidden"))
        }
    }
}
