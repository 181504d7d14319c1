import Cryptography
import Testing
import TransparencyLog

@Suite struct MerkleHasherTests {
    private let hasher = MerkleHasher()

    @Test func publishedHashesComeOut() {
        #expect(MerkleHasher.emptyRoot.base64 == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
        #expect(hasher.leaf([]).base64 == "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=")
        #expect(hasher.root(of: []) == MerkleHasher.emptyRoot)
    }

    @Test func leavesOfEveryLengthAreHashedBehindAZeroByte() {
        for length in [0, 1, 31, 55, 56, 63, 64, 400, 2_047, 2_048, 2_049, 16_384, 65_535] {
            let body = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            #expect(hasher.leaf(body) == SHA256.hash([0] + body))
        }
    }

    @Test func rootsOfAnyCountAreThoseOfTheDefinition() {
        let tree = NaiveTree(count: 1_030)
        for count in Array(0...70) + [127, 128, 129, 255, 256, 257, 511, 512, 513, 1_000, 1_030] {
            #expect(hasher.root(of: tree.leaves[..<count]) == tree.root(size: count))
        }
        #expect(hasher.root(ofPerfect: tree.leaves[256..<512]) == tree.root(256..<512))
        #expect(hasher.root(of: Set(tree.leaves.prefix(1))) == tree.leaves[0])
    }
}
