import Cryptography
import Reconciliation
import Testing
import TransparencyLog

/// What a session asks for of the entries that are damaged on its side, and how it takes the answers.
@Suite struct SessionRepairTests {
    private let id = SHA256.hash("us.example/krus")

    private func log(_ size: UInt64, damaged: [Range<UInt64>] = [], _ name: String = "us.example/krus") -> LocalLog {
        let id = SHA256.hash(name)
        return LocalLog(
            id: id, origin: name, community: "krus", isOwn: false, keys: nil,
            head: Head(log: id, size: size, root: SHA256.hash("root of \(size)")), held: size, pinned: nil,
            cosignatures: [], wantedBlobs: [], damaged: damaged)
    }

    /// A session of kr with us, once both have said hello; what it does then.
    private func met(_ own: [LocalLog], _ theirs: [LocalLog]) -> (session: Session, actions: [SessionAction]) {
        func session(_ node: String, _ peer: String, _ logs: [LocalLog]) -> Session {
            Session(
                configuration: SessionConfiguration(
                    node: node, peer: peer, communities: ["krus"], isInitiator: node == "kr.example", once: true),
                logs: logs)
        }
        var kr = session("kr.example", "us.example", own)
        var us = session("us.example", "kr.example", theirs)
        var (there, here) = (kr.handle(.start), us.handle(.start))
        var actions = there
        // Until both have compared their heads.
        while !sent(there).isEmpty || !sent(here).isEmpty {
            let (toUs, toKR) = (sent(there), sent(here))
            here = toUs.flatMap { us.handle(.received($0)) }
            there = toKR.flatMap { kr.handle(.received($0)) }
            actions += there
        }
        return (kr, actions)
    }

    private func sent(_ actions: [SessionAction]) -> [Message] {
        actions.compactMap { if case .send(let message) = $0 { message } else { nil } }
    }

    private func requests(_ actions: [SessionAction]) -> [RangeRequest] {
        sent(actions).compactMap { if case .request(let request) = $0 { request } else { nil } }
    }

    /// Whether the session says that it wants nothing more.
    private func isDone(_ actions: [SessionAction]) -> Bool {
        sent(actions).contains {
            switch $0 {
            case .hello(let hello): hello.settled
            case .heads(_, _, _, let settled), .ranges(_, let settled): settled
            default: false
            }
        }
    }

    @Test func damagedBundlesAreAskedForInTheTreeOfTheOwnHead() {
        let damaged: [Range<UInt64>] = [256..<512, 768..<1_000]
        let (_, actions) = met([log(1_000, damaged: damaged)], [log(1_000)])
        #expect(
            requests(actions)
                == damaged.map {
                    RangeRequest(log: id, start: $0.lowerBound, end: $0.upperBound, treeSize: 1_000)
                })
        #expect(!isDone(actions))
    }

    @Test func theSessionEndsOnlyWhenWhatWasAskedForIsJudged() throws {
        var (kr, _) = met([log(1_000, damaged: [256..<512])], [log(1_000)])
        let request = RangeRequest(log: id, start: 256, end: 512, treeSize: 1_000)
        let entries = EntryRange(range: request, proof: [], bundles: [])
        let actions = kr.handle(.received(.entries(entries)))
        #expect(actions.contains(.repair(entries)) && !isDone(actions))
        var after = kr
        #expect(isDone(after.handle(.repaired(id, log(1_000)))))
        // What does not help is not asked for again.
        var same = kr
        let still = same.handle(.repaired(id, log(1_000, damaged: [256..<512])))
        #expect(requests(still).isEmpty && isDone(still))
        var failed = kr
        #expect(isDone(failed.handle(.repairFailed(id))))
        let rejected = kr.handle(.repairRejected(id, reason: "other bytes"))
        #expect(rejected.contains { if case .close(.violation) = $0 { true } else { false } })
    }

    @Test func aRefusalEndsNothingButTheHopeOfThisPeer() {
        var (kr, first) = met([log(1_000, damaged: [256..<768])], [log(1_000)])
        var asked = requests(first)
        #expect(asked.map(\.start) == [256])
        // One bundle after the other is refused; each is asked for once more at most.
        var isOver = false
        for _ in 0..<10 where !isOver {
            guard let request = asked.first else { break }
            let actions = kr.handle(.received(.requestRefusal(request)))
            asked = requests(actions)
            isOver = isDone(actions)
        }
        #expect(isOver)
    }

    @Test func whatThePeerDoesNotHoldIsNotAskedForAndKeepsNobodyWaiting() {
        // The peer has never heard of the log.
        let (_, actions) = met([log(1_000, damaged: [0..<256])], [])
        #expect(requests(actions).isEmpty)
        // It holds the first part of the damaged bundle.
        let part = met([log(1_000, damaged: [512..<768])], [log(600)]).actions
        #expect(requests(part) == [RangeRequest(log: id, start: 512, end: 600, treeSize: 600)])
    }

    @Test func manyDamagedLogsAreAskedForAFewAtATime() {
        let names = (0..<40).map { "us.example/krus/\($0 + 2)" }
        var (kr, actions) = met(
            names.map { log(600, damaged: [0..<600], $0) }, names.map { log(600, $0) })
        var open = requests(actions)
        var mended = 0
        while let request = open.first {
            #expect(open.count <= 8)
            open.removeFirst()
            let entries = EntryRange(range: request, proof: [], bundles: [])
            open += requests(kr.handle(.received(.entries(entries))))
            let name = names.first { SHA256.hash($0) == request.log } ?? ""
            actions = kr.handle(.repaired(request.log, log(600, name)))
            open += requests(actions)
            mended += 1
        }
        #expect(mended == 40 && isDone(actions))
    }

    @Test func entriesThatWereNotAskedForAreAViolation() {
        var (kr, _) = met([log(1_000, damaged: [256..<512])], [log(1_000)])
        let request = RangeRequest(log: id, start: 0, end: 256, treeSize: 1_000)
        let actions = kr.handle(.received(.entries(EntryRange(range: request, proof: [], bundles: []))))
        #expect(actions.contains { if case .close(.violation) = $0 { true } else { false } })
    }

    @Test func aLogThatIsDamagedHereIsOfferedAgainOnceItIsMended() {
        var (kr, first) = met([log(1_000, damaged: [256..<512])], [log(300)])
        #expect(first.contains { if case .offer = $0 { true } else { false } })
        #expect(requests(first) == [RangeRequest(log: id, start: 256, end: 300, treeSize: 300)])
        // The peer gave up because of the damage.
        #expect(!isDone(kr.handle(.received(.logRefusal(id, reason: "what it needs is refused")))))
        let mended = kr.handle(.changed([log(1_000)]))
        #expect(mended.contains { if case .offer = $0 { true } else { false } })
    }
}
