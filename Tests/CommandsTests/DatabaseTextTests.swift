import Foundation
import Glibc
import Testing

/// What is said of a database that cannot be used: one line with what is wrong, where and what to do, whatever the
/// command. The file stays as it was found, and with the right one in its place the home is as it was.
@Suite(.serialized) struct DatabaseTextTests {
    /// What lies in the place of a database.
    enum Fault: String, CaseIterable {
        case half = "cut off in the middle"
        case zeros = "overwritten with zeros"
        case letter = "no database at all"
        case pages = "garbage but for its first page"
        case table = "one table less"
        case foreign = "somebody else's database"
        case folder = "a folder"

        var status: Int32 { self == .foreign || self == .folder ? 78 : 74 }

        /// The words for what is wrong.
        var says: String {
            switch self {
            case .half, .pages: "is damaged: "
            case .zeros, .letter: "is damaged: it is not a database"
            case .table: "is damaged: its table "
            case .foreign: "cannot be opened: it is another kind of database"
            case .folder: "cannot be opened: it is not a plain file"
            }
        }

        func strike(_ file: String, table: String) throws {
            let whole = try Data(contentsOf: URL(fileURLWithPath: file))
            let url = URL(fileURLWithPath: file)
            switch self {
            case .half: try whole.prefix(whole.count / 2 + 77).write(to: url)
            case .zeros: try Data(count: whole.count).write(to: url)
            case .letter: try Data(String(repeating: "Dear Sirs, ", count: 2_000).utf8).write(to: url)
            case .pages:
                let page = Int(whole[16]) << 8 | Int(whole[17])
                try (whole.prefix(page) + Data(repeating: 0xa7, count: whole.count - page)).write(to: url)
            case .table:
                let database = try DatabaseFile(file)
                try database.execute("PRAGMA foreign_keys = OFF; DROP TABLE \(table)")
                try database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            case .foreign:
                unlink(file)
                try DatabaseFile(file).execute("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
                // As with every other fault the permissions are right.
                chmod(file, 0o600)
            case .folder:
                unlink(file)
                mkdir(file, 0o700)
            }
        }
    }

    /// A home with records, its databases closed.
    private static func home() throws -> Place {
        let place = try Place()
        try place.found("us")
        _ = try place.fill("us", records: 300)
        try place.must("us", "search", "x")
        for name in ["node.sqlite", "signed.sqlite", "index.sqlite"] {
            try DatabaseFile("\(place.path)/us/\(name)").execute("PRAGMA wal_checkpoint(TRUNCATE)")
        }
        return place
    }

    private static let submit = [
        "submit", "attribution", "--field", "chain=BTC", "--field", "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "--field", "label=x",
    ]

    private func put(_ data: Data, in place: Place, _ name: String) throws {
        for suffix in ["", "-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: "\(place.path)/us/\(name)\(suffix)")
        }
        chmod(try place.file("us/\(name)", data), 0o600)
    }

    @Test(arguments: [
        ("node.sqlite", "tile", ["move ", "entente restore", "entente recover"]),
        ("signed.sqlite", "mark", ["move ", "entente recover --restored"]),
    ]) func aDatabaseThatCannotBeUsedIsSaidInOneLine(name: String, table: String, cure: [String]) throws {
        let place = try Self.home()
        let file = "\(place.path)/us/\(name)"
        let whole = try Data(contentsOf: URL(fileURLWithPath: file))
        let backup = "\(place.path)/us.entente"
        let all = [["status"], Self.submit, ["search", "x"], ["sync"], ["verify"], ["backup", backup], ["run"]]
        for (number, fault) in Fault.allCases.enumerated() {
            try put(whole, in: place, name)
            try fault.strike(file, table: table)
            let found = FileManager.default.contents(atPath: file)
            // All commands open it in the same way: one fault is tried with each of them, every other with one.
            for command in fault == .zeros ? all : [all[number % all.count]] {
                let outcome = try Entente.run(["--home", "\(place.path)/us"] + command)
                let text = "\(name), \(fault.rawValue), \(command[0]): \(outcome.status) \(outcome.errors)"
                #expect(outcome.status == fault.status && outcome.output.isEmpty, "\(text)")
                outcome.expectOneLine(text)
                for words in ["\(file) \(fault.says)"] + cure { #expect(outcome.errors.contains(words), "\(text)") }
                #expect(FileManager.default.contents(atPath: file) == found, "\(text)")
            }
        }
        #expect(try !place.names().contains { $0.hasPrefix("us.entente") })
        try put(whole, in: place, name)
        try place.expectSound("us")
        try place.submit("us", "goes on")
    }

    /// What is derived is not in the way of what is not.
    @Test func anIndexThatCannotBeUsedIsInTheWayOfSearchingAlone() throws {
        let place = try Self.home()
        let file = "\(place.path)/us/index.sqlite"
        let whole = try Data(contentsOf: URL(fileURLWithPath: file))
        for fault in Fault.allCases {
            try put(whole, in: place, "index.sqlite")
            try fault.strike(file, table: "block")
            let outcome = try place.run("us", "search", "x")
            #expect(outcome.status == fault.status && outcome.output.isEmpty, "\(fault): \(outcome.errors)")
            outcome.expectOneLine("\(fault)")
            #expect(outcome.errors.contains("\(file) \(fault.says)"), "\(outcome.errors)")
            #expect(outcome.errors.contains("made again from the logs"), "\(outcome.errors)")
        }
        try place.submit("us", "goes on")
        try place.expectSound("us")
        try FileManager.default.removeItem(atPath: file)
        #expect(try place.must("us", "search", "goes", "--json").objects.count == 1)
    }

    /// Damage in one page may touch what a command reads or not: it works, or says in one line what to do.
    @Test func aPageInTheMiddleCostsNothingButALine() throws {
        let place = try Self.home()
        let file = "\(place.path)/us/node.sqlite"
        let whole = try Data(contentsOf: URL(fileURLWithPath: file))
        let page = Int(whole[16]) << 8 | Int(whole[17])
        var refused = 0
        for number in stride(from: 1, to: whole.count / page, by: max(1, whole.count / page / 5)) {
            var changed = whole
            changed.replaceSubrange(number * page..<(number + 1) * page, with: Data(repeating: 0xa7, count: page))
            try put(changed, in: place, "node.sqlite")
            let outcome = try place.run("us", "backup", "\(place.path)/\(number).entente")
            #expect([0, 74].contains(outcome.status), "page \(number): \(outcome.status) \(outcome.errors)")
            outcome.expectOneLine("page \(number)")
            guard outcome.status == 74 else { continue }
            refused += 1
            #expect(outcome.errors.contains("\(file) is damaged: ") && outcome.errors.contains("entente restore"))
            #expect(try !place.names().contains("\(number).entente"))
        }
        #expect(refused > 0)
    }

    /// A database that was made anew in the place of the lost one is no node worth a backup.
    @Test func aHomeWithoutItsOwnLogIsNotBackedUp() throws {
        let place = try Place()
        try place.found("us")
        try place.lose("us", keeping: ["keys", "peers", "certs", "node.yaml"])
        try place.must("us", "status")
        let outcome = try place.run("us", "backup", "\(place.path)/us.entente")
        #expect(outcome.status == 77 && outcome.errors.contains("run `entente recover`"), "\(outcome.errors)")
        outcome.expectOneLine()
        #expect(try !place.names().contains { $0.hasPrefix("us.entente") })
    }

    /// Backups and copies are nobody's home: what is said of them is what their reader can do.
    @Test func aDamagedBackupOrCopyIsSaidWithAnotherCure() throws {
        let place = try Place()
        try place.found("us")
        let backup = "\(place.path)/us.entente"
        try place.must("us", "backup", backup)
        let whole = try Data(contentsOf: URL(fileURLWithPath: backup))
        try whole.prefix(whole.count / 2 + 77).write(to: URL(fileURLWithPath: backup))
        let copy = try place.file("node.sqlite", Data(count: 20_000))
        for arguments in [["verify", backup], ["restore", backup], ["verify", copy]] {
            let outcome = try Entente.run(["--home", "\(place.path)/new"] + arguments)
            #expect(outcome.status == 74 && outcome.output.isEmpty, "\(arguments): \(outcome.errors)")
            outcome.expectOneLine("\(arguments)")
            #expect(outcome.errors.contains(arguments[1]) && outcome.errors.contains("take another copy of it"))
        }
        let signed = try place.run("us", "verify", "\(place.path)/us/signed.sqlite")
        #expect(signed.status == 78 && signed.errors.contains("a copy of its node.sqlite"), "\(signed.errors)")
        signed.expectOneLine()
    }
}
