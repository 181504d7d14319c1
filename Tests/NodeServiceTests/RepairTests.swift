import Cryptography
import LogStore
import NodeService
import Testing
import TransparencyLog

/// Damage is mended from partners in the next session, by nothing but what was signed.
@Suite struct RepairTests {
    /// us and kr, who hold the same.
    private func partners(_ count: Int, more: [String] = []) async throws -> (us: TestNode, kr: TestNode) {
        let us = try TestNode("us.example", partners: ["kr.example"] + more)
        let kr = try TestNode("kr.example", partners: ["us.example"] + more)
        try us.know(kr)
        try kr.know(us)
        try us.append(count)
        #expect(try await synchronise(kr, us).0.error == nil)
        return (us, kr)
    }

    @Test(arguments: [true, false])
    func everyKindOfDamageIsMendedByteForByte(atOwner: Bool) async throws {
        let (us, kr) = try await partners(66_000)
        let (hurt, whole) = atOwner ? (us, kr) : (kr, us)
        let log = us.log.id
        let before = try hurt.rows(of: log)
        for place in [Damage.Place.bundle(3), .bundle(257), .tile(level: 0, number: 4), .tile(level: 1, number: 0)] {
            try hurt.store.flip(place, of: log, byte: 20)
        }
        for place in [Damage.Place.bundle(4), .bundle(90), .tile(level: 0, number: 90), .tile(level: 1, number: 1)] {
            try hurt.store.lose(place, of: log)
        }
        let found = try await hurt.scrub()
        #expect(Set(found.damaged.map(\.place)).isSuperset(of: [.bundle(3), .bundle(4), .bundle(90), .bundle(257)]))
        #expect(try hurt.store.damagedRanges(of: log) == [768..<1_280, 23_040..<23_296, 65_792..<66_000])

        // Either side may open the connection.
        let (report, other) = try await atOwner ? synchronise(hurt, whole) : synchronise(whole, hurt)
        #expect(report.error == nil && other.error == nil)
        #expect((atOwner ? report : other).repaired > 0)
        #expect(try hurt.store.damage(of: log).isEmpty)
        #expect(try hurt.rows(of: log) == before)
        #expect(try await hurt.scrub().isSound)
        // Nothing is asked for twice.
        #expect(try await synchronise(hurt, whole).0.bytesIn < 800)
    }

    @Test func aDamagedNodeNeitherServesNorCosignsUntilItIsMended() async throws {
        let (us, kr) = try await partners(1_000, more: ["jp.example"])
        let jp = try TestNode("jp.example", partners: ["us.example", "kr.example"])
        for (one, other) in [(us, jp), (jp, us), (kr, jp), (jp, kr)] { try one.know(other) }
        try kr.store.flip(.bundle(1), of: us.log.id, byte: 20)
        _ = try await kr.scrub()
        // jp gets what is sound, and not what is not.
        _ = try await synchronise(jp, kr)
        #expect(try jp.store.log(us.log.origin)?.size == 256)
        // kr takes what is new, but does not say that it holds all of it.
        try us.append(10)
        try kr.store.mark(
            [Damage(place: .tile(level: 7, number: 0), reason: "not to be mended", found: 1)], of: us.log.id)
        #expect(try await synchronise(kr, us).0.error == nil)
        #expect(try kr.store.damagedRanges(of: us.log.id).isEmpty)
        #expect(try us.store.cosignatures(of: us.log.id).map(\.size) == [1_000])
        try kr.store.clear([.tile(level: 7, number: 0)], of: us.log.id)
        try kr.store.flip(.bundle(2), of: us.log.id, byte: 20)
        _ = try await kr.scrub()
        #expect(try await synchronise(kr, us).0.error == nil)
        #expect(try us.store.cosignatures(of: us.log.id).map(\.size) == [1_000, 1_010])
        // And jp gets the rest.
        #expect(try await synchronise(jp, kr).0.error == nil)
        #expect(try jp.store.log(us.log.origin)?.size == 1_010)
    }

    @Test func aPartnerThatIsDamagedItselfDoesNotHelpAndAnotherDoes() async throws {
        let (us, kr) = try await partners(1_000, more: ["jp.example"])
        let jp = try TestNode("jp.example", partners: ["us.example", "kr.example"])
        for (one, other) in [(us, jp), (jp, us), (kr, jp), (jp, kr)] { try one.know(other) }
        #expect(try await synchronise(jp, us).0.error == nil)
        for node in [kr, jp] {
            try node.store.flip(.bundle(1), of: us.log.id, byte: 20)
            try node.store.flip(.bundle(2), of: us.log.id, byte: 20)
            _ = try await node.scrub()
        }
        try jp.store.flip(.bundle(2), of: us.log.id, byte: 20)
        #expect(try await jp.scrub().damaged.map(\.place) == [.bundle(1)])
        // What jp holds it gives; the rest it refuses, and the session ends all the same.
        #expect(try await synchronise(kr, jp).0.error == nil)
        #expect(try kr.store.damagedRanges(of: us.log.id) == [256..<512])
        #expect(try await synchronise(kr, us).0.error == nil)
        #expect(try kr.store.damage(of: us.log.id).isEmpty)
    }

    @Test func aLyingPartnerIsFoundOutAndMendsNothing() async throws {
        let (us, kr) = try await partners(1_000)
        // kr's copy was edited, and kr does not know or does not say.
        try kr.store.tamper(log: us.log.id, entry: 300)
        try us.store.lose(.bundle(1), of: us.log.id)
        try us.store.flip(.tile(level: 0, number: 1), of: us.log.id, byte: 3)
        _ = try await us.scrub()
        let (report, _) = try await synchronise(us, kr)
        #expect(report.error?.kind == .violation)
        #expect(try us.store.damagedRanges(of: us.log.id) == [256..<512])
        #expect(try us.store.bundles(of: us.log.id, entries: 256..<512).isEmpty)
    }

    @Test func aPartnerThatHasNotFollowedYetMendsWhatItHas() async throws {
        let (us, kr) = try await partners(600)
        try us.append(110)
        try us.store.flip(.bundle(2), of: us.log.id, byte: 20)
        _ = try await us.scrub()
        // kr cannot follow while the bundle is damaged, the bundle is mended with what kr has of it, and kr follows.
        #expect(try await synchronise(us, kr).0.error == nil)
        #expect(try us.store.damage(of: us.log.id).isEmpty)
        #expect(try kr.store.log(us.log.origin)?.size == 710)
    }

    @Test func sealedPartsComeBackFromARecipient() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let kr = try TestNode("kr.example", partners: ["us.example"])
        try us.know(kr)
        try kr.know(us)
        let bytes = [UInt8]("sealed bytes".utf8)
        try us.appendSealed(bytes, to: ["kr.example", "us.example"])
        #expect(try await synchronise(kr, us).0.error == nil)
        let reference = BlobReference(log: us.log.id, index: 0, sha256: SHA256.hash(bytes), size: bytes.count)
        #expect(try kr.store.blob(reference) == bytes)
        for (hurt, whole) in [(us, kr), (kr, us)] {
            for isLost in [false, true] {
                if isLost {
                    try hurt.store.lose(.blob(entry: 0), of: us.log.id)
                } else {
                    try hurt.store.flip(.blob(entry: 0), of: us.log.id, byte: 4)
                }
                #expect(try await hurt.scrub().damaged.map(\.place) == [.blob(entry: 0)])
                #expect(try await synchronise(hurt, whole).0.error == nil)
                #expect(try hurt.store.blob(reference) == bytes)
                #expect(try await hurt.scrub().isSound)
            }
        }
    }
}

/// What a log is stored as.
private struct StoredRows: Equatable {
    let bundles: [StoredBundle]
    let tiles: [[UInt64: [UInt8]]]
}

extension TestNode {
    fileprivate func rows(of log: SHA256Digest) throws -> StoredRows {
        StoredRows(
            bundles: try store.bundles(of: log, entries: 0..<1_000_000),
            tiles: try (0..<3).map { try store.tiles(of: log, level: $0, numbers: 0..<1_000_000) })
    }
}
