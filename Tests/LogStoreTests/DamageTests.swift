import Cryptography
import LogStore
import Testing
import TransparencyLog

/// Damage that is marked, and what mends it: bodies of a partner under a signed root, tiles from bodies.
@Suite("Damage")
struct DamageTests {
    /// A log and a replica of it, both whole, with a checkpoint that its key has signed.
    private struct Pair {
        let folders: [StoreFolder]
        let source: SQLiteLogStore
        let replica: SQLiteLogStore
        let head: SignedHead
        let signer: NoteSigner

        init(_ count: Int) throws {
            signer = try NoteSigner(name: origin, privateKey: Ed25519.PrivateKey())
            folders = [try StoreFolder(), try StoreFolder(node: "kr.example")]
            source = try folders[0].open()
            replica = try folders[1].open()
            for (store, isOwn) in [(source, true), (replica, false)] {
                try store.createLog(
                    origin: origin, node: "us.example", community: "krus", isOwn: isOwn,
                    verifierKey: signer.verifierKey.text)
            }
            head = try Self.append(makeBodies(0..<count), to: source, signer)
            try replica.receive(head, from: source)
        }

        static func append(_ bodies: [[UInt8]], to store: SQLiteLogStore, _ signer: NoteSigner) throws -> SignedHead {
            try store.append(
                bodies.map { NewEntry(body: $0) }, to: origin,
                options: AppendOptions { size, root in
                    try Checkpoint(origin: origin, size: size, root: root).sign(with: signer).serialized
                }
            ).head
        }

        /// Flips a bit in rows of the replica, or deletes them, and marks them.
        func damage(flipped: [Damage.Place] = [], lost: [Damage.Place] = []) throws {
            for place in flipped { try replica.flip(place, of: logID, byte: 17) }
            for place in lost { try replica.lose(place, of: logID) }
            let all = flipped + lost
            try replica.mark(all.map { Damage(place: $0, reason: "by the test", found: 1) }, of: logID)
        }

        func checkIsWhole(_ location: SourceLocation = #_sourceLocation) throws {
            #expect(try replica.damage(of: logID).isEmpty, sourceLocation: location)
            let all = 0..<head.size
            #expect(
                try replica.bundles(of: logID, entries: all) == source.bundles(of: logID, entries: all),
                sourceLocation: location)
            for level in 0..<3 {
                #expect(
                    try replica.tiles(of: logID, level: level, numbers: 0..<1_000)
                        == source.tiles(of: logID, level: level, numbers: 0..<1_000),
                    sourceLocation: location)
            }
        }
    }

    @Test("What is marked is listed, is not served, is not cosigned, and keeps its first date")
    func marked() throws {
        let pair = try Pair(700)
        let first = Damage(place: .bundle(1), reason: "one byte", found: 5)
        try pair.replica.mark([first, Damage(place: .bundle(2), reason: "gone", found: 6)], of: logID)
        try pair.replica.mark([Damage(place: .bundle(1), reason: "one byte", found: 9)], of: logID)
        #expect(try pair.replica.damage(of: logID).first == first)
        #expect(try pair.replica.damagedRanges(of: logID) == [256..<700])
        // Up to the damage, and not from it.
        #expect(try pair.replica.undamagedBundles(of: logID, entries: 3..<700).map(\.number) == [0])
        #expect(throws: StoreError.damagedEntries(origin: origin, start: 256, end: 512)) {
            try pair.replica.undamagedBundles(of: logID, entries: 300..<301)
        }
        #expect(throws: StoreError.damagedEntries(origin: origin, start: 256, end: 512)) {
            try pair.replica.markCosigned(pair.head, of: logID, time: 100)
        }
        try pair.replica.clear([.bundle(1), .bundle(2)], of: logID)
        #expect(try pair.replica.markCosigned(pair.head, of: logID, time: 100) == 100)
        #expect(try pair.replica.undamagedBundles(of: logID, entries: 3..<700).count == 3)
    }

    @Test("Bodies of a partner replace damaged and lost bundles, byte for byte")
    func bundles() throws {
        let pair = try Pair(700)
        try pair.damage(flipped: [.bundle(0), .bundle(2)], lost: [.bundle(1)])
        let range = try pair.source.arriving(0..<700, of: 700)
        #expect(try pair.replica.repair(range, treeSize: 700).sorted() == [.bundle(0), .bundle(1), .bundle(2)])
        try pair.checkIsWhole()
    }

    @Test("A bundle whose leaf hashes are lost as well is mended by the range proof, and the tiles with it")
    func bundleAndTiles() throws {
        let pair = try Pair(700)
        try pair.damage(flipped: [.tile(level: 1, number: 0)], lost: [.bundle(1), .tile(level: 0, number: 1)])
        #expect(try pair.replica.mendTiles(of: logID).isEmpty)
        try pair.replica.repair(pair.source.arriving(256..<512, of: 700), treeSize: 700)
        try pair.checkIsWhole()
    }

    @Test("Other bytes than those that were signed are refused and change nothing")
    func lies() throws {
        let pair = try Pair(700)
        try pair.damage(lost: [.bundle(1), .tile(level: 0, number: 1)])
        let honest = try pair.source.arriving(256..<512, of: 700)
        let other = ArrivingRange.ArrivingBundle(
            entries: 256, isCompressed: false, data: try EntryBundle.encode(makeBodies(256..<512, seed: "b")))
        let refusal = StoreError.notProved(origin: origin, start: 256, end: 512)
        #expect(throws: refusal) { try pair.replica.repair(honest.with(bundles: [other]), treeSize: 700) }
        #expect(throws: refusal) {
            try pair.replica.repair(honest.with(proof: honest.proof.reversed()), treeSize: 700)
        }
        // The right bodies in another place.
        let moved = honest.with(bundles: try pair.source.arriving(0..<256, of: 700).bundles)
        #expect(throws: refusal) { try pair.replica.repair(moved, treeSize: 700) }
        #expect(throws: StoreError.self) {
            try pair.replica.repair(
                honest.withFirst { .init(entries: 256, isCompressed: true, data: Array($0.data.dropLast())) },
                treeSize: 700)
        }
        // A root that nobody signed, even where the database holds it.
        try pair.replica.execute("UPDATE checkpoint SET note = replace(note, '— ', '— x')")
        #expect(throws: StoreError.self) { try pair.replica.repair(honest, treeSize: 700) }
        #expect(try pair.replica.damagedRanges(of: logID) == [256..<512])
        #expect(try pair.replica.bundles(of: logID, entries: 256..<512).isEmpty)
    }

    @Test("A partner that holds less than the bundle mends what it has, with what is sound here")
    func partOfABundle() throws {
        let pair = try Pair(600)
        // The owner's own log is damaged where the replica has not followed yet.
        let (source, replica) = (pair.source, pair.replica)
        _ = try Pair.append(makeBodies(600..<710), to: source, pair.signer)
        let before = try source.bundles(of: logID, entries: 512..<710)
        // The first byte is of a length: after this flip, no body of the bundle can be read.
        try source.flip(.bundle(2), of: logID, byte: 0)
        try source.mark([Damage(place: .bundle(2), reason: "by the test", found: 1)], of: logID)
        #expect(try source.repair(replica.arriving(512..<600, of: 600), treeSize: 600).isEmpty)
        try source.flip(.bundle(2), of: logID, byte: 0)
        try source.flip(.bundle(2), of: logID, byte: 7)
        #expect(try source.bundles(of: logID, entries: 512..<710) != before)
        #expect(try source.repair(replica.arriving(512..<600, of: 600), treeSize: 600) == [.bundle(2)])
        #expect(try source.bundles(of: logID, entries: 512..<710) == before)
    }

    @Test("A range that was checked while the last bundle was damaged does not undo its repair", arguments: [710, 800])
    func mendedMeanwhile(size: UInt64) throws {
        let pair = try Pair(600)
        let (source, replica) = (pair.source, pair.replica)
        let head = try Pair.append(makeBodies(600..<Int(size)), to: source, pair.signer)
        let before = try replica.bundles(of: logID, entries: 512..<600)
        try pair.damage(flipped: [.bundle(2)])
        try replica.pin(head, of: logID)
        let verifier = try replica.verifier(of: logID)
        let first = try verifier.verify(source.arriving(600..<650, of: size))
        let rest = try verifier.verify(source.arriving(650..<size, of: size))
        #expect(try replica.repair(source.arriving(512..<600, of: size), treeSize: size) == [.bundle(2)])
        #expect(try replica.bundles(of: logID, entries: 512..<600) == before)
        for range in [first, rest] { try replica.commit(range) }
        #expect(try replica.damage(of: logID).isEmpty)
        #expect(
            try replica.bundles(of: logID, entries: 0..<size) == source.bundles(of: logID, entries: 0..<size))
    }

    @Test("Nothing is appended behind a bundle of which the entries cannot be told apart, until it is mended")
    func unreadableEnd() throws {
        let pair = try Pair(600)
        let (source, replica) = (pair.source, pair.replica)
        // The first byte is of a length.
        try source.flip(.bundle(2), of: logID, byte: 0)
        #expect(throws: StoreError.damaged(path: origin, reason: "its last entries cannot be read")) {
            try Pair.append(makeBodies(600..<601), to: source, pair.signer)
        }
        #expect(try source.log(origin)?.size == 600)
        try source.mark([Damage(place: .bundle(2), reason: "by the test", found: 1)], of: logID)
        #expect(try source.repair(replica.arriving(512..<600, of: 600), treeSize: 600) == [.bundle(2)])
        #expect(try Pair.append(makeBodies(600..<601), to: source, pair.signer).size == 601)
    }

    @Test("What has rotted since a range was checked does not take the place of what was read then")
    func rottenMeanwhile() throws {
        let pair = try Pair(600)
        let (source, replica) = (pair.source, pair.replica)
        let head = try Pair.append(makeBodies(600..<710), to: source, pair.signer)
        try replica.pin(head, of: logID)
        let range = try replica.verifier(of: logID).verify(source.arriving(600..<710, of: 710))
        try replica.flip(.bundle(2), of: logID, byte: 17)
        try replica.commit(range)
        #expect(
            try replica.bundles(of: logID, entries: 0..<710) == source.bundles(of: logID, entries: 0..<710))
    }

    @Test("Tiles of every level are made anew from what is below them, without a partner")
    func tiles() throws {
        let pair = try Pair(66_000)
        try pair.damage(
            flipped: [.tile(level: 0, number: 257), .tile(level: 1, number: 0), .tile(level: 2, number: 0)],
            lost: [.tile(level: 0, number: 3), .tile(level: 1, number: 1)])
        #expect(try pair.replica.mendTiles(of: logID).count == 5)
        try pair.checkIsWhole()
    }

    @Test("A tile is not made from bodies that are wrong")
    func wrongBodies() throws {
        let pair = try Pair(700)
        try pair.replica.tamper(log: logID, entry: 300)
        try pair.damage(flipped: [.tile(level: 0, number: 1)])
        #expect(try pair.replica.mendTiles(of: logID).isEmpty)
        #expect(try pair.replica.damage(of: logID).count == 1)
    }

    @Test("A log does not grow from tiles that have rotted")
    func rottenEdge() throws {
        let pair = try Pair(700)
        try pair.source.flip(.tile(level: 0, number: 2), of: logID, byte: 40)
        #expect(throws: StoreError.self) {
            try Pair.append(makeBodies(700..<701), to: pair.source, pair.signer)
        }
        #expect(try pair.source.checkpoints(of: logID).map(\.size) == [700])
        try pair.source.mark([Damage(place: .tile(level: 0, number: 2), reason: "", found: 1)], of: logID)
        try pair.source.mendTiles(of: logID)
        #expect(try Pair.append(makeBodies(700..<701), to: pair.source, pair.signer).size == 701)
    }

    @Test("A rotten sealed part is wanted, not shown, and mended by the bytes that the record names")
    func blobs() throws {
        let folder = try StoreFolder()
        let bytes = [UInt8]("sealed bytes".utf8)
        let reference = BlobReference(log: logID, index: 0, sha256: SHA256.hash(bytes), size: bytes.count)
        let store = try folder.author([.sealed(bytes, to: ["us.example"])])
        try store.flip(.blob(entry: 0), of: logID, byte: 3)
        #expect(try store.blob(reference) == nil)
        #expect(try store.wantedBlobs(of: logID).isEmpty)
        try store.mark([Damage(place: .blob(entry: 0), reason: "by the test", found: 1)], of: logID)
        #expect(try store.wantedBlobs(of: logID) == [reference])
        #expect(throws: StoreError.wrongBlob(index: 0)) { try store.store([1, 2, 3], for: reference) }
        try store.store(bytes, for: reference)
        #expect(try store.blob(reference) == bytes)
        #expect(try store.damage(of: logID).isEmpty)
        #expect(try store.wantedBlobs(of: logID).isEmpty)
    }
}
