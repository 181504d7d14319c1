import GRDB

import struct FoundationEssentials.Data

/// Terms on the disk, as a log-structured merge tree: every batch writes one sorted run, and four runs of one size
/// become one of the next. Filling writes in order only, and a look-up asks a few runs.
///
/// A run is a row of blocks; a block is entries of two kilobytes, known by its first entry.
enum TermRun {
    private static let blockSize = 2_000
    private static let fanIn = 4

    /// Writes entries, which are sorted, as one run, and merges runs where there are four of a kind.
    static func write(_ entries: [TermEntry], _ db: Database) throws {
        guard !entries.isEmpty else { return }
        var source = ArraySource(entries: entries)
        try write(&source, atLeast: 0, db)
        while let level = try Int.fetchOne(
            db, sql: "SELECT level FROM run GROUP BY level HAVING count(*) >= ? ORDER BY level LIMIT 1",
            arguments: [fanIn])
        {
            let runs = try Int64.fetchAll(
                db, sql: "SELECT id FROM run WHERE level = ? ORDER BY id LIMIT ?", arguments: [level, fanIn])
            var merged = try TermMerge(runs.map { try RunSource(db, run: $0) })
            try write(&merged, atLeast: level + 1, db)
            for run in runs {
                try db.execute(sql: "DELETE FROM block WHERE run = ?", arguments: [run])
                try db.execute(sql: "DELETE FROM run WHERE id = ?", arguments: [run])
            }
        }
    }

    /// The sorted entries of several lists as one list.
    static func merge(_ lists: [[TermEntry]]) throws -> [TermEntry] {
        guard lists.count > 1 else { return lists.first ?? [] }
        var merged = try TermMerge(lists.map { ArraySource(entries: $0) })
        var entries: [TermEntry] = []
        while let entry = try merged.next() { entries.append(entry) }
        return entries
    }

    private static func write(_ source: inout some TermSource, atLeast minimum: Int, _ db: Database) throws {
        try db.execute(sql: "INSERT INTO run (level) VALUES (0)")
        let run = db.lastInsertedRowID
        let insert = try db.cachedStatement(sql: "INSERT INTO block (run, first, data) VALUES (?, ?, ?)")
        var first: [UInt8] = []
        var block: [UInt8] = []
        var lastKey: [UInt8] = []
        var size = 0
        func flush() throws {
            try insert.execute(arguments: [run, Data(first), Data(block)])
            size += block.count
            block.removeAll(keepingCapacity: true)
            lastKey.removeAll(keepingCapacity: true)
        }
        while let entry = try source.next() {
            if block.isEmpty { first = position(entry.key, entry.records.first) }
            var shared = 0
            let limit = min(lastKey.count, entry.key.count)
            while shared < limit, lastKey[shared] == entry.key[shared] { shared += 1 }
            Varint.append(UInt64(shared), to: &block)
            Varint.append(UInt64(entry.key.count - shared), to: &block)
            block += entry.key[shared...]
            Varint.append(UInt64(entry.records.bytes.count), to: &block)
            block += entry.records.bytes
            lastKey = entry.key
            if block.count >= blockSize { try flush() }
        }
        if !block.isEmpty { try flush() }
        var level = 0
        while size >> (2 * level) > 1_024 { level += 1 }
        try db.execute(sql: "UPDATE run SET level = ? WHERE id = ?", arguments: [max(minimum, level), run])
    }

    /// Where an entry stands in its run. Keys have no zero byte, so these sort as keys do, then by record.
    static func position(_ key: [UInt8], _ record: Int64) -> [UInt8] {
        key + [0] + withUnsafeBytes(of: record.bigEndian) { Array($0) }
    }

    // MARK: Looking up

    /// The records that any of the terms in this range of keys stands in, ascending.
    static func records(from low: [UInt8], below high: [UInt8], _ db: Database) throws -> [Int64] {
        var records: [Int64] = []
        let runs = try Int64.fetchAll(db.cachedStatement(sql: "SELECT id FROM run"))
        let statement = try db.cachedStatement(
            sql: """
                SELECT data FROM block WHERE run = ?1 AND first < ?3 AND first >= coalesce(
                    (SELECT first FROM block WHERE run = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1), x'')
                """)
        for run in runs {
            let rows = try Row.fetchCursor(statement, arguments: [run, Data(low), Data(high)])
            while let row = try rows.next() {
                try row.withUnsafeData(atIndex: 0) { data in
                    guard let data else { throw BlockReader.damage }
                    try data.withUnsafeBytes { bytes in
                        try scan(bytes.assumingMemoryBound(to: UInt8.self), from: low, below: high, into: &records)
                    }
                }
            }
        }
        var isAscending = true
        for index in records.indices.dropFirst() where records[index - 1] >= records[index] {
            isAscending = false
            break
        }
        return isAscending ? records : RecordList.ascending(records)
    }

    /// Reads through a block without making anything of the entries that are not asked for.
    private static func scan(
        _ block: UnsafeBufferPointer<UInt8>, from low: [UInt8], below high: [UInt8], into records: inout [Int64]
    ) throws {
        var key: [UInt8] = []
        var offset = 0
        while offset < block.count {
            guard let shared = Varint.read(block, &offset), shared <= UInt64(key.count),
                let length = Varint.read(block, &offset), length <= UInt64(block.count - offset)
            else { throw BlockReader.damage }
            key.removeLast(key.count - Int(shared))
            key += UnsafeBufferPointer(rebasing: block[offset..<(offset + Int(length))])
            offset += Int(length)
            guard let size = Varint.read(block, &offset), size <= UInt64(block.count - offset) else {
                throw BlockReader.damage
            }
            let list = UnsafeBufferPointer(rebasing: block[offset..<(offset + Int(size))])
            offset += Int(size)
            guard !TermEntry.precedes(key, low) else { continue }
            guard TermEntry.precedes(key, high) else { return }
            guard RecordList.unpack(list, into: &records) else { throw BlockReader.damage }
        }
    }

    /// The records that this term stands in.
    static func records(of key: [UInt8], _ db: Database) throws -> [Int64] {
        try records(from: key, below: key + [0, 0xff], db)
    }

    /// The records with a term that begins so.
    static func records(beginning prefix: [UInt8], _ db: Database) throws -> [Int64] {
        // No byte of UTF-8 is 255.
        try records(from: prefix, below: prefix + [0xff], db)
    }
}

/// Entries in order, one at a time.
protocol TermSource {
    mutating func next() throws -> TermEntry?
}

private struct ArraySource: TermSource {
    let entries: [TermEntry]
    private var index = 0

    init(entries: [TermEntry]) {
        self.entries = entries
    }

    mutating func next() -> TermEntry? {
        guard index < entries.count else { return nil }
        defer { index += 1 }
        return entries[index]
    }
}

/// The entries of one block.
struct BlockReader: TermSource {
    private let bytes: [UInt8]
    private var offset = 0
    private var key: [UInt8] = []

    static let damage = StoreError.damaged(
        path: "the index", reason: "a block of terms cannot be read; delete it, it is filled again")

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func next() throws -> TermEntry? {
        guard offset < bytes.count else { return nil }
        let key = key
        let (entry, end) = try bytes.withUnsafeBufferPointer { bytes in
            var offset = offset
            guard let shared = Varint.read(bytes, &offset), shared <= UInt64(key.count),
                let length = Varint.read(bytes, &offset), length <= UInt64(bytes.count - offset)
            else { throw BlockReader.damage }
            let next = key.prefix(Int(shared)) + bytes[offset..<(offset + Int(length))]
            offset += Int(length)
            guard let size = Varint.read(bytes, &offset), size <= UInt64(bytes.count - offset) else {
                throw BlockReader.damage
            }
            let records = RecordList(bytes: Array(bytes[offset..<(offset + Int(size))]))
            return (TermEntry(key: Array(next), records: records), offset + Int(size))
        }
        offset = end
        self.key = entry.key
        return entry
    }
}

/// The entries of one stored run, block by block.
private struct RunSource: TermSource {
    private let rows: RowCursor
    private var block = BlockReader([])

    init(_ db: Database, run: Int64) throws {
        rows = try Row.fetchCursor(db, sql: "SELECT data FROM block WHERE run = ? ORDER BY first", arguments: [run])
    }

    mutating func next() throws -> TermEntry? {
        while true {
            if let entry = try block.next() { return entry }
            guard let row = try rows.next() else { return nil }
            block = BlockReader(try row.withUnsafeData(atIndex: 0) { data in data.map { [UInt8]($0) } ?? [] })
        }
    }
}

/// Several sources as one; the records of a term that is in more than one are put together.
private struct TermMerge<Source: TermSource>: TermSource {
    private var sources: [Source]
    private var heads: [TermEntry?]
    private var ready: [TermEntry] = []

    init(_ sources: [Source]) throws {
        self.sources = sources
        heads = []
        for index in sources.indices { heads.append(try self.sources[index].next()) }
    }

    mutating func next() throws -> TermEntry? {
        if let entry = ready.popLast() { return entry }
        var smallest: [Int] = []
        for index in heads.indices {
            guard let head = heads[index] else { continue }
            guard let best = smallest.first, let key = heads[best]?.key else {
                smallest = [index]
                continue
            }
            if head.key == key {
                smallest.append(index)
            } else if TermEntry.precedes(head.key, key) {
                smallest = [index]
            }
        }
        guard let first = smallest.first, let entry = heads[first] else { return nil }
        guard smallest.count > 1 else {
            heads[first] = try sources[first].next()
            return entry
        }
        var records: [Int64] = []
        for index in smallest {
            while let head = heads[index], head.key == entry.key {
                guard head.records.unpack(into: &records) else { throw BlockReader.damage }
                heads[index] = try sources[index].next()
            }
        }
        var rest = RecordList.ascending(records)[...]
        while !rest.isEmpty {
            ready.append(TermEntry(key: entry.key, records: RecordList(rest.suffix((rest.count - 1) % 4_096 + 1))))
            rest = rest.dropLast((rest.count - 1) % 4_096 + 1)
        }
        return ready.popLast()
    }
}
