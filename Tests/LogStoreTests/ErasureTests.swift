import Cryptography
import Foundation
import GRDB
import Glibc
import LogStore
import Testing
import TransparencyLog

/// What records of a log say about sealed parts after they were written: to whom they are opened, and that they are to
/// be deleted.
@Suite("Grants and erasures")
struct ErasureTests {
    private let bytes = [UInt8]("sealed bytes that are to be found nowhere".utf8)
    private var reference: BlobReference {
        BlobReference(log: logID, index: 0, sha256: SHA256.hash(bytes), size: bytes.count)
    }
    private var sealed: [UInt8] { RecordBodies.sealed(bytes, to: ["us.example", "kr.example"]) }

    private func author(_ folder: StoreFolder) throws -> SQLiteLogStore {
        try folder.author([.sealed(bytes, to: ["us.example", "kr.example"])])
    }

    private func erasure(_ target: String = "us.example/krus#0") -> [UInt8] {
        RecordBodies.erasure(of: target, sha256: reference.sha256)
    }

    private func grant(
        _ target: String = "us.example/krus#0", to node: String = "jp.example", of body: [UInt8]? = nil,
        commitment: [UInt8] = [UInt8](repeating: 0, count: 32)
    ) -> [UInt8] {
        RecordBodies.grant(
            of: target, hash: MerkleHasher().leaf(body ?? sealed), commitment: commitment, to: node)
    }

    // MARK: Grants

    @Test("A grant makes the sealed part wanted at the new reader, who may have it from then on")
    func granted() throws {
        let folder = try StoreFolder()
        let us = try author(folder)
        #expect(try us.blobReaders(of: logID, at: 0, sha256: reference.sha256)?.admits("jp.example") == false)
        let head = try us.append([grant()])
        #expect(try us.blobReaders(of: logID, at: 0, sha256: reference.sha256)?.admits("jp.example") == true)
        for step in [1, 1_024] as [UInt64] {
            let there = try StoreFolder(node: "jp.example")
            let jp = try there.open()
            try jp.createReplica()
            try jp.receive(head, from: us, step: step)
            #expect(try jp.wantedBlobs(of: logID) == [reference])
            try jp.store(bytes, for: reference)
            #expect(try jp.blob(reference) == bytes)
            // A lost row is missed, and made again.
            try jp.lose(.blob(entry: 0), of: logID)
            let bundle = try #require(try jp.bundles(of: logID, entries: 0..<1).first)
            let log = try #require(try jp.log(origin))
            let missing = try jp.missingBlobRows(among: jp.expectedBlobs(in: bundle, of: log))
            #expect(missing == [reference])
        }
    }

    @Test("What is no grant of the author to that very record opens nothing")
    func notGranted() throws {
        let cases: [(String, [UInt8])] = [
            ("another log's record", grant("kr.example/krus#0")),
            ("another record", grant("us.example/krus#1")),
            ("a record still to come", grant("us.example/krus#5")),
            ("another leaf hash", grant(of: [1, 2, 3])),
            ("another commitment", grant(commitment: [UInt8](repeating: 1, count: 32))),
            (
                "no list of nodes",
                RecordBodies.grant(of: "us.example/krus#0", hash: .zero, commitment: [], to: "jp.example")
            ),
        ]
        for (what, body) in cases {
            let folder = try StoreFolder()
            let us = try author(folder)
            let head = try us.append([[UInt8]("{}".utf8), body])
            #expect(
                try us.blobReaders(of: logID, at: 0, sha256: reference.sha256)?.admits("jp.example") == false, "\(what)"
            )
            let void = try us.blobReaders(of: logID, at: 0, sha256: reference.sha256)?.void.flatMap(\.nodes) ?? []
            #expect(void == (what.hasPrefix("another leaf") || what.hasPrefix("another comm") ? ["jp.example"] : []))
            let there = try StoreFolder(node: "jp.example")
            let jp = try there.open()
            try jp.createReplica()
            try jp.receive(head, from: us)
            #expect(try jp.wantedBlobs(of: logID).isEmpty, "\(what)")
        }
    }

    @Test("Who becomes a carrier wants what was sealed before, also after a crash, but nothing that was erased")
    func laterCarrier() throws {
        let folder = try StoreFolder()
        let us = try author(folder)
        let second = [UInt8]("another sealed part".utf8)
        let other = BlobReference(log: logID, index: 1, sha256: SHA256.hash(second), size: second.count)
        try us.append([RecordBodies.sealed(second, to: ["us.example"]), erasure()])
        try us.append(makeBodies(0..<300))
        let head = try us.append([RecordBodies.members(["us.example", "jp.example"], carry: true)])
        for step in [1, 1_024] as [UInt64] {
            let there = try StoreFolder(node: "jp.example")
            do {
                let jp = try there.open()
                try jp.createReplica()
                try jp.receive(head, from: us, step: step)
                #expect(try jp.wantedBlobs(of: logID) == [other])
                // As after a crash behind the commit.
                try jp.execute("DELETE FROM blob; INSERT INTO unread_successor SELECT id FROM log")
            }
            let again = try there.open()
            #expect(try again.wantedBlobs(of: logID) == [other])
            // Nothing is left to be done, and a row that is lost afterwards is missed by a scrub.
            try again.lose(.blob(entry: 1), of: logID)
            #expect(try there.open().wantedBlobs(of: logID).isEmpty)
            let bundle = try #require(try again.bundles(of: logID, entries: 0..<1).first)
            let log = try #require(try again.log(origin))
            #expect(try again.missingBlobRows(among: again.expectedBlobs(in: bundle, of: log)) == [other])
        }
    }

    // MARK: Erasures

    @Test("The author's bytes leave the database, its write-ahead log and its free pages")
    func bytesAreGone() throws {
        let folder = try StoreFolder()
        let us = try author(folder)
        // Whatever the library was built with.
        #expect(try us.pragmas("secure_delete") == ["1", "1"])
        // Neighbours of all sizes, so that pages are split and freed.
        var others: [[UInt8]] = []
        for index in 0..<60 {
            let other = [UInt8]("other \(index) \(String(repeating: "y", count: index * 997 % 40_000))".utf8)
            others.append(other)
            _ = try us.append(
                [.sealed(other, to: ["us.example"])], to: origin, options: plainOptions)
        }
        #expect(try files(folder).contains { contains($0, bytes) })
        try us.append([erasure()])
        #expect(try us.blob(reference) == nil)
        #expect(try files(folder).allSatisfy { !contains($0, bytes) })
        for (index, other) in others.enumerated() {
            let kept = BlobReference(
                log: logID, index: UInt64(index + 1), sha256: SHA256.hash(other), size: other.count)
            #expect(try us.blob(kept) == other)
        }
        try checkInvariants(us)
    }

    @Test("A replica that received, damaged and moved the bytes about has none of them left either")
    func replicaBytesAreGone() throws {
        let folder = try StoreFolder()
        let us = try author(folder)
        let blobs = (0..<200).map { [UInt8]("n\($0) \(String(repeating: "z", count: $0 * 61 % 900))".utf8) }
        try us.append(blobs.map { RecordBodies.sealed($0, to: ["kr.example"]) })
        let there = try StoreFolder(node: "kr.example")
        let kr = try there.open()
        try kr.createReplica()
        try kr.receive(#require(try us.log(origin)?.head), from: us)
        try kr.store(bytes, for: reference)
        for (index, blob) in blobs.enumerated().shuffled() {
            try kr.store(
                blob,
                for: BlobReference(log: logID, index: UInt64(index + 1), sha256: SHA256.hash(blob), size: blob.count))
        }
        try kr.store(bytes, for: reference)
        let head = try us.append([erasure()])
        try kr.receive(head, from: us)
        #expect(try files(there).allSatisfy { !contains($0, bytes) })
        #expect(try kr.blobs(of: logID, from: 0, limit: 1_000).count == 200)
    }

    @Test("Bytes that another reader keeps in the write-ahead log go at the next chance")
    func wipedLater() throws {
        let folder = try StoreFolder()
        let us = try author(folder)
        try us.append([erasure()])
        // As after a crash between the commit and the rest.
        try us.execute("UPDATE blob_erasure SET wiped = 0")
        try folder.open().settleErasures()
        #expect(try files(folder).allSatisfy { !contains($0, bytes) })
    }

    @Test("Nobody takes erased bytes again: not wanted, not stored, not missed, not served")
    func neverAgain() throws {
        let folder = try StoreFolder()
        let us = try author(folder)
        let head = try us.append([erasure()])
        for step in [1, 1_024] as [UInt64] {
            let there = try StoreFolder(node: "kr.example")
            let kr = try there.open()
            try kr.createReplica()
            try kr.receive(head, from: us, step: step)
            for store in [us, kr] {
                #expect(try store.wantedBlobs(of: logID).isEmpty)
                #expect(try store.surroundings(in: ["krus"]).flatMap(\.wantedBlobs).isEmpty)
                #expect(throws: StoreError.erasedBlob(index: 0)) { try store.store(bytes, for: reference) }
                let log = try #require(try store.log(origin))
                let bundle = try #require(try store.bundles(of: logID, entries: 0..<1).first)
                let expected = try store.expectedBlobs(in: bundle, of: log)
                #expect(expected == [reference])
                #expect(try store.missingBlobRows(among: expected).isEmpty)
                try store.restoreBlobRow(reference)
                #expect(try store.wantedBlobs(of: logID).isEmpty)
                let readers = try #require(try store.blobReaders(of: logID, at: 0, sha256: reference.sha256))
                #expect(readers.isErased && !readers.admits("kr.example") && readers.mayHold("kr.example"))
                #expect(
                    try store.erasure(of: logID, at: 0, sha256: reference.sha256)
                        == Erasure(
                            log: logID, index: 0, sha256: reference.sha256,
                            record: RecordPosition(log: logID, index: 1)))
            }
        }
        // A grant that follows opens nothing.
        let late = try us.append([grant()])
        let there = try StoreFolder(node: "jp.example")
        let jp = try there.open()
        try jp.createReplica()
        try jp.receive(late, from: us)
        #expect(try jp.wantedBlobs(of: logID).isEmpty)
    }

    @Test("What is no erasure by the author of that very record erases nothing")
    func notErased() throws {
        let other = SHA256.hash("other")
        let cases: [(String, [UInt8])] = [
            ("another log's record", erasure("kr.example/krus#0")),
            ("another record", erasure("us.example/krus#1")),
            ("a record still to come", erasure("us.example/krus#7")),
            ("other bytes", RecordBodies.erasure(of: "us.example/krus#0", sha256: other)),
            ("no record", [UInt8](#"{"type":"erasure","target":"us.example/krus#0"}"#.utf8)),
        ]
        for (what, body) in cases {
            let folder = try StoreFolder()
            let us = try author(folder)
            try us.append([[UInt8]("{}".utf8), body])
            #expect(try us.blob(reference) == bytes, "\(what)")
            #expect(try us.blobReaders(of: logID, at: 0, sha256: reference.sha256)?.isErased == false, "\(what)")
        }
        // The same in a log of somebody else's.
        let folder = try StoreFolder()
        let us = try author(folder)
        try us.createLog(
            origin: "kr.example/krus", node: "kr.example", community: "krus", isOwn: true, verifierKey: "key")
        try us.append([[UInt8]("{}".utf8), erasure()], to: "kr.example/krus")
        #expect(try us.blob(reference) == bytes)
        #expect(try us.erasures(of: SHA256.hash("kr.example/krus")).isEmpty)
    }

    @Test("An older copy of the database gives nothing back: it is erased again when it is opened")
    func restoredCopy() throws {
        let folder = try StoreFolder()
        let copy = try StoreFolder()
        do {
            let us = try author(folder)
            _ = try us.pragmas("wal_checkpoint(TRUNCATE)")
        }
        folder.copy(["node.sqlite", "node.sqlite-wal"], to: copy)
        do {
            let us = try folder.open()
            try us.append([erasure()])
        }
        copy.copy(["node.sqlite", "node.sqlite-wal"], to: folder)
        unlink("\(folder.path)/node.sqlite-shm")
        #expect(try files(folder).contains { contains($0, bytes) })
        let restored = try folder.open()
        #expect(try restored.log(origin)?.size == 1)
        #expect(try restored.blob(reference) == nil)
        #expect(try restored.blobReaders(of: logID, at: 0, sha256: reference.sha256)?.admits("kr.example") == false)
        #expect(throws: StoreError.erasedBlob(index: 0)) { try restored.store(bytes, for: reference) }
        #expect(try files(folder).allSatisfy { !contains($0, bytes) })
        // Neither does a database that is begun anew.
        for name in ["node.sqlite", "node.sqlite-wal", "node.sqlite-shm"] { unlink("\(folder.path)/\(name)") }
        let anew = try folder.open()
        try anew.createReplica()
        let other = try StoreFolder()
        let source = try author(other)
        try anew.receive(#require(try source.log(origin)?.head), from: source)
        #expect(try anew.wantedBlobs(of: logID).isEmpty)
    }

    @Test("Marks that were lost and made anew hold every erasure of the database again, settled or not")
    func remadeMarks() throws {
        let folder = try StoreFolder()
        let copy = try StoreFolder()
        let second = [UInt8]("another sealed part".utf8)
        let other = BlobReference(log: logID, index: 2, sha256: SHA256.hash(second), size: second.count)
        do {
            let us = try author(folder)
            try us.append([erasure()])
            _ = try us.append(
                [.sealed(second, to: ["us.example"])], to: origin, options: plainOptions)
        }
        let marks = ["signed.sqlite", "signed.sqlite-wal"]
        for name in marks + ["signed.sqlite-shm"] { unlink("\(folder.path)/\(name)") }
        do {
            let us = try folder.open()
            #expect(try us.erasures(of: logID).allSatisfy { try us.isMarked($0) })
            _ = try us.pragmas("wal_checkpoint(TRUNCATE)")
        }
        // As many more are erased as were before; then the older database comes back without its erasures.
        folder.copy(["node.sqlite", "node.sqlite-wal"], to: copy)
        do { try folder.open().append([RecordBodies.erasure(of: "us.example/krus#2", sha256: other.sha256)]) }
        copy.copy(["node.sqlite", "node.sqlite-wal"], to: folder)
        unlink("\(folder.path)/node.sqlite-shm")
        let restored = try folder.open()
        #expect(try restored.blob(other) == nil)
        #expect(try restored.erasures(of: logID).map(\.index) == [0, 2])
        #expect(try files(folder).allSatisfy { !contains($0, second) })
    }

    @Test("As many erasures on both sides are not the same ones")
    func equalCounts() throws {
        let folder = try StoreFolder()
        let us = try author(folder)
        try us.append([erasure()])
        let other = SHA256.hash("other")
        // The marks of an older copy, with one that the database does not have.
        try DatabaseQueue(path: folder.marks).write {
            try $0.execute(sql: "UPDATE erased_blob SET sha256 = ?", arguments: [Data(other.bytes)])
        }
        let again = try folder.open()
        #expect(Set(try again.erasures(of: logID).map(\.sha256)) == [reference.sha256, other])
        #expect(try again.erasures(of: logID).allSatisfy { try again.isMarked($0) })
    }

    @Test("An erasure that its own record does not say is not made to last by the marks")
    func forgedErasure() throws {
        let folder = try StoreFolder()
        let us = try author(folder)
        try us.append([[UInt8]("{}".utf8)])
        let forged = Erasure(
            log: logID, index: 0, sha256: reference.sha256, record: RecordPosition(log: logID, index: 1))
        try us.execute(
            """
            INSERT INTO blob_erasure (log_id, entry, sha256, record_log, record, wiped)
            VALUES (x'\(logID.hex)', 0, x'\(reference.sha256.hex)', x'\(logID.hex)', 1, 1)
            """)
        #expect(try !folder.open().isMarked(forged))
    }

    @Test("Rows of grants and erasures that are gone are made again from the log")
    func rightsComeBack() throws {
        let folder = try StoreFolder()
        let us = try author(folder)
        let other = [UInt8]("another sealed part".utf8)
        let second = RecordBodies.sealed(other, to: ["us.example"])
        try us.append([second])
        try us.append([erasure(), grant("us.example/krus#1", of: second)])
        try us.execute("DELETE FROM blob_erasure")
        try us.execute("DELETE FROM access_grant")
        let log = try #require(try us.log(origin))
        for bundle in try us.bundles(of: logID, entries: 0..<4) { try us.restoreRights(in: bundle, of: log) }
        #expect(try us.erasures(of: logID).map(\.record.index) == [2])
        #expect(try us.grants(of: logID).map(\.nodes) == [["jp.example"]])
    }

    // MARK: Files

    private func files(_ folder: StoreFolder) throws -> [[UInt8]] {
        StoreFolder.names(in: folder.path).filter { $0.hasPrefix("node.sqlite") }
            .compactMap { StoreFolder.bytesThroughCopy(of: "\(folder.path)/\($0)") }
    }

    private func contains(_ file: [UInt8], _ text: [UInt8]) -> Bool {
        guard let first = text.first else { return true }
        return file.indices.contains { file[$0] == first && file[$0...].starts(with: text) }
    }
}
