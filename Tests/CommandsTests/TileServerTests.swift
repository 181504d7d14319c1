import Cryptography
import Foundation
import LogStore
import Testing

/// A running node serves its logs as tiles to those who may see them, and to nobody else.
@Suite(.serialized) struct TileServerTests {
    private static let origin = "us.example/krus"
    private static let mirror = "mirror/\(SHA256.hash("kr.example/krus").hex)"

    /// us in krus with kr, and in asia with jp; us holds kr's log, and serves.
    private func scene() throws -> (place: Place, address: String) {
        let place = try Place()
        try place.federate("us", "kr")
        // Two records of members before them.
        #expect(try place.fill("us", records: 600) == 602)
        try place.must("us", "community", "add", "asia")
        try place.must(
            "jp", "init", "--node", "jp.example", "--community", "asia", "--listen", "127.0.0.1:0")
        _ = try place.file("jp.yaml", place.must("jp", "identity").output)
        _ = try place.file("us-asia.yaml", place.must("us", "identity", "--community", "asia").output)
        try place.must("us", "peer", "add", "\(place.path)/jp.yaml")
        try place.must("jp", "peer", "add", "\(place.path)/us-asia.yaml")
        try place.serve("us")
        try place.must("kr", "sync")
        place.stop()
        return (place, try serve(place))
    }

    private func serve(_ place: Place) throws -> String {
        let port = try Place.freePort()
        let file = "\(place.path)/us/node.yaml"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        try text.replacingOccurrences(of: "# tiles: 0.0.0.0:7963", with: "tiles: 127.0.0.1:\(port)")
            .write(toFile: file, atomically: false, encoding: .utf8)
        try place.serve("us")
        return "https://127.0.0.1:\(port)/"
    }

    private func key(of node: String, in place: Place) throws -> String {
        let card = try String(contentsOfFile: "\(place.path)/\(node).yaml", encoding: .utf8)
        let line = try #require(card.split(separator: "\n").first { $0.contains(" vkey: ") })
        return String(try #require(line.split(separator: " ").last))
    }

    @Test func membersVerifyTheLogsOfTheirCommunitiesAndNobodyElseAnything() throws {
        let (place, address) = try scene()
        let us = try key(of: "us", in: place)
        let kr = try key(of: "kr", in: place)
        // Both its own log and the replica of the reader's, by the home's certificate and cards.
        let both = try place.must("kr", "verify", address, "--vkey", us, "--vkey", kr, "--json").objects.first
        let logs = try #require(both?["logs"] as? [[String: Any]])
        #expect(logs.map { $0["size"] as? Int } == [602, 2] && both?["ok"] as? Bool == true)
        // One log by its own address.
        #expect(try place.run("kr", "verify", address + "krus", "--vkey", us).status == 0)
        #expect(try place.run("kr", "verify", address + Self.mirror + "/", "--vkey", kr).status == 0)

        // jp shares another community with us: of this one there is nothing.
        for path in ["", "krus", Self.mirror] {
            let hidden = try place.run("jp", "verify", address + path, "--vkey", us)
            #expect(hidden.status == 66, "\(hidden.errors)")
            hidden.expectOneLine()
        }
        let asia = try #require(
            place.must("us", "community", "list", "--json").objects.first { $0["community"] as? String == "asia" })
        let vkey = try #require(asia["vkey"] as? String)
        #expect(try place.run("jp", "verify", address, "--vkey", vkey).status == 0)

        // Without a home: certificate, key and the server's pin.
        let card = try String(contentsOfFile: "\(place.path)/us.yaml", encoding: .utf8)
        let pin = try #require(card.split(whereSeparator: \.isWhitespace).first { $0.hasPrefix("sha256:") })
        func verify(_ node: String, pin: String) throws -> Int32 {
            try Entente.run([
                "verify", address, "--vkey", us, "--cert", "\(place.path)/\(node)/certs/tls.pem", "--key",
                "\(place.path)/\(node)/keys/tls.key", "--pin", pin,
            ]).status
        }
        #expect(try verify("kr", pin: String(pin)) == 0)
        #expect(try verify("kr", pin: String(repeating: "0", count: 64)) == 77)
        #expect(try Entente.run(["verify", address, "--vkey", us, "--pin", String(pin)]).status == 77)

        // Who is removed sees nothing from then on.
        try place.must("us", "peer", "remove", "kr.example")
        #expect(try Entente.waits { try place.run("kr", "verify", address, "--vkey", us).status != 0 })
    }

    @Test func whatIsDamagedIsNotServedAndTheReaderNamesIt() throws {
        let (place, address) = try scene()
        let us = try key(of: "us", in: place)
        let home = "\(place.path)/us"
        let store = try SQLiteLogStore(
            path: home + "/node.sqlite", signedPath: home + "/signed.sqlite", node: "us.example")
        try store.tamper(log: SHA256.hash(Self.origin), entry: 300)
        func problem() throws -> [String: Any] {
            let report = try place.run("kr", "verify", address, "--vkey", us, "--json")
            #expect(report.status == 1)
            return try #require((report.objects.first?["problems"] as? [[String: Any]])?.first)
        }
        // Not known here yet: the reader finds it. Then it is not given any more.
        let found = try problem()
        #expect(found["file"] as? String == "tile/entries/001" && found["entry"] as? Int == 300)
        #expect(try place.run("us", "scrub").status == 1)
        let refused = try problem()
        #expect(refused["file"] as? String == "tile/entries/001" && refused["entry"] as? Int == 256)
        #expect((refused["text"] as? String)?.contains("damaged here") == true)
    }

    // MARK: Other programs

    private static let hasCurl = Tool.run("curl", "--version")?.status == 0

    @Test(.enabled(if: hasCurl, "skipped: no curl here"))
    func curlGetsFilesConditionallyAndTheSameAnswerForHiddenAndAbsent() throws {
        let (place, address) = try scene()
        func curl(_ node: String, _ path: String, _ options: String...) throws -> String {
            let all =
                [
                    "-sS", "-k", "-i", "--cert", "\(place.path)/\(node)/certs/tls.pem", "--key",
                    "\(place.path)/\(node)/keys/tls.key",
                ] + options + [address + path]
            return try #require(Tool.run("curl", all)).output
        }
        let checkpoint = try curl("kr", "krus/checkpoint")
        #expect(checkpoint.hasPrefix("HTTP/1.1 200") && checkpoint.contains("\r\n\r\nus.example/krus\n602\n"))
        let tag = try #require(
            checkpoint.split(whereSeparator: \.isNewline).first { $0.hasPrefix("ETag: ") }?.dropFirst(6))
        #expect(try curl("kr", "krus/checkpoint", "-H", "If-None-Match: \(tag)").hasPrefix("HTTP/1.1 304"))
        let head = try curl("kr", "krus/tile/0/000", "--head")
        #expect(head.hasPrefix("HTTP/1.1 200") && head.contains("Content-Length: 8192"))
        #expect(head.contains("immutable"))
        // Any width up to the newest; none beyond it.
        #expect(try curl("kr", "krus/tile/0/002.p/5", "--head").contains("Content-Length: 160"))
        #expect(try curl("kr", "krus/tile/0/002.p/91", "--head").hasPrefix("HTTP/1.1 404"))
        let absent = try curl("jp", "nowhere/checkpoint")
        #expect(absent.hasPrefix("HTTP/1.1 404"))
        for path in ["krus/checkpoint", "krus/tile/0/000", Self.mirror + "/checkpoint", "krus/tile/0/999"] {
            #expect(try curl("jp", path) == absent)
        }
        #expect(try curl("kr", "krus/checkpoint", "-d", "x").hasPrefix("HTTP/1.1 400"))
        #expect(try curl("kr", "krus/checkpoint", "-X", "DELETE").hasPrefix("HTTP/1.1 405"))
        let long = String(repeating: "a", count: 20_000)
        #expect(try curl("kr", "krus/checkpoint", "-H", "X-Long: \(long)").hasPrefix("HTTP/1.1 400"))
        #expect(try curl("kr", long).hasPrefix("HTTP/1.1 400"))
        // And goes on for everybody else.
        #expect(try curl("kr", "krus/checkpoint").hasPrefix("HTTP/1.1 200"))
    }
}
