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
        UInt64(clamping: self[column] as Int64? ?? 0)
    }

    func digest(_ column: String) throws -> SHA256Digest {
        guard let bytes = self[column] as Data?, let digest = SHA256Digest(bytes) else {
            throw StoreError.damaged(path: "the database", reason: "\(column) is not a hash")
        }
        return digest
    }

    func bytes(_ column: String) -> [UInt8] {
        (self[column] as Data?).map { [UInt8]($0) } ?? []
    }
}
