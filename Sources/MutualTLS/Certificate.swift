import COpenSSL

/// One X.509 certificate, owned. Unchecked because it holds a pointer: OpenSSL counts references atomically, and
/// nothing changes the certificate after it was parsed.
final class Certificate: @unchecked Sendable {
    let pointer: OpaquePointer

    /// Takes over the caller's reference.
    init(owning pointer: OpaquePointer) {
        self.pointer = pointer
    }

    deinit {
        X509_free(pointer)
    }

    var pin: Pin? { Pin(of: pointer) }
    var notBefore: Int64? { Self.unixTime(X509_get0_notBefore(pointer)) }
    var notAfter: Int64? { Self.unixTime(X509_get0_notAfter(pointer)) }
    var subject: String { Self.subject(pointer) }

    /// Seconds since 1970, nil where the encoding is not a time.
    static func unixTime(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        guard let time, let epoch = ASN1_TIME_set(nil, 0) else { return nil }
        defer { ASN1_TIME_free(epoch) }
        var days: Int32 = 0
        var seconds: Int32 = 0
        guard ASN1_TIME_diff(&days, &seconds, epoch, time) == 1 else {
            OpenSSLQueue.clear()
            return nil
        }
        return Int64(days) * 86_400 + Int64(seconds)
    }

    /// The subject on one line (RFC 2253), made printable, cut at 200 characters.
    static func subject(_ pointer: OpaquePointer) -> String {
        guard let name = X509_get_subject_name(pointer), let output = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(output) }
        guard X509_NAME_print_ex(output, name, 0, entente_XN_FLAG_RFC2253()) >= 0 else {
            OpenSSLQueue.clear()
            return ""
        }
        var start: UnsafeMutablePointer<CChar>?
        let length = entente_BIO_get_mem_data(output, &start)
        guard length > 0, let start else { return "" }
        return printable(UnsafeRawBufferPointer(start: start, count: length), limit: 200)
    }

    /// Up to eight DNS names of the certificate, made printable: for messages, never for decisions.
    static func names(_ pointer: OpaquePointer) -> [String] {
        guard let raw = X509_get_ext_d2i(pointer, NID_subject_alt_name, nil, nil) else {
            OpenSSLQueue.clear()
            return []
        }
        let list = OpaquePointer(raw)
        defer { GENERAL_NAMES_free(list) }
        var found: [String] = []
        for index in 0..<max(entente_GENERAL_NAME_count(list), 0) where found.count < 8 {
            guard let name = entente_GENERAL_NAME_at(list, index) else { continue }
            var kind: Int32 = 0
            guard let value = GENERAL_NAME_get0_value(name, &kind), kind == GEN_DNS else { continue }
            let text = UnsafePointer<ASN1_STRING>(value.assumingMemoryBound(to: ASN1_STRING.self))
            let length = ASN1_STRING_length(text)
            guard length > 0, let start = ASN1_STRING_get0_data(text) else { continue }
            found.append(printable(UnsafeRawBufferPointer(start: start, count: Int(length))))
        }
        return found
    }

    /// How a message calls the certificate: its first DNS name, else its subject.
    static func label(_ pointer: OpaquePointer) -> String {
        if let name = names(pointer).first { return name }
        let text = subject(pointer)
        return text.isEmpty ? "the peer" : text
    }
}
