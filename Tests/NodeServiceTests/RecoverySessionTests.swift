import Cryptography
import LogStore
import NodeService
import Testing
import TransparencyLog

/// Own logs that hold less than was signed, in sessions with partners that help and partners that lie.
@Suite struct RecoverySessionTests {
    @Test func whatAPartnerHoldsOfAnOwnLogIsNoticedAndTakenLikeAReplica() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let kr = try TestNode("kr.example", partners: ["us.example"])
        try us.know(kr)
        try kr.know(us)
        try us.append(700)
        #expect(try await synchronise(us, kr).0.error == nil)
        let restored = try TestNode("us.example", partners: ["kr.example"], signer: us.signer)
        try restored.know(kr)
        try restored.append(10)
        let (report, other) = try await synchronise(restored, kr)
        #expect(report.error == nil)
        #expect(other.error == nil)
        #expect(report.received == 690)
        #expect(report.refused.contains { $0.contains("holds 700 entries of this node's own log") })
        let state = try #require(try restored.store.recovery(of: us.log.id))
        #expect(state.isWhole && state.answers.map(\.member) == ["kr.example"])
        #expect(throws: StoreError.recovering(origin: us.log.origin, signed: 700, held: 700)) {
            try restored.append(1)
        }
        // It says nothing of its own about a log that others may know better.
        #expect(try restored.store.cosignatures(of: us.log.id).map(\.cosigner) == ["kr.example"])
        #expect(try restored.store.finishRecovery(of: us.log.id, members: ["kr.example"], time: 1_700_000_000))
        try restored.append(1)
        #expect(try await synchronise(restored, kr).0.sent == 1)
        #expect(try restored.heads() == kr.heads())
    }

    @Test func aCheckpointThatTheOwnKeyHasNotSignedIsRefused() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let kr = try TestNode("kr.example", partners: ["us.example"])
        // What kr holds under this node's origin is signed by a key of its own.
        let forged = try TestNode("us.example", partners: ["kr.example"])
        try kr.know(forged)
        try forged.append(50)
        #expect(try await synchronise(forged, kr).0.error == nil)
        try us.know(kr)
        for isRecovering in [false, true] {
            if isRecovering { try us.store.beginRecovery(of: us.log.id, signed: 0) }
            let (report, _) = try await synchronise(us, kr)
            #expect(report.refused.contains { $0.contains(us.log.origin) })
            let log = try #require(try us.store.log(us.log.origin))
            #expect(log.size == 0 && log.pending == nil)
            #expect((log.recovering != nil) == isRecovering)
        }
        #expect(try us.store.recovery(of: us.log.id)?.answers == [])
        #expect(try !us.store.finishRecovery(of: us.log.id, members: ["kr.example"], time: 1_700_000_000))
    }

    @Test func anotherHistoryUnderTheOwnKeyIsNoAnswer() async throws {
        let us = try TestNode("us.example", partners: ["kr.example", "jp.example"])
        let kr = try TestNode("kr.example", partners: ["us.example"])
        let jp = try TestNode("jp.example", partners: ["us.example"])
        let other = try TestNode("us.example", partners: ["jp.example"], signer: us.signer)
        try kr.know(us)
        try jp.know(us)
        try us.append(20)
        try other.append(20, text: "another")
        #expect(try await synchronise(us, kr).0.error == nil)
        #expect(try await synchronise(other, jp).0.error == nil)
        let lost = try TestNode("us.example", partners: ["kr.example", "jp.example"], signer: us.signer)
        try lost.know(kr)
        try lost.know(jp)
        try lost.store.beginRecovery(of: us.log.id, signed: 0)
        #expect(try await synchronise(lost, kr).0.error == nil)
        #expect(try await synchronise(lost, jp).0.error?.kind == .fork)
        let state = try #require(try lost.store.recovery(of: us.log.id))
        #expect(state.isWhole && state.missing(of: ["kr.example", "jp.example"]) == ["jp.example"])
    }

    @Test func aForkThatAPartnerKnowsOfIsToldToTheOwnerThatHasLostTheLog() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let kr = try TestNode("kr.example", partners: ["us.example"])
        let twin = try TestNode("us.example", partners: ["kr.example"], signer: us.signer)
        try kr.know(us)
        try us.append(20)
        try twin.append(20, text: "another")
        #expect(try await synchronise(us, kr).0.error == nil)
        _ = try await synchronise(twin, kr)
        #expect(try kr.store.log(us.log.origin)?.frozen != nil)
        let lost = try TestNode("us.example", partners: ["kr.example"], signer: us.signer)
        try lost.know(kr)
        try lost.store.beginRecovery(of: us.log.id, signed: 0)
        _ = try await synchronise(lost, kr)
        #expect(try lost.store.log(us.log.origin)?.frozen != nil)
        #expect(try !lost.store.finishRecovery(of: us.log.id, members: ["kr.example"], time: 1_700_000_000))
        #expect(throws: StoreError.self) { try lost.append(1) }
    }

    @Test func aCheckpointThatAPartnerHasWithoutItsEntriesKeepsTheLogClosed() async throws {
        let us = try TestNode("us.example", partners: ["kr.example"])
        let kr = try TestNode("kr.example", partners: ["us.example"])
        try us.know(kr)
        try kr.know(us)
        try us.append(20)
        #expect(try await synchronise(us, kr).0.error == nil)
        try us.append(100_000)
        _ = try await synchronise(kr, us, cutAfter: 20_000)
        let held = try #require(try kr.store.log(us.log.origin))
        #expect(held.head?.size == 20 && held.pending?.size == 100_020)
        for size in [0, 20] {
            let lost = try TestNode("us.example", partners: ["kr.example"], signer: us.signer)
            try lost.know(kr)
            try lost.append(size)
            try lost.store.beginRecovery(of: us.log.id, signed: 0)
            _ = try await synchronise(lost, kr)
            let state = try #require(try lost.store.recovery(of: us.log.id))
            #expect(state.log.size == 20 && state.signed == 100_020)
            #expect(state.missing(of: ["kr.example"]).isEmpty && !state.isWhole)
            #expect(try !lost.store.finishRecovery(of: us.log.id, members: ["kr.example"], time: 1_700_000_000))
        }
    }

    @Test func aMemberThatTheOlderCopyDoesNotNameIsHeardAndToldNothing() async throws {
        let us = try TestNode("us.example", partners: ["kr.example", "jp.example"])
        let jp = try TestNode("jp.example", partners: ["us.example"])
        let first = membersRecord(["us.example", "kr.example"])
        try us.append([first])
        try us.append(9)
        try us.append([membersRecord(["us.example", "kr.example", "jp.example"])])
        try jp.know(us)
        let stranger = try TestNode("jp.example", partners: ["us.example"])
        try stranger.know(us)

        for (peer, size) in [(stranger, UInt64(10)), (jp, 11)] {
            let copy = try TestNode("us.example", partners: ["kr.example", "jp.example"], signer: us.signer)
            try copy.know(peer)
            try copy.append([first])
            try copy.append(9)
            #expect(try copy.store.membership(of: us.log.id)?.members.contains("jp.example") == false)
            try copy.store.beginRecovery(of: us.log.id, signed: 0)
            if peer === jp { #expect(try await synchronise(us, jp).0.error == nil) }
            let (report, _) = try await synchronise(copy, peer)
            #expect(report.error == nil && report.sent == 0)
            #expect(try copy.store.log(us.log.origin)?.size == size)
            #expect(try copy.store.recovery(of: us.log.id)?.answers.map(\.member) == ["jp.example"])
            #expect(try stranger.store.log(us.log.origin)?.size == 0)
        }
    }
}
