import COpenSSL

/// SHA-256 through OpenSSL's EVP interface, with the algorithm fetched once.
///
/// An instance owns one digest context and is for one thread at a time; making one costs an allocation,
/// so whoever hashes many things keeps one.
public final class SHA256 {
    /// Fetched once for the process: fetching costs more than hashing a short message.
    /// `EVP_MD` is reference counted and immutable once fetched, so sharing it is safe.
    private nonisolated(unsafe) static let algorithm: OpaquePointer? = {
        // Has to come before OpenSSL takes any memory. Keys are read by others.
        _ = entente_wipe_what_is_freed()
        return EVP_MD_fetch(nil, "SHA256", nil)
    }()

    private let context: OpaquePointer

    public init() {
        guard SHA256.algorithm != nil, let context = EVP_MD_CTX_new() else {
            preconditionFailure("libcrypto offers no SHA-256, or memory is exhausted")
        }
        self.context = context
    }

    deinit {
        EVP_MD_CTX_free(context)
    }

    /// Begins a new message, dropping what was fed before.
    @inline(__always)
    public func begin() {
        let status = EVP_DigestInit_ex2(context, SHA256.algorithm, nil)
        precondition(status == 1, "SHA-256 could not be initialised")
    }

    @inline(__always)
    public func update(_ bytes: UnsafeRawBufferPointer) {
        let status = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
        precondition(status == 1, "SHA-256 could not be fed")
    }

    @inline(__always)
    public func finish() -> SHA256Digest {
        SHA256Digest { target in
            let status = EVP_DigestFinal_ex(
                context, target.baseAddress?.assumingMemoryBound(to: UInt8.self), nil)
            precondition(status == 1, "SHA-256 could not be finished")
        }
    }

    /// SHA-256 of the bytes.
    public func hash(_ bytes: UnsafeRawBufferPointer) -> SHA256Digest {
        begin()
        update(bytes)
        return finish()
    }

    /// SHA-256 of one prefix byte followed by the bytes.
    @inline(__always)
    public func hash(prefix: UInt8, _ bytes: UnsafeRawBufferPointer) -> SHA256Digest {
        begin()
        withUnsafeBytes(of: prefix) { update($0) }
        update(bytes)
        return finish()
    }

    /// SHA-256 of the bytes, with a context of its own.
    public static func hash(_ bytes: [UInt8]) -> SHA256Digest {
        bytes.withUnsafeBytes { SHA256().hash($0) }
    }

    /// SHA-256 of the text's UTF-8, with a context of its own.
    public static func hash(_ text: String) -> SHA256Digest {
        hash([UInt8](text.utf8))
    }
}
