import Cryptography
import GRDB
import TransparencyLog

import struct FoundationEssentials.Data

extension SHA256Digest {
    /// The digest as a BLOB.
    var databaseBytes: Data { Data(bytes) }
}

extension Row {
    /// A column that holds a size, index or time.
    func size(_ column: String) -> UInt64 {
        UInt64(clamping: Int64.fromDatabaseValue(self[column]) ?? 0)
    }

    func digest(_ column: String) throws -> SHA256Digest {
        guard let bytes = Data.fromDatabaseValue(self[column]), let digest = SHA256Digest(bytes) else {
            throw StoreError.damaged(path: "the database", reason: "\(column) is not a hash")
        }
        return digest
    }

    /// The same by the column's place, for where there are many rows.
    func digest(at column: Int) throws -> SHA256Digest {
        try withUnsafeData(atIndex: column) { bytes in
            guard let bytes, bytes.count == SHA256Digest.byteCount else {
                throw StoreError.damaged(path: "the database", reason: "column \(column) is not a hash")
            }
            return SHA256Digest { target in bytes.withUnsafeBytes { target.copyMemory(from: $0) } }
        }
    }

    /// A column that holds text.
    func text(_ column: String) throws -> String {
        guard let text = String.fromDatabaseValue(self[column]) else {
            throw StoreError.damaged(path: "the database", reason: "\(column) is not text")
        }
        return text
    }

    func bytes(_ column: String) -> [UInt8] {
        (self[column] as Data?).map { [UInt8]($0) } ?? []
    }
}
