import CSodium

/// Bytes that must not leak: kept in guarded memory outside the Swift heap, locked where the system allows it,
/// wiped when the last reference goes, never printed, never compared in variable time.
///
/// Unchecked because it holds a pointer: the bytes are written once, in the initialiser, and only read after.
public final class SecretBytes: @unchecked Sendable {
    private let pointer: UnsafeMutableRawPointer
    public let count: Int
    /// Whether it is in memory that passing secrets share.
    package let isInSlot: Bool

    /// Secret memory whose bytes the closure writes. Throws what the closure throws; the memory is then wiped.
    ///
    /// - Parameter isPassing: whether it lives for an instant, as one of very many; see ``PassingMemory``.
    public init(
        count: Int, isPassing: Bool = false, writingInto body: (UnsafeMutableRawBufferPointer) throws -> Void
    ) throws {
        Sodium.start()
        let slot = isPassing ? PassingMemory.shared.take(count) : nil
        guard let pointer = slot ?? sodium_malloc(max(count, 1)) else {
            throw CryptographyError.outOfSecretMemory
        }
        if slot == nil { ProcessMemory.checkLock(of: pointer, count: max(count, 1)) }
        self.pointer = pointer
        self.count = count
        isInSlot = slot != nil
        // Where this throws, the object is complete, and goes the way of any other.
        try body(UnsafeMutableRawBufferPointer(start: pointer, count: count))
        if !isInSlot { sodium_mprotect_readonly(pointer) }
    }

    /// Fresh random bytes from the system's generator.
    public static func random(count: Int, isPassing: Bool = false) throws -> SecretBytes {
        try SecretBytes(count: count, isPassing: isPassing) { target in
            randombytes_buf(target.unsignedChars, target.count)
        }
    }

    /// A copy of `source`, which is then overwritten with zeros.
    public convenience init(wiping source: inout [UInt8], isPassing: Bool = false) throws {
        defer { sodium_memzero(&source, source.count) }
        try self.init(count: source.count, isPassing: isPassing) { target in
            source.withUnsafeBytes { target.copyMemory(from: $0) }
        }
    }

    deinit {
        if isInSlot {
            PassingMemory.shared.giveBack(pointer, used: count)
        } else {
            // Wipes before it frees.
            sodium_free(pointer)
        }
    }

    /// The bytes, for the duration of the closure. Nothing may keep the pointer or copy to ordinary memory.
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try body(UnsafeRawBufferPointer(start: pointer, count: count))
    }

    /// Equality in constant time.
    public func equals(_ other: SecretBytes) -> Bool {
        count == other.count && sodium_memcmp(pointer, other.pointer, count) == 0
    }
}

extension SecretBytes: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<\(count) secret bytes>" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension UnsafeRawBufferPointer {
    /// Secret memory as C's `const unsigned char *`; it has an address even when it is empty.
    @inline(__always)
    var unsignedChars: UnsafePointer<UInt8> {
        guard let baseAddress else { preconditionFailure("secret memory without an address") }
        return baseAddress.assumingMemoryBound(to: UInt8.self)
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Secret memory as C's `unsigned char *`; it has an address even when it is empty.
    @inline(__always)
    var unsignedChars: UnsafeMutablePointer<UInt8> {
        guard let baseAddress else { preconditionFailure("secret memory without an address") }
        return baseAddress.assumingMemoryBound(to: UInt8.self)
    }
}
