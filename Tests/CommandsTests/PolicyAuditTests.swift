import Foundation
import Testing

/// `verify --policy`: which witnesses counted, and whether that is the quorum, for people and for programs.
@Suite(.serialized) struct PolicyAuditTests {
    private func policy(_ scene: AuditScene, quorum: String, log: String? = nil) throws -> String {
        try scene.place.file(
            "agencies.policy",
            """
            # Who counts.
            log \(log ?? scene.logKey)
            witness owner \(scene.ownCosignerKey)
            witness partner \(scene.cosignerKey)
            group both all owner partner
            quorum \(quorum)

            """)
    }

    private static func judged(_ outcome: Entente.Outcome) -> [String: Any]? {
        let policy = outcome.objects.first?["policy"] as? [String: Any]
        return (policy?["logs"] as? [[String: Any]])?.first { $0["origin"] as? String == AuditScene.origin }
    }

    @Test func aHomeACopyAndAProofAreHeldAgainstIt() throws {
        let scene = try AuditScene()
        let file = try policy(scene, quorum: "both")
        let copy = try scene.copy(of: "kr", named: "copy")
        // The policy's keys are known keys: no --vkey is needed for the log that it lists.
        let outcome = try scene.verify(copy, ["--policy", file, "--log", AuditScene.origin])
        #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
        let log = try #require(Self.judged(outcome))
        #expect(log["reached"] as? Bool == true && log["reached_size"] as? Int == scene.size)
        let witnesses = log["witnesses"] as? [[String: Any]] ?? []
        #expect(witnesses.map { $0["name"] as? String } == ["owner", "partner"])
        #expect(witnesses.allSatisfy { $0["counts"] as? Bool == true && $0["time"] as? String != nil })
        let home = try scene.place.must("us", "verify", "--policy", file)
        #expect(home.output.contains("quorum reached") && home.output.contains("both is reached: 2 of 2, 2 asked for"))
        // kr's own log is not in it: that is said.
        #expect(home.output.contains("kr.example/krus: the policy does not list its key"))

        let proof = try scene.place.file("p", try scene.place.must("us", "prove", "\(AuditScene.origin)#3").output)
        let body = try scene.place.file(
            "b", try scene.place.must("us", "show", "\(AuditScene.origin)#3", "--raw").output)
        let proved = try scene.verify(proof, ["--policy", file, "--body", body])
        #expect(proved.status == 0, "\(proved.output) \(proved.errors)")
        #expect((proved.objects.first?["policy"] as? [String: Any])?["reached"] as? Bool == true)
        #expect(AuditScene.unproved(proved).isEmpty)
        // Another body is no proof, whoever cosigned the checkpoint.
        let other = try scene.verify(proof, ["--policy", file, "--body", file])
        #expect(other.status == 1)
    }

    /// Tiles are held against it as well, and a policy that cannot be read is never passed over.
    @Test func tilesAreHeldAgainstIt() throws {
        let scene = try AuditScene()
        let file = try policy(scene, quorum: "both")
        let tiles = "\(scene.place.path)/tiles"
        try scene.place.must("us", "export", "--format", "tiles", tiles)
        let outcome = try scene.verify(tiles, ["--policy", file])
        #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
        #expect(Self.judged(outcome)?["reached"] as? Bool == true)
        #expect(!AuditScene.unproved(outcome).contains { $0.contains("that others were shown") })
        // The other log that lies there is named.
        #expect(AuditScene.unproved(outcome).contains { $0.hasPrefix("kr.example/krus in mirror/") })
        let people = try Entente.run(["verify", tiles, "--policy", file])
        #expect(people.output.contains("quorum reached") && people.output.contains("both is reached: 2 of 2"))
        #expect(try scene.verify(tiles, ["--vkey", scene.logKey, "--policy", tiles + "/none"]).status == 66)

        // A key of that name which has not signed is not the log's.
        try scene.place.found("forger", named: "us")
        let forged = try scene.place.must("forger", "community", "list", "--json").objects.first?["vkey"] as? String
        let other = try policy(scene, quorum: "both", log: forged)
        let unlisted = try scene.verify(tiles, ["--vkey", scene.logKey, "--policy", other])
        #expect(Self.judged(unlisted) == nil)
        #expect(AuditScene.unproved(unlisted).contains { $0.contains("the policy does not list its key") })

        _ = try policy(scene, quorum: "both")
        _ = try scene.place.fill("us", records: 650)
        try scene.place.must("us", "export", "--format", "tiles", tiles)
        let behind = try scene.verify(tiles, ["--vkey", scene.logKey, "--policy", file])
        #expect(behind.status == 1 && Self.judged(behind)?["reached"] as? Bool == false)
        #expect(AuditScene.problems(behind).contains { $0.contains("not cosigned by the policy's quorum") })
        let none = try scene.verify(tiles, ["--policy", try policy(scene, quorum: "none")])
        #expect(none.status == 0, "\(none.output)")
    }

    /// What is asked for and would not be looked at is refused.
    @Test func aCosignerIsAskedForOrRefused() throws {
        let scene = try AuditScene()
        let place = scene.place
        let proof = try place.file("p", try place.must("us", "prove", "\(AuditScene.origin)#3").output)
        let body = try place.file("b", try place.must("us", "show", "\(AuditScene.origin)#3", "--raw").output)
        let proved = try scene.verify(
            proof, ["--vkey", scene.logKey, "--cosigner", scene.cosignerKey, "--body", body])
        let cosigners = proved.objects.first?["cosigned_by"] as? [[String: Any]]
        #expect(proved.status == 0 && cosigners?.map { $0["node"] as? String } == ["kr.example"])
        let people = try Entente.run(
            ["verify", proof, "--vkey", scene.logKey, "--vkey", scene.cosignerKey, "--body", body])
        #expect(people.output.contains("cosigned by kr.example, 20"), "\(people.output)")
        try place.found("fr")
        let card = try place.must("fr", "identity").output.split(whereSeparator: \.isWhitespace)
        let stranger = try #require(card.first { $0.hasPrefix("fr.example+") }.map(String.init))
        #expect(
            try scene.verify(proof, ["--vkey", scene.logKey, "--cosigner", stranger, "--body", body]).status == 1)
        let evidence = "\(place.path)/3.html"
        try place.must("us", "export", "--format", "evidence", "\(AuditScene.origin)#3", evidence)
        let unheld = try scene.verify(evidence, ["--vkey", scene.logKey, "--vkey", stranger])
        #expect(AuditScene.unproved(unheld).contains { $0.hasPrefix("that fr.example has cosigned") })
        let copy = try scene.copy(of: "us", named: "copy")
        for path in [copy, evidence] {
            let refused = try scene.verify(path, ["--vkey", scene.logKey, "--cosigner", scene.cosignerKey])
            #expect(refused.status == 64 && refused.output.isEmpty)
            refused.expectOneLine()
        }
    }

    /// Entries that the partner has not got yet: the newest checkpoint lacks its cosignature, an earlier one has it.
    @Test func aQuorumThatIsNotReachedIsAProblem() throws {
        let scene = try AuditScene()
        let file = try policy(scene, quorum: "both")
        _ = try scene.place.fill("us", records: 650)
        let outcome = try scene.place.run("us", "verify", "--policy", file, "--json")
        #expect(outcome.status == 1)
        let log = try #require(Self.judged(outcome))
        #expect(log["reached"] as? Bool == false && log["reached_size"] as? Int == scene.size)
        #expect(AuditScene.problems(outcome).contains { $0.contains("quorum") && $0.contains("\(scene.size) entries") })
        let people = try scene.place.run("us", "verify", "--policy", file)
        #expect(people.status == 1 && people.output.contains("partner has not cosigned"))

        let proof = try scene.place.file("p", try scene.place.must("us", "prove", "\(AuditScene.origin)#3").output)
        let proved = try scene.place.run("us", "verify", proof, "--policy", file, "--json")
        #expect(proved.status == 1 && (proved.objects.first?["policy"] as? [String: Any])?["reached"] as? Bool == false)
        #expect(try scene.place.run("us", "verify", "--policy", policy(scene, quorum: "none")).status == 0)
    }

    @Test func whatThePolicyDoesNotListIsSaidToBeUnproved() throws {
        let scene = try AuditScene()
        let file = try policy(scene, quorum: "none", log: scene.partnerLogKey)
        let outcome = try scene.place.must("us", "verify", "--policy", file, "--json")
        #expect(
            AuditScene.unproved(outcome).contains { $0.hasPrefix("\(AuditScene.origin): the policy does not list") })
        let proof = try scene.place.file("p", try scene.place.must("us", "prove", "\(AuditScene.origin)#3").output)
        let proved = try scene.place.run("us", "verify", proof, "--policy", file)
        #expect(proved.status == 64 && proved.errors.contains("the policy lists no key of \(AuditScene.origin)"))
    }

    @Test func aMalformedPolicyIsNamedWithItsLine() throws {
        let place = try Place()
        try place.found("us")
        let file = try place.file("bad.policy", "# one\nquorum nobody\n")
        let outcome = try place.run("us", "verify", "--policy", file)
        #expect(outcome.status == 65 && outcome.errors.contains("bad.policy: line 2: "))
        outcome.expectOneLine()
        #expect(try place.run("us", "verify", "--policy", "/nonexistent").status == 66)
    }
}
