import LogStore
import Testing

@Suite("Doubles")
struct DoubleTests {
    private func entries(_ hashes: [UInt64]) -> [NewEntry] {
        hashes.map { NewEntry(body: [UInt8]("entry \($0) \(UInt64.random(in: 0...UInt64.max))".utf8), doubleHash: $0) }
    }

    private func append(
        _ hashes: [UInt64], _ filter: DoubleFilter?, _ store: SQLiteLogStore
    ) throws -> [UInt64?] {
        try store.append(entries(hashes), to: origin, options: AppendOptions(doubles: filter, sign: sign))
            .outcomes.map {
                if case .double(let index) = $0 { return index }
                return nil
            }
    }

    @Test("What the log says already is left out: in one batch, in later ones, and after opening again")
    func acrossReopening() throws {
        let folder = try StoreFolder()
        do {
            let store = try folder.open()
            try store.createOwn()
            let filter = DoubleFilter()
            #expect(try append([1, 2, 1, 3], filter, store) == [nil, nil, 0, nil])
            #expect(try append([3, 4, .max], filter, store) == [2, nil, nil])
        }
        let store = try folder.open()
        #expect(try append([4, 5, 1, .max], DoubleFilter(), store) == [3, nil, 0, 4])
        #expect(try store.log(origin)?.size == 6)
        // A batch of doubles alone appends nothing and signs nothing.
        #expect(try append([1, 2, 3], DoubleFilter(), store) == [0, 1, 2])
        #expect(try store.checkpoints(of: logID).count == 3)
    }

    @Test("Positions are right far into the log, behind entries without a hash")
    func sparse() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        try store.append(makeBodies(0..<300))
        let filter = DoubleFilter()
        #expect(try append([7], filter, store) == [nil])
        try store.append(makeBodies(0..<700))
        #expect(try append([8, 0, 0, 7], filter, store) == [nil, nil, nil, 300])
        #expect(try append(Array(1_000..<1_600), filter, store) == [UInt64?](repeating: nil, count: 600))
        #expect(try append([8, 7, 1_000, 1_599], DoubleFilter(), store) == [1_001, 300, 1_004, 1_603])
        try checkInvariants(store)
    }

    @Test("Two importers of one log see what the other added")
    func twoImporters() throws {
        let folder = try StoreFolder()
        let first = try folder.open()
        let second = try folder.open()
        try first.createOwn()
        let filters = (DoubleFilter(), DoubleFilter())
        for round in 0..<50 as Range<UInt64> {
            let base = round * 10 + 1
            #expect(try append(Array(base..<(base + 6)), filters.0, first) == [UInt64?](repeating: nil, count: 6))
            let answers = try append(Array((base + 3)..<(base + 9)), filters.1, second)
            #expect(answers.prefix(3).allSatisfy { $0 != nil } && answers.suffix(3).allSatisfy { $0 == nil })
        }
        #expect(try first.log(origin)?.size == 450)
    }

    @Test("A batch that failed leaves nothing in the filter")
    func failedAppend() throws {
        struct NoKey: Error {}
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        let filter = DoubleFilter()
        #expect(try append([1], filter, store) == [nil])
        #expect(throws: NoKey.self) {
            try store.append(
                entries([2, 3]), to: origin, options: AppendOptions(doubles: filter) { _, _ in throw NoKey() })
        }
        #expect(try append([1, 2, 3], filter, store) == [0, nil, nil])
    }

    @Test("Entries without a hash are never doubles")
    func withoutHash() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        let filter = DoubleFilter()
        #expect(try append([0, 0, 0], filter, store) == [nil, nil, nil])
        #expect(try append([0, 5, 0, 5], DoubleFilter(), store) == [nil, nil, nil, 4])
    }
}
