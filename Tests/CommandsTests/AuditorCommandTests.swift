import Cryptography
import Foundation
import Testing

/// An auditor that is no partner reads the tiles of the communities that it was let in to, with a certificate that any
/// program makes, and nothing else.
@Suite(.serialized) struct AuditorCommandTests {
    private static let hasTools =
        Tool.run("openssl", "version")?.status == 0 && Tool.run("curl", "--version")?.status == 0
    private static let mirror = "mirror/\(SHA256.hash("kr.example/krus").hex)"

    private struct Scene {
        let place: Place
        let port: Int
        var address: String { "https://127.0.0.1:\(port)/" }

        /// us in krus with kr and in asia alone, serving tiles; two certificates that openssl made.
        init() throws {
            place = try Place()
            try place.federate("us", "kr")
            _ = try place.fill("us", records: 300)
            try place.must("us", "community", "add", "asia")
            try place.serve("us")
            try place.must("kr", "sync", "us.example")
            place.stop()
            port = try Place.freePort()
            let file = "\(place.path)/us/node.yaml"
            try String(contentsOfFile: file, encoding: .utf8)
                .replacingOccurrences(of: "# tiles: 0.0.0.0:7963", with: "tiles: 127.0.0.1:\(port)")
                .write(toFile: file, atomically: false, encoding: .utf8)
            for name in ["court", "stranger"] {
                let made = try #require(
                    Tool.run(
                        "openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "30", "-subj",
                        "/CN=\(name)",
                        "-keyout", "\(place.path)/\(name).key", "-out", "\(place.path)/\(name).pem"))
                try #require(made.status == 0)
            }
            try place.serve("us")
        }

        func curl(_ name: String, _ path: String) throws -> Tool.Outcome {
            try #require(
                Tool.run(
                    "curl", "-sS", "-k", "-i", "--cert", "\(place.path)/\(name).pem", "--key",
                    "\(place.path)/\(name).key",
                    address + path))
        }

        /// As docs/auditing.md says it.
        func pin(_ name: String) throws -> String {
            let outcome = try #require(
                Tool.run(
                    "sh", "-c",
                    "openssl x509 -in \(place.path)/\(name).pem -noout -pubkey | openssl pkey -pubin -outform der "
                        + "| openssl dgst -sha256 -r"))
            return "sha256:" + outcome.output.prefix(64)
        }

        func keys() throws -> (log: String, pin: String) {
            let card = try String(contentsOfFile: "\(place.path)/us.yaml", encoding: .utf8)
            let line = try #require(card.split(separator: "\n").first { $0.contains(" vkey: ") })
            let pin = try #require(card.split(whereSeparator: \.isWhitespace).first { $0.hasPrefix("sha256:") })
            return (String(try #require(line.split(separator: " ").last)), String(pin))
        }
    }

    @Test(.enabled(if: hasTools, "skipped: no openssl or curl here"))
    func aCertificateOfOpensslReadsTheTilesThatItMayAndNothingElse() throws {
        let it = try Scene()
        // Unknown: not even a handshake.
        let before = try it.curl("court", "krus/checkpoint")
        #expect(before.status != 0 && !before.output.contains("us.example"))
        let added = try it.place.must(
            "us", "auditor", "add", "court", "--certificate", "\(it.place.path)/court.pem", "--community", "krus",
            "--json"
        ).objects.first
        #expect(added?["pin"] as? String == (try it.pin("court")) && added?["communities"] as? [String] == ["krus"])
        #expect(try Entente.waits { try it.curl("court", "krus/checkpoint").output.hasPrefix("HTTP/1.1 200") })
        for path in ["krus/tile/0/000", "krus/tile/entries/000", Self.mirror + "/checkpoint"] {
            #expect(try it.curl("court", path).output.hasPrefix("HTTP/1.1 200"), "\(path)")
        }
        // Of another community it gets the answer for what does not exist.
        let absent = try it.curl("court", "nowhere/checkpoint").output
        #expect(absent.hasPrefix("HTTP/1.1 404"))
        #expect(try it.curl("court", "asia/checkpoint").output == absent)
        #expect(try it.curl("stranger", "krus/checkpoint").status != 0)

        let keys = try it.keys()
        func verify(_ name: String) throws -> Entente.Outcome {
            try Entente.run([
                "--home", "\(it.place.path)/nobody", "verify", it.address, "--vkey", keys.log, "--cert",
                "\(it.place.path)/\(name).pem", "--key", "\(it.place.path)/\(name).key", "--pin", keys.pin, "--json",
            ])
        }
        let verified = try verify("court")
        #expect(verified.status == 0, "\(verified.errors)")
        #expect(AuditScene.log(verified)?["size"] as? Int == 302)
        #expect(try verify("stranger").status == 77)

        // It is no partner: where nodes talk it is a stranger, whatever it calls itself.
        let node = try #require(
            Tool.run(
                "sh", "-c",
                "sleep 2 | timeout 5 openssl s_client -connect 127.0.0.1:\(try it.place.port(of: "us")) -tls1_3 -alpn entente/1 "
                    + "-cert \(it.place.path)/court.pem -key \(it.place.path)/court.key 2>&1"))
        #expect(node.output.contains("alert"), "\(node.output)")

        try it.place.must("us", "auditor", "remove", "court")
        #expect(try Entente.waits { try it.curl("court", "krus/checkpoint").status != 0 })
        #expect(try it.place.must("us", "auditor", "list", "--json").output.isEmpty)
    }

    @Test func whatIsNoAuditorIsRefused() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let pin = "sha256:" + String(repeating: "ab", count: 32)
        let card = try String(contentsOfFile: "\(place.path)/kr.yaml", encoding: .utf8)
        let partner = String(try #require(card.split(whereSeparator: \.isWhitespace).first { $0.hasPrefix("sha256:") }))
        let cases: [([String], Int32)] = [
            (["add", "court"], 64), (["add", "court", "--pin", pin], 64),
            (["add", "court", "--pin", "sha256:12", "--community", "krus"], 64),
            (["add", "court", "--pin", pin, "--community", "asia"], 64),
            (["add", "Court of Audit", "--pin", pin, "--community", "krus"], 64),
            (["add", "court", "--pin", partner, "--community", "krus"], 64), (["remove", "court"], 66),
            (["add", "court", "--certificate", "/nonexistent", "--community", "krus"], 66),
        ]
        for (arguments, status) in cases {
            let outcome = try Entente.run(["--home", "\(place.path)/us", "auditor"] + arguments)
            #expect(outcome.status == status && outcome.output.isEmpty, "\(arguments): \(outcome.errors)")
            outcome.expectOneLine("\(arguments)")
        }
        try place.must("us", "auditor", "add", "court", "--pin", pin, "--community", "krus")
        #expect(try place.run("us", "auditor", "add", "court", "--pin", pin, "--community", "krus").status == 73)
        #expect(try place.run("us", "auditor", "add", "other", "--pin", pin, "--community", "krus").status == 64)
        // What it reads goes with the community.
        try place.must("us", "community", "add", "asia")
        try place.must("us", "community", "remove", "krus")
        #expect(try place.must("us", "auditor", "list", "--json").output.isEmpty)
    }
}
