import Cryptography
import Foundation
import Home
import LogStore
import NodeService
import Records
import Testing
import TransparencyLog

/// Sealed fields are found by their whole value, and by nothing else, on the node that can open them.
@Suite(.serialized) struct SealedIndexTests {
    /// A home of one node in a temporary folder.
    private final class Home {
        let path = NSTemporaryDirectory() + "ent-\(UUID().uuidString.prefix(8))"
        let node: Node

        init() throws {
            node = try Node.found(
                Node.Founding(
                    node: "us.example", communities: ["krus"], listen: #require(HostAndPort("127.0.0.1:0")),
                    endpoint: nil, author: "a"), at: path)
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func append(_ records: [String], sealed: [String] = []) throws {
            let writer = try node.writer(community: "krus")
            let entries = try records.map { text in
                let draft = try RecordDraft(
                    object: JSONScanner.scan([UInt8](text.utf8)), time: #require(Timestamp(seconds: 0)), author: "a",
                    tlp: .green)
                return try writer.prepare(draft, wishes: .init(sealed: sealed)).entry
            }
            _ = try node.append(entries, community: "krus", signer: node.signer(community: "krus"))
        }

        /// Appends an erasure of the sealed part of this record, as a command would, or of another hash.
        func erase(_ index: UInt64, sha256: SHA256Digest? = nil) throws {
            let log = try #require(try node.store.log("us.example/krus"))
            let body = try #require(try node.store.body(of: log.id, at: index))
            let target = RecordTarget(
                reference: try #require(Reference("us.example/krus#\(index)")), hash: MerkleHasher().leaf(body))
            var erasure = try node.erasureRecord(
                of: target, in: node.community("krus"), reason: nil, author: "a", time: #require(Timestamp(seconds: 0)))
            if let sha256, let named = EntryRecord.read(erasure).record?.erasedBlob {
                erasure = [UInt8](
                    String(decoding: erasure, as: UTF8.self).replacingOccurrences(of: named.hex, with: sha256.hex).utf8)
            }
            _ = try node.append(
                [NewEntry(body: erasure)], community: "krus", signer: node.signer(community: "krus"))
        }

        /// All digests in the index, whatever they are of.
        func digests() throws -> Int {
            let index = try node.index()
            return try (0..<UInt32(1 << 14)).reduce(0) { try $0 + index.sealedRecords(digest: $1).count }
        }

        func found(_ conditions: (String, String)...) throws -> [UInt64] {
            try SealedIndex(node: node).positions(
                where: conditions.map { try SealedCondition(field: $0.0, value: $0.1) }
            ).map(\.index)
        }
    }

    private static let address = "0x098b716b8aaf21512996dc57eb0615e2383e2f96"

    private func attribution(_ more: String) -> String {
        #"{"type":"attribution","subject":{"chain":"eip155:1","address":"\#(Self.address)"},"label":"x",\#(more)}"#
    }

    @Test func cutDigestsCoincideAndGiveNoFalseHit() throws {
        let home = try Home()
        let count = 2_000
        try home.append((0..<count).map { attribution(#""case_number":"2023-\#($0)","victim":"v\#($0)""#) })
        let index = try home.node.index()
        _ = try home.found(("case_number", "2023-0"))
        // Some records must share a digest, otherwise this shows nothing.
        let shared = try (0..<UInt32(1 << 14)).filter { try index.sealedRecords(digest: $0).count > 1 }
        #expect(shared.count > 50)
        for number in stride(from: 0, to: count, by: 50) {
            #expect(try home.found(("case_number", "2023-\(number)")) == [UInt64(number) + 1])
            #expect(try home.found(("case_number", "2024-\(number)")) == [])
            // The value of another field is not this one's.
            #expect(try home.found(("case_number", "v\(number)")) == [])
        }
    }

    @Test func spellingsThatClearSearchTakesForOneAreOne() throws {
        let home = try Home()
        try home.append([
            attribution(#""case_number":"2023-0417","victim":"Ünïon  Bank, Seoul 지점""#),
            attribution(#""victim":"!!!""#),
            attribution(#""note":"\#(String(repeating: "a", count: 300))""#),
            attribution(#""note":"\#(String(repeating: "a", count: 301))""#),
        ])
        #expect(try home.found(("case_number", "2023/0417")) == [1])
        #expect(try home.found(("victim", "UNION BANK seoul 지점")) == [1])
        #expect(try home.found(("victim", "!!!")) == [2])
        // The whole value, not a part of it, however long.
        #expect(try home.found(("victim", "Union Bank")) == [])
        #expect(try home.found(("case_number", "20230417")) == [])
        #expect(try home.found(("note", String(repeating: "A", count: 300))) == [3])
        #expect(try home.found(("victim", "Union Bank Seoul 지점"), ("case_number", "2023-0417")) == [1])
        #expect(try home.found(("victim", "!!!"), ("case_number", "2023-0417")) == [])
    }

    @Test func recordsThatAreSealedAsAWholeAreFoundByWhatIsInThem() throws {
        let home = try Home()
        try home.append([
            #"{"type":"attribution","tlp":"red","subject":{"chain":"eip155:1","address":"\#(Self.address)"},"label":"x"}"#,
            #"{"type":"actor","tlp":"red","slug":"s","label":"l","aliases":["One Name","Another"],"jurisdictions":["KR"]}"#,
        ])
        let checksummed = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96"
        #expect(try home.found(("address", checksummed)) == [1])
        #expect(try home.found(("subject.address", checksummed)) == [1])
        #expect(try home.found(("aliases", "another")) == [2])
        #expect(try home.found(("aliases", "one name")) == [2])
    }

    @Test(arguments: ["tag_type", "cluster_definer", "jurisdictions", "confidence", "tlp", "nothing"])
    func fieldsOfFewValuesHaveNoIndex(field: String) {
        let error = #expect(throws: HomeError.self) { try SealedCondition(field: field, value: "KR") }
        #expect(error?.category == .usage)
    }

    @Test func theIndexFollowsAndIsFilledAgainWithAnotherKeyOrWithoutIt() throws {
        let home = try Home()
        try home.append([attribution(#""case_number":"one""#)])
        #expect(try home.found(("case_number", "one")) == [1])
        try home.append([attribution(#""case_number":"two""#)])
        #expect(try home.found(("case_number", "two")) == [2])
        let before = try home.node.index().sealedState()
        unlink("\(home.path)/keys/index.key")
        #expect(try home.found(("case_number", "one")) == [1])
        #expect(try home.node.index().sealedState()?.fingerprint != before?.fingerprint)
        // Only digests under the new key are left: one a record.
        let index = try home.node.index()
        let total = try (0..<UInt32(1 << 14)).reduce(0) { try $0 + index.sealedRecords(digest: $1).count }
        #expect(total == 2)
        for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] { unlink("\(home.path)/\(name)") }
        #expect(try home.found(("case_number", "two")) == [2])
    }

    @Test func aFurtherSealingKeyChangesNothingAndALostOneTakesWhatItOpened() throws {
        let home = try Home()
        try home.append([attribution(#""case_number":"one""#)])
        #expect(try home.found(("case_number", "one")) == [1])
        _ = try home.node.keystore.createSealingKey(epoch: 2)
        try home.append([attribution(#""case_number":"two""#)])
        #expect(try home.found(("case_number", "one")) == [1])
        #expect(try home.found(("case_number", "two")) == [2])
        let first = "\(home.path)/keys/sealing-1.key"
        let kept = try #require(FileManager.default.contents(atPath: first))
        unlink(first)
        #expect(try home.found(("case_number", "one")) == [])
        #expect(try home.found(("case_number", "two")) == [2])
        let index = try home.node.index()
        let total = try (0..<UInt32(1 << 14)).reduce(0) { try $0 + index.sealedRecords(digest: $1).count }
        #expect(total == 1)
        // It comes back from a backup.
        #expect(FileManager.default.createFile(atPath: first, contents: kept, attributes: [.posixPermissions: 0o600]))
        #expect(try home.found(("case_number", "one")) == [1])
    }

    @Test func whatIsErasedLeavesTheIndexAtOnceAndNothingElseDoes() throws {
        let home = try Home()
        try home.append((1...4).map { attribution(#""case_number":"case \#($0)","victim":"v""#) })
        #expect(try home.found(("case_number", "case 4")) == [4])
        #expect(try home.digests() == 8)
        // No search takes place in between.
        try home.erase(4)
        try home.node.forgetErasedValues()
        #expect(try home.digests() == 6)
        try home.erase(2)
        try home.node.forgetErasedValues()
        #expect(try home.digests() == 4)
        #expect(try home.found(("case_number", "case 4")) == [])
        #expect(try home.found(("victim", "v")) == [1, 3])
        try home.append([attribution(#""case_number":"case 7","victim":"v""#)])
        #expect(try home.found(("victim", "v")) == [1, 3, 7])
        // One that nobody was told of goes with the next search.
        try home.erase(7)
        #expect(try home.found(("case_number", "case 1")) == [1])
        #expect(try home.digests() == 4)
    }

    @Test func anErasureOfTheLastDoesNotFillTheIndexAgain() throws {
        let home = try Home()
        try home.append((1...4).map { attribution(#""case_number":"case \#($0)""#) })
        #expect(try home.found(("case_number", "case 4")) == [4])
        try home.erase(4)
        try home.erase(3)
        // A new one does not come to stand where an erased one was, and be taken for seen.
        try home.append([attribution(#""case_number":"case 7""#)])
        var opened: UInt64 = 0
        try SealedIndex(node: home.node).update { done, _ in opened = done }
        #expect(opened == 1)
        #expect(try home.found(("case_number", "case 7")) == [7])
        #expect(try home.found(("case_number", "case 1")) == [1])
    }

    @Test func anErasureThatNamesOtherBytesTakesNothingAway() throws {
        let home = try Home()
        try home.append([attribution(#""case_number":"one""#)])
        #expect(try home.found(("case_number", "one")) == [1])
        try home.erase(1, sha256: SHA256.hash("other"))
        try home.node.forgetErasedValues()
        #expect(try home.found(("case_number", "one")) == [1])
        try home.erase(1)
        try home.node.forgetErasedValues()
        #expect(try home.digests() == 0)
    }

    @Test func whoOpenedAnEnvelopeBeforeItWasErasedWritesNoDigestsAfter() throws {
        let home = try Home()
        try home.append([attribution(#""case_number":"one""#)])
        #expect(try home.found(("case_number", "one")) == [1])
        let index = try home.node.index()
        let before = try #require(try index.sealedState())
        let row = try #require(try home.node.store.lastBlob())
        var batch = RecordIndex.SealedBatch()
        batch.digests = [(row, [1, 2, 3])]
        try home.erase(1)
        try index.forgetErased()
        #expect(try index.addSealed(batch, in: before, after: .awaited) == false)
        #expect(try home.digests() == 0)
        // With what holds now it may.
        let now = try #require(try index.sealedState())
        #expect(try index.addSealed(batch, in: now, after: .awaited))
    }

    @Test func whatIsErasedLeavesTheWriteAheadLogToo() throws {
        let home = try Home()
        try home.append([attribution(#""case_number":"one""#)])
        #expect(try home.found(("case_number", "one")) == [1])
        // Somebody has the file open: it is not tidied up by being closed.
        let open = try home.node.index()
        _ = try open.sealedState()
        func size() throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: "\(home.path)/index.sqlite-wal")[.size] as? Int
        }
        try home.append([attribution(#""case_number":"two""#)])
        #expect(try home.found(("case_number", "two")) == [2])
        #expect(try size() != 0)
        try home.erase(2)
        try home.node.forgetErasedValues()
        #expect(try size() == 0)
        #expect(try open.sealedState()?.erasure?.record.index == 3)
    }
}
