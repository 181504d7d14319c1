import Cryptography
import Home
public import LogStore
import Records
import Sealing

/// Finds records by the value of a field that was sealed to this node: own ones and those received. The index is local
/// and keyed, and only says where to look; a record counts as found once its envelope was opened and says so.
public struct SealedIndex: Sendable {
    private let index: RecordIndex
    let store: SQLiteLogStore
    let opener: SealedOpener
    private let blind: BlindDigest
    private let keyIDs: Set<[UInt8]>
    private let refused = Guarded<[RecordPosition: SealedRefusal]>([:])
    private let damage = Guarded<Set<RecordPosition>>([])

    /// The records met so far whose sealed part is not what they promise, so that no value finds them.
    public var refusals: [(record: RecordPosition, refusal: SealedRefusal)] {
        refused.value.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// Those whose sealed part is damaged here, so that no value finds them until it is mended.
    public var damaged: [RecordPosition] { damage.value.sorted() }

    /// Envelopes that are opened for one transaction.
    static let batch = 4_096
    /// Those that one core takes in a piece: neighbours share bundles.
    private static let slice = 256

    public init(node: Node) throws {
        index = try node.index()
        store = node.store
        opener = SealedOpener(node: node)
        blind = BlindDigest(key: try node.privateKeys.blindIndexKey())
        keyIDs = Set(try opener.keyIDs)
    }

    /// The records for which all conditions hold. Fills the index first.
    public func positions(
        where conditions: [SealedCondition], progress: ((_ done: UInt64, _ total: UInt64) -> Void)? = nil
    ) throws -> [RecordPosition] {
        try update(progress: progress)
        var candidates: Set<RecordPosition>?
        for condition in conditions {
            let digests = Set(condition.keys.map { blind.digest(SealedTerms.Term(field: condition.field, key: $0)) })
            let found = Set(try digests.flatMap { try index.sealedRecords(digest: $0) })
            candidates = candidates?.intersection(found) ?? found
        }
        let positions = (candidates ?? []).sorted()
        return try zip(positions, findings(at: positions)).compactMap { position, finding in
            guard case .terms(let terms) = finding else {
                // Erased, damaged or under a key that is gone: it is found no more, until it comes back.
                note(finding, at: position)
                try forget(position)
                return nil
            }
            let holds = conditions.allSatisfy { condition in
                condition.keys.contains { terms.contains(SealedTerms.Term(field: condition.field, key: $0)) }
            }
            return holds ? position : nil
        }
    }

    /// Fills the index with what came since: new blobs, those that were waited for, and those that a grant has opened;
    /// takes out what was erased. It begins anew where the index's key is another, where a sealing key is gone, or where
    /// one came back that something is sealed to.
    ///
    /// Other processes may do the same at the same time: a step that one of them was faster with is looked at anew.
    public func update(progress: ((_ done: UInt64, _ total: UInt64) -> Void)? = nil) throws {
        try index.update()
        var first: Int64?
        var hasAwaited = false
        while true {
            try index.forgetErased()
            let state = try begun()
            if !hasAwaited {
                let rows = try store.blobsHere(among: index.awaitedSealed())
                hasAwaited = try rows.isEmpty || add(rows, in: state, after: .awaited)
                if !rows.isEmpty { continue }
            }
            let grants = try store.rights(.grant, after: state.grant, limit: SealedIndex.batch)
            if let end = grants.last?.mark {
                let rows = try Set(grants.filter { $0.node == opener.node }.map(\.target)).sorted()
                    .flatMap { try store.blobRows(at: $0) }
                _ = try add(rows, in: state, after: .grants(end))
                continue
            }
            let rows = try store.blobs(after: state.cursor?.number ?? 0, limit: SealedIndex.batch)
            guard let end = rows.last else { return }
            let start = first ?? state.cursor?.number ?? 0
            first = start
            guard try add(rows, in: state, after: .blobs(end)) else { continue }
            let last = max(try store.lastBlob()?.number ?? 0, end.number)
            progress?(UInt64(clamping: end.number - start), UInt64(clamping: last - start))
        }
    }

    /// The state of the index, begun with this node's keys.
    private func begun() throws -> RecordIndex.SealedState {
        // Read before the index is: what comes in between is only looked at twice.
        let grant = try store.last(.grant)
        let erasure = try store.last(.erasure)
        if let state = try index.sealedState(), try !mustBeginAnew(state) {
            guard state.keyIDs != keyIDs else { return state }
            try index.addSealedKeys(keyIDs)
        } else {
            try index.beginSealed(
                fingerprint: blind.fingerprint, keyIDs: keyIDs, grant: grant, erasure: erasure)
        }
        guard let state = try index.sealedState() else {
            throw HomeError(.io, "the index of sealed values was replaced; try again")
        }
        return state
    }

    /// Takes a record's digests away, once its envelope is gone. What comes back is found again.
    public func forget(_ position: RecordPosition) throws {
        try index.forgetSealed(position, awaiting: store.blobRows(at: position).map(\.number))
    }

    private func mustBeginAnew(_ state: RecordIndex.SealedState) throws -> Bool {
        guard state.fingerprint == blind.fingerprint else { return true }
        if !state.keyIDs.isSubset(of: keyIDs) { return true }
        if state.lacksKeys, state.keyIDs != keyIDs { return true }
        // Rows are counted by the database; what was last seen must still be what was seen.
        if let cursor = state.cursor, try !store.stands(cursor) { return true }
        if let grant = state.grant, try !store.stands(.grant, grant) { return true }
        if let erasure = state.erasure, try !store.stands(.erasure, erasure) { return true }
        return false
    }

    private func add(
        _ rows: [BlobRow], in state: RecordIndex.SealedState, after step: RecordIndex.SealedStep
    ) throws -> Bool {
        var batch = RecordIndex.SealedBatch()
        let positions = rows.map { RecordPosition(log: $0.reference.log, index: $0.reference.index) }
        for (row, finding) in zip(rows, try findings(at: positions)) {
            switch finding {
            case .terms(let terms):
                batch.digests.append((row, Set(terms.map(blind.digest)).sorted()))
            case .waiting, .unreadable: batch.awaited.append(row.number)
            case .damaged, .refused:
                // Looked at again by every search, which says so.
                note(finding, at: RecordPosition(log: row.reference.log, index: row.reference.index))
                batch.awaited.append(row.number)
            case .lacksKey: batch.lacksKeys = true
            case .nothing: break
            }
        }
        batch.settled = rows.map(\.number)
        return try index.addSealed(batch, in: state, after: step)
    }

    private func note(_ finding: Finding, at position: RecordPosition) {
        switch finding {
        case .damaged: damage.update { _ = $0.insert(position) }
        case .refused(let refusal): refused.update { $0[position] = refusal }
        default: break
        }
    }

    enum Finding: Sendable {
        case terms(Set<SealedTerms.Term>)
        case waiting
        /// Its bytes here are not those that the record names; they may be mended.
        case damaged
        /// The record itself is damaged here.
        case unreadable
        case lacksKey
        /// It is not what the signed record promises.
        case refused(SealedRefusal)
        case nothing
    }

    private func findings(at positions: [RecordPosition]) throws -> [Finding] {
        try mapCandidates(at: positions) { candidates in
            // One question for the boxes of all: whoever has the keys may be another process.
            let opener = try opener.opening(candidates.flatMap(\.boxes))
            return try candidates.map { candidate in
                switch candidate {
                case .settled(let finding): finding
                case .sealed(let place, _): try finding(in: place, with: opener)
                }
            }
        }
    }

    /// What becomes of the records at these places, neighbours together, on all cores.
    func mapCandidates<Output: Sendable>(
        at positions: [RecordPosition], _ transform: @Sendable ([Candidate]) throws -> [Output]
    ) throws -> [Output] {
        guard !positions.isEmpty else { return [] }
        let logs = Dictionary(try store.logs().map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let granting = try store.logsWithGrants()
        let slices = stride(from: 0, to: positions.count, by: SealedIndex.slice).map { start in
            Array(positions[start..<min(start + SealedIndex.slice, positions.count)])
        }
        return try AllCores.map(slices) { slice in
            let candidates = try zip(slice, store.soundBodies(at: slice, in: logs)).map { position, body in
                guard let log = logs[position.log], position.index < log.size else {
                    return Candidate.settled(.waiting)
                }
                guard let body else { return Candidate.settled(.unreadable) }
                return try candidate(
                    in: body, log: log, index: position.index, mayBeGranted: granting.contains(log.id))
            }
            return try transform(candidates)
        }.flatMap { try $0.get() }
    }

    /// A record that may be found by what is sealed in it.
    enum Candidate {
        case settled(Finding)
        case sealed(Place, boxes: [BoxedKey])

        var boxes: [BoxedKey] {
            if case .sealed(_, let boxes) = self { boxes } else { [] }
        }
    }

    struct Place {
        let body: [UInt8]
        let record: EntryRecord
        let header: Records.SealedHeader
        let log: StoredLog
        let index: UInt64

        func sealed(_ opener: SealedOpener) -> SealedRecord {
            SealedRecord(opener: opener, log: log, index: index, type: record.type, header: header, body: body)
        }
    }

    private func candidate(
        in body: [UInt8], log: StoredLog, index: UInt64, mayBeGranted: Bool
    ) throws -> Candidate {
        guard let record = EntryRecord.read(body).record, let header = record.sealed,
            // In a log that members carry most is for others, and takes no look at the store.
            mayBeGranted || opener.isRecipient(of: header)
        else { return .settled(.nothing) }
        let place = Place(body: body, record: record, header: header, log: log, index: index)
        let sealed = place.sealed(opener)
        // The blob itself is read again when its box is open: many of them may be large.
        return switch try sealed.found() {
        case .notForThisNode, .erased: .settled(.nothing)
        case .notHere: .settled(try store.keepsBlob(sealed.blobReference) ? .damaged : .waiting)
        case .blob(let blob): .sealed(place, boxes: try sealed.boxes(in: blob))
        }
    }

    private func finding(in place: Place, with opener: SealedOpener) throws -> Finding {
        guard let schema = RecordSchema.of(place.record.type) else { return .nothing }
        let sealed = place.sealed(opener)
        do {
            guard let blob = try sealed.blob() else { return .waiting }
            return .terms(
                SealedTerms.terms(
                    of: try sealed.values(blob), schema: schema, body: try JSONScanner.scan(place.body)))
        } catch SealingError.keyMissing {
            return .lacksKey
        } catch SealingError.wrongHash, SealingError.wrongSize {
            return .damaged
        } catch {
            if let refusal = SealedRefusal(error) { return .refused(refusal) }
            guard error is SealingError else { throw error }
            return .nothing
        }
    }
}
