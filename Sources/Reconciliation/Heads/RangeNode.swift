public import Cryptography

/// A range of log ids: those that begin with the same hexadecimal digits.
public struct IDRange: Sendable, Hashable {
    /// Ids have 64 digits.
    public static let maximumDepth = 64

    /// The digits, each 0 to 15.
    public let digits: [UInt8]

    public init(digits: [UInt8] = []) {
        self.digits = digits
    }

    public var depth: Int { digits.count }

    /// The range one digit deeper.
    public func child(_ digit: Int) -> IDRange {
        IDRange(digits: digits + [UInt8(digit)])
    }

    public func contains(_ log: LogID) -> Bool {
        digits.indices.allSatisfy { log.digit($0) == Int(digits[$0]) }
    }
}

extension SHA256Digest {
    /// The hexadecimal digit at this position.
    func digit(_ position: Int) -> Int {
        withUnsafeBytes { Int(position.isMultiple(of: 2) ? $0[position / 2] >> 4 : $0[position / 2] & 15) }
    }
}

/// What a node of one side's heads tree is.
public struct RangeNode: Sendable, Hashable {
    public enum Content: Sendable, Hashable {
        /// The hashes of the 16 ranges below.
        case children([SHA256Digest])
        /// The heads of the range; `more` follow in another node where it is set.
        case heads([Head], more: Bool)
    }

    public let community: String
    public let range: IDRange
    public let content: Content

    public init(community: String, range: IDRange, content: Content) {
        self.community = community
        self.range = range
        self.content = content
    }
}
