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
        guard let bundle else { throw StoreError.badBundle(number: number, reason: "missing") }
        return try bundle.leafHashes(raw: raw(bundle), count: count, hasher: MerkleHasher())
    }
}

extension StoredBundle {
    /// The leaf hashes of this bundle's bodies, which is unpacked already.
    func leafHashes(raw: [UInt8], count: ClosedRange<UInt64>, hasher: MerkleHasher) throws -> [SHA256Digest] {
        let hashes = try EntryBundle.leafHashes(of: raw, hasher: hasher)
        guard count.contains(UInt64(hashes.count)), entries == hashes.count else {
            throw StoreError.badBundle(number: number, reason: "\(hashes.count) entries, not \(count.lowerBound)")
        }
        return hashes
    }
}
