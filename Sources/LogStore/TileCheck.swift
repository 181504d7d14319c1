import Cryptography
import TransparencyLog

/// Checks single tiles of a log against a signed root, by the way from the tile up to it.
struct TileCheck {
    let head: SignedHead
    let hasher = MerkleHasher()

    /// How many hashes of the tile at this place the tree of the head has.
    func width(level: Int, number: UInt64) -> Int {
        let nodes = head.size >> (8 * level)
        let first = number << 8
        return first < nodes ? Int(min(256, nodes - first)) : 0
    }

    /// Whether these hashes, as many as the tree of the head has at this place, lead to its root with what `source`
    /// says of the rest of the tree.
    func proves(_ hashes: some Collection<SHA256Digest>, level: Int, number: UInt64, source: some NodeSource) -> Bool {
        let hashes = Array(hashes)
        guard !hashes.isEmpty, hashes.count == width(level: level, number: number) else { return false }
        do {
            let tile = try Tile(
                coordinate: TileCoordinate(level: level, number: number, width: hashes.count), hashes: hashes)
            let start = number << (8 * level + 8)
            let end = start + UInt64(hashes.count) << (8 * level)
            let proof = try RangeProof.make(start: start, end: end, size: head.size, from: source, hasher: hasher)
            try proof.verify(start: start, end: end, size: head.size, root: head.root, hasher: hasher) { node in
                if node.level == 8 * level + 8 { return hasher.root(of: tile.hashes) }
                return node.level >= 8 * level ? try tile.hash(of: node, hasher: hasher) : nil
            }
            return true
        } catch {
            // Whatever is missing or wrong on the way up: this proves nothing.
            return false
        }
    }
}

extension ArrivingRange {
    /// A bundle of an arriving range, unpacked and checked for form.
    struct Piece {
        /// The index of its first entry.
        let first: UInt64
        let raw: [UInt8]
        let bodies: [Range<Int>]
        let leafHashes: [SHA256Digest]
        /// The zstd frame it came as, if it did.
        let frame: [UInt8]?

        var number: UInt64 { first / UInt64(EntryBundle.maximumEntries) }
        var entries: Range<UInt64> { first..<(first + UInt64(bodies.count)) }

        /// What its records say of sealed parts: their rows may be gone as well.
        var findingsBeside: [EntryFinding] {
            raw.withUnsafeBytes { bytes in
                guard EntryFinding.isCandidate(bytes) else { return [] }
                return bodies.enumerated().compactMap { position, range in
                    let body = UnsafeRawBufferPointer(rebasing: bytes[range])
                    let finding = EntryFinding(body: body, index: first + UInt64(position))
                    if case .membership = finding { return nil }
                    return finding
                }
            }
        }
    }

    /// The bundles one by one; each but the last reaches to the end of its place in the log.
    ///
    /// Throws ``StoreError/badBundle(number:reason:)``: the sender is wrong or lies.
    func pieces(codec: BundleCodec, hasher: MerkleHasher) throws -> [Piece] {
        var first = start
        var pieces: [Piece] = []
        for bundle in bundles {
            let number = first / UInt64(EntryBundle.maximumEntries)
            let expected = min(end, (number + 1) * UInt64(EntryBundle.maximumEntries)) - min(end, first)
            let raw = try bundle.raw(number: number, expected: expected, codec: codec)
            do {
                let bodies = try EntryBundle.bodies(in: raw, maximumBody: BundleCodec.maximumBodySize)
                guard UInt64(bodies.count) == expected else {
                    throw StoreError.badBundle(number: number, reason: "\(bodies.count) entries in it, not \(expected)")
                }
                pieces.append(
                    Piece(
                        first: first, raw: raw, bodies: bodies,
                        leafHashes: try EntryBundle.leafHashes(of: raw, hasher: hasher),
                        frame: bundle.isCompressed ? bundle.data : nil))
            } catch let error as TileError {
                throw StoreError.badBundle(number: number, reason: "\(error)")
            }
            first += expected
        }
        guard first == end, start < end else {
            throw StoreError.badBundle(
                number: first / UInt64(EntryBundle.maximumEntries), reason: "entries are missing")
        }
        return pieces
    }
}

extension ArrivingRange.ArrivingBundle {
    /// The raw bundle, after the checks on its size that come before anything is allocated.
    func raw(number: UInt64, expected: UInt64, codec: BundleCodec) throws -> [UInt8] {
        guard expected > 0, UInt64(exactly: entries) == expected else {
            throw StoreError.badBundle(number: number, reason: "\(entries) entries where \(expected) belong")
        }
        guard isCompressed || data.count <= BundleCodec.maximumRawSize else {
            throw StoreError.badBundle(number: number, reason: "too large")
        }
        return isCompressed ? try codec.decompress(data, number: number) : data
    }
}
