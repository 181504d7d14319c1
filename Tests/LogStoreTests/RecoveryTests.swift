import Cryptography
import Glibc
import LogStore
import Testing
import TransparencyLog

@Suite("Recovery of own logs")
struct RecoveryTests {
    private static let files = ["node.sqlite", "node.sqlite-wal", "signed.sqlite", "signed.sqlite-wal"]
    private static let count = 700

    /// A partner that holds everything, and a folder whose database is an older copy beside the newer marks.
    private struct Scene {
        let partner: SQLiteLogStore
        let partnerFolder: StoreFolder
        let folder: StoreFolder
        let heads: [SignedHead]

        init(keepingMarks: Bool = true) throws {
            partnerFolder = try StoreFolder(node: "kr.example")
            folder = try StoreFolder()
            partner = try partnerFolder.open()
            try partner.createReplica()
            let copy = try StoreFolder()
            do {
                let store = try folder.open()
                try store.createOwn()
                let small = try store.append(makeBodies(0..<10))
                folder.copy(RecoveryTests.files, to: copy)
                let large = try store.append(makeBodies(10..<RecoveryTests.count))
                heads = [small, large]
                try partner.receive(large, from: store)
            }
            for name in StoreFolder.names(in: folder.path)
            where name.hasPrefix("node.sqlite") || (!keepingMarks && name.hasPrefix("signed.sqlite")) {
                unlink("\(folder.path)/\(name)")
            }
            copy.copy(keepingMarks ? Array(RecoveryTests.files.prefix(2)) : RecoveryTests.files, to: folder)
        }

        /// The steps of a recovery from two members that both hold everything.
        var steps: [(SQLiteLogStore) throws -> Void] {
            let head = heads[1]
            var steps: [(SQLiteLogStore) throws -> Void] = [{ try $0.pin(head, of: logID) }]
            for end: UInt64 in [256, 512, 700] {
                steps.append { store in
                    guard let log = try store.log(origin), log.size < end else { return }
                    let verifier = try store.verifier(of: logID)
                    try store.commit(
                        verifier.verify(partner.arriving(verifier.size..<end, of: head.size, log: logID)))
                }
            }
            for member in ["jp.example", "kr.example"] {
                steps.append { store in
                    _ = try store.noteAnswer(
                        of: member, size: head.size, root: head.root, pinned: 0, log: logID, time: 1)
                }
            }
            steps.append {
                _ = try $0.finishRecovery(of: logID, members: ["jp.example", "kr.example"], time: 1_700_000_000)
            }
            return steps
        }
    }

    @Test("A crash behind any step of a recovery loses nothing, and nothing is appended before the last one")
    func crashes() throws {
        for crash in 0...7 {
            let scene = try Scene()
            var store: SQLiteLogStore? = try scene.folder.open()
            for (number, step) in scene.steps.enumerated() {
                if number == crash {
                    store = nil
                    store = try scene.folder.open()
                    // What was done before is done again: whoever runs a recovery again does not know how far it came.
                    for earlier in scene.steps.prefix(number) { try? store.map(earlier) }
                }
                let current = try #require(store)
                #expect(throws: StoreError.self) { try current.append([[1]]) }
                #expect(try current.rollbacks().count == 1)
                try step(current)
            }
            store = nil
            let recovered = try scene.folder.open()
            #expect(try recovered.rollbacks().isEmpty)
            #expect(try recovered.recovery(of: logID) == nil)
            try recovered.append(makeBodies(Self.count..<(Self.count + 3)))
            try checkInvariants(recovered, bodies: makeBodies(0..<(Self.count + 3)))
        }
    }

    @Test("A crash between the raised mark and the end of the recovery leaves it to be ended again")
    func crashBehindTheMark() throws {
        let scene = try Scene(keepingMarks: false)
        let before = try StoreFolder()
        do {
            let store = try scene.folder.open()
            try store.beginRecovery(of: logID, signed: 700)
            for step in scene.steps.dropLast() { try step(store) }
            #expect(try store.signedMark(of: logID)?.size == 10)
            scene.folder.copy(Array(Self.files.prefix(2)), to: before)
            try scene.steps[6](store)
            #expect(try store.signedMark(of: logID)?.size == 700)
        }
        for name in StoreFolder.names(in: scene.folder.path) where name.hasPrefix("node.sqlite") {
            unlink("\(scene.folder.path)/\(name)")
        }
        before.copy(Array(Self.files.prefix(2)), to: scene.folder)
        let store = try scene.folder.open()
        #expect(throws: StoreError.recovering(origin: origin, signed: 700, held: 700)) { try store.append([[1]]) }
        #expect(try store.finishRecovery(of: logID, members: ["jp.example", "kr.example"], time: 1_700_000_000))
        try store.append(makeBodies(700..<701))
        try checkInvariants(store, bodies: makeBodies(0..<701))
    }

    @Test("Without the marks, what a partner shows is remembered: no append and no cosignature from then on")
    func noticedByAPartner() throws {
        let scene = try Scene(keepingMarks: false)
        do {
            let store = try scene.folder.open()
            #expect(try store.rollbacks().isEmpty)
            try store.beginRecovery(of: logID, signed: 700)
        }
        let refusal = StoreError.recovering(origin: origin, signed: 700, held: 10)
        let store = try scene.folder.open()
        #expect(try store.rollbacks() == [refusal])
        #expect(throws: refusal) { try store.append([[1]]) }
        #expect(throws: refusal) { try store.markCosigned(scene.heads[0], of: logID, time: 1) }
        #expect(try store.log(origin)?.size == 10)
        #expect(try store.recovery(of: logID)?.signed == 700)
    }

    @Test("Appending waits for every member, and for all that is known to have been signed")
    func everyMember() throws {
        let scene = try Scene()
        let store = try scene.folder.open()
        let members = ["jp.example", "kr.example"]
        for step in scene.steps.prefix(5) { try step(store) }
        #expect(try store.recovery(of: logID)?.missing(of: members) == ["kr.example"])
        #expect(try !store.finishRecovery(of: logID, members: members, time: 1_700_000_000))
        // kr holds a part, and a checkpoint whose entries nobody has: only a successor log could go on.
        let part = scene.heads[0]
        #expect(
            try store.noteAnswer(
                of: "kr.example", size: part.size, root: part.root, pinned: 705, log: logID, time: 2) == .noted)
        #expect(try store.recovery(of: logID)?.missing(of: members) == [])
        #expect(try store.recovery(of: logID)?.isWhole == false)
        #expect(try !store.finishRecovery(of: logID, members: members, time: 1_700_000_000))
        #expect(throws: StoreError.recovering(origin: origin, signed: 700, held: 700)) { try store.append([[1]]) }
        try store.beginRecovery(of: logID, signed: 0, again: true)
        #expect(try store.recovery(of: logID)?.answers == [])
    }

    @Test("An answer counts once its entries are here and give its root")
    func answers() throws {
        let scene = try Scene()
        let store = try scene.folder.open()
        let other = SHA256.hash("another history")
        func note(_ size: UInt64, _ root: SHA256Digest) throws -> RecoveryNote {
            try store.noteAnswer(of: "kr.example", size: size, root: root, pinned: 0, log: logID, time: 1)
        }
        #expect(try note(700, scene.heads[1].root) == .notYet)
        #expect(try note(10, other) == .contradicts)
        #expect(try store.recovery(of: logID)?.answers == [])
        #expect(try note(0, .zero) == .noted)
        #expect(try note(10, scene.heads[0].root) == .noted)
        #expect(try store.recovery(of: logID)?.answers.map(\.size) == [10])
        let healthy = try scene.partnerFolder.open()
        #expect(
            try healthy.noteAnswer(
                of: "us.example", size: 0, root: .zero, pinned: 0, log: logID, time: 1) == .notRecovering)
    }

    @Test("What contradicts the mark is not pinned, and a longer log that does ends no recovery")
    func contradictions() throws {
        let scene = try Scene()
        let other = try StoreFolder()
        let liar = try other.open()
        try liar.createOwn()
        try liar.append(makeBodies(0..<10))
        let same = try liar.append(makeBodies(10..<700, seed: "b"))
        let longer = try liar.append(makeBodies(700..<710, seed: "b"))
        let store = try scene.folder.open()
        let refusal = StoreError.contradictsSigned(origin: origin, size: 700)
        #expect(throws: refusal) { try store.pin(same, of: logID) }
        try store.receive(longer, from: liar)
        _ = try store.noteAnswer(
            of: "kr.example", size: longer.size, root: longer.root, pinned: 0, log: logID, time: 1)
        #expect(throws: refusal) { try store.finishRecovery(of: logID, members: ["kr.example"], time: 1_700_000_000) }
        #expect(throws: refusal) { try store.append([[1]]) }
        #expect(try store.signedMark(of: logID)?.size == 700)
    }

    @Test("A log that is whole takes no entries from partners, before a recovery and after it")
    func onlyInRecovery() throws {
        let scene = try Scene()
        let source = scene.partner
        let fresh = try StoreFolder()
        let whole = try fresh.open()
        try whole.createOwn()
        #expect(throws: StoreError.notOwn(origin: origin)) { try whole.pin(scene.heads[1], of: logID) }
        let store = try scene.folder.open()
        try store.pin(scene.heads[1], of: logID)
        let late = try store.verifier(of: logID).verify(source.arriving(10..<256, of: 700))
        for step in scene.steps.dropFirst() { try step(store) }
        #expect(throws: StoreError.notOwn(origin: origin)) { try store.commit(late) }
        #expect(throws: StoreError.notOwn(origin: origin)) { try store.pin(scene.heads[1], of: logID) }
    }

    @Test("A lost log takes no entries of this node's from its first instant until every member has answered")
    func lostLog() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        for _ in 0..<2 {
            try store.createLostLog(origin: origin, node: "us.example", community: "krus", verifierKey: "key")
        }
        #expect(throws: StoreError.recovering(origin: origin, signed: 0, held: 0)) { try store.append([[1]]) }
        #expect(try !store.finishRecovery(of: logID, members: ["kr.example"], time: 1_700_000_000))
        // No member holds anything: the log begins.
        _ = try store.noteAnswer(of: "kr.example", size: 0, root: .zero, pinned: 0, log: logID, time: 1)
        #expect(try store.finishRecovery(of: logID, members: ["kr.example"], time: 1_700_000_000))
        try store.append(makeBodies(0..<2))
        try checkInvariants(store, bodies: makeBodies(0..<2))
    }

    @Test("A replica that was restored and then led elsewhere is not cosigned, however long it grew")
    func cosignedElsewhere() throws {
        let sourceFolder = try StoreFolder()
        let source = try sourceFolder.open()
        try source.createOwn()
        let small = try source.append(makeBodies(0..<10))
        let large = try source.append(makeBodies(10..<20))
        let liarFolder = try StoreFolder()
        let liar = try liarFolder.open()
        try liar.createOwn()
        try liar.append(makeBodies(0..<10))
        let other = try liar.append(makeBodies(10..<30, seed: "b"))
        let folder = try StoreFolder(node: "kr.example")
        let copy = try StoreFolder()
        do {
            let replica = try folder.open()
            try replica.createReplica()
            try replica.receive(small, from: source)
            folder.copy(Array(Self.files.prefix(2)), to: copy)
            try replica.receive(large, from: source)
            try replica.markCosigned(large, of: logID, time: 5)
        }
        for name in StoreFolder.names(in: folder.path) where name.hasPrefix("node.sqlite") {
            unlink("\(folder.path)/\(name)")
        }
        copy.copy(Array(Self.files.prefix(2)), to: folder)
        let replica = try folder.open()
        try replica.receive(other, from: liar)
        #expect(throws: StoreError.cosignedBeyond(origin: origin, size: 20)) {
            try replica.markCosigned(other, of: logID, time: 6)
        }
    }

    @Test("A backup that is restored remembers nobody's answer from before: members may have more since")
    func restoredBackup() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        let head = try store.append(makeBodies(0..<3))
        try store.beginRecovery(of: logID, signed: 3)
        _ = try store.noteAnswer(of: "kr.example", size: 3, root: head.root, pinned: 0, log: logID, time: 1)
        #expect(try store.recovery(of: logID)?.answers.count == 1)
        let file = "\(folder.path)/restored.sqlite"
        StoreFolder.write([], to: file)
        let contents = BackupContents(time: "2026-03-01T12:00:00Z", program: "test", hasKeys: false, files: [])
        _ = try store.backUp(to: file, contents) { _, _ in }
        try RestoredDatabase.prepare(file, standings: [origin: .complete], time: 1)
        let restored = try SQLiteLogStore(path: file, signedPath: folder.marks, node: "us.example")
        let state = try #require(try restored.recovery(of: logID))
        #expect(state.answers.isEmpty && state.missing(of: ["kr.example"]) == ["kr.example"])
    }

    @Test("Recovered entries are known again as doubles once their hashes are put back")
    func doubles() throws {
        let scene = try Scene()
        let store = try scene.folder.open()
        for step in scene.steps { try step(store) }
        let unknown = try store.entriesWithoutDoubleHash(of: logID, in: 0..<700)
        #expect(unknown == Array(0..<700))
        try store.addDoubleHashes(
            Dictionary(uniqueKeysWithValues: unknown.filter { $0 != 5 }.map { ($0, $0 + 1_000) }), of: logID)
        #expect(try store.entriesWithoutDoubleHash(of: logID, in: 0..<700) == [5])
        // What is known stays.
        try store.addDoubleHashes([5: 7, 6: 8], of: logID)
        let entries = [6, 699, 5, 9].map {
            NewEntry(body: makeBodies($0..<($0 + 1), seed: "c")[0], doubleHash: $0 == 5 ? 7 : UInt64($0) + 1_000)
        }
        let result = try store.append(
            entries + [NewEntry(body: [1], doubleHash: 9)], to: origin,
            options: AppendOptions(doubles: DoubleFilter(), sign: sign))
        #expect(result.outcomes.prefix(4) == [.double(of: 6), .double(of: 699), .double(of: 5), .double(of: 9)])
        #expect(try store.log(origin)?.size == 701)
        #expect(try store.entriesWithoutDoubleHash(of: logID, in: 0..<701).isEmpty)
    }
}
