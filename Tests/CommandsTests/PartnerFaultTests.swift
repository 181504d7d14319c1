import Foundation
import Glibc
import Testing

/// A partner that is not there, is somebody else or breaks off costs one line and loses nothing.
@Suite(.serialized) struct PartnerFaultTests {
    /// kr knows us, but at this port.
    private func redirect(_ place: Place, to port: Int) throws {
        try place.must("kr", "peer", "add", "\(place.path)/us.yaml", "--endpoint", "127.0.0.1:\(port)", "--replace")
    }

    @Test func whoeverSpeaksSomethingElseIsRefusedInOneLine() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let before = try place.must("kr", "status", "--json").objects.first?["logs"] as? [[String: Any]]
        let garbage = (0..<512).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) }
        let cases: [(name: String, bytes: [UInt8], status: Int32)] = [
            ("HTTP", Array("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".utf8), 76),
            ("SSH", Array("SSH-2.0-OpenSSH_9.6\r\n".utf8), 76),
            ("garbage", garbage, 76),
            ("nothing at all", [], 69),
        ]
        for each in cases {
            let peer = try FakePeer.saying(each.bytes)
            defer { peer.stop() }
            try redirect(place, to: peer.port)
            let outcome = try place.run("kr", "sync", "us.example")
            #expect(outcome.status == each.status, "\(each.name): \(outcome.errors)")
            #expect(outcome.errors.contains("us.example"), "\(each.name): \(outcome.errors)")
            outcome.expectOneLine(each.name)
            let json = try place.run("kr", "sync", "us.example", "--json")
            #expect(json.status == each.status)
            #expect(json.objects.first?["ok"] as? Bool == false)
            #expect(json.objects.first?["error"] as? String != nil)
        }
        let after = try place.must("kr", "status", "--json").objects.first?["logs"] as? [[String: Any]]
        #expect(after?.map { $0["size"] as? Int } == before?.map { $0["size"] as? Int })
        try place.expectSound("kr")
    }

    @Test func aPartnerThatIsDownDoesNotKeepTheOthersFromBeingAsked() throws {
        let place = try Place()
        try place.federate("us", "kr", "jp")
        try place.serve("jp")
        let outcome = try place.run("kr", "sync", "--json")
        #expect(outcome.status == 69)
        #expect(outcome.objects.count == 2)
        #expect(outcome.objects.first { $0["node"] as? String == "us.example" }?["ok"] as? Bool == false)
        #expect(outcome.objects.first { $0["node"] as? String == "jp.example" }?["ok"] as? Bool == true)
    }

    @Test func aPartnerKilledInTheMiddleOfATransferIsGoneOnWithLater() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let size = try place.fill("us", records: 40_000)
        let server = try place.serve("us")
        let limit = 1_500_000
        let relay = try FakePeer.stalling(node: place.port(of: "us"), after: limit)
        try redirect(place, to: relay.port)
        let (sync, _, errors) = try Entente.start(["--home", "\(place.path)/kr", "sync"])
        try #require(Entente.waits { relay.hasStalled(after: limit) })
        kill(server.processIdentifier, SIGKILL)
        server.waitUntilExit()
        relay.stop()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        sync.waitUntilExit()
        #expect(sync.terminationStatus == 69, "\(text)")
        #expect(text.split(separator: "\n").count == 1, "\(text)")
        #expect(text.contains("us.example"), "\(text)")
        try place.expectSound("kr")
        try place.expectNothingHalfDone("kr", of: "us.example/krus", below: size)

        try redirect(place, to: place.port(of: "us"))
        try place.serve("us")
        let report = try place.must("kr", "sync", "--json").objects.first
        #expect((report?["received"] as? Int ?? .max) <= size)
        #expect(try place.size(of: "us.example/krus", at: "kr") == size)
        try place.expectSound("us")
        try place.expectSound("kr")
    }

    @Test func aPortInUseIsSaid() throws {
        let place = try Place()
        let taken = try FakePeer { _, _ in }
        defer { taken.stop() }
        try place.found("us", port: taken.port)
        let outcome = try place.run("us", "run")
        #expect(outcome.status == 75)
        #expect(outcome.errors.contains("\(taken.port)"), "\(outcome.errors)")
        outcome.expectOneLine()
        try place.expectSound("us")
    }

    @Test func cardsWithABadKeyAreNamedByLine() throws {
        let place = try Place()
        try place.found("us")
        try place.found("kr")
        let text = try String(contentsOfFile: "\(place.path)/kr.yaml", encoding: .utf8)
        // One character changed in every line that holds a key or a pin.
        var changed = 0
        for (number, line) in text.components(separatedBy: "\n").enumerated() where !line.hasPrefix("#") {
            guard let run = line.range(of: "[A-Za-z0-9+/=]{40,}", options: .regularExpression) else { continue }
            changed += 1
            var lines = text.components(separatedBy: "\n")
            lines[number] = line.replacingCharacters(in: run, with: String(line[run].dropLast(3)))
            let bad = try place.file("bad.yaml", lines.joined(separator: "\n"))
            let outcome = try place.run("us", "peer", "add", bad)
            #expect(outcome.status == 65, "\(line): \(outcome.errors)")
            #expect(outcome.errors.contains("bad.yaml:\(number + 1)"), "\(line): \(outcome.errors)")
            outcome.expectOneLine(line)
        }
        #expect(changed >= 4)
        #expect(try place.must("us", "peer", "list", "--json").output.isEmpty)
        let garbage = try place.file("garbage.yaml", Data([0xFF, 0x00, 0xFE]))
        #expect(try place.run("us", "peer", "add", garbage).status == 65)
        #expect(try place.run("us", "peer", "add", "\(place.path)/absent.yaml").status == 66)
        try place.expectSound("us")
    }
}
