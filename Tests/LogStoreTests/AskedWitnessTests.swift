import LogStore
import Testing

@Suite("What witnesses have said")
struct AskedWitnessTests {
    @Test("It is kept with the cosignature that came with it, and stays apart from those of members")
    func keeping() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        try store.append(makeBodies(0..<3))
        var asked = AskedWitness(since: 10, asked: 10, problem: .init(.refused, "no", since: 10))
        try store.note(asked, key: "w+1", of: logID)
        #expect(try store.askedWitnesses(of: logID) == ["w+1": asked])
        asked.problem = nil
        asked.asked = 20
        asked.size = 3
        let first = WitnessCosignature(key: "w+1", size: 3, time: 20, line: "a")
        try store.note(asked, key: "w+1", cosignature: first, of: logID)
        try store.note(asked, key: "v+1", cosignature: .init(key: "v+1", size: 2, time: 5, line: "v"), of: logID)
        #expect(try store.askedWitnesses(of: logID)["w+1"] == asked)
        // Of several on one checkpoint the newest is kept.
        let newer = WitnessCosignature(key: "w+1", size: 3, time: 30, line: "b")
        try store.note(asked, key: "w+1", cosignature: newer, of: logID)
        try store.note(asked, key: "w+1", cosignature: first, of: logID)
        #expect(try store.witnessCosignatures(of: logID) == [newer, .init(key: "v+1", size: 2, time: 5, line: "v")])
        #expect(try store.witnessCosignatures(of: logID, at: 3) == [newer])
        #expect(try store.witnessCosignatures(of: logID, at: 2).map(\.key) == ["v+1"])
        #expect(try store.witnessCosignatures(of: logID, at: 1).isEmpty)
        #expect(try store.cosignatures(of: logID).isEmpty && store.newestCosignatures(of: logID).isEmpty)
    }
}
