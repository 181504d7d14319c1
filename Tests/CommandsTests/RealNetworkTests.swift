import Foundation
import Glibc
import NodeService
import Testing

/// What partners across an ocean live with, on the real program: 200 ms, narrow links, partitions. The link is a relay
/// in this process, so these tests always run; those of `NamespaceTests` have the kernel make it.
@Suite(.serialized) struct RealNetworkTests {
    private let ocean = LinkRelay.Weather(delay: .milliseconds(100))

    @Test func aSyncOverTwoHundredMillisecondsIsRightAndTakesFewRounds() throws {
        let link = try LongLink(ocean)
        let size = try link.place.fill("us", records: 5_000)
        try link.place.serve("us")
        let cold = try link.sync()
        try link.expectSameLog(size: size)
        #expect(cold.received == size)
        // Rounds are what distance makes dear: their number does not follow the number of records.
        #expect(cold.roundTrips <= 4, "\(cold)")
        let nothing = try link.sync()
        #expect(nothing.received == 0 && nothing.roundTrips == 1, "\(nothing)")
    }

    @Test func aPartitionInTheMiddleIsSaidAndWhatIsCommittedIsNotAskedForAgain() throws {
        let link = try LongLink(ocean)
        let place = link.place
        let size = try place.fill("us", records: 20_000)
        try place.serve("us")
        link.change { $0.darkAfter = 500_000 }
        let (broken, output, errors) = try Entente.start(["--home", "\(place.path)/kr", "sync", "--json"])
        #expect(Entente.waits { link.isDark })
        // What has arrived is verified and committed; nobody knows yet that the other is out of reach.
        usleep(1_500_000)
        #expect(broken.isRunning)
        link.heal()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let line = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        broken.waitUntilExit()
        #expect(broken.terminationStatus == 69, "\(text)\(line)")
        let report = Entente.Outcome(status: 69, output: line, errors: text).objects.first
        let words = report?["error"] as? String ?? ""
        #expect(words.contains("us.example") && words.contains(" "), "\(line)")
        try place.expectNothingHalfDone("kr", of: "us.example/krus", below: size)
        let held = try place.size(of: "us.example/krus", at: "kr")
        #expect(held > 0, "nothing was committed before the partition")

        let rest = try link.sync()
        try link.expectSameLog(size: size)
        #expect(rest.received == size - held, "\(rest), \(held) held before")
        // Entries of one generator weigh the same everywhere, so bytes tell as well what was asked for.
        let whole = try coldBytes(place)
        #expect(rest.bytesIn < whole * (size - held) / size + whole / 20, "\(rest), \(held) held, \(whole) in all")
    }

    /// What a node that has nothing gets in order to have it all.
    private func coldBytes(_ place: Place) throws -> Int {
        try place.found("jp")
        try place.must("jp", "peer", "add", "\(place.path)/us.yaml")
        try place.must("us", "peer", "add", "\(place.path)/jp.yaml")
        // Until the running node has read the new card it lets nobody in, and nothing is received.
        var bytes = 0
        let isAdmitted = try Entente.waits {
            let outcome = try place.run("jp", "sync", "us.example", "--json")
            guard outcome.status == 0, let line = outcome.objects.first else { return false }
            bytes = SyncFigures(line).bytesIn
            return try place.size(of: "us.example/krus", at: "jp") > 0
        }
        #expect(isAdmitted)
        return bytes
    }

    @Test func runningNodesFindEachOtherAgainAfterAPartition() throws {
        let link = try LongLink(ocean)
        let place = link.place
        try place.serve("us")
        try place.serve("kr")
        try link.submit("before")
        try link.expectArrival()
        link.change { $0.isDark = true }
        try link.submit("during")
        usleep(1_000_000)
        #expect(try place.size(of: "us.example/krus", at: "kr") < place.size(of: "us.example/krus", at: "us"))
        link.heal()
        try link.expectArrival()
        try link.submit("after")
        try link.expectArrival()
        try place.expectSound("kr")
    }

    @Test func aPartitionThatPassesIsSatOut() throws {
        let link = try LongLink(ocean)
        let size = try link.place.fill("us", records: 6_000)
        try link.place.serve("us")
        link.change { $0.darkAfter = 150_000 }
        let (sync, _, errors) = try Entente.start(["--home", "\(link.place.path)/kr", "sync"])
        #expect(Entente.waits { link.isDark })
        usleep(2_000_000)
        link.change { $0.isDark = false }
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        sync.waitUntilExit()
        #expect(sync.terminationStatus == 0, "\(text)")
        try link.expectSameLog(size: size)
    }

    /// Long enough for a ping of either side to wait behind entries.
    @Test func aNarrowLinkIsSlowAndNotTakenForDead() throws {
        let link = try LongLink(LinkRelay.Weather(delay: .milliseconds(100), bitsPerSecond: 256_000))
        let size = try link.place.fill("us", records: 13_500)
        try link.place.serve("us")
        let figures = try link.sync()
        #expect(figures.received == size)
        try link.expectSameLog(size: size)
    }

    @Test func whatIsWrittenIsPushedOverTheOcean() throws {
        let link = try LongLink(ocean)
        let place = link.place
        _ = try place.fill("us", records: 2_000)
        try place.serve("us")
        try place.serve("kr")
        try link.expectArrival()
        try link.submit("first", wait: true)
        try link.expectArrival()
        let before = link.passed
        // Answered only once kr has cosigned: there and back over the link.
        try link.submit("pushed", wait: true)
        let size = try place.size(of: "us.example/krus", at: "us")
        #expect(try place.size(of: "us.example/krus", at: "kr") == size)
        // One record, its proof and its receipt, not another comparison of all there is.
        #expect(link.passed - before < 8_192, "\(link.passed - before) bytes for one record")
    }
}
