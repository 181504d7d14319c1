import Cryptography
import TransparencyLog

/// Reads bodies one after another, and unpacks a bundle once while they come from the same one.
struct BodyReader {
    private let store: SQLiteLogStore
    private let codec = BundleCodec()
    private var log: SHA256Digest?
    private var number: UInt64 = 0
    private var raw: [UInt8] = []
    private var ranges: [Range<Int>] = []

    init(_ store: SQLiteLogStore) {
        self.store = store
    }

    /// The body at this index; `nil` beyond the end of the log.
    mutating func body(of log: SHA256Digest, at index: UInt64) throws -> [UInt8]? {
        guard index < TreeLimits.maximumSize else { return nil }
        let width = UInt64(EntryBundle.maximumEntries)
        let position = Int(index % width)
        if self.log != log || number != index / width || position >= ranges.count {
            guard let bundle = try store.bundles(of: log, entries: index..<(index + 1)).first else { return nil }
            raw = bundle.isCompressed ? try codec.decompress(bundle.data, number: bundle.number) : bundle.data
            do {
                ranges = try EntryBundle.bodies(in: raw)
            } catch {
                throw StoreError.badBundle(number: bundle.number, reason: "\(error)")
            }
            number = bundle.number
            self.log = log
        }
        return position < ranges.count ? Array(raw[ranges[position]]) : nil
    }
}
