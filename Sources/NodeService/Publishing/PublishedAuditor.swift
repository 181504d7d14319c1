import Cryptography
import LogStore
public import TransparencyLog

/// Reads a published log from its first byte and checks everything that it says of itself: every body, every tile byte
/// by byte, the root, the signature on the checkpoint, the cosignatures that keys were given for. It needs no home.
/// Memory stays constant.
///
/// A key that was given may be an earlier or a later one than that which signs: records in the log, each signed by the
/// key before and the one after, lead from one to the other.
public struct PublishedAuditor {
    private let source: any PublishedSource
    private let logKeys: [VerifierKey]
    private let cosigners: [VerifierKey]
    private let earlier: PublishedWalk.Earlier?
    private let now: UInt64
    /// What the log said of keys so far, at most ``maximumKeys``.
    private let keys = Guarded<[PublishedKey]>([])
    private static let maximumKeys = 4_096
    /// Places that are read between two looks at the tree.
    private static let chunk: UInt64 = 128

    /// - Parameters:
    ///   - logKeys: what signs checkpoints of this log; all have its origin as their name.
    ///   - cosigners: whoever must have cosigned the checkpoint.
    ///   - earlier: what the log has to go on from.
    ///   - now: Unix seconds.
    public init(
        source: any PublishedSource, logKeys: [VerifierKey], cosigners: [VerifierKey],
        earlier: PublishedWalk.Earlier? = nil, now: UInt64 = Clock.now()
    ) {
        self.source = source
        self.logKeys = logKeys
        self.cosigners = cosigners
        self.earlier = earlier
        self.now = now
    }

    /// Audits the log; `progress` hears how many entries are done of how many.
    public func audit(progress: ((_ done: UInt64, _ total: UInt64) -> Void)? = nil) throws -> PublishedReport {
        let read = try read(progress: progress)
        return read.report(ledBy: [read])
    }

    /// Reads the log and judges all but its cosignatures: the keys of those may be led on by other logs.
    public func read(progress: ((_ done: UInt64, _ total: UInt64) -> Void)? = nil) throws -> PublishedAudit {
        var audit = PublishedAudit(origin: logKeys.first?.name ?? "", logKeys: logKeys, cosigners: cosigners, now: now)
        keys.value = []
        guard let (note, checkpoint, isKnown) = try checkpoint(&audit.report) else { return audit }
        let hasher = MerkleHasher()
        var walk = PublishedWalk(checkpoint, earlier: earlier)
        while !walk.remaining.isEmpty {
            let numbers = walk.remaining.prefix(Int(PublishedAuditor.chunk))
            for reading in try read(numbers, walk, &audit.report) {
                try walk.add(reading, hasher: hasher) { try content(of: [$0])[0] }
            }
            try compare(walk.takeCompleted(), &walk, &audit.report)
            // What no known key has signed is followed only as long as it agrees with itself.
            guard isKnown || walk.findingCount == 0 else { break }
            progress?(walk.size, checkpoint.size)
        }
        if isKnown || walk.findingCount == 0 {
            try compare(walk.tilesAtEdge, &walk, &audit.report)
            walk.finish(hasher: hasher)
        }
        audit.add(walk, note, keys.value.sorted { $0.entry < $1.entry }, isKnown: isKnown)
        return audit
    }

    // MARK: Reading

    private func read(
        _ numbers: Range<UInt64>, _ walk: PublishedWalk, _ report: inout PublishedReport
    ) throws -> [PublishedReading] {
        let places = try numbers.map { try walk.files(of: $0) }
        let widths = numbers.map { walk.width(of: $0) }
        let hashes = try self.hashes(
            of: places.flatMap { [$0.bundle, $0.tile] }, widths: widths.flatMap { [$0, $0] },
            numbers: numbers.flatMap { [$0, $0] })
        report.bundles += UInt64(places.count)
        report.tiles += UInt64(places.count)
        return zip(numbers, stride(from: 0, to: hashes.count, by: 2)).map {
            PublishedReading(number: $0, fromBundle: hashes[$1], fromTile: hashes[$1 + 1])
        }
    }

    /// What bundles and tiles say, computed as each is read, so that no more bytes are held than are being read.
    private func hashes(
        of files: [PublishedFile], widths: [Int], numbers: [UInt64]
    ) throws -> [PublishedReading.Hashes] {
        let results = Guarded([PublishedReading.Hashes?](repeating: nil, count: files.count))
        let missing = Guarded<[Int]>([])
        try read(files, missing: missing) { [keys] place, content in
            let hasher = MerkleHasher()
            let hashes: PublishedReading.Hashes =
                if case .bundle = files[place] {
                    .ofBundle(content, width: widths[place], hasher: hasher)
                } else {
                    .ofTile(content, width: widths[place], hasher: hasher)
                }
            results.update { $0[place] = hashes }
            if case .bundle = files[place], case .are = hashes, case .bytes(let raw) = content,
                let said = try? PublishedKey.chained(inRaw: raw, number: numbers[place], count: widths[place]),
                !said.isEmpty
            {
                keys.update {
                    $0 += said.prefix(PublishedAuditor.maximumKeys - min($0.count, PublishedAuditor.maximumKeys))
                }
            }
        }
        return results.value.map { $0 ?? .unknown("it was not read") }
    }

    private func content(of files: [PublishedFile]) throws -> [PublishedContent] {
        let results = Guarded([PublishedContent](repeating: .missing, count: files.count))
        try read(files, missing: Guarded([])) { place, content in results.update { $0[place] = content } }
        return results.value
    }

    /// Reads files; a partial one that has gone since it was full is looked for in the full one.
    private func read(
        _ files: [PublishedFile], missing: Guarded<[Int]>, _ take: @escaping @Sendable (Int, PublishedContent) -> Void
    ) throws {
        try source.read(files) { place, content in
            if content == .missing, files[place].full != nil {
                missing.update { $0.append(place) }
            } else {
                take(place, content)
            }
        }
        let places = missing.value
        guard !places.isEmpty else { return }
        try source.read(places.map { files[$0].full ?? files[$0] }) { position, content in
            take(places[position], content)
        }
    }

    private func compare(_ tiles: [Tile], _ walk: inout PublishedWalk, _ report: inout PublishedReport) throws {
        // Some at a time: a chunk completes few, and no tile is larger than 8 KiB.
        let contents = try content(of: tiles.map { .tile($0.coordinate) })
        for (tile, content) in zip(tiles, contents) { walk.compare(tile, with: content) }
        report.tiles += UInt64(tiles.count)
    }

    // MARK: Signatures

    /// The checkpoint, and whether one of the keys that were given has signed it. One that another key under the log's
    /// name has signed may still be led to.
    private func checkpoint(
        _ report: inout PublishedReport
    ) throws -> (note: SignedNote, checkpoint: Checkpoint, isKnown: Bool)? {
        let bytes: [UInt8]
        switch try source.read(.checkpoint) {
        case .bytes(let read): bytes = read
        case .missing:
            report.found(.checkpoint, "it is missing")
            return nil
        case .unusable(let reason):
            report.found(.checkpoint, reason)
            return nil
        }
        do {
            let note = try SignedNote(parsing: bytes)
            do {
                return (note, try Checkpoint(verifying: note, logKeys: logKeys), true)
            } catch let error as NoteError {
                let checkpoint = try Checkpoint(parsing: note.text)
                guard case .notSignedByLog = error, let origin = logKeys.first?.name,
                    KeyName.same(checkpoint.origin, origin),
                    note.signatures.contains(where: { KeyName.same($0.name, origin) })
                else { throw error }
                return (note, checkpoint, false)
            }
        } catch {
            report.found(.checkpoint, "\(error)")
            return nil
        }
    }
}
