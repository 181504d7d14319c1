import Cryptography
import Foundation
import Home
import LogStore
import NodeService
import Records
import Testing

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
}
