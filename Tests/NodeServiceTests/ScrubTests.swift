import Cryptography
import LogStore
import NodeService
import Records
import Testing
import TransparencyLog

/// What a scrub notices, whatever row it is in, and what it takes for sound.
@Suite struct ScrubTests {
    @Test func whatIsSoundIsFoundSoundAtEverySize() async throws {
        let node = try TestNode("us.example", partners: [])
        for count in [0, 1, 254, 1, 1, 300, 65_000] {
            if count > 0 { try node.append(count) }
            let report = try await node.scrub()
            #expect(report.isSound && report.repaired.isEmpty)
            #expect(try report.checked == node.store.log(node.log.origin)?.size)
        }
    }

    /// Rows of a log of 66,000 entries: bundles that are compressed and the raw last one, tiles full and at the edge.
    @Test(arguments: [
        Damage.Place.bundle(0), .bundle(100), .bundle(257), .tile(level: 0, number: 0), .tile(level: 0, number: 257),
        .tile(level: 1, number: 0), .tile(level: 1, number: 1), .tile(level: 2, number: 0),
    ])
    func oneBitOrALostRowIsFoundWhereItIs(place: Damage.Place) async throws {
        let node = try TestNode("us.example", partners: [])
        try node.append(66_000)
        for byte in [0, 9, 31] as [Int?] + [nil] {
            if let byte {
                try node.store.flip(place, of: node.log.id, byte: byte)
            } else {
                try node.store.lose(place, of: node.log.id)
            }
            let report = try await node.scrub()
            if case .bundle(let number) = place {
                // Bodies are the one thing that cannot be made anew here.
                #expect(report.damaged.map(\.place) == [place] && report.repaired.isEmpty)
                #expect(try node.store.damage(of: node.log.id).map(\.place) == [place])
                let first = number * 256
                #expect(report.damaged[0].reference == "us.example/krus#\(first)-\(min(65_999, first + 255))")
                if let byte { try node.store.flip(place, of: node.log.id, byte: byte) }
                guard byte != nil else { continue }
                // Sound again, by whatever means: the mark goes.
                #expect(try await node.scrub().isSound)
            } else {
                #expect(report.repaired.map(\.place) == [place] && report.damaged.isEmpty)
            }
            #expect(try node.store.damage(of: node.log.id).isEmpty)
            #expect(try LogAuditor(store: node.store, mirrorKeys: [:]).audit(node.store.logs()).isSound)
        }
    }

    @Test func aChangedBodyIsToldFromAChangedLeafHash() async throws {
        let node = try TestNode("us.example", partners: [])
        try node.append(700)
        // In the middle, where the tile above tells; at the edge, where only the signed root does.
        for entry in [300, 690] as [UInt64] {
            try node.store.tamper(log: node.log.id, entry: entry)
            #expect(try await node.scrub().damaged.map(\.place) == [.bundle(entry / 256)])
            try node.store.tamper(log: node.log.id, entry: entry)
            #expect(try await node.scrub().isSound)
        }
        // Both at once.
        try node.store.tamper(log: node.log.id, entry: 300)
        try node.store.flip(.tile(level: 0, number: 1), of: node.log.id, byte: 5)
        #expect(
            try await node.scrub().damaged.map(\.place) == [.bundle(1), .tile(level: 0, number: 1)])
    }

    @Test func entriesAndHashesThatAgreeButWereNeverSignedAreFound() async throws {
        let node = try TestNode("us.example", partners: [])
        try node.append(700)
        // An intruder changes an entry and every hash above it.
        try node.store.tamper(log: node.log.id, entry: 300)
        for place in [Damage.Place.tile(level: 0, number: 1), .tile(level: 1, number: 0)] {
            try node.store.lose(place, of: node.log.id)
        }
        let hasher = MerkleHasher()
        var edge = TreeEdge()
        var tiles: [Tile] = []
        for bundle in try node.store.bundles(of: node.log.id, entries: 0..<700) {
            let hashes = try EntryBundle.leafHashes(of: node.store.raw(bundle), hasher: hasher)
            tiles += edge.append(leafHashes: hashes, hasher: hasher)
        }
        for tile in tiles + edge.tilesAtEdge where tile.coordinate.number == 1 || tile.coordinate.level == 1 {
            let hex = tile.data.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            try node.store.execute(
                "INSERT INTO tile SELECT id, \(tile.coordinate.level), \(tile.coordinate.number), X'\(hex)' FROM log")
        }
        let report = try await node.scrub()
        #expect(report.damaged.contains { $0.place == .bundle(1) })
        #expect(try node.store.damagedRanges(of: node.log.id) == [0..<700])
    }

    @Test func sealedPartsAreReadAgainAndLostOnesAreMissed() async throws {
        let node = try TestNode("us.example", partners: [])
        let bytes = [UInt8]("sealed bytes".utf8)
        try node.appendSealed(bytes, to: ["us.example"])
        #expect(try await node.scrub().isSound)
        let reference = BlobReference(log: node.log.id, index: 0, sha256: SHA256.hash(bytes), size: bytes.count)
        for isLost in [false, true] {
            if isLost {
                try node.store.lose(.blob(entry: 0), of: node.log.id)
            } else {
                try node.store.flip(.blob(entry: 0), of: node.log.id, byte: 4)
            }
            let report = try await node.scrub()
            #expect(report.damaged.map(\.reference) == ["us.example/krus#0"])
            #expect(try node.store.wantedBlobs(of: node.log.id) == [reference])
            try node.store.store(bytes, for: reference)
            #expect(try await node.scrub().isSound)
        }
    }

    @Test func aCheckpointThatItsKeyDidNotSignProvesNothing() async throws {
        let node = try TestNode("us.example", partners: [])
        try node.append(10)
        try node.store.execute("UPDATE checkpoint SET note = replace(note, char(10) || '10' || char(10), char(10))")
        let report = try await node.scrub()
        #expect(!report.isSound && report.problems.count == 1)
    }
}

extension TestNode {
    func scrub() async throws -> ScrubReport {
        try await Scrubber(store: store, rest: 0).scrub(store.logs())
    }

    /// Appends a record that names these bytes as its sealed part.
    func appendSealed(_ bytes: [UInt8], to recipients: [String]) throws {
        let zeros = String(repeating: "0", count: 64)
        let list = recipients.sorted().map { #"{"node":"\#($0)","key_id":"\#(zeros)"}"# }.joined(separator: ",")
        let header =
            #"{"suite":"entente-seal/1","salt":"\#(Base64.encode([UInt8](repeating: 0, count: 16)))","recipients":"#
            + #"[\#(list)],"fields":["note"],"size":\#(bytes.count),"sha256":"\#(SHA256.hash(bytes).hex)","#
            + #""commitment":"\#(Base64.encode([UInt8](repeating: 0, count: 32)))"}"#
        let body = [UInt8](#"{"v":1,"type":"attribution","label":"x","sealed":\#(header)}"#.utf8)
        try append([NewEntry(body: body, blob: NewBlob(sha256: SHA256.hash(bytes), bytes: bytes))])
    }
}
