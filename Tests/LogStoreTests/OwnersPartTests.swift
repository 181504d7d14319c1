import Cryptography
import LogStore
import Records
import Testing

/// A log whose owner says in a successor how many entries of it are its own, and their root.
@Suite("The owner's part of a log that was given up")
struct OwnersPartTests {
    private let successor = "us.example/krus/2"

    /// A replica at kr with the entries of a log up to a size, beside a successor that speaks of two entries.
    private func replica(of store: SQLiteLogStore, upTo head: SignedHead?, root: SHA256Digest) throws -> SQLiteLogStore
    {
        let kr = try StoreFolder(node: "kr.example").open()
        try kr.createReplica()
        try kr.createReplica(successor)
        if let head { try kr.receive(head, from: store) }
        let us = try StoreFolder().open()
        try us.createLog(
            origin: successor, node: "us.example", community: "krus", isOwn: true, verifierKey: "key")
        let first = try us.append(
            [RecordBodies.members(["kr.example", "us.example"], predecessor: (origin, 2, root))], to: successor)
        try kr.receive(first, from: us, log: SHA256.hash(successor))
        return kr
    }

    /// A log with one entry, then another, then a third.
    private func log(_ second: Int) throws -> (store: SQLiteLogStore, heads: [SignedHead]) {
        let store = try StoreFolder().open()
        try store.createOwn()
        return (store, try [0, second, 7].map { try store.append(makeBodies($0..<($0 + 1))) })
    }

    @Test("A checkpoint at the end is taken with the root that the owner says, and with no other")
    func end() throws {
        let (us, own) = try log(1)
        let (_, foreign) = try log(2)
        let kr = try replica(of: us, upTo: own[0], root: own[1].root)
        #expect(throws: StoreError.notOfOwner(origin: origin, size: 2)) { try kr.pin(foreign[1], of: logID) }
        #expect(throws: StoreError.givenUp(origin: origin, size: 2)) { try kr.pin(own[2], of: logID) }
        try kr.receive(own[1], from: us)
        #expect(try kr.log(origin)?.head == own[1])
    }

    @Test("A checkpoint that was being brought in goes, where the owner says another root")
    func pending() throws {
        let (us, own) = try log(1)
        let (_, foreign) = try log(2)
        let kr = try StoreFolder(node: "kr.example").open()
        try kr.createReplica()
        try kr.createReplica(successor)
        try kr.receive(own[0], from: us)
        try kr.pin(foreign[1], of: logID)
        let next = try StoreFolder().open()
        try next.createLog(
            origin: successor, node: "us.example", community: "krus", isOwn: true, verifierKey: "key")
        let first = try next.append(
            [RecordBodies.members(["kr.example", "us.example"], predecessor: (origin, 2, own[1].root))],
            to: successor)
        try kr.receive(first, from: next, log: SHA256.hash(successor))
        #expect(try kr.log(origin)?.pending == nil)
        try kr.receive(own[1], from: us)
    }

    @Test("Where more is here, a checkpoint of the owner's part is taken if its entries are those that are here")
    func beyond() throws {
        let (us, own) = try log(1)
        let (_, foreign) = try log(2)
        let kr = try replica(of: us, upTo: own[2], root: own[1].root)
        let log = try #require(try kr.log(origin))
        #expect(log.reachesBeyondOwner && log.sizeOfOwner == 2)
        #expect(try kr.headOfOwner(log) == nil)
        let other = SignedHead(size: 1, root: foreign[1].root, note: "another")
        #expect(throws: StoreError.contradictsHeld(origin: origin, size: 1)) { try kr.pin(other, of: logID) }
        for head in own[0...1] {
            try kr.pin(head, of: logID)
            #expect(try kr.headOfOwner(log) == head)
        }
        #expect(throws: StoreError.notContiguous(held: 2, start: 1)) { try kr.pin(own[0], of: logID) }
        #expect(try kr.log(origin)?.head == own[2])
        #expect(try kr.rootOfOwner(logID) == own[1].root)
    }
}
