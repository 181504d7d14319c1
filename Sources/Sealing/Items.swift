/// The one encoding of this module: an item is a length (four bytes, most significant first) and that many bytes;
/// a list is a count (four bytes likewise) and its items. No two different contents have the same encoding.
struct ItemWriter {
    private(set) var bytes: [UInt8] = []

    init(capacity: Int = 0) {
        bytes.reserveCapacity(capacity)
    }

    /// A count of at most 2^32 − 1.
    mutating func count(_ count: Int) {
        let number = UInt32(truncatingIfNeeded: count)
        bytes.append(UInt8(truncatingIfNeeded: number >> 24))
        bytes.append(UInt8(truncatingIfNeeded: number >> 16))
        bytes.append(UInt8(truncatingIfNeeded: number >> 8))
        bytes.append(UInt8(truncatingIfNeeded: number))
    }

    mutating func item(_ content: [UInt8]) {
        count(content.count)
        bytes.append(contentsOf: content)
    }

    mutating func item(_ text: String) {
        count(text.utf8.count)
        bytes.append(contentsOf: text.utf8)
    }

    /// A list of recipients with their boxes.
    mutating func boxes(_ boxes: [BoxedKey]) {
        count(boxes.count)
        for boxed in boxes {
            item(boxed.node)
            item(boxed.keyID)
            item(boxed.box)
        }
    }
}

/// Reads what ``ItemWriter`` wrote. Lengths are checked against what is allowed and what is there before any copy.
struct ItemReader {
    private let bytes: [UInt8]
    private(set) var offset = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { offset == bytes.count }

    mutating func count(_ allowed: ClosedRange<Int>, of what: String) throws(SealingError) -> Int {
        guard bytes.count - offset >= 4 else {
            throw .malformedBlob(offset: offset, expected: "the count of \(what)")
        }
        let number = bytes[offset..<offset + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard let count = Int(exactly: number), allowed.contains(count) else {
            throw .malformedBlob(offset: offset, expected: "\(what): \(allowed.lowerBound) to \(allowed.upperBound)")
        }
        offset += 4
        return count
    }

    mutating func item(_ allowed: ClosedRange<Int>, of what: String) throws(SealingError) -> [UInt8] {
        let count = try count(allowed, of: "bytes of \(what)")
        guard bytes.count - offset >= count else {
            throw .malformedBlob(offset: offset, expected: "\(what) of \(count) bytes")
        }
        defer { offset += count }
        return [UInt8](bytes[offset..<offset + count])
    }

    mutating func item(exactly count: Int, of what: String) throws(SealingError) -> [UInt8] {
        try item(count...count, of: what)
    }

    mutating func name(_ allowed: ClosedRange<Int>, of what: String) throws(SealingError) -> String {
        let start = offset
        let content = try item(allowed, of: what)
        guard SealingSuite.isName(content, allowed) else {
            throw .malformedBlob(offset: start, expected: "\(what) in printable ASCII")
        }
        return String(decoding: content, as: UTF8.self)
    }
}
