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

extension SQLiteLogStore {
    /// Flips one bit of a stored row, as a failing disk would: of the bundle as it is stored, a tile, a sealed part.
    package func flip(_ place: Damage.Place, of log: SHA256Digest, byte: Int) throws {
        try database.write { db in
            let (table, condition) = try Self.row(place, of: log, db)
            let data = try Data.fetchOne(db, sql: "SELECT data FROM \(table) WHERE \(condition)")
            guard var data, data.indices.contains(byte) else { throw StoreError.unknownLog(log.hex) }
            data[byte] ^= 1
            try db.execute(sql: "UPDATE \(table) SET data = ? WHERE \(condition)", arguments: [data])
        }
    }

    /// Deletes a stored row.
    package func lose(_ place: Damage.Place, of log: SHA256Digest) throws {
        try database.write { db in
            let (table, condition) = try Self.row(place, of: log, db)
            try db.execute(sql: "DELETE FROM \(table) WHERE \(condition)")
        }
    }

    private static func row(
        _ place: Damage.Place, of log: SHA256Digest, _ db: Database
    ) throws -> (table: String, condition: String) {
        let row = try rowID(db, log)
        return switch place {
        case .bundle(let number): ("bundle", "log = \(row) AND number = \(number)")
        case .tile(let level, let number): ("tile", "log = \(row) AND level = \(level) AND number = \(number)")
        case .blob(let entry): ("blob", "log = \(row) AND entry = \(entry)")
        }
    }
}
