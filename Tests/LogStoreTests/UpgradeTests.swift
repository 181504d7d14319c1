import Cryptography
import GRDB
import LogStore
import Testing
import TransparencyLog

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
                "published_key", "foreign_key", "access_grant", "blob_erasure", "seen_card", "card_mark",
                "foreign_cosigner",
                "log_contact", "asked_witness", "witness_cosignature", "restored", "unread_successor", "given_up",
                "later_log", "begun_log", "open_end",
            ])
        try takeBack(folder.marks, tables: ["erased_blob", "witnessed", "witness_key", "remade", "recovered"])
        do {
            let store = try folder.open()
            #expect(try store.log(origin)?.size == 300)
            try store.append(makeBodies(300..<301))
            #expect(try store.log(origin)?.size == 301)
        }
        #expect(try schema(folder.database) == now.node)
        #expect(try schema(folder.marks) == now.marks)
    }

    /// Until version 6 a grant or an erasure stood in the log that it is about.
    @Test("Grants and erasures of earlier releases stay what they are")
    func rights() throws {
        let folder = try StoreFolder()
        let blob = [UInt8]("sealed".utf8)
        let body = RecordBodies.sealed(blob, to: ["us.example"])
        let sha256 = SHA256.hash(blob)
        let before: (grants: [SealedGrant], erasures: [Erasure])
        let now: (node: Set<String>, marks: Set<String>)
        do {
            let store = try folder.open()
            try store.createOwn()
            for _ in 0..<2 {
                _ = try store.append(
                    [NewEntry(body: body, blob: NewBlob(sha256: sha256, bytes: blob))], to: origin,
                    options: plainOptions)
            }
            try store.append([
                RecordBodies.grant(
                    of: "us.example/krus#0", hash: MerkleHasher().leaf(body),
                    commitment: [UInt8](repeating: 0, count: 32), to: "jp.example"),
                RecordBodies.erasure(of: "us.example/krus#1", sha256: sha256),
            ])
            before = (try store.grants(of: logID), try store.erasures(of: logID))
            #expect(before.grants.count == 1 && before.erasures.count == 1)
            now = (try schema(folder.database), try schema(folder.marks))
        }
        try execute(
            folder.database,
            """
            CREATE TABLE sealed_grant (
                number INTEGER PRIMARY KEY, log INTEGER NOT NULL REFERENCES log (id), entry INTEGER NOT NULL,
                record INTEGER NOT NULL, node TEXT NOT NULL, hash BLOB NOT NULL, commitment BLOB NOT NULL,
                UNIQUE (log, entry, record, node)) STRICT;
            INSERT INTO sealed_grant
                SELECT number, (SELECT id FROM log WHERE log.log_id = access_grant.log_id), entry, record, node, hash,
                    commitment FROM access_grant;
            CREATE TABLE erasure (
                number INTEGER PRIMARY KEY, log INTEGER NOT NULL REFERENCES log (id), entry INTEGER NOT NULL,
                sha256 BLOB NOT NULL, record INTEGER NOT NULL, wiped INTEGER NOT NULL DEFAULT 0, blob_row INTEGER,
                UNIQUE (log, entry, sha256)) STRICT;
            INSERT INTO erasure
                SELECT number, (SELECT id FROM log WHERE log.log_id = blob_erasure.log_id), entry, sha256, record,
                    wiped, blob_row FROM blob_erasure;
            DROP TABLE access_grant; DROP TABLE blob_erasure; DROP TABLE unread_successor; DROP TABLE given_up;
            DROP TABLE later_log; DROP TABLE begun_log; DROP TABLE open_end;
            PRAGMA user_version = 6
            """)
        try execute(
            folder.marks,
            """
            CREATE TABLE erased (
                log_id BLOB NOT NULL, entry INTEGER NOT NULL, sha256 BLOB NOT NULL, record INTEGER NOT NULL,
                PRIMARY KEY (log_id, entry, sha256)) STRICT, WITHOUT ROWID;
            INSERT INTO erased SELECT log_id, entry, sha256, record FROM erased_blob;
            DROP TABLE erased_blob; DROP TABLE recovered;
            PRAGMA user_version = 4
            """)
        do {
            // As a copy that may only be read, first.
            let store = try SQLiteLogStore(
                reading: FoundDatabase(folder.database), marks: FoundDatabase(folder.marks), node: "us.example")
            #expect(try store.grants(of: logID) == before.grants)
            #expect(try store.erasures(of: logID) == before.erasures)
        }
        let store = try folder.open()
        #expect(try store.grants(of: logID) == before.grants)
        #expect(try store.erasures(of: logID) == before.erasures)
        #expect(try before.erasures.allSatisfy { try store.isMarked($0) })
        #expect(try schema(folder.database) == now.node)
        #expect(try schema(folder.marks) == now.marks)
    }

    private func execute(_ path: String, _ statements: String) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.writeWithoutTransaction { try $0.execute(sql: statements) }
        try queue.close()
    }
}
