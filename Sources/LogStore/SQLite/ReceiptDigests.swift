public import Cryptography
import GRDB
import Synchronization
import TransparencyLog

/// The digests of the receipts of all logs, kept in memory: read once, then one page whenever it changes.
///
/// The lock is held while the database is read: a page that changes meanwhile is marked after its commit, so behind
/// the reading, and is read again.
final class ReceiptDigests: Sendable {
    /// What a page's receipts add up to, to notice cheaply what another process wrote.
    struct Sum: Hashable {
        var count = 0
        var times: Int64 = 0
    }

    /// What all pages of all logs held when another process was last heard to have written.
    struct Version: Hashable {
        let pool: ObjectIdentifier
        let number: Int
    }

    struct State {
        var version: Version?
        var pages: [SHA256Digest: [UInt64: SHA256Digest]] = [:]
        var sums: [SHA256Digest: [UInt64: Sum]] = [:]
        var changed: [SHA256Digest: Set<UInt64>] = [:]
        var isLoaded = false
    }

    let state = Mutex(State())

    /// To be called after the commit that stored them.
    func change(_ receipts: [StoredReceipt], of log: SHA256Digest) {
        guard !receipts.isEmpty else { return }
        state.withLock { state in
            state.changed[log, default: []].formUnion(receipts.map { $0.index / ReceiptDigest.pageSize })
        }
    }
}

extension SQLiteLogStore {
    /// Looks for receipts that other processes have stored since the last look: until then the digests may be behind
    /// them. Reads next to nothing if none has written.
    public func lookForReceipts() throws {
        try receiptDigests.state.withLock { try look(&$0) }
    }

    /// The digest of all receipts of a log; all zeros where it has none.
    public func receiptDigest(of log: SHA256Digest) throws -> SHA256Digest {
        ReceiptDigest.log(try receiptPages(of: log))
    }

    /// The digest of each page of receipts of a log, by number. Pages without receipts are left out.
    public func receiptPages(of log: SHA256Digest) throws -> [UInt64: SHA256Digest] {
        try receiptDigests.state.withLock { state in
            if !state.isLoaded { try look(&state) }
            if let numbers = state.changed.removeValue(forKey: log) {
                do {
                    for number in numbers { try read(number, of: log, &state) }
                } catch {
                    state.changed[log, default: []].formUnion(numbers)
                    throw error
                }
            }
            return state.pages[log] ?? [:]
        }
    }

    /// Finds the pages that are not as they were read; reads nothing if no other process has written anything.
    private func look(_ state: inout ReceiptDigests.State) throws {
        let version = try receiptsVersion()
        if state.isLoaded, state.version == version { return }
        let sums = try database.read { db in
            var sums: [SHA256Digest: [UInt64: ReceiptDigests.Sum]] = [:]
            let rows = try Row.fetchCursor(
                db,
                sql: """
                    SELECT log.log_id, entry / \(ReceiptDigest.pageSize) AS page, count(*) AS receipts,
                        sum(time % 1000000007) AS times
                    FROM receipt JOIN log ON log.id = receipt.log GROUP BY receipt.log, page
                    """)
            while let row = try rows.next() {
                sums[try row.digest("log_id"), default: [:]][row.size("page")] = ReceiptDigests.Sum(
                    count: row["receipts"], times: row["times"])
            }
            return sums
        }
        for (log, pages) in sums {
            let known = state.sums[log] ?? [:]
            state.changed[log, default: []].formUnion(pages.keys.filter { known[$0] != pages[$0] })
        }
        state.version = version
        state.isLoaded = true
    }

    /// Changes when another process commits anything, and not when this one does: all its writes go through the
    /// connection that is asked.
    private func receiptsVersion() throws -> ReceiptDigests.Version {
        try translatingErrors(path: database.path) {
            let pool = try database.pool()
            let number = try pool.writeWithoutTransaction { db in
                try Int.fetchOne(db, sql: "PRAGMA data_version") ?? 0
            }
            return ReceiptDigests.Version(pool: ObjectIdentifier(pool), number: number)
        }
    }

    private func read(_ number: UInt64, of log: SHA256Digest, _ state: inout ReceiptDigests.State) throws {
        let first = number * ReceiptDigest.pageSize
        let leaves = try database.read { db in
            let rows = try Row.fetchCursor(
                db.cachedStatement(
                    sql: """
                        SELECT entry, sha256, holder, time FROM receipt
                        WHERE log = ? AND entry >= ? AND entry < ? ORDER BY entry, sha256, holder
                        """),
                arguments: [
                    Self.rowID(db, log), Int64(clamping: first), Int64(clamping: first + ReceiptDigest.pageSize),
                ])
            var leaves: [ReceiptDigest.Leaf] = []
            while let row = try rows.next() {
                leaves.append(
                    ReceiptDigest.Leaf(
                        index: row.size("entry"), sha256: try row.digest("sha256"), holder: try row.text("holder"),
                        time: row.size("time")))
            }
            return leaves
        }
        state.pages[log, default: [:]][number] = leaves.isEmpty ? nil : ReceiptDigest.page(leaves)
        state.sums[log, default: [:]][number] = ReceiptDigests.Sum(
            count: leaves.count, times: leaves.reduce(0) { $0 + Int64(clamping: $1.time) % 1_000_000_007 })
    }
}
