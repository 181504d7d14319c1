public import Cryptography

/// The bodies of up to 256 neighbouring entries, each behind its length in two bytes, big-endian
/// (c2sp.org/tlog-tiles).
public enum EntryBundle {
    /// The most bytes that a body's length can say.
    public static let maximumBody = 65_535
    /// The most entries of a bundle.
    public static let maximumEntries = Tile.fullWidth

    /// The bundle with these bodies.
    public static func encode(_ bodies: some Collection<[UInt8]>, maximumBody: Int = maximumBody) throws -> [UInt8] {
        guard (1...maximumEntries).contains(bodies.count) else { throw TileError.badEntryCount(bodies.count) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(bodies.reduce(0) { $0 + $1.count + 2 })
        for (position, body) in bodies.enumerated() {
            try check(body.count, position, maximumBody)
            appendUnchecked(body, to: &bytes)
        }
        return bytes
    }

    /// Adds one entry to a bundle being built. It is for the caller to keep to 256 of them.
    public static func append(_ body: [UInt8], to bundle: inout [UInt8], maximumBody: Int = maximumBody) throws {
        try check(body.count, 0, maximumBody)
        appendUnchecked(body, to: &bundle)
    }

    private static func appendUnchecked(_ body: [UInt8], to bundle: inout [UInt8]) {
        bundle.append(UInt8(body.count >> 8))
        bundle.append(UInt8(body.count & 255))
        bundle.append(contentsOf: body)
    }

    /// Where the bodies of a bundle stand in its bytes, in order. Refuses what breaks a limit or ends early.
    public static func bodies(
        in bundle: UnsafeRawBufferPointer, maximumBody: Int = maximumBody
    ) throws -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        ranges.reserveCapacity(maximumEntries)
        try walk(bundle, maximumBody) { ranges.append($0) }
        return ranges
    }

    /// Where the bodies of a bundle stand in its bytes, in order. Refuses what breaks a limit or ends early.
    public static func bodies(in bundle: [UInt8], maximumBody: Int = maximumBody) throws -> [Range<Int>] {
        try bundle.withUnsafeBytes { try bodies(in: $0, maximumBody: maximumBody) }
    }

    /// The leaf hashes of a bundle's entries, in order. Refuses what `bodies(in:)` refuses.
    public static func leafHashes(
        of bundle: UnsafeRawBufferPointer, maximumBody: Int = maximumBody, hasher: MerkleHasher
    ) throws -> [SHA256Digest] {
        var hashes: [SHA256Digest] = []
        hashes.reserveCapacity(maximumEntries)
        try walk(bundle, maximumBody) { hashes.append(hasher.leaf(UnsafeRawBufferPointer(rebasing: bundle[$0]))) }
        return hashes
    }

    /// The leaf hashes of a bundle's entries, in order. Refuses what `bodies(in:)` refuses.
    public static func leafHashes(
        of bundle: [UInt8], maximumBody: Int = maximumBody, hasher: MerkleHasher
    ) throws -> [SHA256Digest] {
        try bundle.withUnsafeBytes { try leafHashes(of: $0, maximumBody: maximumBody, hasher: hasher) }
    }

    private static func walk(
        _ bundle: UnsafeRawBufferPointer, _ maximumBody: Int, _ body: (Range<Int>) -> Void
    ) throws {
        var offset = 0
        var position = 0
        while offset < bundle.count {
            guard position < maximumEntries else { throw TileError.badEntryCount(position + 1) }
            guard bundle.count - offset >= 2 else { throw TileError.truncatedBundle(offset: offset) }
            let length = Int(bundle[offset]) << 8 | Int(bundle[offset + 1])
            try check(length, position, maximumBody)
            guard bundle.count - offset - 2 >= length else { throw TileError.truncatedBundle(offset: offset) }
            body(offset + 2..<offset + 2 + length)
            offset += 2 + length
            position += 1
        }
        guard position > 0 else { throw TileError.badEntryCount(0) }
    }

    private static func check(_ length: Int, _ position: Int, _ maximumBody: Int) throws {
        let maximum = min(maximumBody, self.maximumBody)
        guard length >= 1, length <= maximum else {
            throw TileError.badBodyLength(position: position, length: length, maximum: maximum)
        }
    }
}
