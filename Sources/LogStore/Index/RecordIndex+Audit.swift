import Cryptography
import GRDB

import struct FoundationEssentials.Data

/// What became of an index that was held against the logs.
public struct IndexAudit: Sendable {
    /// Entries of which the index says what the logs say.
    public var entries: UInt64 = 0
    /// What is wrong with it.
    public var problems: [String] = []
    /// What could not be compared.
    public var unproved: [String] = []
}

extension RecordIndex {
    /// Holds what an index says against the logs, as far as it is filled: every term, time and effect of every entry,
    /// and how its rows lie in the file. Neither writes anything. Memory is that of filling it.
    ///
    /// - Parameters:
    ///   - logs: those to compare.
    ///   - since: entries before these, by origin, are not read.
    public static func audit(
        _ found: FoundDatabase, of store: SQLiteLogStore, logs: [StoredLog], since: [String: UInt64] = [:],
        progress: (_ done: UInt64, _ total: UInt64) -> Void = { _, _ in }
    ) throws -> IndexAudit {
        var audit = IndexAudit()
        guard found.access != .absent else { return audit }
        guard found.writeAheadBytes == 0 || found.isWriteAheadRead else {
            audit.unproved.append("\(found.path) was not read: its write-ahead log can be applied only by writing")
            return audit
        }
        do {
            let index = RecordIndex(
                database: try NodeDatabase(path: found.path, kind: .index, access: found.access), store: store)
            try index.audit(logs, since, &audit, progress)
        } catch StoreError.damaged(_, let reason) {
            // The cure is said of every problem.
            audit.problems.append("it cannot be read: \(reason.prefix { $0 != ";" })")
        } catch StoreError.newerVersion {
            audit.unproved.append("what \(found.path) says: a newer release wrote it")
        } catch StoreError.cannotOpen(_, let reason) {
            audit.problems.append("it cannot be opened: \(reason)")
        } catch StoreError.io(_, let reason) {
            audit.problems.append("it cannot be read: \(reason)")
        }
        return audit
    }

    /// The ranges of one log that are named.
    private static let maximumRanges = 20

    private func audit(
        _ logs: [StoredLog], _ since: [String: UInt64], _ audit: inout IndexAudit,
        _ progress: (UInt64, UInt64) -> Void
    ) throws {
        let said = try database.read { db in try Self.reading(db, logs, &audit) }
        var sums = IndexSums(sizes: said.sizes)
        let starts = said.logs.map { min($0.entries, since[$0.log.origin] ?? 0) / IndexSums.width * IndexSums.width }
        let total = zip(said.logs, starts).reduce(0) { $0 + $1.0.entries - $1.1 }
        var done: UInt64 = 0
        let unread = Set(try unread().map(\.origin))
        for ((log, row, entries), start) in zip(said.logs, starts) {
            if unread.contains(log.origin) {
                audit.unproved.append(
                    "what the index says of \(log.origin), of which entries were damaged when it was filled; a search "
                        + "after `entente scrub --repair` fills it again")
                continue
            }
            do {
                var next = start
                while next < entries {
                    let end = min(entries, (next / Self.batch + 1) * Self.batch)
                    sums.add(try read(log, row: row, entries: next..<end), log: row, from: next)
                    done += end - next
                    next = end
                    progress(done, total)
                }
                let differences = sums.differences(from: said.sums, log: row, start: start)
                for range in differences.prefix(Self.maximumRanges) {
                    audit.problems.append(
                        "\(log.origin)#\(range.lowerBound) to #\(range.upperBound - 1): it says something else of them "
                            + "than the log")
                }
                if differences.isEmpty { audit.entries += entries - start }
            } catch StoreError.damaged(_, let reason) {
                audit.unproved.append("what the index says of \(log.origin), which cannot be read: \(reason)")
            }
        }
        guard audit.unproved.isEmpty else { return }
        let isWhole = starts.allSatisfy { $0 == 0 } && said.isOfAllLogs
        if !sums.hidden.isSubset(of: said.sums.hidden) || (isWhole && sums.hidden != said.sums.hidden) {
            audit.problems.append("it hides other records than those that were withdrawn")
        }
        if said.sealedTerms > 0 {
            audit.unproved.append(
                "that \(said.sealedTerms) keyed digests of sealed values in the index are right: it takes private keys "
                    + "to make them; they are made again after the index was deleted")
        }
    }

    /// What an index says, as of one moment.
    private struct Reading {
        let logs: [(log: StoredLog, row: Int64, entries: UInt64)]
        /// Whether these are all logs that it knows.
        let isOfAllLogs: Bool
        let sizes: [Int64: UInt64]
        let sums: IndexSums
        let sealedTerms: Int
    }

    private static func reading(_ db: Database, _ logs: [StoredLog], _ audit: inout IndexAudit) throws -> Reading {
        audit.problems += try String.fetchAll(db, sql: "PRAGMA main.integrity_check(20)").filter { $0 != "ok" }
        let here = Dictionary(logs.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        var known: [(log: StoredLog, row: Int64, entries: UInt64)] = []
        var sizes: [Int64: UInt64] = [:]
        var count = 0
        for row in try Row.fetchAll(db, sql: "SELECT id, log_id, origin, community, entries FROM log") {
            count += 1
            let origin = try row.text("origin")
            guard SHA256.hash(origin) == (try row.digest("log_id")) else {
                audit.problems.append("\(origin): it has it under another number")
                continue
            }
            guard let log = here[try row.digest("log_id")] else { continue }
            guard log.community == (try row.text("community")), row.size("entries") <= log.size else {
                audit.problems.append(
                    "\(origin): it goes up to entry \(row.size("entries")) of \(log.size), or names another community")
                continue
            }
            known.append((log, Int64(row.size("id")), row.size("entries")))
            sizes[Int64(row.size("id"))] = row.size("entries")
        }
        var sums = IndexSums(sizes: sizes)
        try addTerms(db, to: &sums)
        try addTimes(db, to: &sums)
        let effects = try Row.fetchCursor(
            db, sql: "SELECT target_origin, target_index, kind, record, replacement FROM effect")
        while let row = try effects.next() {
            sums.add(
                effect: try row.text("kind"), on: try row.text("target_origin"), at: row.size("target_index"),
                replacement: String.fromDatabaseValue(row["replacement"]), of: Int64(row.size("record")))
        }
        let isOfAllLogs = known.count == count
        if isOfAllLogs, sums.hasStrangers {
            audit.problems.append("it says something of entries that it does not know")
        }
        return Reading(
            logs: known, isOfAllLogs: isOfAllLogs, sizes: sizes, sums: sums,
            sealedTerms: try Int.fetchOne(db, sql: "SELECT count(*) FROM sealed_term") ?? 0)
    }

    /// Every term of every run, and that each stands where it is looked for.
    private static func addTerms(_ db: Database, to sums: inout IndexSums) throws {
        let rows = try Row.fetchCursor(
            db,
            sql: "SELECT block.run, first, data, run.id FROM block LEFT JOIN run ON run.id = run ORDER BY run, first")
        var last: (run: Int64, position: [UInt8])?
        while let row = try rows.next() {
            let run: Int64 = row[0]
            guard !row.hasNull(atIndex: 3) else { throw BlockReader.damage }
            var block = BlockReader(try row.withUnsafeData(atIndex: 2) { data in data.map { [UInt8]($0) } ?? [] })
            var isFirst = true
            while let entry = try block.next() {
                let position = TermRun.position(entry.key, entry.records.first)
                if isFirst, position != [UInt8](row[1] as Data) { throw BlockReader.damage }
                if let last, last.run == run, !last.position.lexicographicallyPrecedes(position) {
                    throw BlockReader.damage
                }
                guard sums.add(entry) else { throw BlockReader.damage }
                last = (run, position)
                isFirst = false
            }
            if isFirst { throw BlockReader.damage }
        }
    }

    private static func addTimes(_ db: Database, to sums: inout IndexSums) throws {
        let rows = try Row.fetchCursor(db, sql: "SELECT id, times FROM span ORDER BY id")
        while let row = try rows.next() {
            let span: Int64 = row[0]
            guard span >= 0, span < 1 << 55 else { throw BlockReader.damage }
            try row.withUnsafeData(atIndex: 1) { data in
                try (data ?? Data()).withUnsafeBytes { times in
                    guard times.count.isMultiple(of: 8), times.count <= 256 * 8 else { throw BlockReader.damage }
                    for offset in 0..<(times.count / 8) {
                        sums.add(
                            time: times.loadUnaligned(fromByteOffset: offset * 8, as: Int64.self),
                            of: span << 8 | Int64(offset))
                    }
                }
            }
        }
    }
}

extension IndexSums {
    /// What an index says of these entries, which follow each other.
    fileprivate mutating func add(_ pieces: [RecordTerms], log: Int64, from start: UInt64) {
        var index = start
        for piece in pieces {
            for entry in piece.sorted { _ = add(entry) }
            for time in piece.times {
                add(time: time, of: RecordNumber.make(log: log, index: index))
                index += 1
            }
            for mark in piece.effects { add(mark) }
        }
    }
}
