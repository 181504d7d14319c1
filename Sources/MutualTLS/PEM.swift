import COpenSSL

/// Reading PEM files that were already loaded into memory.
enum PEM {
    /// Larger files are refused unread.
    static let maximumBytes = 1 << 20
    /// More certificates, or revocation lists, are refused.
    static let maximumItems = 256

    /// All certificates of a PEM text, at least one, in order.
    static func certificates(_ bytes: [UInt8], what: String, code: TLSError.Code) throws(TLSError) -> [Certificate] {
        try items(bytes, what: what, code: code) {
            PEM_read_bio_X509($0, nil, neverAsk, nil).map { Certificate(owning: $0) }
        }
    }

    /// All revocation lists of a PEM text, at least one.
    static func revocationLists(_ bytes: [UInt8], what: String) throws(TLSError) -> [RevocationList] {
        try items(bytes, what: what, code: .badTrust) {
            PEM_read_bio_X509_CRL($0, nil, neverAsk, nil).map { RevocationList(owning: $0) }
        }
    }

    /// One unencrypted private key. The caller frees it.
    static func privateKey(_ bytes: UnsafeRawBufferPointer) throws(TLSError) -> OpaquePointer {
        SecureHeap.start()
        OpenSSLQueue.clear()
        guard bytes.count > 0, bytes.count <= maximumBytes, let start = bytes.baseAddress,
            let input = BIO_new_mem_buf(start, Int32(bytes.count))
        else {
            throw TLSError(.badIdentity, "the private key is empty or longer than \(maximumBytes) bytes")
        }
        defer { BIO_free(input) }
        guard let key = PEM_read_bio_PrivateKey(input, nil, neverAsk, nil) else {
            OpenSSLQueue.clear()
            throw TLSError(.badIdentity, "the private key is not an unencrypted PEM private key")
        }
        return key
    }

    typealias PassphraseCallback =
        @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32

    /// Without a callback of ours OpenSSL would ask for a passphrase on the terminal.
    private static let neverAsk: PassphraseCallback = { _, _, _, _ in -1 }

    private static func items<Item>(
        _ bytes: [UInt8], what: String, code: TLSError.Code, read: (OpaquePointer) -> Item?
    ) throws(TLSError) -> [Item] {
        OpenSSLQueue.clear()
        guard bytes.count <= maximumBytes else {
            throw TLSError(code, "\(what): longer than \(maximumBytes) bytes")
        }
        var found: [Item] = []
        // The memory BIO reads the array's own bytes, so it lives inside the closure only.
        bytes.withUnsafeBytes { raw in
            guard let start = raw.baseAddress, let input = BIO_new_mem_buf(start, Int32(raw.count)) else { return }
            defer { BIO_free(input) }
            while found.count <= maximumItems, let item = read(input) {
                found.append(item)
            }
        }
        guard found.count <= maximumItems else {
            OpenSSLQueue.clear()
            throw TLSError(code, "\(what): more than \(maximumItems) items")
        }
        // The read that ends the loop finds no further start line; any other reason is damage.
        let ending = OpenSSLQueue.reason(ERR_peek_last_error(), library: ERR_LIB_PEM)
        OpenSSLQueue.clear()
        guard ending == PEM_R_NO_START_LINE, !found.isEmpty else {
            let damage = found.isEmpty ? "holds no such PEM item" : "item \(found.count + 1) is damaged"
            throw TLSError(code, "\(what): \(damage)")
        }
        return found
    }
}

/// One certificate revocation list, owned. Unchecked for the reasons `Certificate` gives.
final class RevocationList: @unchecked Sendable {
    let pointer: OpaquePointer

    /// Takes over the caller's reference.
    init(owning pointer: OpaquePointer) {
        self.pointer = pointer
    }

    deinit {
        X509_CRL_free(pointer)
    }

    /// When the next list is due, nil where the list does not say.
    var nextUpdate: Int64? { Certificate.unixTime(X509_CRL_get0_nextUpdate(pointer)) }
}
