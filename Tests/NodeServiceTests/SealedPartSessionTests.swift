import Cryptography
import LogStore
import NodeService
import Reconciliation
import Testing
import TransparencyLog

/// Grants and erasures on their way through sessions, directly and through relays.
@Suite struct SealedPartSessionTests {
    private let bytes = [UInt8]("for kr".utf8)

    private func three() throws -> (us: TestNode, kr: TestNode, jp: TestNode) {
        let names = ["us.example", "kr.example", "jp.example"]
        let nodes = try names.map { name in try TestNode(name, partners: names.filter { $0 != name }) }
        for node in nodes { for other in nodes where other !== node { try node.know(other) } }
        return (nodes[0], nodes[1], nodes[2])
    }

    private func synchronised(_ one: TestNode, _ other: TestNode, at location: SourceLocation = #_sourceLocation)
        async throws
    {
        let (first, second) = try await synchronise(one, other)
        #expect(first.error == nil && second.error == nil, "\(first), \(second)", sourceLocation: location)
    }

    // MARK: Grants

    @Test func aLaterReaderGetsTheSealedPartFromAnyHolderAndItsReceiptIsBelieved() async throws {
        for isFromRelay in [false, true] {
            let (us, kr, jp) = try three()
            let blob = try us.appendSealed("for kr", to: ["us.example", "kr.example"])
            try await synchronised(kr, us)
            try await synchronised(jp, us)
            #expect(try jp.store.blob(blob) == nil)
            try us.grant(blob, to: "jp.example")
            // kr is a recipient itself, and passes it on once the grant has told it to.
            if isFromRelay {
                try await synchronised(kr, us)
                try await synchronised(jp, kr)
            } else {
                try await synchronised(jp, us)
            }
            #expect(try jp.store.blob(blob) == bytes)
            try await synchronised(jp, us)
            let holders = try us.store.receipts(of: us.log.id, entries: 0..<10).map(\.holder)
            #expect(holders.sorted() == ["jp.example", "kr.example"])
            try us.expectSound(knowing: kr, jp)
            try jp.expectSound(knowing: us, kr)
        }
    }

    @Test func membersThatCarryBringItToALaterReader() async throws {
        let (us, kr, jp) = try three()
        let names = ["us.example", "kr.example", "jp.example"]
        try us.append([membersRecord(names, carrySealed: true)])
        let blob = try us.appendSealed("for kr", to: ["us.example"])
        try us.grant(blob, to: "jp.example")
        try await synchronised(kr, us)
        #expect(try kr.store.blob(blob) == bytes)
        try await synchronised(jp, kr)
        #expect(try jp.store.blob(blob) == bytes)
    }

    @Test(arguments: [true, false])
    func whoBecomesACarrierLaterGetsWhatWasSealedBefore(isMember: Bool) async throws {
        let (us, kr, jp) = try three()
        let names = ["us.example", "kr.example", "jp.example"]
        // Either jp is new, or what members carry has changed.
        try us.append([membersRecord(isMember ? names : ["us.example", "kr.example"], carrySealed: !isMember)])
        let blob = try us.appendSealed("for kr", to: ["us.example"])
        try us.append(600)
        let erased = try us.appendSealed("not for long", to: ["us.example"])
        if isMember {
            try await synchronised(jp, us)
            #expect(try jp.store.blob(blob) == nil && jp.store.wantedBlobs(of: us.log.id).isEmpty)
        }
        try us.erase(erased)
        try us.append([membersRecord(names, carrySealed: true)])
        try await synchronised(jp, us)
        #expect(try jp.store.blob(blob) == bytes)
        #expect(try jp.store.wantedBlobs(of: us.log.id).isEmpty)
        #expect(try jp.store.blobRows(at: RecordPosition(log: us.log.id, index: erased.index)).isEmpty)
        try await synchronised(jp, us)
        #expect(try us.store.receipts(of: us.log.id, entries: 0..<10).map(\.holder) == ["jp.example"])
        try us.expectSound(knowing: kr, jp)
        try jp.expectSound(knowing: us, kr)
    }

    @Test func whoHasNotHeardOfTheGrantGivesNothingAndTheReaderAsksAgainElsewhere() async throws {
        let (us, kr, jp) = try three()
        let blob = try us.appendSealed("for kr", to: ["us.example", "kr.example"])
        try await synchronised(kr, us)
        let key = BlobKey(log: us.log.id, index: blob.index, sha256: blob.sha256)
        for (hasGrant, answer) in [(false, Message.blobRefusal(key)), (true, .blob(key, bytes))] {
            if hasGrant {
                try us.grant(blob, to: "jp.example")
                try await synchronised(kr, us)
            }
            let asking = try await Conversation.begin(with: kr, as: "jp.example")
            try await asking.meet(as: "jp.example", in: ["krus"])
            try await asking.say(.blobRequest(key))
            #expect(try await asking.hear() == answer)
            try await asking.end()
        }
        // jp has the grant from us, where the sealed part is lost; it gets it from kr.
        try us.store.lose(.blob(entry: blob.index), of: us.log.id)
        try await synchronised(jp, us)
        #expect(try jp.store.wantedBlobs(of: us.log.id) == [blob])
        try await synchronised(jp, kr)
        #expect(try jp.store.blob(blob) == bytes)
    }

    // MARK: Hashes of others

    @Test func whoNamesTheHashOfAnothersSealedPartInItsOwnRecordGetsNothing() async throws {
        let (us, kr, jp) = try three()
        let blob = try us.appendSealed("for kr", to: ["us.example", "kr.example"])
        try await synchronised(kr, us)
        #expect(try kr.store.blob(blob) == bytes)
        // jp knows the hash from the record of us, and admits itself to it in its own log.
        let named = try [["jp.example"], ["jp.example", "in.example"]].map {
            try jp.appendSealed("for kr", to: $0, isHeld: false)
        }
        for holder in [us, kr] {
            try await synchronised(holder, jp)
            #expect(try holder.store.log(id: jp.log.id)?.size == 2)
            for reference in named { #expect(try holder.store.blob(reference) == nil) }
            let asking = try await Conversation.begin(with: holder, as: "jp.example")
            try await asking.meet(as: "jp.example", in: ["krus"])
            for reference in named {
                let key = BlobKey(log: jp.log.id, index: reference.index, sha256: reference.sha256)
                let answers = try await asking.ask(.blobRequest(key), count: 1)
                #expect(answers == [.blobRefusal(key)], "\(reference.index) at \(holder.name)")
            }
            try await asking.end()
        }
        #expect(try kr.store.blob(blob) == bytes && us.store.blob(blob) == bytes)
    }

    // MARK: Erasures

    @Test func everyHolderDropsItAndTheAuthorSeesWhoHasConfirmed() async throws {
        let (us, kr, jp) = try three()
        let blob = try us.appendSealed("for both", to: ["us.example", "kr.example", "jp.example"])
        try await synchronised(kr, us)
        try await synchronised(jp, us)
        try us.erase(blob)
        let erasure = try #require(try us.store.erasure(of: us.log.id, at: blob.index, sha256: blob.sha256))
        #expect(try us.store.firstCosignatures(of: us.log.id, covering: erasure.record.index).isEmpty)
        try await synchronised(kr, us)
        // Through kr, which has dropped it as well.
        try await synchronised(jp, kr)
        for node in [us, kr, jp] {
            #expect(try node.store.blob(blob) == nil)
            #expect(try node.store.wantedBlobs(of: us.log.id).isEmpty)
        }
        try await synchronised(us, kr)
        #expect(
            try us.store.firstCosignatures(of: us.log.id, covering: erasure.record.index).keys.sorted()
                == ["jp.example", "kr.example"])
        // What they held once is still on record, and nothing is missing anywhere.
        #expect(try us.store.receipts(of: us.log.id, entries: 0..<10).count == 2)
        try us.expectSound(knowing: kr, jp)
        try kr.expectSound(knowing: us, jp)
        for node in [us, kr, jp] {
            let scrubbed = try await Scrubber(store: node.store, rest: 0).scrub(node.store.logs())
            #expect(scrubbed.isSound)
            #expect(try node.store.wantedBlobs(of: us.log.id).isEmpty)
        }
    }

    @Test func anErasureInSomebodyElsesLogChangesNothing() async throws {
        let (us, kr, _) = try three()
        let blob = try us.appendSealed("for kr", to: ["us.example", "kr.example"])
        try await synchronised(kr, us)
        try kr.erase(blob, of: us)
        try kr.grant(blob, of: us, to: "jp.example")
        try await synchronised(kr, us)
        for node in [us, kr] {
            #expect(try node.store.blob(blob) == [UInt8]("for kr".utf8))
            let readers = try node.store.blobReaders(of: us.log.id, at: blob.index, sha256: blob.sha256)
            #expect(readers?.admits("kr.example") == true && readers?.admits("jp.example") == false)
        }
    }

    @Test func aPartnerThatHasNotHeardOfItGivesItBackToNobody() async throws {
        let (us, kr, jp) = try three()
        let blob = try us.appendSealed("for both", to: ["us.example", "kr.example", "jp.example"])
        try await synchronised(jp, us)
        try us.erase(blob)
        // kr hears of the record and its erasure at once, and meets jp, which still holds the bytes.
        try await synchronised(kr, us)
        let key = BlobKey(log: us.log.id, index: blob.index, sha256: blob.sha256)
        let talk = try await Conversation.begin(with: kr, as: "jp.example")
        try await talk.meet(as: "jp.example", in: ["krus"])
        let answers = try await talk.ask(.blobRequest(key), count: 1)
        #expect(answers == [.blobRefusal(key)])
        try await talk.end()
        try await synchronised(kr, jp)
        for node in [kr, jp] { #expect(try node.store.blob(blob) == nil) }
    }

    @Test func bytesThatArriveAfterTheErasureAreDroppedAndTheSessionGoesOn() async throws {
        let (us, kr, _) = try three()
        let blob = try us.appendSealed("for kr", to: ["us.example", "kr.example"])
        try us.store.lose(.blob(entry: blob.index), of: us.log.id)
        try await synchronised(kr, us)
        #expect(try kr.store.wantedBlobs(of: us.log.id) == [blob])
        let key = BlobKey(log: us.log.id, index: blob.index, sha256: blob.sha256)
        // jp holds it, has not heard of the erasure, and is asked before kr hears of it.
        let talk = try await Conversation.begin(with: kr, as: "jp.example")
        try await talk.meet(as: "jp.example", in: ["krus"])
        var heard = try await talk.hear()
        while heard != nil, heard != .blobRequest(key) { heard = try await talk.hear() }
        #expect(heard == .blobRequest(key))
        try us.erase(blob)
        try await synchronised(kr, us)
        _ = try await talk.ask(.blob(key, bytes))
        _ = try await talk.ask()
        try await talk.end()
        #expect(try kr.store.blob(blob) == nil)
        #expect(try kr.store.receipts(of: us.log.id, entries: 0..<10).isEmpty)
    }

    @Test func aSessionThatWantedItAsksNoMore() async throws {
        let (us, kr, _) = try three()
        let blob = try us.appendSealed("for kr", to: ["us.example", "kr.example"])
        try us.store.lose(.blob(entry: blob.index), of: us.log.id)
        try await synchronised(kr, us)
        let talk = try await Conversation.begin(with: kr, as: "jp.example")
        // The session has read what it wants before the erasure came, and begins to ask after it.
        try us.erase(blob)
        try await synchronised(kr, us)
        try await talk.meet(as: "jp.example", in: ["krus"])
        let answers = try await talk.ask()
        #expect(!answers.contains { if case .blobRequest = $0 { true } else { false } })
        try await talk.end()
    }

    @Test func theRecoveryOfAnOwnLogBringsNothingBack() async throws {
        let (us, kr, jp) = try three()
        let blob = try us.appendSealed("for both", to: ["us.example", "kr.example", "jp.example"])
        // jp holds the sealed part and never hears of the erasure.
        try await synchronised(jp, us)
        try us.append(400)
        try us.erase(blob)
        try await synchronised(kr, us)
        let anew = try TestNode("us.example", partners: ["kr.example", "jp.example"], signer: us.signer)
        for other in [kr, jp] { try anew.know(other) }
        try anew.store.beginRecovery(of: us.log.id, signed: 0)
        try await synchronised(anew, kr)
        #expect(try anew.store.log(us.log.origin)?.size == 402)
        #expect(try anew.store.wantedBlobs(of: us.log.id).isEmpty)
        try await synchronised(anew, jp)
        for node in [anew, kr, jp] { #expect(try node.store.blob(blob) == nil) }
    }
}

extension TestNode {
    private func target(_ blob: BlobReference, of author: TestNode) throws -> String {
        let body = try #require(try store.body(of: blob.log, at: blob.index))
        return
            #""target":{"reference":"\#(author.log.origin)#\#(blob.index)","hash":"\#(MerkleHasher().leaf(body).hex)"}"#
    }

    /// Appends a grant; to a record of this node's unless another author is named.
    func grant(_ blob: BlobReference, of author: TestNode? = nil, to node: String) throws {
        let zeros = { Base64.encode([UInt8](repeating: 0, count: $0)) }
        let key = String(repeating: "0", count: 64)
        try append([
            [UInt8](
                (#"{"v":1,"type":"grant",\#(try target(blob, of: author ?? self)),"original_commitment":"\#(zeros(32))","#
                    + #""recipients":[{"node":"\#(node)","key_id":"\#(key)","box":"\#(zeros(80))"}],"#
                    + #""commitment":"\#(zeros(32))"}"#).utf8)
        ])
    }

    /// Appends an erasure; of a record of this node's unless another author is named.
    func erase(_ blob: BlobReference, of author: TestNode? = nil) throws {
        try append([
            [UInt8](
                #"{"v":1,"type":"erasure",\#(try target(blob, of: author ?? self)),"sha256":"\#(blob.sha256.hex)"}"#
                    .utf8)
        ])
    }

    func expectSound(knowing others: TestNode..., at location: SourceLocation = #_sourceLocation) throws {
        let keys = (others + [self]).map(\.context.cosigner.verifierKey)
        let auditor = LogAuditor(
            store: store, mirrorKeys: Dictionary(keys.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first }))
        #expect(try auditor.audit(store.logs()).problems == [], sourceLocation: location)
    }
}
