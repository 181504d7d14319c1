import Testing
import TransparencyLog
import WebService

/// What a request is answered with, by what stands at its path.
@Suite struct WebAnswerTests {
    private static let files: [String: PublishedContent] = [
        "krus/checkpoint": .bytes([UInt8]("a note".utf8)), "krus/tile/0/000": .bytes([1]),
        "krus/tile/0/001.p/3": .bytes([2]), "krus/tile/entries/000": .bytes([3]),
        "krus/tile/entries/001": .unusable("it is damaged here"),
    ]

    private func answer(
        _ target: String, _ method: FileRequest.Method = .get, ifNoneMatch: String? = nil
    ) -> WebAnswer {
        WebAnswer(to: FileRequest(method: method, target: target, ifNoneMatch: ifNoneMatch)) { path in
            guard let content = Self.files[path] else { return nil }
            return (try PublishedFile(path: String(path.dropFirst(5))), content)
        }
    }

    private func header(_ name: String, of answer: WebAnswer) -> String? {
        answer.headers.first { $0.name == name }?.value
    }

    @Test func aCheckpointIsShortLivedAndEverythingElseIsNot() {
        let checkpoint = answer("/krus/checkpoint")
        #expect(checkpoint.status == 200 && checkpoint.body == [UInt8]("a note".utf8))
        #expect(header("Content-Type", of: checkpoint) == "text/plain; charset=utf-8")
        #expect(header("Cache-Control", of: checkpoint) == "private, max-age=5")
        for path in ["/krus/tile/0/000", "/krus/tile/entries/000"] {
            #expect(header("Cache-Control", of: answer(path)) == "private, max-age=31536000, immutable")
            #expect(header("Content-Type", of: answer(path)) == "application/octet-stream")
        }
        #expect(header("Cache-Control", of: answer("/krus/tile/0/001.p/3")) == "private, max-age=600, immutable")
    }

    @Test func whatTheReaderHasIsNotSentAgain() throws {
        let tag = try #require(header("ETag", of: answer("/krus/checkpoint")))
        #expect(tag.hasPrefix("\"") && tag.hasSuffix("\"") && tag.utf8.count == 34)
        for list in [tag, "\"x\", \(tag)", "\"x\",W/\(tag) ,\"y\"", "*"] {
            let answer = answer("/krus/checkpoint", ifNoneMatch: list)
            #expect(answer.status == 304 && answer.body.isEmpty && answer.contentLength == nil, "\(list)")
            #expect(header("ETag", of: answer) == tag)
        }
        for list in ["\"x\"", "", ",", String(tag.dropFirst()), "W/", tag.uppercased() + "0"] {
            #expect(answer("/krus/checkpoint", ifNoneMatch: list).status == 200, "\(list)")
        }
        // Another content is another tag.
        #expect(header("ETag", of: answer("/krus/tile/0/000")) != tag)
    }

    @Test func aHeadRequestSaysTheLengthAndSendsNothing() {
        let head = answer("/krus/checkpoint", .head)
        #expect(head.status == 200 && head.body.isEmpty && head.contentLength == 6)
        #expect(answer("/nothing", .head).status == 404)
    }

    @Test(arguments: [
        "/", "", "krus/checkpoint", "/krus//checkpoint", "/krus/checkpoint/", "/krus/checkpoint?x=1",
        "/krus/%63heckpoint", "/../krus/checkpoint", "https://node/krus/checkpoint", "*", "/krus/tile/0/0",
    ]) func pathsHaveOneFormEach(target: String) {
        #expect(answer(target) == answer("/asia/checkpoint"))
        #expect(answer(target).status == 404)
    }

    @Test func whatIsDamagedIsSaidToBeAndOtherMethodsAreRefused() {
        let damaged = answer("/krus/tile/entries/001")
        #expect(damaged.status == 503 && String(decoding: damaged.body, as: UTF8.self).contains("damaged"))
        let refused = answer("/krus/checkpoint", .other)
        #expect(refused.status == 405 && header("Allow", of: refused) == "GET, HEAD")
        #expect(header("Cache-Control", of: damaged) == "no-store")
        struct Trouble: Error {}
        let failed = WebAnswer(to: FileRequest(method: .get, target: "/krus/checkpoint")) { _ in throw Trouble() }
        #expect(failed.status == 500 && !String(decoding: failed.body, as: UTF8.self).contains("Trouble"))
    }
}
