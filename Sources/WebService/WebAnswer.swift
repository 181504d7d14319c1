import Cryptography
package import TransparencyLog

/// A request as far as it decides the answer.
package struct FileRequest: Sendable, Hashable {
    package enum Method: Sendable, Hashable {
        case get, head, other
    }

    package let method: Method
    /// The request's target, as it was sent.
    package let target: String
    /// `If-None-Match`, its lines joined by commas.
    package let ifNoneMatch: String?

    package init(method: Method, target: String, ifNoneMatch: String? = nil) {
        self.method = method
        self.target = target
        self.ifNoneMatch = ifNoneMatch
    }
}

/// What a request is answered with: status, header fields in their order, and the bytes.
package struct WebAnswer: Sendable, Hashable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
    /// Of the body, also where it is left out.
    package var contentLength: Int?

    /// The answer to a request, with `read` for what stands at a path: `nil` for nothing, or nothing for this peer.
    package init(
        to request: FileRequest, read: (String) throws -> (file: PublishedFile, content: PublishedContent)?
    ) {
        guard request.method != .other else {
            self = WebAnswer.plain(405, "only GET and HEAD here", [("Allow", "GET, HEAD")])
            return
        }
        do {
            // Paths have one form each: nothing is decoded, nothing is tidied up.
            let found = try request.target.hasPrefix("/") ? read(String(request.target.dropFirst())) : nil
            switch found {
            case nil, (_, .missing)?: self = WebAnswer.plain(404, "not found")
            case (_, .unusable(let reason))?: self = WebAnswer.plain(503, reason)
            case (let file, .bytes(let bytes))?: self = WebAnswer.file(file, bytes, request.ifNoneMatch)
            }
        } catch {
            self = WebAnswer.plain(500, "it cannot be read now")
        }
        if request.method == .head { body = [] }
    }

    /// The answer of a witness.
    package init(_ answer: AddCheckpointAnswer) {
        self = WebAnswer.text(answer.status, answer.body, type: answer.contentType)
    }

    private init(status: Int, headers: [(name: String, value: String)], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
        contentLength = body.count
    }

    private static func file(_ file: PublishedFile, _ bytes: [UInt8], _ ifNoneMatch: String?) -> WebAnswer {
        let tag = "\"\(SHA256.hash(bytes).hex.prefix(32))\""
        var headers = [("ETag", tag), ("Cache-Control", cacheControl(file)), ("X-Content-Type-Options", "nosniff")]
        if let ifNoneMatch, matches(ifNoneMatch, tag) {
            var answer = WebAnswer(status: 304, headers: headers, body: [])
            answer.contentLength = nil
            return answer
        }
        headers.append(
            ("Content-Type", file == .checkpoint ? "text/plain; charset=utf-8" : "application/octet-stream"))
        return WebAnswer(status: 200, headers: headers, body: bytes)
    }

    /// Private, since the certificate decides who gets it. A partial tile of one width never changes, but goes.
    private static func cacheControl(_ file: PublishedFile) -> String {
        guard file.isImmutable else { return "private, max-age=5" }
        return file.full == nil ? "private, max-age=31536000, immutable" : "private, max-age=600, immutable"
    }

    static func plain(
        _ status: Int, _ text: String, _ headers: [(name: String, value: String)] = []
    ) -> WebAnswer {
        WebAnswer.text(status, "\(text)\n", type: "text/plain; charset=utf-8", headers)
    }

    private static func text(
        _ status: Int, _ body: String, type: String, _ headers: [(name: String, value: String)] = []
    ) -> WebAnswer {
        WebAnswer(
            status: status,
            headers: headers + [
                ("Cache-Control", "no-store"), ("Content-Type", type), ("X-Content-Type-Options", "nosniff"),
            ], body: [UInt8](body.utf8))
    }

    /// RFC 9110, section 13.1.2: a list of tags or a star, compared weakly.
    private static func matches(_ field: String, _ tag: String) -> Bool {
        field.split(separator: ",").contains { item in
            let item = item.drop { $0 == " " || $0 == "\t" }
            let bare = (item.hasPrefix("W/") ? item.dropFirst(2) : item)
            return item == "*" || bare.prefix { $0 != " " && $0 != "\t" } == tag
        }
    }

    package static func == (left: WebAnswer, right: WebAnswer) -> Bool {
        left.status == right.status && left.body == right.body && left.contentLength == right.contentLength
            && left.headers.elementsEqual(right.headers) { $0 == $1 }
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(status)
        hasher.combine(body)
    }
}
