public import Cryptography

/// Where a record stands.
public struct RecordPosition: Sendable, Hashable, Comparable {
    public let log: SHA256Digest
    public let index: UInt64

    public init(log: SHA256Digest, index: UInt64) {
        self.log = log
        self.index = index
    }

    public static func < (left: RecordPosition, right: RecordPosition) -> Bool {
        left.log == right.log ? left.index < right.index : left.log.bytes.lexicographicallyPrecedes(right.log.bytes)
    }
}
