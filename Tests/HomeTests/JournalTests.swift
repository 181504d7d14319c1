import Foundation
import Home
import Records
import Testing

@Suite("The journal")
struct JournalTests {
    private let temporary: TemporaryFolder
    private let home: HomeFolder
    private var journal: Journal { Journal(home) }

    init() throws {
        temporary = try TemporaryFolder()
        home = try HomeFolder.create(temporary("home"))
    }

    private func lines() throws -> [JSONValue?] {
        var lines: [JSONValue?] = []
        try journal.read { lines.append($0) }
        return lines
    }

    private let entry = Journal.Entry(.show, reference: "us.example/krus#1", fields: ["case_number", "victim"])

    @Test("says who opened what and when, for nobody else to read")
    func entries() throws {
        #expect(try lines().isEmpty)
        try journal.note([entry, Journal.Entry(.agent, count: 7)])
        try journal.note([Journal.Entry(.export)], for: Journal.Reader(user: 4_000_000_000, process: 9))
        try journal.note([])
        #expect(Disk.mode(home.journalFile) == 0o600)
        let lines = try lines()
        #expect(lines.map { $0?["deed"]?.string } == ["show", "agent", "export"])
        let first = try #require(lines[0])
        #expect(first["ref"]?.string == "us.example/krus#1")
        #expect(first["fields"]?.array?.compactMap(\.string) == ["case_number", "victim"])
        #expect(first["time"]?.string.flatMap { Timestamp($0) } != nil)
        #expect(first["uid"].map(JSONWriter.text) == "\(geteuid())")
        #expect(lines[1]?["count"].map(JSONWriter.text) == "7")
        #expect(lines[2]?["user"]?.string == "uid-4000000000")
    }

    @Test("keeps to whole lines after one was broken off")
    func brokenLine() throws {
        try journal.note([entry])
        let whole = try Disk.text(home.journalFile)
        for cut in [1, whole.utf8.count / 2, whole.utf8.count - 1] {
            try Disk.write(whole + String(whole.prefix(cut)), home.journalFile)
            try journal.note([entry])
            let lines = try lines()
            #expect(lines.count == 3)
            #expect(lines[0] != nil && lines[2] != nil)
        }
    }

    @Test("has every line of writers at the same time")
    func together() async throws {
        let journal = journal
        let entry = entry
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask { for _ in 0..<10 { try journal.note([entry, entry]) } }
            }
            try await group.waitForAll()
        }
        let lines = try lines()
        #expect(lines.count == 80)
        #expect(lines.allSatisfy { $0 != nil })
    }

    @Test("that cannot be written refuses, with what to do")
    func refusals() throws {
        try journal.note([entry])
        chmod(home.journalFile, 0o644)
        let error = try #require(throws: HomeError.self) { try journal.note([entry]) }
        #expect(error.category == .notPermitted)
        #expect(error.description.contains("chmod 600 \(home.journalFile)"))
        #expect(error.description.contains("nothing is opened or exported without a line"))
        try FileManager.default.removeItem(atPath: home.journalFile)
        try FileManager.default.createDirectory(atPath: home.journalFile, withIntermediateDirectories: false)
        #expect(throws: HomeError.self) { try journal.note([entry]) }
        try FileManager.default.removeItem(atPath: home.journalFile)
        try Disk.write("", temporary("elsewhere"))
        try FileManager.default.createSymbolicLink(
            atPath: home.journalFile, withDestinationPath: temporary("elsewhere"))
        #expect(throws: HomeError.self) { try journal.note([entry]) }
        #expect(try Disk.text(temporary("elsewhere")).isEmpty)
    }
}
