import Foundation
import Glibc
import Testing

/// `submit` and `import` obey the sealing policy of node.yaml, with the real program.
@Suite(.serialized) struct SealingPolicyCommandTests {
    private static let record =
        #"{"type":"attribution","subject":{"chain":"eip155:1","address":"0x098b716b8aaf21512996dc57eb0615e2383e2f96"},"label":"first""#
    private static let base = [
        "submit", "attribution", "--field", "chain=ETH", "--field",
        "address=0x098b716b8aaf21512996dc57eb0615e2383e2f96", "--field", "label=thief",
    ]

    private func run(_ place: Place, _ arguments: [String]) throws -> Entente.Outcome {
        try Entente.run(["--home", "\(place.path)/us"] + arguments)
    }

    private func change(_ place: Place, _ old: String, _ new: String) throws {
        let path = "\(place.path)/us/node.yaml"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try #require(text.contains(old))
        try text.replacingOccurrences(of: old, with: new).write(toFile: path, atomically: false, encoding: .utf8)
    }

    @Test func initWritesAPolicyWithItsMeaning() throws {
        let place = try Place()
        try place.found("us")
        let text = try String(contentsOfFile: "\(place.path)/us/node.yaml", encoding: .utf8)
        for part in [
            "  never_in_clear:\n    - victim\n    - case_number\n", "  readers: []\n", "# types:", "# A record that",
        ] {
            #expect(text.contains(part), "\(part)")
        }
    }

    @Test func submitRefusesInOneLineWhatMayNotStandInClear() throws {
        let place = try Place()
        try place.found("us")
        let victim = try place.file("victim.txt", "Sky Mavis")
        let refused = try run(place, Self.base + ["--field", "victim=@\(victim)", "--in-clear", "victim"])
        #expect(refused.status == 77)
        refused.expectOneLine()
        for part in ["victim", "sealing.never_in_clear", "leave out --in-clear victim"] {
            #expect(refused.errors.contains(part), "\(refused.errors)")
        }
        #expect(!refused.errors.contains("Sky Mavis"))
        let file = try place.file("r.jsonl", "\(Self.record)}\n\(Self.record),\"victim\":\"Sky Mavis\"}\n")
        let ofFile = try run(place, ["submit", "--file", file, "--in-clear", "victim"])
        #expect(ofFile.status == 65)
        #expect(ofFile.errors.contains("r.jsonl:2: victim would stand in clear"), "\(ofFile.errors)")
        ofFile.expectOneLine()
        #expect(try place.size(of: "us.example/krus", at: "us") == 1)

        // What is sealed by default only may stay open when somebody says so.
        let open = try run(place, Self.base + ["--field", "note=public", "--in-clear", "note", "--json"])
        let reference = try #require(open.objects.first?["ref"] as? String)
        #expect(try place.must("us", "show", reference, "--raw").output.contains(#""note":"public""#))
    }

    @Test func aRefusalAdvisesWhatNodeYAMLTakes() throws {
        let place = try Place()
        try place.found("us")
        try change(place, "    - case_number\n  # Traffic", "    - case_number\n    - source\n  # Traffic")
        let submission = Self.base + ["--field", "source=https://example.org/x"]
        let refused = try run(place, submission)
        #expect(refused.status == 77)
        for part in ["source would stand in clear", "set sealing.source to always", "--seal source"] {
            #expect(refused.errors.contains(part), "\(refused.errors)")
        }
        refused.expectOneLine()
        #expect(try run(place, submission + ["--seal", "source"]).status == 0)
        try change(place, "  source: unless_public", "  source: always")
        #expect(try run(place, submission).status == 0)
    }

    @Test func importQuarantinesWhatPolicyForbidsInClear() throws {
        let place = try Place()
        try place.found("us")
        try change(place, "    - victim\n    - case_number\n  # Traffic", "    - victim\n    - context\n  # Traffic")
        let file = try place.file(
            "r.jsonl",
            ["", #","context":"where it was seen""#, #","victim":"Sky Mavis""#].map { "\(Self.record)\($0)}\n" }
                .joined())
        for dry in [["--dry-run"], []] {
            let report = try run(place, ["import", file, "--json"] + dry).objects.first
            #expect(report?["imported"] as? Int == 2)
            let rejects = report?["rejects"] as? [[String: Any]] ?? []
            #expect(rejects.map { $0["position"] as? Int } == [2])
            let reason = rejects.first?["reason"] as? String ?? ""
            #expect(reason.contains("sealing.never_in_clear") && reason.contains("add it to sealing.fields"))
            // An option that only `submit` has.
            #expect(!reason.contains("--seal"), "\(reason)")
        }
        #expect(try run(place, ["import", file, "--strict"]).status == 65)
        try place.expectSound("us")
    }

    @Test func importLeavesInClearWhatItIsToldToAndPolicyAllows() throws {
        let place = try Place()
        try place.found("us")
        let file = try place.file("r.jsonl", "\(Self.record),\"note\":\"public\",\"victim\":\"Sky Mavis\"}\n")
        // No row could be imported so: that is said once, and not of each row.
        let refused = try run(place, ["import", file, "--in-clear", "victim"])
        #expect(refused.status == 77)
        refused.expectOneLine()
        #expect(refused.errors.contains("sealing.never_in_clear"), "\(refused.errors)")
        #expect(!refused.errors.contains("Sky Mavis"))
        for command in [["import", file], ["submit", "--file", file]] {
            let mistyped = try run(place, command + ["--in-clear", "notes"])
            #expect(mistyped.status == 64)
            #expect(mistyped.errors.contains("--in-clear notes"), "\(mistyped.errors)")
        }
        #expect(try place.size(of: "us.example/krus", at: "us") == 1)

        let dry = try run(place, ["import", file, "--in-clear", "note", "--dry-run", "--json"]).objects.first
        #expect(dry?["readers"] as? [String: [String]] == ["victim": ["us.example"]])
        try place.must("us", "import", file, "--in-clear", "note")
        let raw = try place.must("us", "show", "us.example/krus#1", "--raw").output
        #expect(raw.contains(#""note":"public""#) && !raw.contains("Sky Mavis"))
        // Where a type of record may have it in clear, each row is looked at.
        try change(place, "    - victim\n    - case_number\n  # Traffic", "    - case_number\n  # Traffic")
        try change(place, "  # types:\n", "  types:\n    attribution:\n      never_in_clear: [victim]\n")
        let report = try run(place, ["import", file, "--in-clear", "victim", "--json"]).objects.first
        #expect(report?["quarantined"] as? Int == 1)
    }

    @Test func aListOfOneTypeTakesNothingFromTheGeneralOne() throws {
        let place = try Place()
        try place.found("us")
        try change(
            place, "  # types:\n",
            "  types:\n    incident:\n      fields: [losses]\n      never_in_clear: [losses]\n    attribution:\n      fields: []\n"
        )
        let record = #"{"type":"incident","slug":"x","name":"X","kind":"heist","victim":"Sky Mavis","note":"n""#
        let file = try place.file("r.jsonl", record + "}\n")
        let refused = try run(place, ["import", file, "--in-clear", "victim"])
        #expect(refused.status == 77 && refused.errors.contains(" sealing.never_in_clear "), "\(refused.errors)")
        try place.must("us", "import", file)
        let raw = try place.must("us", "show", "us.example/krus#1", "--raw").output
        #expect(!raw.contains("Sky Mavis") && raw.contains(#""fields":["note","victim"]"#), "\(raw)")
    }

    @Test func defaultReadersCanOpenAndADryRunNamesThem() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try change(place, "  readers: []\n", "  readers: [kr.example]\n")
        let file = try place.file("r.jsonl", "\(Self.record),\"victim\":\"Sky Mavis\"}\n")
        for command in [["submit", "--file", file], ["import", file]] {
            let dry = try run(place, command + ["--dry-run", "--json"]).objects.first
            #expect(dry?["readers"] as? [String: [String]] == ["victim": ["kr.example", "us.example"]])
            let other = try run(place, command + ["--to", "jp.example", "--dry-run", "--json"]).objects.first
            #expect(other?["readers"] as? [String: [String]] == ["victim": ["jp.example", "us.example"]])
        }
        try place.must("us", "import", file)
        try place.serve("us")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        let index = try place.size(of: "us.example/krus", at: "us") - 1
        let atKR = try place.must("kr", "show", "us.example/krus#\(index)", "--json").objects.first
        #expect((atKR?["opened"] as? [String: Any])?["victim"] as? String == "Sky Mavis")
        let atJP = try place.must("jp", "show", "us.example/krus#\(index)", "--json").objects.first
        #expect(atJP?["sealed_part"] as? String == "not_for_this_node")
        // A partner that leaves is nobody's reader.
        place.stop()
        let removed = try place.must("us", "peer", "remove", "kr.example")
        #expect(removed.errors.contains("kr.example is no reader in node.yaml any more (sealing.readers)"))
        removed.expectOneLine()
        try place.must("us", "peer", "add", "\(place.path)/kr.yaml")
        let other = try place.file("other.jsonl", "\(Self.record),\"asset\":\"ETH\",\"victim\":\"Sky Mavis\"}\n")
        let again = try run(place, ["import", other, "--dry-run", "--json"]).objects.first
        #expect(again?["readers"] as? [String: [String]] == ["victim": ["us.example"]])
        #expect(!(try place.must("us", "peer", "remove", "jp.example").errors.contains("reader")))
    }

    @Test func reasonsOfWithdrawalsObeyTheSamePolicy() throws {
        let place = try Place()
        try place.found("us")
        let reference = try #require(run(place, Self.base + ["--json"]).objects.first?["ref"] as? String)
        try change(place, "  # types:\n", "  types:\n    withdrawal:\n      never_in_clear: [reason]\n")
        let refused = try place.run("us", "withdraw", reference, "--reason", "a mistake")
        #expect(refused.status == 77)
        #expect(refused.errors.contains("sealing.types.withdrawal.never_in_clear"), "\(refused.errors)")
        // What is to take its place is not written either.
        let size = try place.size(of: "us.example/krus", at: "us")
        for more in [["--dry-run"], []] {
            let replaced = try run(place, Self.base + ["--replaces", reference, "--reason", "a mistake"] + more)
            #expect(replaced.status == 77, "\(more)")
            #expect(replaced.errors.contains("sealing.types.withdrawal.never_in_clear"), "\(replaced.errors)")
            #expect(try place.size(of: "us.example/krus", at: "us") == size, "\(more)")
        }
        try change(
            place, "      never_in_clear: [reason]\n", "      fields: [reason]\n      never_in_clear: [reason]\n")
        let raw = try place.must("us", "withdraw", reference, "--reason", "a mistake", "--json").objects.first
        let done = try #require(raw?["ref"] as? String)
        #expect(try !place.must("us", "show", done, "--raw").output.contains("a mistake"))
        #expect(try place.must("us", "show", reference, "--json").objects.first?["state"] as? String == "withdrawn")
    }

    @Test func somebodyElsesEnvelopeIsNotNamedInARecordOfOnesOwn() throws {
        let place = try Place()
        try place.found("us")
        let victim = try place.file("victim.txt", "Sky Mavis")
        let reference = try #require(
            run(place, Self.base + ["--field", "victim=@\(victim)", "--json"]).objects.first?["ref"] as? String)
        let body = try place.must("us", "show", reference, "--raw").output
        let file = try place.file("copy.jsonl", body + "\n")
        let submitted = try run(place, ["submit", "--file", file])
        #expect(submitted.status == 65 && submitted.errors.contains("sealed"), "\(submitted.errors)")
        let report = try run(place, ["import", file, "--json"]).objects.first
        #expect(report?["imported"] as? Int == 0)
        #expect(report?["quarantined"] as? Int == 1)
    }

    @Test func sealingInBulkKeepsTheOrderAndLosesNothingWhenItIsKilled() throws {
        let place = try Place()
        try place.found("us")
        // More than one transaction's worth.
        let count = 9_000
        let rows = (0..<count).map {
            #"{"type":"attribution","subject":{"chain":"eip155:1","address":"0x098b716b8aaf21512996dc57eb0615e2383e2f96"},"label":"n\#($0)","note":"v\#($0)"}"#
        }
        let file = try place.file("rows.jsonl", rows.joined(separator: "\n") + "\n")
        for milliseconds in [100, 700, 1_500] {
            let (process, _, _) = try Entente.start(["--home", "\(place.path)/us", "import", file])
            usleep(UInt32(milliseconds) * 1_000)
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            try place.expectSound("us")
        }
        let report = try place.must("us", "import", file, "--json").objects.first
        #expect((report?["imported"] as? Int ?? 0) + (report?["duplicates"] as? Int ?? 0) == count)
        let found = try place.must("us", "search", "--type", "attribution", "--limit", "100000", "--json").objects
        let labels = found.sorted { index($0) < index($1) }.map {
            ($0["record"] as? [String: Any])?["label"] as? String
        }
        #expect(labels == (0..<count).map { "n\($0)" })
        for number in [0, 8_191, 8_192, count - 1] {
            let hits = try place.must("us", "search", "--sealed", "note=v\(number)", "--json").objects
            #expect(hits.map(index) == [number + 1])
        }
    }

    private func index(_ hit: [String: Any]) -> Int {
        (hit["ref"] as? String)?.split(separator: "#").last.flatMap { Int($0) } ?? -1
    }

    /// No command has a way around it: not with a reason, which an erasure cannot seal, nor within a text.
    @Test func erasuresObeyItAndSayThatNothingOfThemIsSealed() throws {
        let place = try Place()
        try place.found("us")
        let victim = try place.file("victim.txt", "Sky Mavis")
        let made = try run(place, Self.base + ["--field", "victim=@\(victim)", "--json"])
        let reference = try #require(made.objects.first?["ref"] as? String)
        try change(place, "  never_in_clear:\n", "  never_in_clear:\n    - reason\n")
        let refused = try run(place, ["erase", reference, "--reason", "for Sky Mavis", "--yes"])
        #expect(refused.status == 77)
        refused.expectOneLine()
        #expect(refused.errors.contains("reason would stand in clear, which sealing.never_in_clear"))
        #expect(refused.errors.contains("nothing of a record of type erasure can be sealed, so leave it out"))
        #expect(!refused.errors.contains("Sky Mavis"))
        for command in [["assess", reference, "dispute"], ["withdraw", reference]] {
            let other = try run(place, command + ["--reason", "for Sky Mavis"])
            #expect(other.status == 77 && other.errors.contains("sealing.never_in_clear"), "\(other.errors)")
        }
        #expect(try run(place, ["show", reference]).output.contains("Sky Mavis"))
        #expect(try run(place, ["erase", reference, "--yes"]).status == 0)
    }

    @Test func whoTypesAVictimIntoAContextIsToldSo() throws {
        let place = try Place()
        try place.found("us")
        let typed = try run(place, Self.base + ["--field", #"context={'victim'='Sky Mavis'}"#])
        #expect(typed.status == 0 && typed.errors.contains("context is sealed, but as an argument others"))
        typed.expectOneLine()
        let reference = try #require(typed.output.split(separator: " ").first.map(String.init))
        #expect(!(try run(place, ["show", reference, "--raw"]).output.contains("Sky Mavis")))
        let file = try place.file("context.json", #"{"victim":"Sky Mavis"}"#)
        for other in ["@\(file)", #"{"a":1}"#] {
            #expect(try run(place, Self.base + ["--field", "context=\(other)"]).errors.isEmpty)
        }
    }
}
