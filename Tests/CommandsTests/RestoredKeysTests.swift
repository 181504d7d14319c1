import Foundation
import Testing

/// A home that came back older than its keys: the newer key convicts nobody, and vouches for nothing either.
@Suite(.serialized) struct RestoredKeysTests {
    private static let origin = "us.example/krus"

    /// us is restored from a backup that was made before these keys were rotated; kr has what came since.
    private static func restored(_ kinds: String..., cosigned: Bool = false) throws -> Place {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "first")
        place.serveAll("kr")
        if cosigned { try place.must("us", "sync") }
        let file = "\(place.path)/us.entente"
        try place.must("us", "backup", file)
        for kind in kinds { try place.must("us", "key", "rotate", kind) }
        try place.must("us", "sync")
        try place.lose("us", keeping: ["keys"])
        try place.must("us", "restore", file)
        return place
    }

    /// Both as the home that is meant, and as the folder that is named.
    private static func reports(_ place: Place, _ more: String...) throws -> [Entente.Outcome] {
        try [
            Entente.run(["--home", "\(place.path)/us", "verify", "--json"]),
            Entente.run(["verify", "\(place.path)/us", "--json"] + more),
        ]
    }

    @Test(arguments: [["log"], ["log", "mirror"]]) func aNewerKeyIsNoProofAgainstARestoredLog(kinds: [String]) throws {
        let place = try kinds.count == 1 ? Self.restored("log") : Self.restored("log", "mirror")
        for outcome in try Self.reports(place) {
            #expect(outcome.status == 1 && AuditScene.problems(outcome) == [], "\(outcome.output)")
            #expect(AuditScene.log(outcome)?["ok"] as? Bool == false)
            let unproved = AuditScene.unproved(outcome).filter { $0.hasPrefix("\(Self.origin): that its key in") }
            #expect(unproved.count == 1 && unproved.first?.contains("entente recover") == true, "\(outcome.output)")
        }
        let people = try place.run("us", "verify")
        #expect(people.output.contains("UNPROVED") && !people.output.contains("NOT SOUND"), "\(people.output)")
        try place.must("us", "recover")
        for outcome in try Self.reports(place) {
            #expect(outcome.status == 0 && AuditScene.log(outcome)?["ok"] as? Bool == true, "\(outcome.output)")
            #expect(!AuditScene.unproved(outcome).contains { $0.contains("took the place of") })
        }
    }

    /// What this node has cosigned it has signed itself, whichever key is in keys/ by now.
    @Test func whatTheMirrorKeyHasCosignedIsSound() throws {
        let place = try Self.restored("log", cosigned: true)
        for outcome in try Self.reports(place) {
            #expect(outcome.status == 0 && AuditScene.log(outcome)?["ok"] as? Bool == true, "\(outcome.output)")
            #expect(AuditScene.unproved(outcome).contains { $0.contains("this node has cosigned what is here") })
        }
        // Not by a cosignature that somebody has made up.
        try DatabaseFile("\(place.path)/us/node.sqlite").execute(
            "DELETE FROM cosignature WHERE cosigner = 'us.example'; "
                + "DELETE FROM latest_cosignature WHERE cosigner = 'us.example'")
        for outcome in try Self.reports(place) {
            #expect(outcome.status == 1 && AuditScene.problems(outcome) == [], "\(outcome.output)")
        }
    }

    /// Whoever writes a database can put another key into it, and call it restored: no audit ends well by that.
    @Test(arguments: [false, true]) func aForeignKeyIsNeverSound(isCalledRestored: Bool) throws {
        let scene = try AuditScene()
        let place = scene.place
        try place.found("forger", named: "us")
        place.loseDatabase("us")
        try DatabaseFile("\(place.path)/forger/node.sqlite").execute(
            isCalledRestored
                ? "UPDATE log SET recovering = 1; INSERT INTO restored (log, time) SELECT id, 1 FROM log" : "SELECT 1")
        for suffix in ["", "-wal", "-shm"]
        where FileManager.default.fileExists(atPath: "\(place.path)/forger/node.sqlite\(suffix)") {
            try FileManager.default.copyItem(
                atPath: "\(place.path)/forger/node.sqlite\(suffix)", toPath: "\(place.path)/us/node.sqlite\(suffix)")
        }
        for suffix in ["", "-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: "\(place.path)/us/signed.sqlite\(suffix)")
        }
        // A key that is given by hand is not one that may be newer.
        let given = try scene.verify("\(place.path)/us", ["--vkey", scene.logKey])
        #expect(
            AuditScene.problems(given).contains { $0.hasPrefix(Self.origin) && $0.contains("is kept under the key") })
        for outcome in try Self.reports(place) {
            #expect(outcome.status == 1 && outcome.objects.first?["ok"] as? Bool == false, "\(outcome.output)")
            #expect(AuditScene.log(outcome)?["ok"] as? Bool == false)
            let isConvicted = AuditScene.problems(outcome).contains { $0.contains("is kept under the key") }
            #expect(isConvicted != isCalledRestored, "\(outcome.output)")
        }
    }

    /// That a log is being recovered is said of own logs alone; a partner's key stands on its card.
    @Test func aPartnersLogIsHeldAgainstItsCardAllTheSame() throws {
        let scene = try AuditScene()
        let place = scene.place
        try place.found("other", named: "kr")
        let card = try place.must("other", "identity").output
        try place.must("us", "peer", "add", place.file("other.yaml", card), "--replace")
        try DatabaseFile("\(place.path)/us/node.sqlite").execute(
            "UPDATE log SET recovering = 1 WHERE origin = 'kr.example/krus'")
        for outcome in try Self.reports(place) {
            #expect(outcome.status == 1, "\(outcome.output)")
            #expect(
                AuditScene.problems(outcome).contains {
                    $0.hasPrefix("kr.example/krus") && $0.contains("is kept under the key")
                }, "\(outcome.output)")
        }
    }
}
