import Glibc
import Home
import LogStore
import NodeService
import Records

/// The demonstration, told while it happens. Everything it shows is done by the commands that everybody has; only the
/// two break-ins reach into a database.
struct DemoStory {
    private let folder: String
    private let examples: String
    private let records: Int
    private let us: DemoNode
    private let kr: DemoNode
    private let jp: DemoNode
    private var running: [String: ChildProcess] = [:]
    private let begin = ContinuousClock.now

    init(folder: String, examples: String, records: Int) throws {
        self.folder = folder
        self.examples = examples
        self.records = records
        us = DemoNode(name: "us.example", home: folder + "/us", port: try DemoNode.freePort())
        kr = DemoNode(name: "kr.example", home: folder + "/kr", port: try DemoNode.freePort())
        jp = DemoNode(name: "jp.example", home: folder + "/jp", port: try DemoNode.freePort())
    }

    mutating func tell() throws {
        try foundThreeNodes()
        let reference = try shareRealRecords()
        try surviveAKill()
        try openSealedFields(reference)
        try noticeAFlippedByte()
        try refuseAForgingRelay()
        let total = Double((ContinuousClock.now - begin) / .milliseconds(1)) / 1_000
        Output.line("\nDone in \(seconds(total)) s. The homes are in \(folder):")
        Output.line("  entente --home \(kr.home) status")
        Output.line("  entente --home \(kr.home) search lazarus")
        Output.line("  entente --home \(kr.home) show '\(reference)'")
        Output.line("  entente --home \(us.home) prove '\(reference)'")
        Output.line("  entente --home \(us.home) run        # and `sync` from the others")
    }

    mutating func stop() {
        for child in running.values { child.stop() }
        running = [:]
    }

    private func title(_ text: String) {
        Output.line("\n" + Style.bold(text))
    }

    // MARK: 1

    private func foundThreeNodes() throws {
        title("1. Three agencies make a node each and exchange peer cards")
        let nodes = [us, kr, jp]
        var fingerprints: [String: String] = [:]
        for node in nodes {
            let address = "127.0.0.1:\(node.port)"
            let made = try ChildProcess.json(
                node.arguments(
                    "init", "--node", node.name, "--community", "krus", "--listen", address, "--endpoint", address))
            fingerprints[node.name] = made.first?["fingerprint"]?.string
            try AtomicFile.write(
                Array(ChildProcess.run(node.arguments("identity")).utf8), to: node.card)
        }
        for node in nodes {
            for other in nodes where other.name != node.name {
                let fingerprint = fingerprints[other.name] ?? ""
                try ChildProcess.run(node.arguments("peer", "add", other.card, "--fingerprint", fingerprint))
            }
            Output.line("  \(node.name)  127.0.0.1:\(node.port)  \(Style.dim(fingerprints[node.name] ?? ""))")
        }
    }

    // MARK: 2

    private mutating func shareRealRecords() throws -> String {
        title("2. us.example imports real records and submits one with sealed fields for kr.example")
        let files = ["lazarus-ofac.tagpack.yaml", "bybit-fbi-2025-02.csv", "mixers-exchanges.jsonl"]
            .map { "\(examples)/\($0)" }
        for file in files where access(file, R_OK) != 0 {
            throw CommandFailure(.noInput, "\(file) is not there; name the folder of the examples with --examples")
        }
        let imported = try ChildProcess.json(us.arguments("import") + files).first
        Output.line(
            "  imported \(imported?["imported"]?.integer ?? 0) attributions and actors (OFAC, FBI); "
                + "\(imported?["quarantined"]?.integer ?? 0) quarantined")
        // Sealed values come from files, so that they stand in no process's arguments.
        let note = folder + "/note.txt"
        try AtomicFile.write(
            Array("Seed phrase recovered on a laptop in Incheon; chain of custody 7-B.".utf8), to: note)
        let victim = folder + "/victim.txt"
        try AtomicFile.write(Array("Sky Mavis".utf8), to: victim)
        let number = folder + "/case.txt"
        try AtomicFile.write(Array("2022-0417".utf8), to: number)
        let submitted = try ChildProcess.json(
            us.arguments("submit", "attribution", "--to", kr.name)
                + [
                    "chain=ETH", "address=0x098B716B8Aaf21512996dC57EB0615e2383E2f96", "label=Ronin Bridge thief",
                    "actor=lazarus_group", "concepts=hacking", "confidence.level=authority_data",
                    "source=https://home.treasury.gov/policy-issues/financial-sanctions/recent-actions/20220414",
                    "victim=@\(victim)", "case_number=@\(number)", "note=@\(note)",
                ].flatMap { ["--field", $0] }
        ).first
        guard let reference = submitted?["ref"]?.string else {
            throw CommandFailure(.internal, "submit printed no reference")
        }
        Output.line("  submitted \(reference): victim, case number and note sealed to kr.example")
        try start(us)
        for node in [kr, jp] { try sync(node, with: us) }
        return reference
    }

    private mutating func start(_ node: DemoNode) throws {
        let child = try ChildProcess(node.arguments("run", "--json"), errorFile: "\(node.home).log")
        guard child.firstLine().contains("listening") else {
            throw CommandFailure(.internal, "\(node.name) did not begin to listen")
        }
        running[node.name] = child
    }

    private mutating func stop(_ node: DemoNode) {
        running.removeValue(forKey: node.name)?.stop()
    }

    @discardableResult
    private func sync(_ node: DemoNode, with other: DemoNode) throws -> JSONValue? {
        let report = try ChildProcess.json(node.arguments("sync", other.name)).first
        Output.line(
            "  \(node.name) synchronised with \(other.name): \(grouped(report?["received"]?.integer ?? 0)) records, "
                + "\(grouped(report?["bytes_in"]?.integer ?? 0)) bytes, "
                + "\(seconds(Double(text(report?["seconds"])) ?? 0)) s")
        return report
    }

    private func text(_ value: JSONValue?) -> String {
        value.map { JSONWriter.text($0) } ?? ""
    }

    private func size(of origin: String, at node: DemoNode) throws -> Int64 {
        let status = try ChildProcess.json(node.arguments("status")).first
        let log = status?["logs"]?.array?.first { $0["origin"]?.string == origin }
        return log?["size"]?.integer ?? 0
    }

    // MARK: 3

    private func surviveAKill() throws {
        title("3. \(grouped(records)) more records; the transfer to kr.example is killed in the middle")
        let file = folder + "/generated.jsonl"
        let bodies = try ChildProcess.run(["bench", "bodies", "--records", "\(records)"])
        try AtomicFile.write(Array(bodies.utf8), to: file)
        let begin = ContinuousClock.now
        let imported = try ChildProcess.json(us.arguments("import", file)).first
        let duration = Double((ContinuousClock.now - begin) / .milliseconds(1)) / 1_000
        Output.line(
            "  us.example imported \(grouped(imported?["imported"]?.integer ?? 0)) in \(seconds(duration)) s, "
                + "each one validated and durable")
        let origin = "us.example/krus"
        let before = try size(of: origin, at: kr)
        let all = try size(of: origin, at: us)
        var held = before
        // A machine may be fast or slow: the moment of the kill is sought until it falls inside the transfer.
        for milliseconds in stride(from: 40, through: 2_000, by: 20) {
            let child = try ChildProcess(kr.arguments("sync", us.name))
            usleep(UInt32(milliseconds) * 1_000)
            child.kill()
            held = try size(of: origin, at: kr)
            if held > before { break }
        }
        Output.line(
            "  kr.example killed with kill -9 at \(grouped(held)) of \(grouped(all)) records: "
                + "all of them verified, none half-done")
        let report = try sync(kr, with: us)
        Output.line(
            "  resumed: \(grouped(report?["received"]?.integer ?? 0)) were still missing, and only those travelled")
        try sync(jp, with: us)
    }

    // MARK: 4

    private func openSealedFields(_ reference: String) throws {
        title("4. kr.example opens what is sealed to it; jp.example, a member but not named, cannot")
        let atKR = try ChildProcess.json(kr.arguments("show", reference)).first
        for member in atKR?["opened"]?.object ?? [] {
            Output.line("  kr.example reads \(member.name): \(member.value.string ?? text(member.value))")
        }
        let atJP = try ChildProcess.json(jp.arguments("show", reference)).first
        Output.line(
            "  jp.example reads the label “\(atJP?["record"]?["label"]?.string ?? "")”, and of the sealed part: "
                + "\(atJP?["sealed_part"]?.string ?? "")")
        let atUS = try ChildProcess.json(us.arguments("show", reference)).first
        let holders = atUS?["held_by"]?.array?.compactMap(\.string) ?? []
        Output.line("  delivery receipts at us.example: held by \(holders.joined(separator: ", "))")
        guard atKR?["opened"]?.object?.isEmpty == false, atJP?["opened"]?.object?.isEmpty == true,
            holders.contains(kr.name)
        else { throw CommandFailure(.internal, "the sealed fields or receipts are not as they should be") }
    }

    // MARK: 5

    private func noticeAFlippedByte() throws {
        title("5. Somebody changes one byte in jp.example's database")
        let entry: UInt64 = 100_000 < records ? 100_000 : 500
        try breakIn(jp, entry: entry)
        let report = try ChildProcess.json(jp.arguments("verify"), expecting: [1]).first
        for problem in report?["problems"]?.array ?? [] {
            Output.line(
                "  verify: \(problem["origin"]?.string ?? "")#\(problem["entry"]?.integer ?? 0): "
                    + "\(problem["text"]?.string ?? "")")
        }
        guard report?["problems"]?.array?.first?["entry"]?.integer == Int64(entry) else {
            throw CommandFailure(.internal, "verify did not name entry \(entry)")
        }
    }

    /// What an intruder with the database open would do.
    private func breakIn(_ node: DemoNode, entry: UInt64) throws {
        let opened = try Node.open(node.home)
        guard let log = try opened.store.log("us.example/krus") else { return }
        try opened.store.tamper(log: log.id, entry: entry)
    }

    // MARK: 6

    private mutating func refuseAForgingRelay() throws {
        title("6. A relay offers a forged entry")
        let new = try ChildProcess.json(
            us.arguments("submit", "attribution")
                + ["chain=BTC", "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "label=genesis block"].flatMap {
                    ["--field", $0]
                }
        ).first
        try sync(kr, with: us)
        stop(us)
        let index = try size(of: "us.example/krus", at: us) - 1
        try breakIn(kr, entry: UInt64(index))
        Output.line("  kr.example's database was edited: \(new?["ref"]?.string ?? "") says something else there")
        try start(kr)
        let report = try ChildProcess.json(jp.arguments("sync", kr.name), expecting: [76]).first
        Output.line("  jp.example refuses it: \(report?["error"]?.string ?? "")")
        guard try size(of: "us.example/krus", at: jp) == index else {
            throw CommandFailure(.internal, "jp.example took a forged entry")
        }
        stop(kr)
    }
}
