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
        let hashes = try EntryBundle.leafHashes(of: raw(bundle), hasher: MerkleHasher())
        guard count.contains(UInt64(hashes.count)), bundle.entries == hashes.count else {
            throw StoreError.badBundle(number: number, reason: "\(hashes.count) entries, not \(count.lowerBound)")
        }
        return hashes
    }
}
