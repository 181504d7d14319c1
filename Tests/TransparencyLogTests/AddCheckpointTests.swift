import Cryptography
import Testing
import TransparencyLog

/// c2sp.org/tlog-witness: what a log sends to a witness, and what it answers, byte by byte.
@Suite struct AddCheckpointTests {
    private static let published = """
        old 20852014
        PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
        jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
        5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
        /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

        example.com/behind-the-sofa
        20852163
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
        — example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=

        """
    private static let note = published.split(separator: "\n\n", maxSplits: 1).last.map(String.init) ?? ""
    private static let hash = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"

    private static let publishedAnswer = """
        — witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==
        — witness.example/w1 I7rEps0pvK2UqkS2gSpVUDhrhVtQV9lgF6pRrWAvjJHjyWpW7VcE3SiOlVlbQNt64vWhO+DlkL0+UfzuOBMh9ChdMkP1vi/lCAsmlw==
        — witness.example/w2 AWui8Sk55XjYLOijihBjhqEH6nS1ndDymE0a+6idX7pLcnoB+dhnz0854aLZgrrKbYKA7nC3HNJhm/kWl7oJlqU3rXXvpysAdyP3wQ==

        """

    @Test func theRequestOfTheSpecificationReadsBack() throws {
        let request = try AddCheckpointRequest(parsing: [UInt8](Self.published.utf8))
        #expect(request.oldSize == 20_852_014 && request.proof.hashes.count == 4)
        #expect(request.note.signatures.map(\.name) == ["example.com/behind-the-sofa", "example.com/behind-the-sofa"])
        #expect(try Checkpoint(parsing: request.note.text).size == 20_852_163)
        #expect(request.serialized == Self.published)
        let made = try AddCheckpointRequest(oldSize: 20_852_014, proof: request.proof, note: request.note)
        #expect(made == request)
    }

    @Test func sixtyThreeHashesAreTakenAndNoMore() throws {
        for count in [0, 1, 63] {
            let text = "old 7\n" + String(repeating: Self.hash, count: count) + "\n" + Self.note
            let request = try AddCheckpointRequest(parsing: [UInt8](text.utf8))
            #expect(request.proof.hashes.count == count && request.serialized == text)
        }
        let refusal = AddCheckpointError.tooManyHashes(maximum: 63)
        let text = "old 7\n" + String(repeating: Self.hash, count: 64) + "\n" + Self.note
        #expect(throws: refusal) { try AddCheckpointRequest(parsing: [UInt8](text.utf8)) }
        let parsed = try AddCheckpointRequest(parsing: [UInt8](Self.published.utf8))
        let proof = ConsistencyProof(hashes: Array(repeating: parsed.proof.hashes[0], count: 64))
        #expect(throws: refusal) { try AddCheckpointRequest(oldSize: 7, proof: proof, note: parsed.note) }
    }

    @Test(
        arguments: [
            ("", 1), ("old\n", 1), ("old \n", 1), ("old 07\n", 1), ("old +7\n", 1), ("old  7\n", 1), ("old 7 \n", 1),
            ("Old 7\n", 1), ("old 7\r\n", 1), ("old -1\n", 1), ("old 9223372036854775808\n", 1),
            ("old 99999999999999999999\n", 1), ("old 7\n" + hash.dropLast(3) + "\n", 2),
            ("old 7\n" + hash.dropLast() + " \n", 2), ("old 7\n " + hash, 2), ("old 7\n" + hash + "é\n", 3),
            ("old 7\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkax=\n", 2),
        ] as [(String, Int)])
    func aMalformedLineIsNamed(text: String, line: Int) {
        #expect(throws: AddCheckpointError.badLine(number: line)) {
            try AddCheckpointRequest(parsing: [UInt8]("\(text)\n\(Self.note)".utf8))
        }
    }

    @Test(arguments: [("", 1), ("old 7", 1), ("old 7\n", 2), ("old 7\n" + hash, 3)] as [(String, Int)])
    func aRequestThatEndsTooSoonIsRefused(text: String, line: Int) {
        #expect(throws: AddCheckpointError.badLine(number: line)) {
            try AddCheckpointRequest(parsing: [UInt8](text.utf8))
        }
    }

    @Test func whatFollowsMustBeASignedNote() {
        for rest in ["", "\n", "example.com/behind-the-sofa\n1\n", Self.note + "\n", String(Self.note.dropLast())] {
            #expect(throws: AddCheckpointError.self) {
                try AddCheckpointRequest(parsing: [UInt8]("old 7\n\n\(rest)".utf8))
            }
        }
        let notText = [UInt8]("old 7\n\n".utf8) + [0xFF, 0xFE] + [UInt8](Self.note.utf8)
        #expect(throws: AddCheckpointError.badNote(.notUTF8)) { try AddCheckpointRequest(parsing: notText) }
    }

    @Test func nothingLongerThanTheLimitIsLookedAt() {
        let refusal = AddCheckpointError.tooLong(maximum: 65_536)
        let many = String(repeating: "x", count: 65_537)
        #expect(throws: refusal) { try AddCheckpointRequest(parsing: [UInt8](many.utf8)) }
    }

    @Test func oneChangedByteGivesAnotherRequestOrNone() throws {
        let bytes = [UInt8](Self.published.utf8)
        let original = try AddCheckpointRequest(parsing: bytes)
        for position in bytes.indices {
            for bit: UInt8 in [1, 0x20, 0x80] {
                var changed = bytes
                changed[position] ^= bit
                guard let request = try? AddCheckpointRequest(parsing: changed) else { continue }
                #expect(request != original)
                #expect([UInt8](request.serialized.utf8) == changed)
            }
        }
    }

    // MARK: Answers

    @Test func theAnswerOfTheSpecificationReadsBack() throws {
        let answer = try AddCheckpointAnswer(
            status: 200, contentType: "text/plain", body: [UInt8](Self.publishedAnswer.utf8))
        guard case .cosigned(let lines) = answer else { throw AddCheckpointError.badAnswer(status: 200) }
        #expect(lines.map(\.name) == ["witness.example/w1", "witness.example/w1", "witness.example/w2"])
        #expect(answer.body == Self.publishedAnswer && answer.status == 200)
    }

    @Test func everyAnswerHasItsStatusTypeAndBody() throws {
        let answers: [(AddCheckpointAnswer, Int, String)] = [
            (.malformed(reason: "why"), 400, "why\n"), (.notSigned(reason: "why"), 403, "why\n"),
            (.unknownLog(reason: "why"), 404, "why\n"), (.conflict(size: 0), 409, "0\n"),
            (.conflict(size: 20_852_163), 409, "20852163\n"), (.unproved(reason: "why"), 422, "why\n"),
            (.failed(status: 503, reason: "why"), 503, "why\n"),
        ]
        for (answer, status, body) in answers {
            #expect(answer.status == status && answer.body == body)
            #expect(answer.contentType == (status == 409 ? "text/x.tlog.size" : "text/plain; charset=utf-8"))
            let read = try AddCheckpointAnswer(
                status: status, contentType: answer.contentType, body: [UInt8](body.utf8))
            #expect(read == answer)
        }
    }

    @Test func anAnswerThatTheProtocolDoesNotKnowIsRefused() {
        for body in ["", "\n", "— a", "hello\n", Self.publishedAnswer + "\n", String(Self.publishedAnswer.dropLast())] {
            #expect(throws: AddCheckpointError.badAnswer(status: 200)) {
                try AddCheckpointAnswer(status: 200, contentType: nil, body: [UInt8](body.utf8))
            }
        }
        for body in ["", "\n", "50", "050\n", "50\n\n", "-1\n", "50 \n", "9223372036854775808\n"] {
            #expect(throws: AddCheckpointError.badAnswer(status: 409)) {
                try AddCheckpointAnswer(status: 409, contentType: "text/x.tlog.size", body: [UInt8](body.utf8))
            }
        }
        #expect(throws: AddCheckpointError.tooLong(maximum: 65_536)) {
            try AddCheckpointAnswer(status: 500, contentType: nil, body: Array(repeating: 0x61, count: 65_537))
        }
    }

    /// The first release of the protocol answers one size with two roots by 409 and a text.
    @Test func aConflictWithoutASizeSaysThatTheRootsDiffer() throws {
        let answer = try AddCheckpointAnswer(status: 409, contentType: "text/plain", body: [UInt8]("no\n".utf8))
        #expect(answer == .unproved(reason: "no"))
    }

    @Test func whatAnotherWroteIsShownAsPlainText() throws {
        let answer = try AddCheckpointAnswer(
            status: 502, contentType: nil, body: [0x1B, 0x5B, 0x61, 0xC3, 0xA9, 0x0A, 0x62])
        #expect(answer == .failed(status: 502, reason: "?[a??"))
    }

    @Test func theWitnessLineIsFoundAmongOthersAndVerified() throws {
        let checkpoint = try Checkpoint(origin: "us.example/krus", size: 3, root: SHA256.hash("the root"))
        let other = try Checkpoint(origin: "us.example/krus", size: 4, root: SHA256.hash("the root"))
        let witness = try Cosigner(name: "w.example/_witness", privateKey: testKey(1))
        let stranger = try Cosigner(name: "x.example/_witness", privateKey: testKey(2))
        let lines = try [
            stranger.cosign(other, time: 5).noteSignature, witness.cosign(checkpoint, time: 7).noteSignature,
            witness.cosign(checkpoint, time: 6).noteSignature,
        ]
        let answer = AddCheckpointAnswer.cosigned(lines)
        #expect(try answer.cosignature(by: witness.verifierKey, on: checkpoint)?.time == 7)
        let absent = try Cosigner(name: "y.example/_witness", privateKey: testKey(3)).verifierKey
        #expect(try answer.cosignature(by: absent, on: checkpoint) == nil)
        #expect(throws: NoteError.self) { try answer.cosignature(by: witness.verifierKey, on: other) }
        #expect(try AddCheckpointAnswer.conflict(size: 3).cosignature(by: witness.verifierKey, on: checkpoint) == nil)
    }
}
