import Foundation
import Glibc
import Testing

/// Who holds what, as the commands tell it: three nodes, of which one is down and one lacks the sealed part.
@Suite(.serialized) struct DeliveryTests {
    private static let fields = [
        "submit", "attribution", "--field", "chain=BTC", "--field", "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "--field", "label=x",
    ]

    private func submit(_ place: Place, _ more: String...) throws -> Entente.Outcome {
        try Entente.run(["--home", "\(place.path)/us"] + Self.fields + more + ["--json"])
    }

    private func show(_ place: Place, _ node: String, _ reference: String) throws -> [String: Any] {
        try #require(place.must(node, "show", reference, "--json").objects.first)
    }

    private func names(_ value: Any?) -> [String] {
        (value as? [[String: Any]] ?? []).compactMap { $0["node"] as? String }
    }

    /// Waits until a view says what it should.
    private func eventually(_ condition: () throws -> Bool) throws -> Bool {
        for _ in 0..<200 {
            if try condition() { return true }
            usleep(50_000)
        }
        return false
    }

    @Test func recordAndSealedPartAreToldApartAndEveryMissingNodeHasAReason() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        let secret = try place.file("note.txt", "found by hand")
        let submitted = try submit(
            place, "--field", "note=@\(secret)", "--to", "kr.example", "--to", "jp.example")
        let reference = try #require(submitted.objects.first?["ref"] as? String)

        // Nobody has it, and nothing was tried.
        let alone = try show(place, "us", reference)
        #expect(alone["held_by"] as? [String] == [])
        #expect(alone["sealed_held_by"] as? [String] == [])
        let pending = alone["pending"] as? [[String: Any]] ?? []
        #expect(pending.map { $0["node"] as? String } == ["jp.example", "kr.example", "jp.example", "kr.example"])
        #expect(pending.map { $0["part"] as? String } == ["record", "record", "sealed", "sealed"])
        #expect(pending.allSatisfy { $0["path"] as? Bool == true && $0["reason"] as? String == "not heard yet" })

        // kr gets both parts from us; jp is down.
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        #expect(try place.run("us", "sync", "jp.example").status == 69)
        let there = try show(place, "us", reference)
        #expect(there["held_by"] as? [String] == ["kr.example"])
        #expect(there["sealed_held_by"] as? [String] == ["kr.example"])
        let left = there["pending"] as? [[String: Any]] ?? []
        #expect(left.map { $0["node"] as? String } == ["jp.example", "jp.example"])
        #expect((left.first?["reason"] as? String)?.contains("Connection refused") == true)
        let text = try place.must("us", "show", reference).output
        #expect(text.contains("sealed part held by kr.example since "))
        #expect(text.contains("sealed part not yet held by jp.example: "))

        // jp gets the record from kr, which may not have jp's sealed part: it carries nothing for others.
        try place.serve("kr")
        try place.must("jp", "sync", "kr.example")
        let atJP = try show(place, "jp", reference)
        #expect(Set(atJP["held_by"] as? [String] ?? []) == ["jp.example", "kr.example"])
        #expect(atJP["sealed_held_by"] as? [String] == ["jp.example", "kr.example"])
        // And the receipts of jp reach us through kr.
        #expect(
            try eventually {
                let now = try show(place, "us", reference)
                return now["sealed_held_by"] as? [String] == ["jp.example", "kr.example"]
                    && (now["pending"] as? [Any])?.isEmpty == true
            })
        #expect(try place.must("us", "verify", "--json").objects.first?["ok"] as? Bool == true)
    }

    @Test func whereNoPathLeadsTheViewSaysSoAndWhy() throws {
        let place = try Place()
        try place.found("us")
        try place.found("kr")
        // A member without a card, and one whose card has no endpoint.
        try place.must(
            "de", "init", "--node", "de.example", "--community", "krus", "--listen", "0.0.0.0:\(try Place.freePort())")
        _ = try place.file("de.yaml", try place.must("de", "identity").output)
        for name in ["kr", "de"] { try place.must("us", "peer", "add", "\(place.path)/\(name).yaml") }
        unlink("\(place.path)/us/peers/kr.example.yaml")
        let reference = try #require(submit(place).objects.first?["ref"] as? String)
        let pending = try show(place, "us", reference)["pending"] as? [[String: Any]] ?? []
        #expect(pending.map { $0["node"] as? String } == ["de.example", "kr.example"])
        #expect(pending.allSatisfy { $0["path"] as? Bool == false })
        #expect((pending.first?["reason"] as? String)?.contains("no endpoint") == true)
        #expect((pending.last?["reason"] as? String)?.contains("no peer card") == true)
        let status = try place.must("us", "status").output
        #expect(status.contains("NO PATH  us.example/krus to kr.example: no peer card"))
        #expect(try place.must("us", "show", reference).output.contains("no path"))
    }

    @Test func statusTellsLagContactAndTheLastErrorInWords() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.serve("us")
        try place.must("kr", "sync")
        for _ in 0..<3 { #expect(try submit(place).status == 0) }
        let status = try #require(place.must("us", "status", "--json").objects.first)
        let peer = try #require((status["peers"] as? [[String: Any]])?.first)
        #expect(peer["node"] as? String == "kr.example")
        #expect(peer["last_heard"] as? String != nil)
        #expect(peer["lag_entries"] as? Int == 3)
        #expect((peer["lag_seconds"] as? Int).map { (0..<60).contains($0) } == true)
        let own = (status["logs"] as? [[String: Any]])?.first { $0["origin"] as? String == "us.example/krus" }
        #expect(names(own?["holders"]) == ["kr.example"])
        #expect((own?["holders"] as? [[String: Any]])?.first?["lag_entries"] as? Int == 3)

        // The running node tries kr, which does not listen.
        #expect(
            try eventually {
                let peers = try place.must("us", "status", "--json").objects.first?["peers"] as? [[String: Any]]
                return (peers?.first?["last_error"] as? String)?.contains("Connection refused") == true
            })
        try place.must("kr", "sync")
        let after = try place.must("us", "status", "--json").objects.first?["peers"] as? [[String: Any]]
        #expect(after?.first?["lag_entries"] as? Int == 0)
        #expect(try place.must("us", "status").output.contains("LAST ERROR"))
    }

    @Test func anExpiredCertificateIsNamedWithItsOwnerAndDate() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.expireCertificate(of: "kr")
        try place.serve("us")
        // kr comes with it, and hears of it; us refuses it, and says whose it was.
        let refused = try place.run("kr", "sync", "us.example")
        #expect(refused.status == 77)
        #expect(refused.errors.contains("certificate of kr.example, this node, expired on 20"), "\(refused.errors)")
        #expect(
            try eventually {
                let peers = try place.must("us", "status", "--json").objects.first?["peers"] as? [[String: Any]]
                return (peers?.first?["last_error"] as? String)?.contains("certificate of kr.example expired on 20")
                    == true
            })
        let alarms = try place.must("kr", "status", "--json").objects.first?["alarms"] as? [String]
        #expect(alarms?.contains { $0.contains("certificate of kr.example") } == true)

        // The other way round: us is told by the certificate itself.
        let reference = try #require(submit(place).objects.first?["ref"] as? String)
        // us calls kr as well, where nobody listens: whatever it met last is told, so kr comes again until that is it.
        #expect(
            try eventually {
                guard try place.run("kr", "sync", "us.example").status == 77 else { return false }
                let pending = try show(place, "us", reference)["pending"] as? [[String: Any]] ?? []
                return pending.first?["path"] as? Bool == false
                    && (pending.first?["reason"] as? String)?.hasPrefix("refused: certificate of kr.example") == true
            })
    }

    @Test func partnersWhoseMemberListsDifferAreNamed() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.serve("us")
        try place.must("kr", "sync")
        #expect((try place.must("kr", "status", "--json").objects.first?["alarms"] as? [String])?.isEmpty == true)
        try place.found("jp")
        try place.must("us", "peer", "add", "\(place.path)/jp.yaml")
        try place.must("kr", "sync")
        let alarms = try place.must("kr", "status", "--json").objects.first?["alarms"] as? [String]
        #expect(alarms == ["us.example and this node list different members of krus: jp.example"])
        #expect(try place.run("kr", "status", "--check").status == 1)
    }
}

/// `submit --wait`: returns when the named nodes hold the record, or says who does not.
@Suite(.serialized) struct SubmitWaitTests {
    private func submit(_ place: Place, _ more: [String]) throws -> Entente.Outcome {
        try Entente.run(
            [
                "--home", "\(place.path)/us", "submit", "attribution", "--field", "chain=BTC", "--field",
                "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=x", "--json",
            ] + more)
    }

    private func holders(_ place: Place, _ outcome: Entente.Outcome) throws -> [String] {
        let reference = try #require(outcome.objects.first?["ref"] as? String)
        return try place.must("us", "show", reference, "--json").objects.first?["held_by"] as? [String] ?? []
    }

    @Test func theRunningNodeBringsItAndTheCommandReturnsWhenAllHoldIt() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        for node in ["us", "kr", "jp"] { try place.serve(node) }
        let outcome = try submit(place, ["--wait", "kr.example", "--wait", "jp.example", "--timeout", "30"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.isEmpty)
        #expect(try holders(place, outcome) == ["jp.example", "kr.example"])
    }

    @Test func withoutARunningNodeTheCommandSynchronisesItself() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.serve("kr")
        let outcome = try submit(place, ["--wait", "kr.example", "--timeout", "30"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try holders(place, outcome) == ["kr.example"])
    }

    @Test func whoIsMissingIsNamedWithTheReasonAndTheRecordStays() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try place.serve("kr")
        let outcome = try submit(place, ["--wait", "kr.example", "--wait", "jp.example", "--timeout", "2"])
        #expect(outcome.status == 69)
        #expect(outcome.errors.contains("not yet held by jp.example ("), "\(outcome.errors)")
        #expect(outcome.errors.contains("Connection refused"), "\(outcome.errors)")
        #expect(!outcome.errors.contains("kr.example ("))
        #expect(outcome.errors.split(separator: "\n").count == 1)
        #expect(try holders(place, outcome) == ["kr.example"])
    }

    @Test func ctrlCEndsTheWaitingAndTheRecordStays() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let (process, output, _) = try Entente.start([
            "--home", "\(place.path)/us", "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=x", "--json", "--wait", "kr.example",
        ])
        // Its line is out before it waits; the handler stands a moment later.
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        usleep(300_000)
        kill(process.processIdentifier, SIGINT)
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
        let reference = try #require(
            Entente.Outcome(status: 0, output: line, errors: "").objects.first?["ref"] as? String)
        #expect(try place.run("us", "show", reference).status == 0)
    }

    @Test func onlyMembersThatCanBeCheckedAreWaitedForAndNothingIsAppendedOtherwise() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let before = try place.state("us")
        for (name, status, says) in [
            ("fr.example", 64, "no member of krus"), ("us.example", 64, "this node itself"),
        ] as [(String, Int32, String)] {
            let outcome = try submit(place, ["--wait", name])
            #expect(outcome.status == status)
            #expect(outcome.errors.contains(says), "\(outcome.errors)")
        }
        #expect(try submit(place, ["--wait", "kr.example", "--timeout", "-1"]).status == 64)
        #expect(try place.state("us") == before)
        unlink("\(place.path)/us/peers/kr.example.yaml")
        #expect(try submit(place, ["--wait", "kr.example"]).status == 66)
    }
}

extension Place {
    /// Gives a node a certificate for its own key that expired yesterday.
    func expireCertificate(of name: String) throws {
        let key = "\(path)/\(name)/keys/tls.key"
        let request = "\(path)/\(name).csr"
        for arguments in [
            ["req", "-new", "-key", key, "-subj", "/CN=\(name).example", "-out", request],
            [
                "x509", "-req", "-in", request, "-signkey", key, "-days", "-1", "-out",
                "\(path)/\(name)/certs/tls.pem",
            ],
        ] {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
            process.arguments = arguments
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            try #require(process.terminationStatus == 0)
        }
    }

    /// What went wrong with a partner is not told of any more once it is there again.
    @Test func anErrorIsGoneAsSoonAsThePartnerIsThere() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.serve("us")
        func error() throws -> String? {
            let peers = try place.must("us", "status", "--json").objects.first?["peers"] as? [[String: Any]]
            return peers?.first?["last_error"] as? String
        }
        #expect(try Entente.waits { try error() != nil })
        try place.serve("kr")
        let begin = Date()
        #expect(try Entente.waits { try error() == nil })
        // It is not waited for the minute's note of who is connected.
        #expect(Date().timeIntervalSince(begin) < 50)
    }
}
