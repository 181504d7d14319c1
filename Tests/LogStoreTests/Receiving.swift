import Cryptography
import LogStore
import Testing
import TransparencyLog

extension SQLiteLogStore {
    /// The range as an honest sender cuts it: whole bundles as they are stored, cut ones raw.
    func arriving(
        _ entries: Range<UInt64>, of size: UInt64, log: SHA256Digest = logID
    ) throws -> ArrivingRange {
        let proof = try RangeProof.make(
            start: entries.lowerBound, end: entries.upperBound, size: size, from: nodes(of: log),
            hasher: MerkleHasher())
        let bundles = try bundles(of: log, entries: entries).map { bundle in
            let first = bundle.number * 256
            let held = first..<(first + UInt64(bundle.entries))
            let wanted = held.clamped(to: entries)
            if wanted == held {
                return ArrivingRange.ArrivingBundle(
                    entries: bundle.entries, isCompressed: bundle.isCompressed, data: bundle.data)
            }
            let raw = try raw(bundle)
            let bodies = try EntryBundle.bodies(in: raw)[
                Int(wanted.lowerBound - first)..<Int(wanted.upperBound - first)]
            return ArrivingRange.ArrivingBundle(
                entries: wanted.count, isCompressed: false,
                data: try EntryBundle.encode(bodies.map { Array(raw[$0]) }))
        }
        return ArrivingRange(
            log: log, start: entries.lowerBound, end: entries.upperBound, proof: proof.hashes, bundles: bundles)
    }

    /// Brings a replica up to a head of the source's log, cut at multiples of `step`.
    func receive(
        _ head: SignedHead, from source: SQLiteLogStore, log: SHA256Digest = logID, step: UInt64 = 1_024
    ) throws {
        try pin(head, of: log)
        let verifier = try verifier(of: log)
        while verifier.size < head.size {
            let end = min(head.size, (verifier.size / step + 1) * step)
            let range = try verifier.verify(source.arriving(verifier.size..<end, of: head.size, log: log))
            try commit(range)
        }
    }
}

extension ArrivingRange {
    /// The same range with something else in it.
    func with(
        start: UInt64? = nil, end: UInt64? = nil, proof: [SHA256Digest]? = nil, bundles: [ArrivingBundle]? = nil,
        log: SHA256Digest? = nil
    ) -> ArrivingRange {
        ArrivingRange(
            log: log ?? self.log, start: start ?? self.start, end: end ?? self.end, proof: proof ?? self.proof,
            bundles: bundles ?? self.bundles)
    }

    /// The same range with another first bundle.
    func withFirst(_ change: (ArrivingBundle) throws -> ArrivingBundle) rethrows -> ArrivingRange {
        with(bundles: [try change(bundles[0])] + bundles.dropFirst())
    }
}
