public import Cryptography
import TransparencyLog

/// A range of a replica's entries as a peer sent it.
public struct ArrivingRange: Sendable {
    public let log: SHA256Digest
    public let start: UInt64
    public let end: UInt64
    /// The range proof, left to right.
    public let proof: [SHA256Digest]
    /// Bundles in order; the first and the last may be cut to what was asked for, and are raw then.
    public let bundles: [ArrivingBundle]

    public struct ArrivingBundle: Sendable {
        public let entries: Int
        public let isCompressed: Bool
        public let data: [UInt8]

        public init(entries: Int, isCompressed: Bool, data: [UInt8]) {
            self.entries = entries
            self.isCompressed = isCompressed
            self.data = data
        }
    }

    public init(log: SHA256Digest, start: UInt64, end: UInt64, proof: [SHA256Digest], bundles: [ArrivingBundle]) {
        self.log = log
        self.start = start
        self.end = end
        self.proof = proof
        self.bundles = bundles
    }
}

/// Entries that are proved to belong to a checkpoint. Only a ``RangeVerifier`` makes one.
public struct VerifiedRange: Sendable {
    public let log: SHA256Digest
    public let start: UInt64
    public let end: UInt64
    /// The checkpoint that the range was proved against.
    let target: SignedHead
    let writes: LogGrowth.Writes
    let findings: [EntryFinding]
}

/// Checks ranges of one log, in order, against one checkpoint. It keeps the edge of the log in memory, so that one
/// range can be checked while the one before it is being written.
public final class RangeVerifier {
    private let log: SHA256Digest
    private let origin: String
    private let target: SignedHead
    private var growth: LogGrowth
    private let codec = BundleCodec()
    private let hasher = MerkleHasher()

    /// How far the ranges that were checked reach.
    public var size: UInt64 { growth.size }

    init(log: SHA256Digest, origin: String, target: SignedHead, growth: LogGrowth) {
        self.log = log
        self.origin = origin
        self.target = target
        self.growth = growth
    }

    /// Checks a range that continues the last one.
    ///
    /// Throws ``StoreError/badBundle(number:reason:)`` or ``StoreError/notProved(origin:start:end:)``: the sender is
    /// wrong or lies. The verifier then stands where it stood before.
    public func verify(_ range: ArrivingRange) throws -> VerifiedRange {
        guard range.log == log, range.start == growth.size, range.end > range.start, range.end <= target.size else {
            throw StoreError.notContiguous(held: growth.size, start: range.start)
        }
        var next = growth
        var findings: [EntryFinding] = []
        for bundle in range.bundles {
            try add(bundle, end: range.end, to: &next, findings: &findings)
        }
        guard next.size == range.end else {
            throw StoreError.badBundle(number: next.size / 256, reason: "entries are missing")
        }
        try prove(range, next.edge)
        let writes = next.takeWrites()
        let start = growth.size
        growth = next
        return VerifiedRange(
            log: log, start: start, end: range.end, target: target, writes: writes, findings: findings)
    }

    private func add(
        _ bundle: ArrivingRange.ArrivingBundle, end: UInt64, to next: inout LogGrowth, findings: inout [EntryFinding]
    ) throws {
        let first = next.size
        let number = first / UInt64(EntryBundle.maximumEntries)
        // Each bundle but the last reaches to the end of its place in the log.
        let expected = min(end, (number + 1) * UInt64(EntryBundle.maximumEntries)) - min(end, first)
        let raw = try bundle.raw(number: number, expected: expected, codec: codec)
        do {
            let ranges = try EntryBundle.bodies(in: raw, maximumBody: BundleCodec.maximumBodySize)
            guard ranges.count == bundle.entries else {
                throw StoreError.badBundle(number: number, reason: "\(ranges.count) entries in it, not \(expected)")
            }
            var hashes: [SHA256Digest] = []
            hashes.reserveCapacity(ranges.count)
            raw.withUnsafeBytes { bytes in
                let isCandidate = EntryFinding.isCandidate(bytes)
                for (offset, range) in ranges.enumerated() {
                    let body = UnsafeRawBufferPointer(rebasing: bytes[range])
                    hashes.append(hasher.leaf(body))
                    if isCandidate, let finding = EntryFinding(body: body, index: first + UInt64(offset)) {
                        findings.append(finding)
                    }
                }
            }
            next.append(
                raw: raw, frame: bundle.isCompressed ? bundle.data : nil, leafHashes: hashes, codec: codec,
                hasher: hasher)
        } catch let error as TileError {
            throw StoreError.badBundle(number: number, reason: "\(error)")
        }
    }

    /// The tree that now ends at the range's end, with the proof's hashes behind it, must have the target's root;
    /// and what the proof says of the entries before the range must be what is held.
    private func prove(_ range: ArrivingRange, _ edge: TreeEdge) throws {
        let refusal = StoreError.notProved(origin: origin, start: range.start, end: range.end)
        let proof = RangeProof(hashes: range.proof)
        guard range.proof.count == (try? RangeProof.length(start: range.start, end: range.end, size: target.size)),
            proof.hashes.starts(with: growth.edge.compactRange.hashes)
        else { throw refusal }
        do {
            try edge.compactRange.verify(
                after: proof.hashesAfter(start: range.start), size: target.size, root: target.root, hasher: hasher)
        } catch is ProofError {
            throw refusal
        }
    }
}
