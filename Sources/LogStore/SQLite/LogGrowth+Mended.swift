import Cryptography
import GRDB
import TransparencyLog

import struct FoundationEssentials.Data

extension LogGrowth.Writes {
    /// The same behind the last bundle as it is stored now, where that is not what was in memory while the range was
    /// checked: it was damaged then, and a repair has mended it since. Which of the two is right is said by the leaf
    /// hashes, which were proved with the range.
    func continuing(_ db: Database, row: Int64) throws -> Self {
        guard !continued.isEmpty, let first = bundles.first,
            let data = try Data.fetchOne(
                db.cachedStatement(sql: "SELECT data FROM bundle WHERE log = ? AND number = ? AND compressed = 0"),
                arguments: [row, Int64(clamping: first.number)])
        else { return self }
        let stored = [UInt8](data)
        guard stored != continued else { return self }
        let proved = tiles.first { $0.coordinate.level == 0 && $0.coordinate.number == first.number }?.hashes ?? []
        guard let hashes = try? EntryBundle.leafHashes(of: stored, hasher: MerkleHasher()), !hashes.isEmpty,
            proved.starts(with: hashes)
        else { return self }
        let codec = BundleCodec()
        let held = first.isCompressed ? try codec.decompress(first.data, number: first.number) : first.data
        let raw = stored + held.dropFirst(continued.count)
        let frame = first.entries == EntryBundle.maximumEntries ? codec.compress(raw) : nil
        let mended = StoredBundle(
            number: first.number, entries: first.entries, isCompressed: frame != nil, data: frame ?? raw)
        return Self(bundles: [mended] + bundles.dropFirst(), tiles: tiles)
    }
}
