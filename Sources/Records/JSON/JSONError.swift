/// Why bytes are not I-JSON, and where.
public struct JSONError: Error, Hashable, Sendable {
    /// The first byte that is wrong, counted from 0; the length of the input where something is missing at its end.
    public let offset: Int
    /// Half a sentence that quotes nothing of the input.
    public let reason: String

    public init(offset: Int, reason: String) {
        self.offset = offset
        self.reason = reason
    }
}

extension JSONError: CustomStringConvertible {
    public var description: String { "byte \(offset): \(reason)" }
}
