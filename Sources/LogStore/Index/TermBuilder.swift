import Glibc

/// Collects which terms stand in which records, and gives them out sorted: a run before it is written.
struct TermBuilder {
    /// The bytes of all terms, one behind another.
    private var arena: [UInt8] = []
    private var terms: [Term] = []
    /// Open addressing: number of a term plus one, 0 where free. The hash is seeded, so nobody can aim at one slot.
    private var slots = [UInt32](repeating: 0, count: 1 << 12)
    private var postings: [(term: UInt32, record: Int64)] = []

    private struct Term {
        let hash: Int
        let start: Int
        let end: Int
        var last: Int64 = -1
        var count: Int32 = 0
        var isAscending = true
    }

    mutating func add(_ tag: TermKey, _ text: String, record: Int64) {
        var text = text
        text.withUTF8 { add(tag, $0, record: record) }
    }

    mutating func add(_ tag: TermKey, _ text: UnsafeBufferPointer<UInt8>, record: Int64) {
        let text = UnsafeBufferPointer(rebasing: text.prefix(TermKey.maximumByteCount))
        var hasher = Hasher()
        hasher.combine(tag.rawValue)
        hasher.combine(bytes: UnsafeRawBufferPointer(text))
        let hash = hasher.finalize()
        var slot = hash & (slots.count - 1)
        while slots[slot] != 0 {
            let number = Int(slots[slot]) - 1
            if terms[number].hash == hash, matches(terms[number], tag, text) {
                guard terms[number].last != record else { return }
                if terms[number].last > record { terms[number].isAscending = false }
                terms[number].last = record
                terms[number].count += 1
                postings.append((UInt32(number), record))
                return
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        let start = arena.count
        arena.append(tag.rawValue)
        arena.append(contentsOf: text)
        postings.append((UInt32(terms.count), record))
        terms.append(Term(hash: hash, start: start, end: arena.count, last: record, count: 1))
        slots[slot] = UInt32(terms.count)
        if terms.count * 2 > slots.count { grow() }
    }

    private func matches(_ term: Term, _ tag: TermKey, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard term.end - term.start == text.count + 1 else { return false }
        return arena.withUnsafeBufferPointer { arena in
            arena[term.start] == tag.rawValue && arena[(term.start + 1)..<term.end].elementsEqual(text)
        }
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: slots.count * 4)
        for (number, term) in terms.enumerated() {
            var slot = term.hash & (slots.count - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = UInt32(number + 1)
        }
    }

    /// The terms in order, each with the records it stands in.
    func sorted() -> [TermEntry] {
        var offsets: [Int] = []
        offsets.reserveCapacity(terms.count)
        var total = 0
        for term in terms {
            offsets.append(total)
            total += Int(term.count)
        }
        var next = offsets
        let records = [Int64](unsafeUninitializedCapacity: total) { target, count in
            for posting in postings {
                target[next[Int(posting.term)]] = posting.record
                next[Int(posting.term)] += 1
            }
            count = total
        }
        // Eight bytes tell most terms apart without looking at the arena.
        var order = arena.withUnsafeBytes { arena in
            terms.indices.map { number -> (prefix: UInt64, number: Int) in
                let term = terms[number]
                var prefix: UInt64 = 0
                for offset in 0..<8 {
                    let position = term.start + offset
                    prefix = prefix << 8 | (position < term.end ? UInt64(arena[position]) : 0)
                }
                return (prefix, number)
            }
        }
        arena.withUnsafeBufferPointer { arena in
            order.sort { left, right in
                if left.prefix != right.prefix { return left.prefix < right.prefix }
                let (left, right) = (terms[left.number], terms[right.number])
                let (leftCount, rightCount) = (left.end - left.start, right.end - right.start)
                guard let base = arena.baseAddress else { return false }
                let order = memcmp(base + left.start, base + right.start, min(leftCount, rightCount))
                return order < 0 || (order == 0 && leftCount < rightCount)
            }
        }
        var entries: [TermEntry] = []
        entries.reserveCapacity(terms.count)
        for (_, number) in order {
            let term = terms[number]
            var rest = records[offsets[number]..<(offsets[number] + Int(term.count))]
            if !term.isAscending { rest = RecordList.ascending(rest)[...] }
            let key = Array(arena[term.start..<term.end])
            while !rest.isEmpty {
                let part = rest.prefix(RecordList.maximumCount)
                entries.append(TermEntry(key: key, records: RecordList(part)))
                rest = rest.dropFirst(part.count)
            }
        }
        return entries
    }
}

/// What kind of term a key is: its first byte.
enum TermKey: UInt8 {
    case actor = 0x41
    case address
    case hidden
    case incident
    case transaction
    case type
    case word

    /// Longer texts are found by their beginning.
    static let maximumByteCount = 256

    /// The key of this text.
    func key(_ text: String) -> [UInt8] {
        [rawValue] + text.utf8.prefix(TermKey.maximumByteCount)
    }
}

/// A term and some or all of the records it stands in.
struct TermEntry {
    let key: [UInt8]
    let records: RecordList

    /// Whether the left key sorts first, by its bytes.
    static func precedes(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        let shared = min(left.count, right.count)
        let order = left.withUnsafeBytes { left in
            right.withUnsafeBytes { right in
                guard let left = left.baseAddress, let right = right.baseAddress else { return Int32(0) }
                return memcmp(left, right, shared)
            }
        }
        return order < 0 || (order == 0 && left.count < right.count)
    }
}

/// Ascending numbers of records, packed: how many, the first, then the distances.
struct RecordList {
    /// The most records that one entry lists; a term that stands in more has several entries.
    static let maximumCount = 4_096

    let bytes: [UInt8]

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    init(_ records: ArraySlice<Int64>) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(records.count == 1 ? 12 : records.count * 2 + 10)
        Varint.append(UInt64(records.count), to: &bytes)
        var last: Int64 = 0
        for record in records {
            Varint.append(UInt64(bitPattern: record &- last), to: &bytes)
            last = record
        }
        self.bytes = bytes
    }

    static func ascending(_ records: some Sequence<Int64>) -> [Int64] {
        var result: [Int64] = []
        for record in records.sorted() where result.last != record { result.append(record) }
        return result
    }

    /// Adds the records of the list; false where the bytes are not what this writes.
    func unpack(into records: inout [Int64]) -> Bool {
        bytes.withUnsafeBufferPointer { RecordList.unpack($0, into: &records) }
    }

    static func unpack(_ bytes: UnsafeBufferPointer<UInt8>, into records: inout [Int64]) -> Bool {
        var offset = 0
        guard let count = Varint.read(bytes, &offset), count <= UInt64(maximumCount) else { return false }
        var last: Int64 = 0
        for _ in 0..<count {
            guard let distance = Varint.read(bytes, &offset) else { return false }
            last &+= Int64(bitPattern: distance)
            records.append(last)
        }
        return offset == bytes.count
    }

    /// The first record; 0 where there is none.
    var first: Int64 {
        bytes.withUnsafeBufferPointer { bytes in
            var offset = 0
            _ = Varint.read(bytes, &offset)
            return Varint.read(bytes, &offset).map { Int64(bitPattern: $0) } ?? 0
        }
    }
}

/// Numbers in seven bits a byte, the lowest first.
enum Varint {
    static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    static func read(_ bytes: UnsafeBufferPointer<UInt8>, _ offset: inout Int) -> UInt64? {
        var number: UInt64 = 0
        var shift: UInt64 = 0
        while offset < bytes.count, shift < 64 {
            let byte = bytes[offset]
            offset += 1
            number |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return number }
            shift += 7
        }
        return nil
    }
}
