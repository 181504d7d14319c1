import Foundation
import Testing

/// A proof that `prove` writes can be checked by whoever has the log's key, and nothing else passes.
@Suite(.serialized) struct ProofFileTests {
    private struct Written {
        let place: Place
        let reference: String
        let proof: String
        let body: String
        let key: String
        let otherKey: String
    }

    private func written() throws -> Written {
        let place = try Place()
        try place.found("us")
        try place.found("kr")
        func key(_ node: String) throws -> String {
            let community = try place.must(node, "community", "list", "--json").objects.first
            return try #require(community?["vkey"] as? String)
        }
        var reference = ""
        for label in ["a", "b", "c"] {
            let submitted = try place.must(
                "us", "submit", "attribution", "--field", "chain=BTC", "--field",
                "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=\(label)", "--json")
            if label == "b" { reference = try #require(submitted.objects.first?["ref"] as? String) }
        }
        return Written(
            place: place, reference: reference,
            proof: try place.file("b.tlog-proof", try place.must("us", "prove", reference).output),
            body: try place.file("b.json", try place.must("us", "show", reference, "--raw").output),
            key: try key("us"), otherKey: try key("kr"))
    }

    @Test func itHoldsWithAHomeAndWithoutOne() throws {
        let it = try written()
        let home = try it.place.must("us", "verify", it.proof, "--vkey", it.key, "--json").objects.first
        #expect(home?["ok"] as? Bool == true)
        let log = (home?["logs"] as? [[String: Any]])?.first
        #expect(log?["origin"] as? String == "us.example/krus" && log?["size"] as? Int == 4)
        #expect(log?["root"] as? String != nil && log?["ok"] as? Bool == true)
        let alone = try it.place.must("nobody", "verify", it.proof, "--vkey", it.key, "--body", it.body)
        #expect(alone.output.contains(it.reference), "\(alone.output)")
        let without = try it.place.run("nobody", "verify", it.proof, "--vkey", it.key)
        #expect(without.status == 66 && without.errors.contains("--body"), "\(without.errors)")
        without.expectOneLine()
    }

    @Test func anotherBodyKeyOrPlaceDoesNot() throws {
        let it = try written()
        let text = try String(contentsOfFile: it.proof, encoding: .utf8)
        let body = try String(contentsOfFile: it.body, encoding: .utf8)
        let changed = try it.place.file("changed.json", body.replacingOccurrences(of: #""b""#, with: #""B""#))
        let index = it.reference.split(separator: "#")[1]
        let moved = try it.place.file(
            "moved.tlog-proof", text.replacingOccurrences(of: "index \(index)\n", with: "index 1\n"))
        for (proof, body, key) in [
            (it.proof, changed, it.key), (it.proof, it.body, it.otherKey), (moved, it.body, it.key),
        ] {
            let outcome = try it.place.run("nobody", "verify", proof, "--vkey", key, "--body", body, "--json")
            #expect(outcome.status == 1, "\(proof) \(outcome.errors)")
            #expect(outcome.objects.first?["ok"] as? Bool == false)
            #expect((outcome.objects.first?["problems"] as? [[String: Any]])?.count == 1)
        }
    }

    @Test func whatIsNoProofOrNoKeyIsRefused() throws {
        let it = try written()
        let cases: [([String], Int32)] = [
            (["verify", it.body, "--vkey", it.key, "--body", it.body], 65),
            (["verify", it.proof, "--vkey", "nonsense", "--body", it.body], 64),
            (["verify", it.proof, "--body", it.body], 64),
            (["verify", "--vkey", it.key], 64),
            (["verify", "\(it.place.path)/absent", "--vkey", it.key, "--body", it.body], 66),
            (["verify", it.proof, "--vkey", it.key, "--body", "\(it.place.path)/absent"], 66),
        ]
        for (arguments, status) in cases {
            let outcome = try Entente.run(["--home", "\(it.place.path)/us"] + arguments)
            #expect(outcome.status == status, "\(arguments): \(outcome.errors)")
            outcome.expectOneLine("\(arguments)")
        }
    }
}
