import Foundation
import Glibc
import Testing

/// Ctrl-C in the middle of long work: 130, what was committed stays, the rest is not there.
@Suite(.serialized) struct InterruptionTests {
    @Test func anImportKeepsWholeBatches() throws {
        let place = try Place()
        try place.found("us")
        let records = 60_000
        let file = try place.file("b.jsonl", try Entente.run(["bench", "bodies", "--records", "\(records)"]).output)
        let (process, _, errors) = try Entente.start(["--home", "\(place.path)/us", "import", file])
        // The first batch is committed, many are to come.
        let hasBegun = try Entente.waits { try place.size(of: "us.example/krus", at: "us") > 1 }
        kill(process.processIdentifier, SIGINT)
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(hasBegun)
        #expect(process.terminationReason == .exit && process.terminationStatus == 130)
        #expect(text.split(separator: "\n").count == 1, "\(text)")
        let held = try place.size(of: "us.example/krus", at: "us")
        #expect(held > 1 && held < records + 1 && (held - 1).isMultiple(of: 8_192), "\(held)")
        try place.expectSound("us")

        let again = try place.must("us", "import", file, "--json").objects.first
        #expect(again?["duplicates"] as? Int == held - 1)
        #expect(again?["imported"] as? Int == records + 1 - held)
        try place.expectSound("us")
    }

    @Test func aSyncGoesOnWhereItWas() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let size = try place.fill("us", records: 40_000)
        try place.serve("us")
        let limit = 1_500_000
        let relay = try FakePeer.stalling(node: place.port(of: "us"), after: limit)
        defer { relay.stop() }
        try place.must(
            "kr", "peer", "add", "\(place.path)/us.yaml", "--endpoint", "127.0.0.1:\(relay.port)", "--replace")
        let (process, _, errors) = try Entente.start(["--home", "\(place.path)/kr", "sync"])
        let isInside = Entente.waits { relay.hasStalled(after: limit) }
        kill(process.processIdentifier, SIGINT)
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(isInside)
        #expect(process.terminationReason == .exit && process.terminationStatus == 130)
        #expect(text.split(separator: "\n").count == 1, "\(text)")
        try place.expectSound("kr")
        try place.expectNothingHalfDone("kr", of: "us.example/krus", below: size)

        try place.must("kr", "peer", "add", "\(place.path)/us.yaml", "--replace")
        try place.must("kr", "sync")
        #expect(try place.size(of: "us.example/krus", at: "kr") == size)
        try place.expectSound("kr")
    }
}
