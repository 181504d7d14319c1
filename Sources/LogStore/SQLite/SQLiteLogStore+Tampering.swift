package import Cryptography
import GRDB
import TransparencyLog

import struct FoundationEssentials.Data

extension SQLiteLogStore {
    /// Changes one byte of an entry's stored body and nothing else, as an intruder with the database open would.
    /// For demonstrations and tests of what verification notices.
    package func tamper(log: SHA256Digest, entry: UInt64) throws {
        guard let bundle = try bundles(of: log, entries: entry..<(entry + 1)).first else {
            throw StoreError.unknownLog(log.hex)
        }
        var raw = try raw(bundle)
        let position = Int(entry % UInt64(EntryBundle.maximumEntries))
        let bodies = try EntryBundle.bodies(in: raw)
        guard position < bodies.count else {
            throw StoreError.badBundle(number: bundle.number, reason: "no such entry")
        }
        // The last byte of a record is its closing brace; the one before it is inside a value.
        raw[bodies[position].upperBound - 2] ^= 1
        let frame = bundle.isCompressed ? BundleCodec().compress(raw) : nil
        try database.write { db in
            try db.execute(
                sql: "UPDATE bundle SET data = ?, compressed = ? WHERE log = ? AND number = ?",
                arguments: [Data(frame ?? raw), frame != nil, Self.rowID(db, log), Int64(bundle.number)])
        }
    }
}
