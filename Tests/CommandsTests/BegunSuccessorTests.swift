import Foundation
import Glibc
import Testing

/// A successor whose making is broken off, with the real program: the same command takes up the one that was begun.
@Suite(.serialized) struct BegunSuccessorTests {
    private static let hasTracer = access("/usr/bin/strace", X_OK) == 0
    private static let log = "us.example/krus"

    /// us has lost a key, or all that it had written, and kr holds that.
    private static func loss(ofTheLog isLogLost: Bool) throws -> Place {
        let place = try Place()
        try place.federate("us", "kr")
        try place.submit("us", "first")
        try place.serve("us")
        for _ in 0..<2 { try place.must("kr", "sync", "us.example") }
        place.stop()
        try? FileManager.default.removeItem(atPath: "\(place.path)/us/node.sock")
        if isLogLost {
            place.loseDatabase("us")
            #expect(try place.run("us", "recover").status == 69)
        } else {
            try FileManager.default.removeItem(atPath: "\(place.path)/us/keys/log-krus.key")
        }
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/before")
        return place
    }

    private static func startAgain(_ place: Place) throws {
        try FileManager.default.removeItem(atPath: "\(place.path)/us")
        try FileManager.default.copyItem(atPath: "\(place.path)/before", toPath: "\(place.path)/us")
    }

    private static func logKeys(_ place: Place) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/us/keys")
            .filter { $0.hasPrefix("log-krus.") && $0 != "log-krus.key" }.sorted()
    }

    @Test(.enabled(if: hasTracer, "needs strace in /usr/bin"), arguments: [false, true])
    func whereverItIsKilledTheSameCommandMakesOne(isLogLost: Bool) throws {
        let place = try Self.loss(ofTheLog: isLogLost)
        var (killed, begun) = (0, 0)
        for call in ["fsync", "fdatasync", "link", "rename"] {
            for number in 1...40 {
                try Self.startAgain(place)
                let ended = try place.detached(
                    "us", ["community", "successor", "krus", "--abandon"],
                    below: [
                        "/usr/bin/strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(call)", "-e",
                        "inject=\(call):signal=SIGKILL:when=\(number)",
                    ])
                guard ended.status != 0 else { break }
                killed += 1
                let key = try Self.logKeys(place)
                if !key.isEmpty, try place.log("\(Self.log)/2", at: "us") == nil {
                    begun += 1
                    let alarms = try place.alarms("us")
                    #expect(
                        alarms.contains { $0.contains("`entente community successor krus --abandon` again") },
                        "\(alarms)")
                    // Nothing of it is to be had from anybody.
                    _ = try place.run("us", "recover")
                }
                let again = try place.run("us", "community", "successor", "krus", "--abandon")
                // It was killed when all was done.
                let wasDone = again.errors.contains("\(Self.log)/2 did not fork; it goes on as it is")
                #expect(again.status == 0 || wasDone, "\(again.errors)")
                #expect(try Self.logKeys(place) == ["log-krus.2.key"], "\(call) \(number)")
                let first = try place.must("us", "show", "\(Self.log)/2#0", "--raw").output
                #expect(first.contains("\"predecessor\""), "\(first)")
                try place.submit("us", "in the successor")
                if !isLogLost { try place.expectSound("us") }
            }
        }
        #expect(killed >= 8 && begun >= 1, "\(killed) \(begun)")
    }

    /// Whoever has the key of the log may have the one beside it.
    @Test func aTheftBehindItMakesAnotherKey() throws {
        let place = try Self.loss(ofTheLog: false)
        try Self.begin(place)
        let begun = try String(contentsOfFile: "\(place.path)/us/keys/log-krus.2.key", encoding: .utf8)
        try place.must("us", "key", "stolen", "log", "--yes")
        #expect(try Self.logKeys(place) == ["log-krus.2.key"])
        #expect(try String(contentsOfFile: "\(place.path)/us/keys/log-krus.2.key", encoding: .utf8) != begun)
        let first = try place.must("us", "show", "\(Self.log)/2#0", "--raw").output
        #expect(first.contains("\"size\":\(try place.size(of: Self.log, at: "us"))"), "\(first)")
        try place.submit("us", "in the successor")
        try place.expectSound("us")
    }

    /// An older database beside a newer key looks the same, and what was begun there is written by now.
    @Test func whatAPartnerHoldsWasNotOnlyBegun() throws {
        let place = try Self.loss(ofTheLog: false)
        try Self.begin(place)
        try FileManager.default.moveItem(atPath: "\(place.path)/us", toPath: "\(place.path)/image")
        try FileManager.default.copyItem(atPath: "\(place.path)/image", toPath: "\(place.path)/us")
        try place.must("us", "community", "successor", "krus", "--abandon")
        let card = try place.file("us-new.yaml", place.must("us", "identity").output)
        try place.must("kr", "peer", "add", card, "--replace")
        try place.serve("kr")
        try place.must("us", "sync")
        let size = try place.size(of: "\(Self.log)/2", at: "kr")
        #expect(size > 0)
        try FileManager.default.removeItem(atPath: "\(place.path)/us")
        try FileManager.default.moveItem(atPath: "\(place.path)/image", toPath: "\(place.path)/us")
        try place.must("us", "sync")
        try place.must("us", "recover")
        #expect(try place.size(of: "\(Self.log)/2", at: "us") == size)
        try place.submit("us", "after")
        try place.must("us", "sync")
        #expect(try place.size(of: "\(Self.log)/2", at: "kr") == size + 1)
    }

    /// As a kill leaves it behind the making of the key.
    private static func begin(_ place: Place) throws {
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/made")
        try place.must("made", "community", "successor", "krus", "--abandon")
        try FileManager.default.copyItem(
            atPath: "\(place.path)/made/keys/log-krus.2.key", toPath: "\(place.path)/us/keys/log-krus.2.key")
        try DatabaseFile("\(place.path)/us/node.sqlite").execute(
            "INSERT INTO begun_log (origin) VALUES ('\(log)/2')")
    }
}
