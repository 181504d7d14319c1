import Cryptography
import Foundation
import LogStore
import NodeService
import Records
import Testing

/// Records that are damaged here: neither shown nor referred to, and no obstacle to the others.
@Suite(.serialized) struct DamagedRecordTests {
    private static let address = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"

    private func submit(_ place: Place, _ label: String, sealed: Bool = false) throws -> String {
        let fields = ["--field", "chain=BTC", "--field", "address=\(Self.address)", "--field", "label=\(label)"]
        let victim = try place.file("victim.txt", "Sky Mavis")
        let outcome = try Entente.run(
            ["--home", "\(place.path)/us", "submit", "attribution", "--json"] + fields
                + (sealed ? ["--field", "victim=@\(victim)", "--to", "kr.example"] : []))
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try #require(outcome.objects.first?["ref"] as? String)
    }

    private func search(_ place: Place, _ node: String, _ words: String...) throws -> (found: [String], said: String) {
        let outcome = try Entente.run(["--home", "\(place.path)/\(node)", "search", "--json"] + words)
        #expect(outcome.status == 0, "\(words): \(outcome.errors)")
        return (outcome.objects.compactMap { $0["ref"] as? String }, outcome.errors)
    }

    @Test func aRecordThatWasChangedIsNeitherShownNorReferredTo() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let sealed = try submit(place, "genuine", sealed: true)
        let open = try submit(place, "neighbour")
        try place.serve("us")
        for node in ["kr", "jp"] { try place.must(node, "sync", "us.example") }
        place.stop()
        #expect(try search(place, "us", "genuine").found == [sealed])
        try DatabaseFile("\(place.path)/us/node.sqlite").alter(#""label":"genuine""#, to: #""label":"spoiled""#)
        let size = try place.size(of: "us.example/krus", at: "us")
        let fields = ["--field", "chain=BTC", "--field", "address=\(Self.address)", "--field", "label=x"]
        let commands: [[String]] = [
            ["show", sealed], ["show", sealed, "--raw"], ["show", sealed, "--json", "--proof"], ["prove", sealed],
            ["prove", sealed, "--as-of", "2100-01-01"], ["grant", sealed, "--to", "jp.example"],
            ["erase", sealed, "--yes"], ["withdraw", sealed], ["withdraw", open, "--replacement", sealed],
            ["assess", sealed, "corroborate"], ["submit", "attribution", "--replaces", sealed] + fields,
            ["export", "--format", "evidence", sealed, "\(place.path)/evidence.html"],
        ]
        for isMarked in [false, true] {
            if isMarked { #expect(try place.run("us", "scrub").status == 1) }
            for command in commands {
                let outcome = try Entente.run(["--home", "\(place.path)/us"] + command)
                #expect(outcome.status == 74, "\(command): \(outcome.output) \(outcome.errors)")
                #expect(outcome.output.isEmpty, "\(command)")
                // Once the bundle is marked, its other records are not referred to either.
                let named = isMarked && command.contains(open) ? open : sealed
                #expect(outcome.errors.contains("\(named) is damaged here"), "\(command): \(outcome.errors)")
                #expect(outcome.errors.contains("`entente scrub --repair`"), "\(command): \(outcome.errors)")
                outcome.expectOneLine()
            }
            let (found, said) = try search(place, "us", "genuine")
            #expect(found == [] && said.contains("left out, since damaged here: \(sealed);"), "\(said)")
            #expect(try search(place, "us", "spoiled").found == [])
        }
        #expect(try place.size(of: "us.example/krus", at: "us") == size)

        place.serveAll("kr")
        try place.must("us", "scrub", "--repair")
        #expect(try place.must("us", "show", sealed).output.contains("label: genuine"))
        let (found, said) = try search(place, "us", "genuine")
        #expect(found == [sealed] && said.isEmpty)
        try place.must("us", "grant", sealed, "--to", "jp.example")
        place.stop()
        try place.serve("us")
        try place.must("jp", "sync", "us.example")
        let there = try #require(place.must("jp", "show", sealed, "--json").objects.first)
        #expect(there["sealed_part"] as? String == "opened")
        try place.expectSound("us")
    }

    /// As an earlier release wrote it of a record that was damaged.
    @Test func aGrantToAnotherRecordIsNoneAndStandsInTheWayOfNone() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let sealed = try submit(place, "genuine", sealed: true)
        do {
            let node = try Node.open("\(place.path)/us")
            let target = RecordTarget(
                reference: try #require(Reference(sealed)), hash: SHA256.hash("another record"))
            let body = try node.grantRecord(
                of: target, to: ["jp.example"], in: node.community("krus"), author: "tester", time: Clock.timestamp)
            _ = try node.append([NewEntry(body: body)], community: "krus", signer: node.signer(community: "krus"))
        }
        let index = try place.size(of: "us.example/krus", at: "us") - 1
        let view = try #require(place.must("us", "show", sealed, "--json").objects.first)
        #expect(
            (view["void_grants"] as? [[String: Any]])?.map { [$0["node"] as? String, $0["by"] as? String] } == [
                ["jp.example", "us.example/krus#\(index)"]
            ])
        #expect((view["granted"] as? [Any])?.isEmpty == true)
        #expect(
            try place.must("us", "show", sealed).output
                .contains("grant to jp.example by us.example/krus#\(index) has no effect"))
        try place.serve("us")
        try place.must("jp", "sync", "us.example")
        #expect(
            try place.must("jp", "show", sealed, "--json").objects.first?["sealed_part"] as? String
                == "not_for_this_node")

        let granted = try place.must("us", "grant", sealed, "--to", "jp.example", "--json").objects.first
        let by = try #require(granted?["ref"] as? String)
        try place.must("jp", "sync", "us.example")
        #expect(try place.must("jp", "show", sealed, "--json").objects.first?["sealed_part"] as? String == "opened")
        let now = try #require(place.must("us", "show", sealed, "--json").objects.first)
        #expect(
            (now["granted"] as? [[String: Any]])?.map { [$0["node"] as? String, $0["by"] as? String] } == [
                ["jp.example", by]
            ])
        #expect(try place.run("us", "grant", sealed, "--to", "jp.example").status == 73)
        for node in ["us", "jp"] { try place.expectSound(node) }
    }

    @Test func aBundleThatCannotBeReadIsPassedOverUntilItIsMended() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let sealed = try submit(place, "genuine", sealed: true)
        let bodies = try Entente.run(["bench", "bodies", "--records", "600"]).output
        try place.must("us", "import", place.file("bodies.jsonl", bodies))
        let last = try submit(place, "neighbour", sealed: true)
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        let node = "\(place.path)/kr"
        let log = SHA256.hash("us.example/krus")
        do {
            let store = try SQLiteLogStore(
                path: node + "/node.sqlite", signedPath: node + "/signed.sqlite", node: "kr.example")
            try store.flip(.bundle(0), of: log, byte: 0)
        }
        let warning = "us.example/krus#0 to #255 are damaged here"
        for name in ["neighbour", "genuine"] {
            let (found, said) = try search(place, "kr", name)
            #expect(found == (name == "genuine" ? [] : [last]))
            #expect(said.contains(warning) && said.contains("`entente scrub --repair`"), "\(said)")
            outcomeIsOneLine(said)
        }
        let shown = try place.must("kr", "show", last)
        #expect(shown.output.contains("label: neighbour") && shown.errors.contains(warning), "\(shown.errors)")
        #expect(try search(place, "kr", "--sealed", "victim=Sky Mavis").found == [last])
        // It is known from then on, as after a scrub.
        #expect(try place.run("kr", "status", "--check").status == 1)
        #expect(try place.run("kr", "show", sealed).status == 74)

        try place.must("kr", "scrub", "--repair")
        #expect(try search(place, "kr", "genuine").found == [sealed])
        #expect(try search(place, "kr", "neighbour").said.isEmpty)
        #expect(Set(try search(place, "kr", "--sealed", "victim=Sky Mavis").found) == [sealed, last])
        try place.expectSound("kr")
    }

    private func outcomeIsOneLine(_ text: String, at location: SourceLocation = #_sourceLocation) {
        #expect(text.split(separator: "\n").count == 1, "\(text)", sourceLocation: location)
    }

    @Test(arguments: [0, 4_096])
    func aDestroyedIndexIsAnAlarm(keeping count: Int) throws {
        let place = try Place()
        try place.found("us")
        _ = try submit(place, "genuine")
        #expect(try place.run("us", "status", "--check").status == 0)
        #expect(try search(place, "us", "genuine").found.count == 1)
        #expect(try place.run("us", "status", "--check").status == 0)
        for name in ["index.sqlite-wal", "index.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: "\(place.path)/us/\(name)")
        }
        let path = "\(place.path)/us/index.sqlite"
        let old = try #require(FileManager.default.contents(atPath: path))
        try (old.prefix(count) + Data(repeating: 0x5a, count: old.count - count)).write(to: URL(fileURLWithPath: path))
        let outcome = try place.run("us", "status", "--check")
        #expect(outcome.status == 1, "\(outcome.output)")
        #expect(outcome.output.contains("index.sqlite is damaged") && outcome.output.contains("remove it"))
        try FileManager.default.removeItem(atPath: path)
        #expect(try place.run("us", "status", "--check").status == 0)
    }
}
