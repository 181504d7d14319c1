import GRDB
import LogStore
import Testing

@Suite("Databases of earlier releases")
struct UpgradeTests {
    /// Makes of a database what release 1 would have made of it.
    private func takeBack(_ path: String, tables: [String]) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.writeWithoutTransaction { db in
            for table in tables { try db.execute(sql: "DROP TABLE \(table)") }
            try db.execute(sql: "PRAGMA user_version = 1")
        }
        try queue.close()
    }

    private func schema(_ path: String) throws -> Set<String> {
        let queue = try DatabaseQueue(path: path)
        defer { try? queue.close() }
        return try queue.read { db in
            Set(try String.fetchAll(db, sql: "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"))
        }
    }

    @Test("They get the tables that they lack, and keep what they hold")
    func upgrade() throws {
        let folder = try StoreFolder()
        do {
            let store = try folder.open()
            try store.createOwn()
            try store.append(makeBodies(0..<300))
        }
        let now = (node: try schema(folder.database), marks: try schema(folder.marks))
        try takeBack(
            folder.database,
            tables: [
                "published_key", "foreign_key", "sealed_grant", "erasure", "seen_card", "card_mark", "foreign_cosigner",
                "log_contact", "asked_witness", "witness_cosignature", "restored",
            ])
        try takeBack(folder.marks, tables: ["erased", "witnessed", "witness_key", "remade"])
        do {
            let store = try folder.open()
            #expect(try store.log(origin)?.size == 300)
            try store.append(makeBodies(300..<301))
            #expect(try store.log(origin)?.size == 301)
        }
        #expect(try schema(folder.database) == now.node)
        #expect(try schema(folder.marks) == now.marks)
    }
}
