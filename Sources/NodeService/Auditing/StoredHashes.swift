import Cryptography
import LogStore
import TransparencyLog

extension SQLiteLogStore {
    /// The leaf hashes of a stored bundle's bodies, computed anew.
    ///
    /// Throws ``StoreError/badBundle(number:reason:)`` where it is missing, cannot be unpacked, or holds another
    /// number of entries than it may.
    func leafHashes(
        of bundle: StoredBundle?, number: UInt64, count: ClosedRange<UInt64>
    ) throws -> [SHA256Digest] {
        try leafHashes(of: bundle, raw: rawBundle(bundle, number: number), number: number, count: count)
    }

    /// The same, of a bundle that is unpacked already.
    func leafHashes(
        of bundle: StoredBundle?, raw: [UInt8], number: UInt64, count: ClosedRange<UInt64>
    ) throws -> [SHA256Digest] {
        let hashes = try EntryBundle.leafHashes(of: raw, hasher: MerkleHasher())
        guard count.contains(UInt64(hashes.count)), bundle?.entries == hashes.count else {
            throw StoreError.badBundle(number: number, reason: "\(hashes.count) entries, not \(count.lowerBound)")
        }
        return hashes
    }

    func rawBundle(_ bundle: StoredBundle?, number: UInt64) throws -> [UInt8] {
        guard let bundle else { throw StoreError.badBundle(number: number, reason: "missing") }
        return try raw(bundle)
    }
}
