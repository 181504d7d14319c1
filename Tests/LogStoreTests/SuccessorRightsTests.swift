import Cryptography
import Glibc
import LogStore
import Testing
import TransparencyLog

/// A log that was given up takes nothing more: its owner opens and erases sealed parts of it in the successor.
@Suite("Grants and erasures in a successor")
struct SuccessorRightsTests {
    private let successor = "us.example/krus/2"
    private let bytes = [UInt8]("sealed bytes".utf8)
    private var sealed: [UInt8] { RecordBodies.sealed(bytes, to: ["us.example", "kr.example"]) }
    private var reference: BlobReference {
        BlobReference(log: logID, index: 0, sha256: SHA256.hash(bytes), size: bytes.count)
    }
    private var erasure: [UInt8] { RecordBodies.erasure(of: "us.example/krus#0", sha256: reference.sha256) }
    private var grant: [UInt8] {
        RecordBodies.grant(
            of: "us.example/krus#0", hash: MerkleHasher().leaf(sealed),
            commitment: [UInt8](repeating: 0, count: 32), to: "jp.example")
    }

    private func author(_ folder: StoreFolder, successor: String? = nil) throws -> SQLiteLogStore {
        let store = try folder.author([
            NewEntry(body: sealed, blob: NewBlob(sha256: reference.sha256, bytes: bytes))
        ])
        let parts = (successor ?? self.successor).split(separator: "/")
        try store.createLog(
            origin: successor ?? self.successor, node: String(parts[0]), community: String(parts[1]), isOwn: true,
            verifierKey: "key")
        return store
    }

    @Test("An erasure in a successor takes the sealed part away, at its author and at a holder, for good")
    func erased() throws {
        let us = try author(StoreFolder())
        let first = try #require(try us.log(origin)?.head)
        let there = try StoreFolder(node: "kr.example")
        let kr = try there.open()
        try kr.createReplica()
        try kr.createReplica(successor)
        try kr.receive(first, from: us)
        try kr.store(bytes, for: reference)
        let second = try us.append([[UInt8]("{}".utf8), erasure], to: successor)
        try kr.receive(second, from: us, log: SHA256.hash(successor))
        let expected = Erasure(
            log: logID, index: 0, sha256: reference.sha256,
            record: RecordPosition(log: SHA256.hash(successor), index: 1))
        for store in [us, kr] {
            #expect(try store.blob(reference) == nil)
            #expect(try store.erasures(of: logID) == [expected])
            #expect(try store.erasures(of: SHA256.hash(successor)).isEmpty)
            #expect(try store.erasures(saidBy: SHA256.hash(successor)) == [expected])
            #expect(try store.blobReaders(of: logID, at: 0, sha256: reference.sha256)?.admits("kr.example") == false)
            #expect(throws: StoreError.erasedBlob(index: 0)) { try store.store(bytes, for: reference) }
            #expect(try store.isMarked(expected))
            #expect(try store.says(expected) == true)
        }
    }

    @Test(
        "Whichever of the logs comes first, the sealed part is not wanted once it is erased, and is once it is opened")
    func anyOrder() throws {
        for isErased in [true, false] {
            let us = try author(StoreFolder())
            let first = try #require(try us.log(origin)?.head)
            let second = try us.append([isErased ? erasure : grant], to: successor)
            for successorFirst in [true, false] {
                let there = try StoreFolder(node: isErased ? "kr.example" : "jp.example")
                let store = try there.open()
                if successorFirst {
                    try store.createReplica(successor)
                    try store.receive(second, from: us, log: SHA256.hash(successor))
                }
                try store.createReplica()
                try store.receive(first, from: us)
                if !successorFirst {
                    try store.createReplica(successor)
                    try store.receive(second, from: us, log: SHA256.hash(successor))
                }
                #expect(try store.wantedBlobs(of: logID) == (isErased ? [] : [reference]))
            }
        }
    }

    @Test(
        "A log that is no successor has no say",
        arguments: ["kr.example/krus/2", "us.example/other/2", "us.example/other"])
    func strangers(stranger: String) throws {
        let us = try author(StoreFolder(), successor: stranger)
        try us.append([erasure, grant], to: stranger)
        #expect(try us.blob(reference) == bytes)
        #expect(try us.erasures(of: logID).isEmpty && us.grants(of: logID).isEmpty)
    }

    @Test("Nor has a log about its successors")
    func predecessor() throws {
        let us = try author(StoreFolder())
        _ = try us.append(
            [NewEntry(body: sealed, blob: NewBlob(sha256: reference.sha256, bytes: bytes))], to: successor,
            options: plainOptions)
        try us.append([
            [UInt8]("{}".utf8), RecordBodies.erasure(of: "\(successor)#0", sha256: reference.sha256),
        ])
        let later = BlobReference(
            log: SHA256.hash(successor), index: 0, sha256: reference.sha256, size: bytes.count)
        #expect(try us.blob(later) == bytes && us.blob(reference) == bytes)
    }

    @Test("Of erasures in a log and in its successors the last successor's stands, whichever came first")
    func theLastSuccessorSpeaks() throws {
        for successorFirst in [true, false] {
            let us = try author(StoreFolder())
            if successorFirst { try us.append([erasure], to: successor) }
            try us.append([erasure])
            if !successorFirst { try us.append([erasure], to: successor) }
            #expect(
                try us.erasures(of: logID).map(\.record) == [RecordPosition(log: SHA256.hash(successor), index: 0)])
        }
    }

    @Test("What an earlier release saw nothing in is obeyed once this one has the database")
    func upgraded() throws {
        let folder = try StoreFolder()
        do {
            let us = try author(folder)
            try us.append([[UInt8]("{}".utf8), erasure, grant], to: successor)
            // As it was left: the entries are there, and nothing is kept of what they say.
            try us.execute("DELETE FROM blob_erasure; DELETE FROM access_grant")
            try us.execute("INSERT INTO unread_successor SELECT id FROM log WHERE origin = '\(successor)'")
            try us.execute(
                "INSERT INTO blob (log, entry, sha256, size, data) SELECT id, 0, x'\(reference.sha256.hex)', "
                    + "\(reference.size), x'\(Hexadecimal.encode(bytes))' FROM log WHERE origin = '\(origin)'")
            #expect(try us.blob(reference) == bytes)
        }
        for name in ["signed.sqlite", "signed.sqlite-wal", "signed.sqlite-shm"] {
            unlink("\(folder.path)/\(name)")
        }
        let us = try folder.open()
        #expect(try us.blob(reference) == nil)
        #expect(try us.erasures(of: logID).count == 1 && us.grants(of: logID).count == 1)
        // Once, and not at each opening.
        try us.execute("DELETE FROM access_grant")
        #expect(try folder.open().grants(of: logID).isEmpty)
    }

    @Test("A successor that is damaged does not keep the database from being opened by this release")
    func upgradedDamaged() throws {
        for data in ["zeroblob(length(data))", "x''", "CAST('xx\"target\"\"erasure\"' AS BLOB)"] {
            let folder = try StoreFolder()
            do {
                let us = try author(folder)
                try us.append([[UInt8]("{}".utf8), erasure], to: successor)
                try us.execute("INSERT INTO unread_successor SELECT id FROM log WHERE origin = '\(successor)'")
                try us.execute(
                    "UPDATE bundle SET data = \(data) WHERE log = (SELECT id FROM log WHERE origin = '\(successor)')")
            }
            #expect(try folder.open().log(origin)?.size == 1)
        }
    }

    @Test("Rows that are gone are made again from the successor")
    func rowsComeBack() throws {
        let us = try author(StoreFolder())
        try us.append([erasure, grant], to: successor)
        try us.execute("DELETE FROM blob_erasure; DELETE FROM access_grant")
        let log = try #require(try us.log(successor))
        for bundle in try us.bundles(of: log.id, entries: 0..<2) { try us.restoreRights(in: bundle, of: log) }
        #expect(try us.erasures(of: logID).map(\.record.index) == [0])
        #expect(try us.grants(of: logID).map(\.record) == [RecordPosition(log: log.id, index: 1)])
    }

    @Test("Nobody gets a sealed part while a successor that came back with a backup may have had it erased")
    func restored() throws {
        let there = try StoreFolder(node: "kr.example")
        let kr = try there.open()
        try kr.createReplica()
        try kr.createReplica(successor)
        #expect(try !kr.mayLackErasures(of: logID))
        try kr.execute("INSERT INTO restored SELECT id, 1 FROM log WHERE origin = '\(successor)'")
        #expect(try kr.mayLackErasures(of: logID))
        #expect(try kr.mayLackErasures(of: SHA256.hash(successor)))
        try kr.execute("DELETE FROM restored; INSERT INTO restored SELECT id, 1 FROM log WHERE origin = '\(origin)'")
        #expect(try kr.mayLackErasures(of: logID))
        #expect(try !kr.mayLackErasures(of: SHA256.hash(successor)))
    }
}
