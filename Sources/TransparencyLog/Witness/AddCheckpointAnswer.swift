/// What a witness answers to a request (c2sp.org/tlog-witness).
public enum AddCheckpointAnswer: Sendable, Hashable {
    /// 200: the witness has cosigned. Lines of keys that nobody here knows may be among them: see
    /// ``cosignature(by:on:)``.
    case cosigned([NoteSignature])
    /// 400: not a request, or one whose old size is larger than the checkpoint's.
    case malformed(reason: String)
    /// 403: no key that the witness has for this log has signed, or a line under such a key does not verify.
    case notSigned(reason: String)
    /// 404: the witness knows no log of this origin.
    case unknownLog(reason: String)
    /// 409: the witness cosigned this size last, which is not the old size of the request. It is to be asked again with
    /// a proof from there.
    case conflict(size: UInt64)
    /// 422: the proof does not lead from the checkpoint cosigned last to this one, or both have one size and different
    /// roots.
    case unproved(reason: String)
    /// Anything else: the witness cannot answer now, or what was asked is no witness.
    case failed(status: Int, reason: String)

    /// The longest answer, in bytes.
    public static let maximumByteCount = 64 << 10
    /// The type of the body of a 409.
    public static let sizeContentType = "text/x.tlog.size"
    private static let textContentType = "text/plain; charset=utf-8"

    public var status: Int {
        switch self {
        case .cosigned: 200
        case .malformed: 400
        case .notSigned: 403
        case .unknownLog: 404
        case .conflict: 409
        case .unproved: 422
        case .failed(let status, _): status
        }
    }

    public var contentType: String {
        if case .conflict = self { AddCheckpointAnswer.sizeContentType } else { AddCheckpointAnswer.textContentType }
    }

    public var body: String {
        switch self {
        case .cosigned(let lines): lines.map { $0.line + "\n" }.joined()
        case .conflict(let size): "\(size)\n"
        case .malformed(let reason), .notSigned(let reason), .unknownLog(let reason), .unproved(let reason),
            .failed(_, let reason):
            "\(reason)\n"
        }
    }

    /// An answer as a client gets it. Throws ``AddCheckpointError`` where it is none of the protocol: a 200 without
    /// signature lines, or a 409 with something else than a size.
    public init(status: Int, contentType: String?, body: [UInt8]) throws {
        guard body.count <= AddCheckpointAnswer.maximumByteCount else {
            throw AddCheckpointError.tooLong(maximum: AddCheckpointAnswer.maximumByteCount)
        }
        let reason = AddCheckpointAnswer.reason(body)
        switch status {
        case 200: self = .cosigned(try AddCheckpointAnswer.lines(body))
        case 400: self = .malformed(reason: reason)
        case 403: self = .notSigned(reason: reason)
        case 404: self = .unknownLog(reason: reason)
        case 409:
            let type = contentType?.split(separator: ";").first ?? ""
            guard type.lowercased() == AddCheckpointAnswer.sizeContentType else {
                // So the first release of the protocol has it for one size with two roots.
                self = .unproved(reason: reason)
                return
            }
            guard body.last == UInt8(ascii: "\n"), let size = Decimal.parse(body.dropLast()) else {
                throw AddCheckpointError.badAnswer(status: status)
            }
            self = .conflict(size: size)
        case 422: self = .unproved(reason: reason)
        default: self = .failed(status: status, reason: reason)
        }
    }

    /// The newest cosignature in the answer by this witness on this checkpoint, `nil` where there is none. Lines of
    /// other keys are ignored.
    ///
    /// Throws `NoteError.badSignature` for a line under the witness' key that does not verify.
    public func cosignature(by key: VerifierKey, on checkpoint: Checkpoint) throws -> Cosignature? {
        guard case .cosigned(let lines) = self else { return nil }
        var newest: Cosignature?
        for line in lines where key.isNamed(by: line) {
            let cosignature = try Cosignature(line)
            try cosignature.verify(checkpoint, by: key)
            if cosignature.time > newest?.time ?? 0 { newest = cosignature }
        }
        return newest
    }

    private static func lines(_ body: [UInt8]) throws -> [NoteSignature] {
        guard body.last == UInt8(ascii: "\n"), let text = String(validating: body.dropLast(), as: UTF8.self) else {
            throw AddCheckpointError.badAnswer(status: 200)
        }
        let lines = text.utf8.split(
            separator: UInt8(ascii: "\n"), maxSplits: SignedNote.maximumSignatures, omittingEmptySubsequences: false)
        let signatures = lines.compactMap { NoteSignature(line: $0) }
        guard signatures.count == lines.count, lines.count <= SignedNote.maximumSignatures else {
            throw AddCheckpointError.badAnswer(status: 200)
        }
        return signatures
    }

    /// The first line of a text that somebody else wrote, as it can be shown.
    private static func reason(_ body: [UInt8]) -> String {
        let line = body.prefix { $0 != UInt8(ascii: "\n") }.prefix(200)
        return String(decoding: line.map { 0x20..<0x7F ~= $0 ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}
