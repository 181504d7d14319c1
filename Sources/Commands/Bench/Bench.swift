import Cryptography
import Glibc
import LogStore
import NodeService
import Records
import TransparencyLog

/// Measurements on a store in a folder of its own.
struct Bench {
    let folder: String
    private let seed: UInt64
    private let isJSON: Bool
    private let roundTrip: RoundTrip?

    init(folder: String, seed: UInt64, isJSON: Bool, roundTrip: RoundTrip? = nil) throws {
        self.folder = folder
        self.seed = seed
        self.isJSON = isJSON
        self.roundTrip = roundTrip
    }

    /// Where to reach a serving process: over the link that was asked for, if one was.
    func link(to port: Int) throws -> (port: Int, link: LinkRelay?) {
        guard let roundTrip else { return (port, nil) }
        let link = try LinkRelay(
            to: port, weather: LinkRelay.Weather(delay: .milliseconds(roundTrip.milliseconds) / 2))
        tell("round trip of the link (a relay: no TCP slow start, no window)", Double(roundTrip.milliseconds), "ms")
        return (link.port, link)
    }

    /// One figure: a line for people, or a JSON object.
    func tell(_ name: String, _ value: Double, _ unit: String) {
        let text = value >= 1_000 ? grouped(Int(value.rounded())) : Commands.seconds(value)
        if isJSON {
            Output.json([
                JSONMember("name", .string(name)), JSONMember("value", .number(Commands.seconds(value))),
                JSONMember("unit", .string(unit)),
            ])
        } else {
            Output.line("\(text) \(unit)  \(Style.dim(name))")
        }
    }

    static func measured(_ work: () throws -> Void) rethrows -> Double {
        let begin = ContinuousClock.now
        try work()
        return Double((ContinuousClock.now - begin) / .microseconds(1)) / 1_000_000
    }

    func fsyncMilliseconds() throws -> Double {
        let descriptor = open(folder + "/fsync", O_CREAT | O_WRONLY, 0o600)
        guard descriptor >= 0 else { throw CommandFailure(.io, "\(folder) cannot be written") }
        defer { close(descriptor) }
        let page = [UInt8](repeating: 7, count: 4_096)
        let times = (0..<51).map { _ in
            Bench.measured {
                _ = write(descriptor, page, page.count)
                fsync(descriptor)
            }
        }
        return times.sorted()[25] * 1_000
    }

    /// A store with an own log of generated records, appended in batches. Answers with the seconds that took, without
    /// generating, and the bytes of the bodies.
    func fill(_ store: SQLiteLogStore, records: Int, batch: Int = 4_096) throws -> (seconds: Double, bytes: Int) {
        try append(records, to: store, batch: batch, seed: seed)
    }

    /// Appends generated records to an own log, which is made where it is not there.
    @discardableResult
    func append(
        _ records: Int, to store: SQLiteLogStore, origin: String = BenchFederation.origin, batch: Int = 4_096,
        seed: UInt64? = nil
    ) throws -> (seconds: Double, bytes: Int) {
        try store.createLog(
            origin: origin, node: "us.example", community: "bench", isOwn: true,
            verifierKey: BenchFederation.logKey(origin).verifierKey.text)
        let options = try BenchFederation.options(origin)
        var generator = BodyGenerator(seed: seed ?? UInt64.random(in: 0...UInt64.max))
        var total = 0.0
        var bytes = 0
        var left = records
        while left > 0 {
            let entries = (0..<min(left, batch)).map { _ in NewEntry(body: generator.next()) }
            bytes += entries.reduce(0) { $0 + $1.body.count }
            left -= entries.count
            total += try Bench.measured { _ = try store.append(entries, to: origin, options: options) }
        }
        return (total, bytes)
    }

    func makeStore() throws -> SQLiteLogStore {
        try BenchFederation(folder: folder).store("us")
    }

    /// A folder of its own for one of several measurements.
    func subfolder(_ name: String) throws -> String {
        let path = "\(folder)/\(name)"
        guard mkdir(path, 0o700) == 0 else { throw CommandFailure(.io, "\(path) cannot be made") }
        return path
    }

    func append(_ records: Int) throws {
        let store = try makeStore()
        let (seconds, bytes) = try fill(store, records: records)
        tell("durable append of \(grouped(records)) prepared bodies, batches of 4,096", seconds, "s")
        tell("records appended a second", Double(records) / seconds, "/s")
        tell("bytes of a body, mean", Double(bytes) / Double(records), "bytes")
        // What is not copied back yet lies in the write-ahead log.
        let size = ["", "-wal"].reduce(0) { sum, suffix in
            var info = stat()
            return stat("\(folder)/us.sqlite\(suffix)", &info) == 0 ? sum + Int(info.st_size) : sum
        }
        tell("database for each byte of the bodies", Double(size) / Double(bytes), "bytes")
        var generator = BodyGenerator(seed: seed &+ 1)
        let options = try BenchFederation.options(BenchFederation.origin)
        let times = try (0..<201).map { _ in
            let entry = NewEntry(body: generator.next())
            return try Bench.measured { _ = try store.append([entry], to: BenchFederation.origin, options: options) }
        }
        tell("one record appended, signed and marked, median", times.sorted()[100] * 1_000, "ms")
    }

    func verify(_ records: Int) throws {
        let store = try makeStore()
        let (_, bytes) = try fill(store, records: records)
        var report: AuditReport?
        let seconds = try Bench.measured {
            report = try LogAuditor(store: store, mirrorKeys: [:]).audit(store.logs())
        }
        guard report?.isSound == true else { throw CommandFailure(.internal, "the log is not sound") }
        tell("full verification of \(grouped(records)) records", seconds, "s")
        tell("records verified a second", Double(records) / seconds, "/s")
        var generator = BodyGenerator(seed: seed)
        let sample = (0..<min(records, 100_000)).map { _ in generator.next() }
        let hasher = SHA256()
        let bare = Bench.measured { for body in sample { _ = body.withUnsafeBytes { hasher.hash($0) } } }
        tell("bare SHA-256 of such bodies a second, one core", Double(sample.count) / bare, "/s")
        tell("share of that rate", Double(records) / seconds * bare / Double(sample.count), "")
        tell("bytes of a body, mean", Double(bytes) / Double(records), "bytes")
    }

    func search(_ records: Int) throws {
        let store = try makeStore()
        _ = try fill(store, records: records)
        let index = try RecordIndex(path: "\(folder)/index.sqlite", store: store)
        let filling = try Bench.measured { try index.update() }
        tell("index filled with \(grouped(records)) records", filling, "s")
        tell("records indexed a second", Double(records) / filling, "/s")
        var generator = BodyGenerator(seed: seed)
        let addresses = (0..<min(records, 2_000)).compactMap { _ in
            EntryRecord.read(generator.next()).record?.subject?.address
        }
        let times = try addresses.map { address in
            var query = RecordQuery()
            query.address = address
            return try Bench.measured {
                guard try !index.search(query).found.isEmpty else {
                    throw CommandFailure(.internal, "an address that is there was not found")
                }
            }
        }.sorted()
        tell("address look-up, median", times[times.count / 2] * 1_000, "ms")
        tell("address look-up, 99th percentile", times[times.count * 99 / 100] * 1_000, "ms")
    }
}
