import Cryptography
import LogStore
import Testing

@Suite("Blobs and members")
struct BlobTests {
    private let bytes = [UInt8]("sealed bytes".utf8)

    private func replica(_ node: String, of bodies: [[UInt8]]) throws -> (StoreFolder, SQLiteLogStore) {
        let own = try StoreFolder()
        let source = try own.open()
        try source.createOwn()
        let head = try source.append(bodies)
        let folder = try StoreFolder(node: node)
        let replica = try folder.open()
        try replica.createReplica()
        try replica.receive(head, from: source)
        return (folder, replica)
    }

    @Test("An own blob goes in with its record, and only with the record that names its hash and size")
    func ownBlob() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        let body = RecordBodies.sealed(bytes, to: ["us.example", "kr.example"])
        let blob = NewBlob(sha256: SHA256.hash(bytes), bytes: bytes)
        let entries = [NewEntry(body: body, blob: blob)]
        _ = try store.append(entries, to: origin, options: plainOptions)
        let reference = BlobReference(log: logID, index: 0, sha256: SHA256.hash(bytes), size: bytes.count)
        #expect(try store.blob(reference) == bytes)
        #expect(try store.wantedBlobs(of: logID).isEmpty)
        for (body, blob) in [
            ([UInt8]("{}".utf8), blob),
            (RecordBodies.sealed([9], to: ["us.example"]), blob),
            (RecordBodies.sealed(bytes, to: ["us.example"], size: 7), blob),
            (body, NewBlob(sha256: SHA256.hash(bytes), bytes: [1, 2, 3])),
        ] {
            #expect(throws: StoreError.wrongBlob(index: 1)) {
                try store.append([NewEntry(body: body, blob: blob)], to: origin, options: plainOptions)
            }
        }
        try checkInvariants(store, bodies: [body])
    }

    @Test("A recipient wants the blob; others do not, unless the members carry what they cannot open")
    func wanted() throws {
        let sealed = RecordBodies.sealed(bytes, to: ["us.example", "kr.example"])
        let (_, recipient) = try replica("kr.example", of: [sealed])
        let reference = BlobReference(log: logID, index: 0, sha256: SHA256.hash(bytes), size: bytes.count)
        #expect(try recipient.wantedBlobs(of: logID) == [reference])
        let (_, other) = try replica("de.example", of: [sealed])
        #expect(try other.wantedBlobs(of: logID).isEmpty)
        #expect(throws: StoreError.unwantedBlob(index: 0)) { try other.store(bytes, for: reference) }
        let (_, carrier) = try replica(
            "de.example", of: [RecordBodies.members(["us.example", "de.example"], carry: true), sealed])
        #expect(try carrier.wantedBlobs(of: logID).map(\.index) == [1])
    }

    @Test("Only bytes with the hash and size of the record are stored")
    func storing() throws {
        let (folder, store) = try replica(
            "kr.example",
            of: [
                RecordBodies.sealed(bytes, to: ["kr.example"]),
                RecordBodies.sealed(bytes, to: ["kr.example"], size: 5, note: "lies about the size"),
            ])
        let wanted = try store.wantedBlobs(of: logID)
        #expect(wanted.map(\.index) == [0, 1])
        #expect(throws: StoreError.wrongBlob(index: 0)) { try store.store([1, 2], for: wanted[0]) }
        #expect(throws: StoreError.wrongBlob(index: 0)) { try store.store([], for: wanted[0]) }
        #expect(throws: StoreError.wrongBlob(index: 1)) { try store.store(bytes, for: wanted[1]) }
        let forged = BlobReference(log: logID, index: 0, sha256: SHA256.hash([UInt8]("x".utf8)), size: 1)
        #expect(throws: StoreError.unwantedBlob(index: 0)) { try store.store([UInt8]("x".utf8), for: forged) }
        #expect(try store.blob(wanted[0]) == nil)
        try store.store(bytes, for: wanted[0])
        #expect(try folder.open().blob(wanted[0]) == bytes)
        #expect(try store.wantedBlobs(of: logID).map(\.index) == [1])
        #expect(try store.blob(forged) == nil)
    }

    @Test("Who may have a blob comes from the record that names it, never from another that names the same hash")
    func readers() throws {
        let hash = SHA256.hash(bytes)
        let (_, store) = try replica(
            "kr.example",
            of: [
                RecordBodies.members(["us.example", "kr.example"]),
                RecordBodies.sealed(bytes, to: ["kr.example"]),
                RecordBodies.sealed(bytes, to: ["de.example"]),
                [UInt8]("not a record".utf8),
            ])
        let first = try #require(try store.blobReaders(of: logID, at: 1, sha256: hash))
        #expect(first.admits("kr.example") && !first.admits("de.example") && !first.admits("us.example"))
        let second = try #require(try store.blobReaders(of: logID, at: 2, sha256: hash))
        #expect(second.admits("de.example") && !second.admits("kr.example"))
        for index in [0, 3, 4, .max] as [UInt64] {
            #expect(try store.blobReaders(of: logID, at: index, sha256: hash) == nil)
        }
        #expect(try store.blobReaders(of: logID, at: 1, sha256: SHA256.hash("other")) == nil)
    }

    @Test("Nobody gets the bytes of a blob by naming its hash in a record of its own")
    func nameOfAHash() throws {
        let (_, store) = try replica("kr.example", of: [RecordBodies.sealed(bytes, to: ["kr.example"])])
        let reference = BlobReference(log: logID, index: 0, sha256: SHA256.hash(bytes), size: bytes.count)
        try store.store(bytes, for: reference)
        // Another node's log, whose records name the same hash: one admits the asker, one the holder, too.
        let thief = try store.createLog(
            origin: "jp.example/krus", node: "jp.example", community: "krus", isOwn: true, verifierKey: "key")
        try store.append(
            [["jp.example"], ["jp.example", "kr.example"]].map { RecordBodies.sealed(bytes, to: $0) },
            to: thief.origin)
        for index in [0, 1] as [UInt64] {
            let named = BlobReference(log: thief.id, index: index, sha256: reference.sha256, size: reference.size)
            let readers = try #require(try store.blobReaders(of: thief.id, at: index, sha256: named.sha256))
            #expect(readers.admits("jp.example"))
            #expect(try store.blob(named) == nil)
            #expect(try !store.keepsBlob(named))
        }
        #expect(try store.blob(reference) == bytes)
        for (log, index) in [(logID, 1), (thief.id, 2)] as [(SHA256Digest, UInt64)] {
            let nowhere = BlobReference(log: log, index: index, sha256: reference.sha256, size: reference.size)
            #expect(try store.blob(nowhere) == nil)
        }
    }

    @Test("The newest members record is the one that counts, in one range or over several")
    func membership() throws {
        let first = RecordBodies.members(["us.example"])
        let second = RecordBodies.members(["us.example", "kr.example"], carry: true)
        let (_, store) = try replica("kr.example", of: [first] + makeBodies(0..<300) + [second])
        let expected = Membership(members: ["us.example", "kr.example"], membersCarrySealed: true)
        #expect(try store.membership(of: logID) == expected)
        let folder = try StoreFolder()
        let own = try folder.open()
        try own.createOwn()
        #expect(try own.membership(of: logID) == nil)
        try own.append([second])
        try own.append([first])
        #expect(try own.membership(of: logID) == Membership(members: ["us.example"], membersCarrySealed: false))
        // What only mentions members is no such record; escapes do not hide one.
        try own.append([[UInt8](#"{"v":1,"type":"note","label":"\"members\"","members":["x.example"]}"#.utf8)])
        #expect(try own.membership(of: logID)?.members == ["us.example"])
        try own.append([[UInt8](#"{"v":1,"type":"member\u0073","members":["de.example"]}"#.utf8)])
        #expect(try own.membership(of: logID)?.members == ["de.example"])
    }

    @Test("Cosignatures are kept by cosigner and size, the newest of each, and absurd numbers are not")
    func cosignatures() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        let first = StoredCosignature(cosigner: "kr.example", size: 5, time: 100, line: "a")
        let older = StoredCosignature(cosigner: "kr.example", size: 5, time: 99, line: "b")
        let newer = StoredCosignature(cosigner: "kr.example", size: 5, time: 101, line: "c")
        let larger = StoredCosignature(cosigner: "kr.example", size: 6, time: 50, line: "d")
        for each in [first, older, newer, larger] { try store.store(each, of: logID) }
        try store.store(StoredCosignature(cosigner: "x.example", size: .max, time: 1, line: ""), of: logID)
        #expect(try store.cosignatures(of: logID) == [newer, larger])
    }
}
