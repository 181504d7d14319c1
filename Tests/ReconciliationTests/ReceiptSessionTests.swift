import Cryptography
import Reconciliation
import Testing
import TransparencyLog

@Suite("Receipts in a session")
struct ReceiptSessionTests {
    private static let id = SHA256.hash("us.example/krus")

    private static func log(
        size: UInt64 = 10_000, receipts: SHA256Digest = .zero, wanted: [BlobKey] = []
    ) -> LocalLog {
        LocalLog(
            id: id, origin: "us.example/krus", community: "krus", isOwn: false, keys: nil,
            head: Head(log: id, size: size, root: SHA256.hash("\(size)")), held: size, pinned: nil, cosignatures: [],
            receipts: receipts, wantedBlobs: wanted)
    }

    /// Two sessions that hear each other at once; what else they want done is kept.
    private struct Pair {
        var us: Session
        var kr: Session
        /// What each side has sent, by the name of the sender.
        var sent: [String: [Message]] = [:]
        /// What each side wants done beyond sending.
        var wanted: [String: [SessionAction]] = [:]

        init(_ own: LocalLog, _ theirs: LocalLog, once: Bool = false) {
            func session(_ node: String, _ peer: String, _ log: LocalLog) -> Session {
                Session(
                    configuration: SessionConfiguration(
                        node: node, peer: peer, communities: ["krus"], isInitiator: node == "us.example", once: once),
                    logs: [log])
            }
            us = session("us.example", "kr.example", own)
            kr = session("kr.example", "us.example", theirs)
            work([("us.example", .start), ("kr.example", .start)])
        }

        mutating func feed(_ event: SessionEvent, to node: String, deliver: Bool = true) {
            work([(node, event)], deliver: deliver)
        }

        /// Works off events in order; what is sent arrives behind them.
        private mutating func work(_ events: [(String, SessionEvent)], deliver: Bool = true) {
            var queue = events
            while !queue.isEmpty {
                let (name, event) = queue.removeFirst()
                let actions = name == "us.example" ? us.handle(event) : kr.handle(event)
                for action in actions {
                    guard case .send(let message) = action else {
                        wanted[name, default: []].append(action)
                        continue
                    }
                    sent[name, default: []].append(message)
                    if deliver {
                        queue.append((name == "us.example" ? "kr.example" : "us.example", .received(message)))
                    }
                }
            }
        }

        func comparisons(of node: String) -> [ReceiptPages] {
            (sent[node] ?? []).compactMap { if case .receiptPages(let pages) = $0 { pages } else { nil } }
        }

        func receipts(of node: String) -> [ReceiptLine] {
            (sent[node] ?? []).flatMap { if case .receipts(_, let lines) = $0 { lines } else { [] as [ReceiptLine] } }
        }
    }

    private static func line(_ index: UInt64) -> ReceiptLine {
        ReceiptLine(index: index, sha256: SHA256.hash("\(index)"), holder: "kr.example", time: 1, line: "l")
    }

    @Test("What is equal beside a log is not compared, nor what neither side has")
    func equal() {
        for receipts in [SHA256Digest.zero, SHA256.hash("a")] {
            let pair = Pair(Self.log(receipts: receipts), Self.log(receipts: receipts))
            #expect(pair.comparisons(of: "us.example").isEmpty && pair.comparisons(of: "kr.example").isEmpty)
            #expect(pair.us.isConverged)
        }
    }

    @Test("Each side that has receipts asks once, and sends the pages that the other has otherwise")
    func differing() {
        let mine: [UInt64: SHA256Digest] = [0: SHA256.hash("0"), 1: SHA256.hash("1")]
        let theirs: [UInt64: SHA256Digest] = [0: SHA256.hash("0"), 2: SHA256.hash("2")]
        var pair = Pair(
            Self.log(receipts: ReceiptDigest.log(mine)), Self.log(receipts: ReceiptDigest.log(theirs)))
        for (node, other, pages) in [("us.example", "kr.example", theirs), ("kr.example", "us.example", mine)] {
            #expect(pair.comparisons(of: node).filter { !$0.isAnswer }.count == 1)
            // The other side is to answer; in two parts here.
            #expect(pair.wanted[other]?.contains(.comparePages(Self.id)) == true)
            let digest = ReceiptDigest.log(pages)
            for (number, hash) in pages {
                let isLast = number != pages.keys.min()
                let part = ReceiptPages(
                    log: Self.id, digest: digest, isAnswer: true, pages: [number: hash], more: !isLast)
                if !isLast { pair.feed(.received(.receiptPages(part)), to: node) }
            }
            for (number, hash) in pages where number != pages.keys.min() {
                let part = ReceiptPages(log: Self.id, digest: digest, isAnswer: true, pages: [number: hash])
                pair.feed(.received(.receiptPages(part)), to: node)
            }
            #expect(pair.wanted[node]?.contains(.sendPages(Self.id, against: pages)) == true)
        }
        #expect(!pair.us.isConverged)
        // All is sent, and both have judged what came.
        for node in ["us.example", "kr.example"] {
            for messages in [nil, 1] as [Int?] { pair.feed(.receiptsSent(Self.id, messages: messages), to: node) }
        }
        #expect(!pair.us.isConverged)
        let both = mine.merging(theirs) { first, _ in first }
        for node in ["us.example", "kr.example"] {
            pair.feed(.receiptsStored(Self.id, Self.log(receipts: ReceiptDigest.log(both))), to: node)
        }
        #expect(pair.us.isConverged && pair.kr.isConverged)
        #expect(pair.comparisons(of: "us.example").filter { !$0.isAnswer }.count == 1)
    }

    @Test("An answer that comes before this side has heard that all is sent ends the waiting, and so does nothing sent")
    func earlyAnswer() {
        let pages: [UInt64: SHA256Digest] = [0: SHA256.hash("0")]
        for messages in [0, 1] {
            var pair = Pair(Self.log(receipts: ReceiptDigest.log(pages)), Self.log())
            let answer = ReceiptPages(log: Self.id, digest: .zero, isAnswer: true)
            pair.feed(.received(.receiptPages(answer)), to: "us.example")
            pair.feed(.receiptsSent(Self.id, messages: nil), to: "kr.example")
            #expect(!pair.us.isConverged)
            if messages > 0 {
                pair.feed(.received(.receipts(Self.id, [Self.line(1)])), to: "kr.example")
                // It could not be read again there, and is answered for all the same.
                pair.feed(.receiptsStored(Self.id, nil), to: "kr.example")
                #expect(!pair.us.isConverged)
            }
            pair.feed(.receiptsSent(Self.id, messages: messages), to: "us.example")
            #expect(pair.us.isConverged && pair.kr.isConverged)
        }
    }

    @Test("Pages that nobody asked for, too many of them, and comparing without end are violations")
    func hostile() {
        let own = Self.log(receipts: SHA256.hash("a"))
        func end(_ messages: [ReceiptPages], asking: Bool = true) -> SessionEnd? {
            var pair = Pair(own, Self.log(receipts: asking ? SHA256.hash("b") : SHA256.hash("a")))
            for message in messages { pair.feed(.received(.receiptPages(message)), to: "us.example", deliver: false) }
            return pair.us.end
        }
        func answer(_ numbers: Range<UInt64>, more: Bool) -> ReceiptPages {
            ReceiptPages(
                log: Self.id, digest: SHA256.hash("b"), isAnswer: true,
                pages: Dictionary(uniqueKeysWithValues: numbers.map { ($0, SHA256.hash("\($0)")) }), more: more)
        }
        #expect(end([answer(0..<1, more: false)]) == nil)
        for (messages, asking) in [
            ([answer(0..<1, more: false)], false), ([answer(0..<1, more: false), answer(0..<1, more: false)], true),
            ([answer(0..<4, more: false)], true), ([answer(0..<1, more: true), answer(0..<1, more: true)], true),
            (
                Array(
                    repeating: ReceiptPages(log: Self.id, digest: SHA256.hash("b"), isAnswer: false), count: 17), true
            ),
        ] {
            guard case .violation = end(messages, asking: asking) else {
                Issue.record("\(messages.count) messages, asking: \(asking)")
                continue
            }
        }
    }

    @Test("Receipts for blobs that are coming in are gathered, and sent before the session can end")
    func gathered() {
        let keys = (0..<3).map { BlobKey(log: Self.id, index: $0, sha256: SHA256.hash("\($0)")) }
        var pair = Pair(Self.log(), Self.log(wanted: keys), once: true)
        for (number, key) in keys.enumerated() {
            pair.feed(.newReceipts(Self.id, [Self.line(key.index)]), to: "kr.example")
            #expect(pair.receipts(of: "kr.example").isEmpty)
            pair.feed(.served, to: "us.example")
            pair.feed(.blobStored(key), to: "kr.example")
            #expect(pair.receipts(of: "kr.example").count == (number == 2 ? 3 : 0))
        }
        #expect(pair.wanted["us.example"]?.contains(.storeReceipts(Self.id, (0..<3).map { Self.line($0) })) == true)
        #expect(pair.us.end == nil)
        let receipts = SHA256.hash("a")
        pair.feed(.changed([Self.log(receipts: receipts)]), to: "kr.example")
        pair.feed(.receiptsSent(Self.id, messages: nil), to: "kr.example")
        #expect(pair.us.end == nil)
        pair.feed(.receiptsStored(Self.id, Self.log(receipts: receipts)), to: "us.example")
        // us compares as well, having been told before it had them.
        for node in ["us.example", "kr.example"] {
            for comparison in pair.comparisons(of: node) where !comparison.isAnswer {
                let answer = ReceiptPages(log: Self.id, digest: receipts, isAnswer: true)
                pair.feed(.received(.receiptPages(answer)), to: node)
            }
            if pair.wanted[node]?.contains(.comparePages(Self.id)) == true {
                pair.feed(.receiptsSent(Self.id, messages: nil), to: node)
            }
        }
        #expect(pair.us.end == .done)
    }

    @Test("A receipt waits until the peer holds its record, and none is kept for a log that is left out")
    func waiting() {
        var pair = Pair(Self.log(), Self.log(size: 5))
        pair.feed(.newReceipts(Self.id, [Self.line(3), Self.line(9_999)]), to: "us.example")
        #expect(pair.receipts(of: "us.example").map(\.index) == [3])
        let head = Self.log().head
        pair.feed(
            .received(.heads(community: "krus", [head].compactMap { $0 }, complete: false, settled: true)),
            to: "us.example")
        #expect(pair.receipts(of: "us.example").map(\.index) == [3, 9_999])
        pair.feed(.received(.logRefusal(Self.id, reason: "no")), to: "us.example")
        pair.feed(.newReceipts(Self.id, [Self.line(1)]), to: "us.example")
        #expect(pair.receipts(of: "us.example").count == 2)
        pair.feed(.received(.receipts(Self.id, [Self.line(1)])), to: "us.example", deliver: false)
        #expect(pair.sent["us.example"]?.last == .unknown([Self.id]))
    }
}
