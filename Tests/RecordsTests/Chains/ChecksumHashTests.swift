import Cryptography
import Records
import Testing

@Suite("Hashes that address checksums need")
struct ChecksumHashTests {
    @Test(
        "Keccak-256 is right at, below and above the length of a block",
        arguments: [
            (0, "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
            (134, "e5de5653994e2fa6729d329b65b5f332dee942a7ea54515e173824c232a4ff91"),
            (135, "34367dc248bbd832f4e3e69dfaac2f92638bd0bbd18f2912ba4ef454919cf446"),
            (136, "a6c4d403279fe3e0af03729caada8374b5ca54d8065329a3ebcaeb4b60aa386e"),
            (137, "d869f639c7046b4929fc92a4d988a8b22c55fbadb802c0c66ebcd484f1915f39"),
            (272, "cf7fcd4f705ee749930d19ca84561a9bf62516bd90a471545fa2f49fdc7e63c8"),
            (1000, "b6a4ac1f51884d71f30fa397a5e155de3099e11fc0edef5d08b646e621e19de9"),
        ])
    func keccak(count: Int, expected: String) {
        #expect(Hexadecimal.encode(Keccak256.hash([UInt8](repeating: 0x61, count: count))) == expected)
    }

    @Test("Keccak-256 of abc is the published one, not SHA3-256's")
    func keccakOfABC() {
        #expect(
            Hexadecimal.encode(Keccak256.hash([UInt8]("abc".utf8)))
                == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45")
    }

    @Test("BLAKE2b agrees with the library's at every length around a block")
    func blake2b() {
        for count in [0, 1, 63, 64, 127, 128, 129, 255, 256, 257, 1000] {
            let message = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
            #expect(PersonalizedBLAKE2b.hash(message, byteCount: 32) == BLAKE2b.hash(message), "\(count)")
        }
        let name = [UInt8]("UA_F4Jumble_H".utf8) + [1, 0, 0]
        let digest = PersonalizedBLAKE2b.hash(
            [UInt8](repeating: 0x61, count: 129), personalization: name, byteCount: 40)
        #expect(
            Hexadecimal.encode(digest)
                == "3d4e4372a0edd7e4f0212c7498e37b871c340087ee8be902867fac43d0bbce6a8fc7e5d9fcd9882c")
    }

    @Test("SHA-512/256 is right from nothing to a full block")
    func truncatedSHA512() {
        #expect(
            Hexadecimal.encode(TruncatedSHA512.hash([]))
                == "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a")
        #expect(
            Hexadecimal.encode(TruncatedSHA512.hash([UInt8](repeating: 0x61, count: 111)))
                == "0239e429f98d0ed61ee8e2a7c30afe98c1c3a80ce5dff62a107e9c538f7632ce")
    }

    @Test("F4Jumble is undone for short messages and for those with several blocks")
    func jumble() throws {
        let short = try #require(
            Hexadecimal.decode(
                "ad89bfac63c78b1cc325661c40cc56b291cf50be748dba7bc0b74851fc87ac797da311647be438dcd8df735a3361a8d1"))
        #expect(F4Jumble.undo(short) == (0..<48).map { UInt8($0) })
        let long = try #require(
            Hexadecimal.decode(
                "b23b9554c2ac6e0222c9546061472c0d67a83a782d4cbe7c7564cd5068adf74056036dabf15136f739a0703313c9888c34b515"
                    + "50424912a93fac0b0c87dbba19cbe304296511b8b26e4db1033c24e207e78de0834e17f41bd303cbfe6c70a306ed5a8e5f"
                    + "a88450779776cd0a5c651abfffcb49cf25db47a80ac1c6b80ecf963f2a33038fd0add7240185a86c6ddb422493fe3e3d1a"
                    + "3f7a5e0e10886d638ff606a477aaaa01ea0ab6fa1baac3787d525a596f820c4f46b99e71ae3d7d117e5849aedd9ffcc16b"
                    + "bc55"))
        #expect(F4Jumble.undo(long) == (0..<200).map { UInt8($0) })
        #expect(F4Jumble.undo([UInt8](repeating: 0, count: 47)) == nil)
    }
}
