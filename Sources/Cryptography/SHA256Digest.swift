/// The 32 bytes of a SHA-256 hash, stored inline so that an array of them is one run of memory, as in a tile.
public struct SHA256Digest: Sendable, Hashable {
    /// The length of every digest, in bytes.
    public static let byteCount = 32

    private var words: (UInt64, UInt64, UInt64, UInt64)

    /// Thirty-two zero bytes.
    public static let zero = SHA256Digest(words: (0, 0, 0, 0))

    private init(words: (UInt64, UInt64, UInt64, UInt64)) {
        self.words = words
    }

    /// A digest from exactly 32 bytes; `nil` for any other count.
    public init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == SHA256Digest.byteCount else { return nil }
        self = SHA256Digest.zero
        withUnsafeMutableBytes { target in
            target.copyBytes(from: bytes)
        }
    }

    /// A digest whose bytes the closure writes; it must write all 32.
    @inline(__always)
    public init(writingInto body: (UnsafeMutableRawBufferPointer) throws -> Void) rethrows {
        self = SHA256Digest.zero
        try withUnsafeMutableBytes(body)
    }

    @inline(__always)
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try Swift.withUnsafeBytes(of: words, body)
    }

    @inline(__always)
    private mutating func withUnsafeMutableBytes<Result>(
        _ body: (UnsafeMutableRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        try Swift.withUnsafeMutableBytes(of: &words, body)
    }

    /// The digest as an array of 32 bytes.
    public var bytes: [UInt8] {
        withUnsafeBytes { [UInt8]($0) }
    }

    /// Lower-case hexadecimal, 64 characters.
    public var hex: String {
        Hexadecimal.encode(bytes)
    }

    /// Standard padded base64, 44 characters.
    public var base64: String {
        Base64.encode(bytes)
    }

    /// A digest from 64 hexadecimal digits of either case.
    public init?(hex: String) {
        guard let bytes = Hexadecimal.decode(hex) else { return nil }
        self.init(bytes)
    }

    /// A digest from standard padded base64.
    public init?(base64: String) {
        guard let bytes = Base64.decode(base64) else { return nil }
        self.init(bytes)
    }

    public static func == (left: SHA256Digest, right: SHA256Digest) -> Bool {
        // One by one: comparing the tuples is generic, which is slow without optimisation.
        left.words.0 == right.words.0 && left.words.1 == right.words.1 && left.words.2 == right.words.2
            && left.words.3 == right.words.3
    }

    public func hash(into hasher: inout Hasher) {
        // The bytes are already uniform: one word of them is as good as all four.
        hasher.combine(words.0)
    }
}

extension SHA256Digest: Comparable {
    /// Byte order, as in sorted lists of log ids.
    public static func < (left: SHA256Digest, right: SHA256Digest) -> Bool {
        left.withUnsafeBytes { left in
            right.withUnsafeBytes { right in
                left.lexicographicallyPrecedes(right)
            }
        }
    }
}

extension SHA256Digest: CustomStringConvertible {
    public var description: String { hex }
}
