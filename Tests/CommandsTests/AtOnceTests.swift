import Cryptography
import Foundation
import Home
import LogStore
import NodeService
import Records
import Testing

/// Commands that decide from what a log says and are started at the same time, with the real program: each finds out
/// what another one has written meanwhile.
@Suite(.serialized) struct AtOnceTests {
    private static let origin = "us.example/krus"

    private func submit(_ place: Place, _ label: String, _ more: String...) throws -> String {
        let file = try place.file("victim.txt", "Sky Mavis")
        let outcome = try Entente.run(
            [
                "--home", "\(place.path)/us", "submit", "attribution", "--field", "chain=BTC", "--field",
                "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=\(label)", "--field", "victim=@\(file)",
                "--json",
            ] + more)
        return try #require(outcome.objects.first?["ref"] as? String, "\(outcome.errors)")
    }

    /// Runs the commands side by side: what they read and write is held until all of them wait for it.
    private func atOnce(_ place: Place, _ commands: [[String]]) throws -> [(status: Int32, errors: String)] {
        let database = try DatabaseFile("\(place.path)/us/node.sqlite")
        try database.execute("BEGIN IMMEDIATE")
        let started = try commands.map { try Entente.start(["--home", "\(place.path)/us"] + $0) }
        // If that were too short for one of them, it would only come later.
        Thread.sleep(forTimeInterval: 3)
        #expect(started.allSatisfy { $0.0.isRunning })
        try database.execute("ROLLBACK")
        return started.map { process, output, errors in
            _ = output.fileHandleForReading.readDataToEndOfFile()
            let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            return (process.terminationStatus, said)
        }
    }

    @Test func oneErasureIsWrittenAndTheOthersSayThatItIs() throws {
        let place = try Place()
        try place.found("us")
        let reference = try submit(place, "x")
        let size = try place.size(of: Self.origin, at: "us")
        let ended = try atOnce(place, Array(repeating: ["erase", reference, "--yes"], count: 3))
        #expect(try place.size(of: Self.origin, at: "us") == size + 1)
        #expect(ended.map(\.status).sorted() == [0, 73, 73], "\(ended)")
        for each in ended where each.status != 0 {
            #expect(each.errors.contains("was erased already, by \(Self.origin)#\(size)"), "\(each.errors)")
        }
        try place.expectSound("us")
    }

    /// The same with both decided before either is written.
    @Test func whatWasDecidedBeforeIsNotAppendedOnceItIsNotSo() throws {
        let place = try Place()
        try place.federate("us", "kr")
        for isErasure in [true, false] {
            let reference = try submit(place, "x \(isErasure)", "--to", "us.example")
            let view = try #require(place.must("us", "show", reference, "--json").objects.first)
            let target = RecordTarget(
                reference: try #require(Reference(reference)),
                hash: try #require((view["hash"] as? String).flatMap { SHA256Digest(hex: $0) }))
            let size = try place.size(of: Self.origin, at: "us")
            let node = try Node.open("\(place.path)/us")
            let community = try #require(node.configuration.community("krus"))
            func append(_ body: [UInt8], _ check: @escaping () throws -> Void) throws {
                _ = try node.append(
                    [NewEntry(body: body)], community: "krus", signer: node.signer(community: "krus")
                ) { _ in try check() }
            }
            func checkGrant() throws { try node.checkGrant(of: target, to: ["kr.example"], in: community) }
            func checkErasure() throws { try node.checkErasure(of: target, in: community) }
            let grants = try (0..<2).map { _ in
                try node.grantRecord(
                    of: target, to: ["kr.example"], in: community, author: "x", time: Clock.timestamp)
            }
            let erasures = try (0..<2).map { _ in
                try node.erasureRecord(of: target, in: community, reason: nil, author: "x", time: Clock.timestamp)
            }
            if isErasure {
                try append(erasures[0], checkErasure)
                #expect(throws: HomeError.self) { try append(erasures[1], checkErasure) }
            } else {
                try append(grants[0], checkGrant)
            }
            #expect(throws: HomeError.self) { try append(grants[1], checkGrant) }
            #expect(try place.size(of: Self.origin, at: "us") == size + 1)
        }
        try place.expectSound("us")
    }

    @Test func recordsThatReplaceOthersAreNamedWhereTheyStand() throws {
        let place = try Place()
        try place.found("us")
        let old = try (1...3).map { try submit(place, "old \($0)") }
        let ended = try atOnce(
            place,
            old.map {
                [
                    "submit", "attribution", "--field", "chain=BTC", "--field",
                    "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=instead of \($0)", "--replaces", $0,
                ]
            })
        #expect(ended.allSatisfy { $0.status == 0 }, "\(ended)")
        for reference in old {
            let view = try #require(place.must("us", "show", reference, "--json").objects.first)
            #expect(view["state"] as? String == "superseded")
            let opinion = try #require((view["opinions"] as? [[String: Any]])?.first?["ref"] as? String)
            let withdrawal = try #require(
                place.must("us", "show", opinion, "--json").objects.first?["record"] as? [String: Any])
            let replacement = try #require(withdrawal["replacement"] as? [String: Any])
            let new = try #require(
                place.must("us", "show", replacement["reference"] as? String ?? "", "--json").objects.first)
            #expect((new["record"] as? [String: Any])?["label"] as? String == "instead of \(reference)")
            #expect(new["hash"] as? String == replacement["hash"] as? String)
        }
        try place.expectSound("us")
    }
}
