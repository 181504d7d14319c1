import COpenSSL

/// OpenSSL's queue of errors of this thread.
///
/// It must be empty before every call whose result is read with `SSL_get_error`, since one stale entry turns
/// "wants more input" into a fatal error; and drained on the same thread after a failure.
enum OpenSSLQueue {
    static func clear() {
        // Whatever uses OpenSSL begins with this.
        SecureHeap.start()
        ERR_clear_error()
    }

    /// The reasons the TLS library gave, oldest first, and the text of the first error of any library.
    static func drain() -> (reasons: [Int32], text: String?) {
        var reasons: [Int32] = []
        var text: String?
        while true {
            let packed = ERR_get_error()
            guard packed != 0 else { return (reasons, text) }
            if text == nil, let reason = ERR_reason_error_string(packed) {
                text = String(cString: reason)
            }
            if let reason = reason(packed, library: ERR_LIB_SSL) {
                reasons.append(reason)
            }
        }
    }

    /// ERR_GET_LIB and ERR_GET_REASON of OpenSSL 3, which are macros: nil for another library or a system error.
    static func reason(_ packed: UInt, library: Int32) -> Int32? {
        let isSystemError = packed & 0x8000_0000 != 0
        guard !isSystemError, Int32(truncatingIfNeeded: (packed >> 23) & 0xFF) == library else { return nil }
        return Int32(truncatingIfNeeded: packed & 0x7F_FFFF)
    }

    /// What the library says about a call of ours that should not have failed.
    static func failure(_ code: TLSError.Code, _ what: String) -> TLSError {
        let text = drain().text
        return TLSError(code, text.map { "\(what): \($0)" } ?? what)
    }
}
