import Cryptography
import Home
import NodeService
import Testing

/// What commands and the running node say to each other, as bytes.
@Suite struct AgentMessageTests {
    private static let box = AgentBox(keyID: [UInt8](repeating: 1, count: 32), box: [UInt8](repeating: 2, count: 80))
    private static let requests: [AgentRequest] = [
        .ring, .check, .doublesKey, .blindIndexKey, .open([box]),
        .open([AgentBox](repeating: box, count: AgentRequest.maximumBoxCount)),
        .sign(checkpoint: "us.example/krus\n1\nAAAA\n", publicKey: [UInt8](repeating: 3, count: 32)),
        .makeLogKey(community: "krus", generation: 1 << 40), .makeWitnessKey, .synchronise("kr.example"), .warnings,
        .keyAlarms, .makeDoublesKey,
        .replaceKey(.sealing(isStolen: false)), .replaceKey(.sealing(isStolen: true)),
        .replaceKey(.log(community: "krus")), .replaceKey(.mirror(isStolen: false)),
        .replaceKey(.mirror(isStolen: true)), .replaceKey(.tls(finish: false)), .replaceKey(.tls(finish: true)),
        .replaceKey(.stolenTLS),
    ]

    @Test func everyRequestIsReadAsItWasWritten() {
        for request in Self.requests { #expect(AgentRequest(request.encoded()) == request) }
    }

    @Test func oneFormEachIsARequestAndNothingElse() {
        for request in Self.requests {
            let bytes = request.encoded()
            #expect(bytes.count <= AgentRequest.maximumByteCount)
            // Shorter or longer it is none, or says something else in the one form for that.
            for cut in Set(0..<min(bytes.count, 200)).union([bytes.count - 1]) {
                guard let other = AgentRequest(bytes.prefix(cut)) else { continue }
                #expect(other != request && other.encoded() == Array(bytes.prefix(cut)))
            }
            if let longer = AgentRequest(bytes + [0]) { #expect(longer.encoded() == bytes + [0]) }
            for version: UInt8 in [0, 2, 255] { #expect(AgentRequest([version] + bytes.dropFirst()) == nil) }
            for kind: UInt8 in [0, 14, 16, 255] { #expect(AgentRequest([bytes[0], kind] + bytes.dropFirst(2)) == nil) }
        }
        #expect(AgentRequest([]) == nil)
        #expect(AgentRequest(AgentRequest.open([]).encoded()) == nil)
        let tooMany = AgentRequest.open([AgentBox](repeating: Self.box, count: AgentRequest.maximumBoxCount + 1))
        #expect(AgentRequest(tooMany.encoded()) == nil)
        #expect(AgentRequest([1, 1] + [UInt8](repeating: 0, count: AgentRequest.maximumByteCount)) == nil)
        let notText = [1, 3] + [UInt8](repeating: 3, count: 32) + [0xFF, 0xFE]
        #expect(AgentRequest(notText) == nil)
        let tooLong = AgentRequest.sign(
            checkpoint: String(repeating: "a", count: 4_000), publicKey: [UInt8](repeating: 3, count: 32))
        #expect(AgentRequest(tooLong.encoded()) == nil)
    }

    @Test func whateverBytesComeNothingBreaks() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = Self.requests[Int.random(in: 0..<Self.requests.count)].encoded()
            if bytes.count > 400 { bytes.removeLast(bytes.count - 400) }
            for _ in 0..<Int.random(in: 1...4) {
                bytes[Int.random(in: 0..<bytes.count)] = UInt8.random(in: .min ... .max, using: &random)
            }
            if let request = AgentRequest(bytes) { #expect(request.encoded() == bytes) }
            _ = try answer(bytes)
            if let news = SessionNews(bytes) { #expect(SessionNews(news.encoded()) != nil) }
        }
    }

    @Test func aReportIsReadAsItWasWritten() throws {
        var report = SessionReport(peer: "kr.example")
        report.error = SessionFailure(.fork, "it \"forked\"")
        (report.received, report.sent, report.repaired) = (1, 2, 3)
        (report.bytesIn, report.bytesOut, report.roundTrips, report.seconds) = (1 << 40, 5, 6, 7.25)
        guard case .ended(let read) = SessionNews(SessionNews.ended(report).encoded()) else {
            Issue.record("no report")
            return
        }
        #expect(read.peer == report.peer && read.error == report.error && read.seconds == 7.25)
        #expect(read.received == 1 && read.sent == 2 && read.repaired == 3)
        #expect(read.bytesIn == 1 << 40 && read.bytesOut == 5 && read.roundTrips == 6)
        guard
            case .progress(.began("a/b", 3, 9)) = SessionNews(
                SessionNews.progress(.began(origin: "a/b", held: 3, target: 9)).encoded()),
            case .progress(.committed("a/b", 4)) = SessionNews(
                SessionNews.progress(.committed(origin: "a/b", held: 4)).encoded()),
            case .refused("no") = SessionNews(SessionNews.refused("no").encoded()),
            case .log(let log) = SessionNews(
                SessionNews.log(SessionReport.LogState(origin: "a/b", size: 8, root: "AAAA")).encoded())
        else {
            Issue.record("progress")
            return
        }
        #expect(log.origin == "a/b" && log.size == 8 && log.root == "AAAA")
        let bytes = SessionNews.ended(report).encoded()
        for cut in 0..<bytes.count { #expect(SessionNews(bytes.prefix(cut)) == nil) }
        #expect(SessionNews(Array("\u{1}\u{10}{}".utf8)) == nil)
    }

    private func answer(_ bytes: [UInt8]) throws -> AgentAnswer? {
        try bytes.withUnsafeBytes { try AgentAnswer($0) }
    }

    private func read(_ answer: AgentAnswer) throws -> AgentAnswer? {
        try answer.encoded().withUnsafeBytes { try AgentAnswer($0) }
    }

    @Test func everyAnswerIsReadAsItWasWritten() throws {
        guard case .done = try read(.done), case .locked = try read(.locked) else {
            Issue.record("done and locked")
            return
        }
        guard case .refused(.notPermitted, "no: never") = try read(.refused(.notPermitted, "no: never")) else {
            Issue.record("refused")
            return
        }
        let signature = [UInt8](repeating: 7, count: 64)
        guard case .signature(let bytes) = try read(.signature(signature)) else {
            Issue.record("signature")
            return
        }
        #expect(bytes == signature)
        let key = try SecretBytes.random(count: 32)
        guard case .key(let same) = try read(.key(key)) else {
            Issue.record("key")
            return
        }
        #expect(same.equals(key))
        let many = try (0..<AgentRequest.maximumBoxCount).map {
            $0.isMultiple(of: 3) ? nil : try SecretBytes.random(count: 32)
        }
        #expect(try AgentAnswer.opened(many).encoded().count == AgentAnswer.maximumByteCount)
        guard case .opened(let opened) = try read(.opened(many)) else {
            Issue.record("opened")
            return
        }
        #expect(opened.count == many.count)
        for (one, other) in zip(opened, many) {
            #expect(one == nil && other == nil || other.map { one?.equals($0) == true } == true)
        }
    }

    @Test func anAnswerOfAnotherFormIsNone() throws {
        for bytes: [UInt8] in [
            [], [1], [2, 1], [1, 0], [1, 7], [1, 1, 0], [1, 2, 0], [1, 3], [1, 3, 8], [1, 4, 1],
            [1, 5] + [UInt8](repeating: 0, count: 31), [1, 6] + [UInt8](repeating: 0, count: 32),
            [1, 6, 2] + [UInt8](repeating: 0, count: 32),
        ] {
            #expect(try answer(bytes) == nil, "\(bytes)")
        }
    }
}
