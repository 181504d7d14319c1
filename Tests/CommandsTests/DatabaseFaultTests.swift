import Foundation
import Glibc
import Testing

/// A database that cannot be used costs one line, and nothing of what is in it.
@Suite(.serialized) struct DatabaseFaultTests {
    private static let mountComment: Comment = "needs root and the right to mount: a small file system is filled"
    private let address = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"

    private func submit(_ place: Place, _ node: String = "us") throws -> Entente.Outcome {
        try place.run(
            node, "submit", "attribution", "--field", "chain=BTC", "--field", "address=\(address)", "--field", "label=x"
        )
    }

    @Test func oneThatAnotherProcessWritesToIsWaitedForAndThenLeft() throws {
        let place = try Place()
        try place.found("us")
        let before = try place.size(of: "us.example/krus", at: "us")
        let version = try Self.version(of: "\(place.path)/us/node.sqlite")
        let other = try DatabaseFile("\(place.path)/us/node.sqlite")
        // It has written before, as a process in the middle of its work has: the write-ahead log is there.
        try other.execute("PRAGMA user_version = \(version)")
        try other.execute("BEGIN IMMEDIATE")
        let outcome = try submit(place)
        #expect(outcome.status == 75, "\(outcome.errors)")
        #expect(outcome.errors.contains("node.sqlite"), "\(outcome.errors)")
        outcome.expectOneLine()
        // Whoever only reads is not kept waiting.
        #expect(try place.size(of: "us.example/krus", at: "us") == before)
        try place.expectSound("us")
        try other.execute("ROLLBACK")
        #expect(try submit(place).status == 0)
        #expect(try place.size(of: "us.example/krus", at: "us") == before + 1)
        try place.expectSound("us")
    }

    @Test func oneOfAnEarlierReleaseIsLeftAsItIsWhileANodeRuns() throws {
        let place = try Place()
        try place.found("us")
        try place.serve("us")
        let file = "\(place.path)/us/node.sqlite"
        try DatabaseFile(file).execute(DatabaseFile.takingBack(to: 5))
        let refused = try submit(place)
        #expect(refused.status == 75 && refused.errors.contains("process "), "\(refused.errors)")
        #expect(refused.errors.contains("start `entente run` of this release"), "\(refused.errors)")
        refused.expectOneLine()
        #expect(try Self.version(of: file) == 5)
        place.stop("us")
        #expect(try submit(place).status == 0)
        #expect(try Self.version(of: file) > 5)
    }

    @Test func oneFromANewerReleaseIsLeftAsItIs() throws {
        let place = try Place()
        try place.found("us")
        for name in ["node.sqlite", "signed.sqlite"] {
            let path = "\(place.path)/us/\(name)"
            let version = try Self.version(of: path)
            try DatabaseFile(path).execute("PRAGMA user_version = \(version + 1)")
            for command in [["status"], ["verify"], ["search", "x"]] {
                let outcome = try Entente.run(["--home", "\(place.path)/us"] + command)
                #expect(outcome.status == 78, "\(name) \(command): \(outcome.errors)")
                #expect(outcome.errors.contains(name) && outcome.errors.contains("newer"), "\(outcome.errors)")
                outcome.expectOneLine(name)
            }
            #expect(try submit(place).status == 78)
            #expect(try Self.version(of: path) == version + 1)
            try DatabaseFile(path).execute("PRAGMA user_version = \(version)")
            try place.expectSound("us")
        }
    }

    /// The format's number, from the header of a database that nobody has open (offset 60, big-endian).
    private static func version(of path: String) throws -> Int {
        try DatabaseFile(path).execute("PRAGMA wal_checkpoint(TRUNCATE)")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path)).dropFirst(60).prefix(4)
        return bytes.reduce(0) { $0 << 8 | Int($1) }
    }

    @Test(.enabled(if: SmallDisk.isPossible, mountComment)) func oneThatCannotBeWrittenIsSaid() throws {
        let place = try Place()
        let disk = try SmallDisk(at: place, size: "32m")
        try place.found("disk/us", named: "us")
        try disk.remount("ro")
        for command in [["status"], ["search", "x"], ["sync"], ["verify"], ["backup", "\(place.path)/b"], ["run"]] {
            let outcome = try Entente.run(["--home", "\(place.path)/disk/us"] + command)
            #expect(outcome.status == 74 && outcome.errors.contains("read-only"), "\(command): \(outcome.errors)")
            outcome.expectOneLine("\(command)")
        }
        let outcome = try submit(place, "disk/us")
        #expect(outcome.status == 74, "\(outcome.errors)")
        #expect(outcome.errors.contains("node.sqlite"), "\(outcome.errors)")
        outcome.expectOneLine()
        try disk.remount("rw")
        try place.expectSound("disk/us")
        #expect(try submit(place, "disk/us").status == 0)
    }

    @Test(.enabled(if: geteuid() != 0, "root may write everywhere")) func oneWithoutPermissionIsSaid() throws {
        let place = try Place()
        try place.found("us")
        chmod("\(place.path)/us", 0o500)
        defer { chmod("\(place.path)/us", 0o700) }
        let outcome = try submit(place)
        #expect(outcome.status == 74, "\(outcome.errors)")
        outcome.expectOneLine()
        chmod("\(place.path)/us", 0o700)
        try place.expectSound("us")
    }

    @Test(.enabled(if: SmallDisk.isPossible, mountComment)) func aFullDiskEndsAnImportAndKeepsWhatIsCommitted() throws {
        let place = try Place()
        let disk = try SmallDisk(at: place, size: "6m")
        try place.found("disk/us", named: "us")
        #expect(try submit(place, "disk/us").status == 0)
        let file = try place.file("many.jsonl", try Entente.run(["bench", "bodies", "--records", "60000"]).output)
        let outcome = try place.run("disk/us", "import", file)
        #expect(outcome.status == 74, "\(outcome.errors)")
        #expect(outcome.errors.contains("space"), "\(outcome.errors)")
        outcome.expectOneLine()

        // The disk is still full: nothing is lost, nothing is half there.
        try place.expectSound("disk/us")
        let held = try place.size(of: "us.example/krus", at: "disk/us")
        #expect(held >= 2 && (held - 2).isMultiple(of: 8_192) && held < 60_002, "\(held)")

        try disk.remount("size=256m")
        let again = try place.must("disk/us", "import", file, "--json").objects.first
        #expect(again?["duplicates"] as? Int == held - 2)
        #expect(again?["imported"] as? Int == 60_002 - held)
        try place.expectSound("disk/us")
    }

    /// A node that is to carry sealed parts since looks for those of earlier records; that it could not is said, and what came
    /// with the news stays.
    @Test func whatCannotBeReadAgainIsToldOfAndReadWithTheNextOpening() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let victim = try place.file("victim.txt", "Sky Mavis")
        let sealed = try place.must(
            "us", "submit", "attribution", "--field", "chain=BTC", "--field", "address=\(address)", "--field",
            "label=x",
            "--field", "victim=@\(victim)", "--to", "us.example", "--json")
        let reference = try #require(sealed.objects.first?["ref"] as? String)
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        place.stop("us")
        let file = "\(place.path)/us/node.yaml"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(text.contains("carry_sealed: recipients"))
        try text.replacingOccurrences(of: "carry_sealed: recipients", with: "carry_sealed: members")
            .write(toFile: file, atomically: true, encoding: .utf8)
        chmod(file, 0o600)
        try place.must("us", "peer", "add", "\(place.path)/kr.yaml", "--replace")
        try place.serve("us")
        let database = try DatabaseFile("\(place.path)/kr/node.sqlite")
        try database.execute(
            "CREATE TRIGGER held BEFORE INSERT ON blob BEGIN SELECT RAISE(ABORT, 'held'); END")
        let told = try place.must("kr", "sync", "us.example")
        #expect(told.errors.contains("could not be read again, which is tried again"), "\(told.errors)")
        try database.execute("DROP TRIGGER held")
        #expect(try place.size(of: "us.example/krus", at: "kr") == place.size(of: "us.example/krus", at: "us"))
        let again = try place.must("kr", "sync", "us.example")
        #expect(!again.errors.contains("again"), "\(again.errors)")
        let held = try place.must("us", "show", reference, "--json").objects.first
        #expect(held?["sealed_held_by"] as? [String] == ["kr.example"], "\(held ?? [:])")
    }

    @Test(.enabled(if: SmallDisk.isPossible, mountComment)) func aFullDiskEndsASyncAndKeepsWhatIsCommitted() throws {
        let place = try Place()
        let disk = try SmallDisk(at: place, size: "3m")
        try place.found("us")
        try place.found("disk/kr", named: "kr")
        try place.must("us", "peer", "add", "\(place.path)/kr.yaml")
        try place.must("disk/kr", "peer", "add", "\(place.path)/us.yaml")
        let size = try place.fill("us", records: 40_000)
        try place.serve("us")
        let outcome = try place.run("disk/kr", "sync")
        #expect(outcome.status == 74, "\(outcome.errors)")
        #expect(outcome.errors.contains("space"), "\(outcome.errors)")
        outcome.expectOneLine()
        try place.expectSound("disk/kr")
        #expect(try place.size(of: "us.example/krus", at: "disk/kr") < size)

        try disk.remount("size=256m")
        try place.must("disk/kr", "sync")
        #expect(try place.size(of: "us.example/krus", at: "disk/kr") == size)
        try place.expectSound("disk/kr")
    }
}
