import Cryptography
import Testing
import TransparencyLog

/// c2sp.org/tlog-policy: what the specification allows is read, and nothing else.
@Suite struct WitnessPolicyTests {
    private static func logKey(_ number: UInt8, _ name: String = "us.example/krus") throws -> String {
        try VerifierKey(name: name, algorithm: .ed25519, publicKey: testKey(number).publicKey).text
    }

    private static func witnessKey(_ number: UInt8, _ name: String? = nil) throws -> String {
        try VerifierKey(
            name: name ?? "w\(number).example", algorithm: .cosignature, publicKey: testKey(number).publicKey
        ).text
    }

    /// The example of the specification, with keys.
    private static func example() throws -> String {
        """
        # Two organisations.
        log \(try logKey(1)) https://log.example/

        witness X1 \(try witnessKey(11))
        witness X2 \(try witnessKey(12)) https://x2.example/
        \t witness\tX3  \(try witnessKey(13)) \t
        group X-witnesses 2 X1 X2 X3
          # and another
        witness Y1 \(try witnessKey(21))
        witness Y2 \(try witnessKey(22))
        witness Y3 \(try witnessKey(23))
        group Y-witnesses any Y1 Y2 Y3
        group X-and-Y all X-witnesses Y-witnesses
        quorum X-and-Y

        """
    }

    private static let checkpoint = try? Checkpoint(
        origin: "us.example/krus", size: 3, root: SHA256.hash("the root"))

    private static func cosign(_ number: UInt8, time: UInt64 = 1_000) throws -> NoteSignature {
        let checkpoint = try #require(checkpoint)
        return try Cosigner(name: "w\(number).example", privateKey: testKey(number)).cosign(checkpoint, time: time)
            .noteSignature
    }

    @Test func theExampleOfTheSpecificationIsRead() throws {
        let policy = try WitnessPolicy(parsing: [UInt8](Self.example().utf8))
        #expect(policy.logs.map(\.key.name) == ["us.example/krus"] && policy.logs[0].url == "https://log.example/")
        #expect(policy.witnesses.map(\.name) == ["X1", "X2", "X3", "Y1", "Y2", "Y3"])
        #expect(policy.witnesses[1].url == "https://x2.example/" && policy.witnesses[2].url == nil)
        #expect(policy.groups.map(\.threshold) == [2, 1, 2])
        #expect(policy.quorum == .group(2))
    }

    @Test(
        arguments: [
            ([], false), ([11, 12, 13], false), ([21, 22, 23], false), ([11, 21], false), ([11, 12, 21], true),
            ([11, 13, 23], true), ([11, 12, 13, 21, 22, 23], true), ([11, 11, 11, 21], false), ([99], false),
        ] as [([UInt8], Bool)])
    func theQuorumIsWhatItsGroupsAskFor(signers: [UInt8], isReached: Bool) throws {
        let policy = try WitnessPolicy(parsing: [UInt8](Self.example().utf8))
        let checkpoint = try #require(Self.checkpoint)
        let verdict = policy.judge(checkpoint, cosignatures: try signers.map { try Self.cosign($0) }, now: 2_000)
        #expect(verdict.isReached == isReached && verdict.forged.isEmpty)
        #expect(verdict.times.count { $0 != nil } == Set(signers).subtracting([99]).count)
        let words = policy.explanation(of: verdict)
        #expect(words[0].hasPrefix("X-and-Y is \(isReached ? "reached" : "not reached")") && words.count == 9)
    }

    /// Signatures of another checkpoint, from the future, or by another key under a witness's name count for nothing.
    @Test func onlyValidCosignaturesCount() throws {
        let policy = try WitnessPolicy(parsing: [UInt8]("witness A \(Self.witnessKey(11))\nquorum A\n".utf8))
        let checkpoint = try #require(Self.checkpoint)
        let other = try Checkpoint(origin: checkpoint.origin, size: 4, root: checkpoint.root)
        let good = try Self.cosign(11)
        #expect(policy.judge(checkpoint, cosignatures: [good], now: 1_000).isReached)
        #expect(policy.judge(other, cosignatures: [good], now: 1_000).forged == [0])
        #expect(!policy.judge(other, cosignatures: [good], now: 1_000).isReached)
        let ahead = try Self.cosign(11, time: 1_301)
        #expect(!policy.judge(checkpoint, cosignatures: [ahead], now: 1_000).isReached)
        #expect(policy.judge(checkpoint, cosignatures: [ahead, good], now: 1_000).times == [1_000])
        let renamed = try Cosigner(name: "w11.example", privateKey: testKey(12)).cosign(checkpoint, time: 1)
        #expect(!policy.judge(checkpoint, cosignatures: [try renamed.noteSignature], now: 1_000).isReached)
    }

    @Test func whoNobodyAsksForNeedsNoWitness() throws {
        let policy = try WitnessPolicy(parsing: [UInt8]("quorum none\n".utf8))
        #expect(policy.judge(try #require(Self.checkpoint), cosignatures: [], now: 0).isReached)
        #expect(policy.logs.isEmpty && policy.witnesses.isEmpty && policy.quorum == nil)
    }

    /// Names are octets: a Kelvin sign is no K, and bytes that are no text are names too.
    @Test func namesAreComparedAsOctets() throws {
        var bytes = [UInt8](
            "witness K \(try Self.witnessKey(11))\nwitness \u{212A} \(try Self.witnessKey(12))\nwitness ".utf8)
        bytes +=
            [0xFF, 0x80] + [UInt8](" \(try Self.witnessKey(13))\ngroup g all K \u{212A} ".utf8) + [0xFF, 0x80, 0x0A]
        let policy = try WitnessPolicy(parsing: bytes + [UInt8]("quorum g\n".utf8))
        #expect(policy.groups[0].members == [.witness(0), .witness(1), .witness(2)])
    }

    /// Each malformed line is named, with what is wrong with it.
    @Test func malformedLinesAreRefused() throws {
        let one = "witness A \(try Self.witnessKey(11))\n"
        let two = one + "witness B \(try Self.witnessKey(12))\n"
        let log = "log \(try Self.logKey(1))"
        let cases: [(String, Int, PolicyError.Reason)] = [
            ("", 1, .noQuorum), ("\n", 2, .noQuorum), (one, 2, .noQuorum), ("# quorum none\n", 2, .noQuorum),
            ("quorum none", 1, .unfinishedLine), ("quorum none\n#", 2, .unfinishedLine),
            ("quorum none\r\n", 1, .badOctet(13)), ("quorum \u{7F}\n", 1, .badOctet(127)), ("# \0\n", 1, .badOctet(0)),
            ("Quorum none\n", 1, .unknownWord), ("logs x\n", 1, .unknownWord), ("\u{A0}quorum none\n", 1, .unknownWord),
            ("log\n", 1, .badForm("log VKEY [URL]")), ("\(log) u v\n", 1, .badForm("log VKEY [URL]")),
            ("log nonsense\n", 1, .badKey(.badKey)), ("log \(try Self.witnessKey(11))\n", 1, .badKey(.wrongKeyType)),
            ("\(log)\n\(log)\n", 2, .duplicateKey),
            ("\(log)\nlog \(try Self.logKey(1, "kr.example/krus"))\n", 2, .duplicateKey),
            ("witness A\n", 1, .badForm("witness NAME VKEY [URL]")),
            ("witness A \(try Self.witnessKey(11)) u v\n", 1, .badForm("witness NAME VKEY [URL]")),
            ("witness A \(try Self.logKey(1))\n", 1, .badKey(.wrongKeyType)),
            ("witness none \(try Self.witnessKey(11))\n", 1, .reservedName),
            (one + "witness A \(try Self.witnessKey(12))\n", 2, .duplicateName),
            (one + "witness B \(try Self.witnessKey(11, "other.example"))\n", 2, .duplicateKey),
            (one + "group A any A\n", 2, .duplicateName), (one + "group none any A\n", 2, .reservedName),
            (one + "group g any\n", 2, .badForm("group NAME all|any|K MEMBER…")),
            (one + "group g\n", 2, .badForm("group NAME all|any|K MEMBER…")),
            (one + "group g 0 A\n", 2, .badThreshold(members: 1)),
            (one + "group g 2 A\n", 2, .badThreshold(members: 1)),
            (one + "group g 01 A\n", 2, .badThreshold(members: 1)),
            (one + "group g +1 A\n", 2, .badThreshold(members: 1)),
            (one + "group g ANY A\n", 2, .badThreshold(members: 1)),
            (one + "group g -1 A\n", 2, .badThreshold(members: 1)),
            (one + "group g 18446744073709551617 A\n", 2, .badThreshold(members: 1)),
            (one + "group g any none\n", 2, .reservedName), (one + "group g any B\n", 2, .undefinedName),
            (one + "group g any g\n", 2, .undefinedName), (two + "group g any A A\n", 3, .memberTwice),
            (two + "group g any A\ngroup h all A B\n", 4, .memberTwice),
            (two + "group g any A\ngroup h any g\ngroup i all B g\n", 5, .memberTwice),
            ("quorum\n", 1, .badForm("quorum NAME")), ("quorum none none\n", 1, .badForm("quorum NAME")),
            ("quorum A\n" + one, 1, .undefinedName), ("quorum none\nquorum none\n", 2, .secondQuorum),
        ]
        for (text, line, reason) in cases {
            #expect(throws: PolicyError(line: line, reason: reason), "\(text)") {
                try WitnessPolicy(parsing: [UInt8](text.utf8))
            }
        }
        #expect(throws: PolicyError.self) {
            try WitnessPolicy(parsing: [UInt8](repeating: 0x0A, count: WitnessPolicy.maximumByteCount + 1))
        }
    }

    /// Whatever a line becomes, it is read or refused: nothing traps.
    @Test func changedPoliciesAreReadOrRefused() throws {
        let whole = [UInt8](try Self.example().utf8)
        var state: UInt64 = 88
        for _ in 0..<4_000 {
            var bytes = whole
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let place = Int((state >> 33) % UInt64(bytes.count))
                switch (state >> 20) % 3 {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: state >> 40)
                case 1: bytes.remove(at: place)
                default: bytes.insert(bytes[Int((state >> 24) % UInt64(bytes.count))], at: place)
                }
            }
            do {
                let policy = try WitnessPolicy(parsing: bytes)
                _ = policy.judge(try #require(Self.checkpoint), cosignatures: [], now: 0)
            } catch {
                #expect(error is PolicyError)
            }
        }
    }

    @Test func deepGroupsAreJudged() throws {
        var text = "witness w \(try Self.witnessKey(11))\ngroup g0 any w\n"
        for number in 1..<1_024 { text += "group g\(number) all g\(number - 1)\n" }
        let policy = try WitnessPolicy(parsing: [UInt8]((text + "quorum g1023\n").utf8))
        let checkpoint = try #require(Self.checkpoint)
        let verdict = policy.judge(checkpoint, cosignatures: [try Self.cosign(11)], now: 2_000)
        #expect(verdict.isReached && policy.explanation(of: verdict).count == 1_025)
        #expect(throws: PolicyError(line: 1_026, reason: .tooMany(maximum: 1_024))) {
            try WitnessPolicy(parsing: [UInt8]((text + "group h all g1023\n").utf8))
        }
    }
}
