import Cryptography
import LogStore
import NodeService
import Records
import Testing

/// Which key of a partner is sealed to.
@Suite struct SealingKeyBookTests {
    private typealias Published = (node: String, origin: String, key: PublishedKey)

    private func published(_ bytes: [UInt8], epoch: UInt32) throws -> Published {
        let record = KeyRecord(
            role: .sealing, action: .publishes, keyID: SHA256.hash(bytes), publicKey: Base64.encode(bytes), epoch: epoch
        )
        return ("kr.example", "kr.example/krus", try #require(PublishedKey(record, entry: UInt64(epoch))))
    }

    /// Encodings of points of small order, also one with the ignored top bit and one that is not reduced.
    @Test(arguments: [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ])
    func aKeyThatWouldSealForEverybodyIsNotTakenFromARecord(hex: String) throws {
        let weak = try published(#require(Hexadecimal.decode(hex)), epoch: 2)
        let good = try SealedBox.PrivateKey().publicKey
        let alone = SealingKeyBook(cards: [], published: [weak])
        #expect(alone.newest(of: "kr.example") == nil && alone.nodes == [])
        // Nor does it push out the key before it, or the one behind.
        let before = try published(good.bytes, epoch: 1)
        #expect(SealingKeyBook(cards: [], published: [before, weak]).newest(of: "kr.example")?.key == good)
        let same = try published(good.bytes, epoch: 2)
        let both = SealingKeyBook(cards: [], published: [weak, same])
        #expect(both.newest(of: "kr.example")?.key == good && both.conflicts == [])
    }

    @Test func theNewestOfTheOthersCounts() throws {
        let keys = try (0..<3).map { _ in try SealedBox.PrivateKey().publicKey }
        let book = SealingKeyBook(
            cards: [], published: try [2, 3, 1].map { try published(keys[$0 - 1].bytes, epoch: UInt32($0)) })
        #expect(book.newest(of: "kr.example")?.key == keys[2])
    }
}
