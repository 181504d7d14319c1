import CZstd
import Cryptography
import LogStore
import Testing
import TransparencyLog

@Suite("Receiving a partner's log")
struct ReceivingTests {
    /// A log of 1,100 entries at its owner's, and an empty replica elsewhere.
    private final class Pair {
        let ownFolder: StoreFolder
        let folder: StoreFolder
        let source: SQLiteLogStore
        var replica: SQLiteLogStore
        let head: SignedHead
        let bodies: [[UInt8]]

        init(_ count: Int = 1_100, pinned: Bool = true) throws {
            ownFolder = try StoreFolder()
            folder = try StoreFolder(node: "kr.example")
            source = try ownFolder.open()
            replica = try folder.open()
            try source.createOwn()
            try replica.createReplica()
            bodies = makeBodies(0..<count)
            head = try source.append(bodies)
            if pinned { try replica.pin(head, of: logID) }
        }

        func range(_ start: UInt64, _ end: UInt64) throws -> ArrivingRange {
            try source.arriving(start..<end, of: head.size)
        }
    }

    @Test("A replica is byte for byte what its owner holds, bundles and tiles", arguments: [1, 255, 256, 257, 1_100])
    func replicaIsIdentical(size: Int) throws {
        let pair = try Pair(size)
        try pair.replica.receive(pair.head, from: pair.source, step: 512)
        try checkInvariants(pair.replica, bodies: pair.bodies)
        let all = 0..<pair.head.size
        #expect(try pair.replica.bundles(of: logID, entries: all) == pair.source.bundles(of: logID, entries: all))
        let log = try #require(try pair.replica.log(origin))
        #expect(log.head == pair.head && log.pending == nil)
    }

    @Test("A range may be cut at any entry near the edges of bundles")
    func cutsEverywhere() throws {
        let pair = try Pair(600)
        let cuts: [UInt64] = [1, 2, 254, 255, 256, 257, 258, 300, 510, 511, 512, 513, 599]
        for cut in cuts {
            let folder = try StoreFolder(node: "kr.example")
            let replica = try folder.open()
            try replica.createReplica()
            try replica.pin(pair.head, of: logID)
            let verifier = try replica.verifier(of: logID)
            for (start, end) in [(0, cut), (cut, 600)] as [(UInt64, UInt64)] {
                try replica.commit(verifier.verify(pair.range(start, end)))
            }
            try checkInvariants(replica, bodies: pair.bodies)
            #expect(
                try replica.bundles(of: logID, entries: 0..<600) == pair.source.bundles(of: logID, entries: 0..<600))
        }
        // And one entry at a time.
        let verifier = try pair.replica.verifier(of: logID)
        for index in 0..<UInt64(600) { try pair.replica.commit(verifier.verify(pair.range(index, index + 1))) }
        try checkInvariants(pair.replica, bodies: pair.bodies)
    }

    @Test("A transfer that broke off goes on where it was after the store is opened again")
    func resumes() throws {
        let pair = try Pair()
        do {
            let verifier = try pair.replica.verifier(of: logID)
            try pair.replica.commit(verifier.verify(pair.range(0, 700)))
            // Checked but not committed: lost, and asked for again.
            _ = try verifier.verify(pair.range(700, 800))
        }
        pair.replica = try pair.folder.open()
        let log = try #require(try pair.replica.log(origin))
        #expect(log.size == 700 && log.head == nil && log.pending == pair.head)
        #expect(try pair.replica.body(of: logID, at: 699) == pair.bodies[699])
        try pair.replica.pin(pair.head, of: logID)
        let verifier = try pair.replica.verifier(of: logID)
        #expect(verifier.size == 700)
        try pair.replica.commit(verifier.verify(pair.range(700, 1_100)))
        try checkInvariants(pair.replica, bodies: pair.bodies)
        #expect(try pair.replica.log(origin)?.head == pair.head)
    }

    @Test("Whatever is wrong with a range is refused; the verifier stays where it was and takes the honest range")
    func refusesWhatIsWrong() throws {
        let pair = try Pair()
        let verifier = try pair.replica.verifier(of: logID)
        try pair.replica.commit(verifier.verify(pair.range(0, 300)))
        let honest = try pair.range(300, 900)
        typealias Bundle = ArrivingRange.ArrivingBundle
        func changed(_ digest: SHA256Digest) -> SHA256Digest { SHA256.hash(digest.bytes) }
        let raw = try pair.source.raw(
            StoredBundle(number: 2, entries: 256, isCompressed: true, data: honest.bundles[1].data))
        func second(_ data: [UInt8], entries: Int = 256, isCompressed: Bool = true) -> ArrivingRange {
            var bundles = honest.bundles
            bundles[1] = Bundle(entries: entries, isCompressed: isCompressed, data: data)
            return honest.with(bundles: bundles)
        }
        let frame = honest.bundles[1].data
        #expect(honest.bundles[1].isCompressed && honest.bundles.count == 3)
        #expect(honest.proof.count > honest.start.nonzeroBitCount)
        var wrong: [(String, ArrivingRange)] = [
            ("another log", honest.with(log: SHA256.hash("de.example/krus"))),
            ("a start too early", try pair.range(299, 900)),
            ("a gap", try pair.range(301, 900)),
            ("an overlap", try pair.range(256, 900)),
            ("no entries", honest.with(end: 300)),
            ("an end before the start", honest.with(end: 299)),
            ("beyond the pending size", honest.with(end: 1_101)),
            ("an absurd end", honest.with(end: .max)),
            ("another end", honest.with(end: 899)),
            ("no bundles", honest.with(bundles: [])),
            ("a bundle too few", honest.with(bundles: Array(honest.bundles.dropLast()))),
            ("a bundle too many", honest.with(bundles: honest.bundles + [honest.bundles[1]])),
            (
                "an empty bundle behind",
                honest.with(bundles: honest.bundles + [Bundle(entries: 0, isCompressed: false, data: [])])
            ),
            ("bundles in another order", honest.with(bundles: honest.bundles.reversed())),
            ("no proof", honest.with(proof: [])),
            ("a proof hash dropped in front", honest.with(proof: Array(honest.proof.dropFirst()))),
            ("a proof hash dropped behind", honest.with(proof: Array(honest.proof.dropLast()))),
            ("a proof hash added", honest.with(proof: honest.proof + [honest.proof[0]])),
            (
                "a proof bomb",
                honest.with(proof: [SHA256Digest](repeating: honest.proof[0], count: 10_000))
            ),
            ("a tampered frame", second(frame.dropLast(9) + [1, 2, 3, 4, 5, 6, 7, 8, 9])),
            ("a cut frame", second(frame.dropLast())),
            ("trailing bytes", second(frame + [0])),
            ("two frames", second(frame + frame)),
            ("a skippable frame", second([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4])),
            ("a skippable frame in front", second([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0] + frame)),
            ("no frame at all", second([])),
            ("text for a frame", second([UInt8]("hello, world: no frame".utf8))),
            ("a frame said to be raw", second(frame, isCompressed: false)),
            ("a raw bundle said to be a frame", second(raw)),
            (
                "a frame without content size",
                second(zstd(raw) { ZSTD_CCtx_setParameter($0, ZSTD_c_contentSizeFlag, 0) })
            ),
            ("a frame with a dictionary's id", second(withDictionaryID(frame))),
            ("a window too large", second(windowed(raw))),
            ("a declared size too large", second(zstd([UInt8](repeating: 1, count: 256 * 16_386 + 1)))),
            ("longer than what it holds", second(stored(raw))),
            ("a frame of 255 entries", second(frame, entries: 255)),
            ("a frame of 257 entries", second(frame, entries: 257)),
            ("a negative count", second(frame, entries: -1)),
            ("the largest count", second(frame, entries: .max)),
            ("a raw bundle of 257", second(raw + [0, 1, 7], isCompressed: false)),
            ("an empty body", second([0, 0] + raw, isCompressed: false)),
            ("a body too long", second([0x40, 0x01] + raw, isCompressed: false)),
            ("a raw bundle that ends early", second(raw.dropLast(), isCompressed: false)),
            ("too large a raw bundle", second([UInt8](repeating: 1, count: 256 * 16_386 + 1), isCompressed: false)),
        ]
        for position in honest.proof.indices {
            var proof = honest.proof
            proof[position] = changed(proof[position])
            wrong.append(("proof hash \(position) changed", honest.with(proof: proof)))
        }
        for (position, bundle) in honest.bundles.enumerated() where !bundle.isCompressed {
            var bundles = honest.bundles
            var data = bundle.data
            data[data.count / 2] ^= 1
            bundles[position] = Bundle(entries: bundle.entries, isCompressed: false, data: data)
            wrong.append(("a body changed in bundle \(position)", honest.with(bundles: bundles)))
        }
        var tampered = raw
        tampered[100] ^= 1
        wrong.append(("a tampered body in a sound frame", second(zstd(tampered))))
        let before = try pair.replica.log(origin)
        for (what, range) in wrong {
            #expect(throws: StoreError.self, "\(what)") { try verifier.verify(range) }
            #expect(verifier.size == 300, "\(what)")
        }
        #expect(try pair.replica.log(origin) == before)
        // A raw bundle is as good as a frame, and is compressed here.
        try pair.replica.commit(verifier.verify(second(raw, isCompressed: false)))
        try pair.replica.commit(verifier.verify(pair.range(900, 1_100)))
        try checkInvariants(pair.replica, bodies: pair.bodies)
        #expect(
            try pair.replica.bundles(of: logID, entries: 0..<1_100)
                == pair.source.bundles(of: logID, entries: 0..<1_100))
    }

    @Test("A range is committed once, and only where it continues what is held")
    func commitsInOrder() throws {
        let pair = try Pair()
        let verifier = try pair.replica.verifier(of: logID)
        let first = try verifier.verify(pair.range(0, 300))
        let second = try verifier.verify(pair.range(300, 900))
        #expect(throws: StoreError.notContiguous(held: 0, start: 300)) { try pair.replica.commit(second) }
        try pair.replica.commit(first)
        #expect(throws: StoreError.notContiguous(held: 300, start: 0)) { try pair.replica.commit(first) }
        try pair.replica.commit(second)
        try checkInvariants(pair.replica, bodies: Array(pair.bodies[..<900]))
    }

    @Test("A checkpoint that goes back, contradicts the pinned one or belongs to an own log is not pinned")
    func pinRefusals() throws {
        let pair = try Pair()
        let other = SHA256.hash("another")
        #expect(throws: StoreError.notProved(origin: origin, start: 0, end: 1_100)) {
            try pair.replica.pin(SignedHead(size: 1_100, root: other, note: ""), of: logID)
        }
        #expect(throws: StoreError.notContiguous(held: 0, start: 0)) {
            try pair.replica.pin(SignedHead(size: 0, root: MerkleHasher.emptyRoot, note: ""), of: logID)
        }
        #expect(throws: StoreError.notOwn(origin: origin)) {
            try pair.source.pin(SignedHead(size: 2_000, root: other, note: ""), of: logID)
        }
        #expect(throws: StoreError.unknownLog(other.hex)) { try pair.replica.pin(pair.head, of: other) }
        #expect(throws: StoreError.notContiguous(held: 0, start: .max)) {
            try pair.replica.pin(SignedHead(size: .max, root: other, note: ""), of: logID)
        }
        #expect(try pair.replica.log(origin)?.pending == pair.head)
        try pair.replica.receive(pair.head, from: pair.source)
        for size in [1_099, 1_100] as [UInt64] {
            #expect(throws: StoreError.self) {
                try pair.replica.pin(SignedHead(size: size, root: other, note: ""), of: logID)
            }
        }
        #expect(throws: StoreError.noPendingCheckpoint(origin: origin)) { try pair.replica.verifier(of: logID) }
    }

    @Test("A checkpoint of just what came in towards a larger one is complete when it is pinned, if its root is right")
    func pinOfWhatIsHeld() throws {
        let pair = try Pair()
        let verifier = try pair.replica.verifier(of: logID)
        try pair.replica.commit(verifier.verify(pair.range(0, 700)))
        let hasher = MerkleHasher()
        let root = hasher.root(of: pair.bodies[..<700].map { hasher.leaf($0) })
        #expect(throws: StoreError.notProved(origin: origin, start: 0, end: 700)) {
            try pair.replica.pin(SignedHead(size: 700, root: SHA256.hash("x"), note: ""), of: logID)
        }
        let smaller = SignedHead(size: 700, root: root, note: "smaller")
        try pair.replica.pin(smaller, of: logID)
        let log = try #require(try pair.replica.log(origin))
        #expect(log.head == smaller && log.pending == pair.head)
        try pair.replica.receive(pair.head, from: pair.source)
        try checkInvariants(pair.replica, bodies: pair.bodies)
    }

    @Test("A replica grows with its owner's log, checkpoint after checkpoint")
    func follows() throws {
        let pair = try Pair(10)
        try pair.replica.receive(pair.head, from: pair.source)
        var count = 10
        for step in [1, 200, 44, 1, 1, 255, 256, 257, 3] {
            let head = try pair.source.append(makeBodies(count..<(count + step)))
            count += step
            try pair.replica.receive(head, from: pair.source)
            #expect(try pair.replica.log(origin)?.head == head)
        }
        try checkInvariants(pair.replica, bodies: makeBodies(0..<count))
    }
}

// MARK: - Frames that no honest node makes

/// One frame, compressed as the closure sets it.
private func zstd(_ raw: [UInt8], _ settings: (OpaquePointer) -> Int = { _ in 0 }) -> [UInt8] {
    guard let context = ZSTD_createCCtx() else { return [] }
    defer { ZSTD_freeCCtx(context) }
    _ = settings(context)
    let bound = ZSTD_compressBound(raw.count)
    return [UInt8](unsafeUninitializedCapacity: bound) { target, count in
        count = raw.withUnsafeBytes { ZSTD_compress2(context, target.baseAddress, bound, $0.baseAddress, $0.count) }
    }
}

/// The frame with a dictionary id of one byte declared in its header (RFC 8878, section 3.1.1.1).
private func withDictionaryID(_ frame: [UInt8]) -> [UInt8] {
    var frame = frame
    let isSingleSegment = frame[4] & 0x20 != 0
    frame[4] |= 1
    frame.insert(9, at: isSingleSegment ? 5 : 6)
    return frame
}

/// A frame with its content size and a window of 16 MiB: a raw block that is the last.
private func windowed(_ raw: [UInt8]) -> [UInt8] {
    let block = UInt32(raw.count) << 3 | 1
    return [0x28, 0xb5, 0x2f, 0xfd, 0x80, 14 << 3] + bytes(UInt32(raw.count), 4) + bytes(block, 3) + raw
}

/// A frame of one raw block: valid, and longer than what it holds.
private func stored(_ raw: [UInt8]) -> [UInt8] {
    let block = UInt32(raw.count) << 3 | 1
    return [0x28, 0xb5, 0x2f, 0xfd, 0xa0] + bytes(UInt32(raw.count), 4) + bytes(block, 3) + raw
}

private func bytes(_ number: UInt32, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * UInt32($0))) }
}
