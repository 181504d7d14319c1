import Cryptography
import Testing
import TransparencyLog

/// What a witness decides about a checkpoint, for all small trees.
@Suite struct WitnessedLogTests {
    private static let origin = "log.example/one"
    private static let tree = NaiveTree(count: 20)
    private static let otherTree = NaiveTree(count: 20, seed: 1)

    private static func note(
        _ size: Int, of tree: NaiveTree = tree, origin: String = origin, keys: [UInt8] = [1]
    ) throws -> SignedNote {
        let text = "\(origin)\n\(size)\n\(tree.root(size: size).base64)\n"
        return try SignedNote(
            text: text, signatures: keys.map { try NoteSigner(name: Self.origin, privateKey: testKey($0)).sign(text) })
    }

    private static func proof(_ old: Int, _ new: Int, in tree: NaiveTree = tree) -> ConsistencyProof {
        guard old > 0, old <= new else { return ConsistencyProof(hashes: []) }
        return ConsistencyProof(hashes: tree.consistency(0..<old, in: 0..<new))
    }

    private static func log(origin: String = origin, keys: [UInt8] = [1]) throws -> WitnessedLog {
        try WitnessedLog(
            origin: origin,
            keys: keys.map { try NoteSigner(name: Self.origin, privateKey: testKey($0)).verifierKey })
    }

    private func admit(
        _ note: SignedNote, old: Int = 0, proof: ConsistencyProof = ConsistencyProof(hashes: []), log: WitnessedLog
    ) throws -> WitnessedLog.Admission {
        WitnessedLog.admit(try AddCheckpointRequest(oldSize: UInt64(old), proof: proof, note: note)) { origin in
            origin == log.origin ? log : nil
        }
    }

    private func decide(
        _ size: Int, of tree: NaiveTree = tree, old: Int, proof: ConsistencyProof? = nil, last: Int?,
        lastTree: NaiveTree = tree
    ) throws -> AdmittedCheckpoint.Decision {
        let admission = try admit(
            Self.note(size, of: tree), old: old, proof: proof ?? Self.proof(old, size, in: tree), log: Self.log())
        guard case .admitted(let admitted) = admission else { throw AddCheckpointError.badLine(number: 0) }
        return admitted.decide(
            after: last.map { AdmittedCheckpoint.Last(size: UInt64($0), root: lastTree.root(size: $0)) })
    }

    @Test func everyGrowthWithItsProofIsCosigned() throws {
        for size in 0...20 {
            #expect(try decide(size, old: 0, last: nil) == .cosign)
            #expect(try decide(size, old: 0, last: 0) == .cosign)
            for old in 1...20 where old <= size {
                #expect(try decide(size, old: old, last: old) == .cosign)
            }
        }
    }

    @Test func anotherOldSizeIsAnsweredWithTheRightOne() throws {
        for last in 0...20 {
            for old in 0...20 where old != last {
                for size in [old, 20] {
                    guard case .refuse(.conflict(UInt64(last)), isFork: false) = try decide(size, old: old, last: last)
                    else { return #expect(Bool(false), "old \(old), size \(size), last \(last)") }
                }
            }
        }
        #expect(try decide(20, old: 5, last: nil) == .refuse(.conflict(size: 0), isFork: false))
    }

    @Test func aProofThatDoesNotFitIsRefusedAndConvictsNobody() throws {
        for size in 2...20 {
            for old in 1..<size {
                let good = Self.proof(old, size)
                var proofs = [good.hashes + [SHA256.hash("more")], Self.proof(old, size, in: Self.otherTree).hashes]
                if !good.hashes.isEmpty { proofs.append(Array(good.hashes.dropLast())) }
                for index in good.hashes.indices {
                    var changed = good.hashes
                    changed[index] = changed[index].flipped(bit: index % 256)
                    proofs.append(changed)
                }
                for hashes in proofs {
                    let decision = try decide(size, old: old, proof: ConsistencyProof(hashes: hashes), last: old)
                    guard case .refuse(.unproved, isFork: false) = decision else {
                        return #expect(Bool(false), "from \(old) to \(size) with \(hashes.count) hashes")
                    }
                }
                // The log went another way since: its own proof does not lead from what was cosigned.
                let decision = try decide(size, of: Self.otherTree, old: old, last: old)
                guard case .refuse(.unproved, isFork: false) = decision else {
                    return #expect(Bool(false), "from \(old) to \(size) of another history")
                }
            }
        }
        let one = ConsistencyProof(hashes: [SHA256.hash("one")])
        for last in [nil, 0] {
            #expect(
                try decide(5, old: 0, proof: one, last: last)
                    == .refuse(.unproved(reason: "a proof from size 0 has no hashes"), isFork: false))
        }
        guard case .refuse(.unproved, isFork: false) = try decide(5, old: 5, proof: one, last: 5) else {
            return #expect(Bool(false), "the same size with a hash")
        }
    }

    @Test func twoRootsForOneSizeAreAForkWhateverTheOldSizeSays() throws {
        for size in 1...20 {
            let reason = "another root was cosigned for this size"
            #expect(
                try decide(size, of: Self.otherTree, old: size, last: size)
                    == .refuse(.unproved(reason: reason), isFork: true))
            #expect(
                try decide(size, of: Self.otherTree, old: 0, last: size)
                    == .refuse(.conflict(size: UInt64(size)), isFork: true))
        }
    }

    @Test func onlyTheLogsOwnSignaturesCountAndAreKept() throws {
        let note = try Self.note(7, keys: [9, 1, 2])
        guard case .admitted(let admitted) = try admit(note, log: Self.log(keys: [2, 3, 1])) else {
            return #expect(Bool(false), "it is signed")
        }
        #expect(admitted.note.signatures == Array(note.signatures[1...]))
        // However often it is there.
        let often = try SignedNote(
            text: note.text, signatures: Array(repeating: note.signatures[1], count: 99) + [note.signatures[0]])
        guard case .admitted(let once) = try admit(often, log: Self.log()) else {
            return #expect(Bool(false), "it is signed often")
        }
        #expect(once.note.signatures == [note.signatures[1]])
        guard case .refused(.notSigned) = try admit(Self.note(7, keys: [9]), log: Self.log()) else {
            return #expect(Bool(false), "nobody known has signed")
        }
        // A line under the known key with the signature of another text, beside a good one.
        let good = try Self.note(7)
        let bad = try SignedNote(text: good.text, signatures: good.signatures + Self.note(8).signatures)
        guard case .refused(.notSigned) = try admit(bad, log: Self.log()) else {
            return #expect(Bool(false), "one fails")
        }
    }

    @Test func anUnknownOriginIsToldBeforeItsSignatures() throws {
        guard case .refused(.unknownLog) = try admit(Self.note(7, origin: "log.example/two"), log: Self.log()) else {
            return #expect(Bool(false), "another origin")
        }
        // The same letters in another normal form are another origin.
        let log = try Self.log(origin: "log.example/e\u{301}")
        guard case .refused(.unknownLog) = try admit(Self.note(7, origin: "log.example/\u{E9}"), log: log) else {
            return #expect(Bool(false), "other bytes")
        }
    }

    @Test func anOldSizeBeyondTheCheckpointIsMalformedButOnlyForWhoSigned() throws {
        guard case .refused(.malformed) = try admit(Self.note(7), old: 8, log: Self.log()) else {
            return #expect(Bool(false), "8 > 7")
        }
        guard case .refused(.notSigned) = try admit(Self.note(7, keys: [9]), old: 8, log: Self.log()) else {
            return #expect(Bool(false), "signatures come first")
        }
    }

    @Test(arguments: ["one line\n", "log.example/one\n07\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"])
    func aNoteThatIsNoCheckpointIsMalformed(text: String) throws {
        let signer = try NoteSigner(name: Self.origin, privateKey: testKey(1))
        let note = try SignedNote(text: text, signatures: [signer.sign(text)])
        guard case .refused(.malformed) = try admit(note, log: Self.log()) else {
            return #expect(Bool(false), "no checkpoint")
        }
    }

    @Test func anOriginMayBeAnyLine() throws {
        let origin = "go.sum database tree"
        let log = try Self.log(origin: origin)
        guard case .admitted(let admitted) = try admit(Self.note(7, origin: origin), log: log) else {
            return #expect(Bool(false), "an origin with spaces")
        }
        #expect(admitted.checkpoint.origin == origin)
        #expect(admitted.checkpoint.text == "\(origin)\n7\n\(Self.tree.root(size: 7).base64)\n")
        for bad in ["", "a\nb", "a\u{7F}", "a\tb", String(repeating: "a", count: 1_025)] {
            #expect(throws: NoteError.self) { try Self.log(origin: bad) }
        }
        #expect(throws: NoteError.wrongKeyType) { try WitnessedLog(origin: origin, keys: []) }
        let cosigner = try Cosigner(name: "w.example", privateKey: testKey(1)).verifierKey
        #expect(throws: NoteError.wrongKeyType) { try WitnessedLog(origin: origin, keys: [cosigner]) }
    }
}
