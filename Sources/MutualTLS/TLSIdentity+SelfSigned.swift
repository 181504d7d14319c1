import COpenSSL

extension TLSIdentity {
    /// A fresh self-signed certificate and its key, both PEM. The caller wipes the key's bytes.
    public struct Generated: Sendable {
        public let certificatePEM: [UInt8]
        public var privateKeyPEM: [UInt8]
    }

    /// Makes an ECDSA P-256 key and a certificate for it: the DNS name as subject alternative name, for use as server
    /// and as client, not an authority.
    ///
    /// - Parameters:
    ///   - dns: the node's name: labels of letters, digits and hyphens, at most 253 characters.
    ///   - validFrom: Unix time of the first valid second.
    ///   - validUntil: Unix time of the last valid second, before the year 10000.
    /// - Throws: `TLSError` with code `badIdentity` for a bad name or bad dates, `library` if OpenSSL fails.
    public static func selfSigned(dns: String, validFrom: Int64, validUntil: Int64) throws(TLSError) -> Generated {
        SecureHeap.start()
        OpenSSLQueue.clear()
        guard let rawKey = entente_generate_P256() else {
            throw OpenSSLQueue.failure(.library, "OpenSSL could not make a P-256 key")
        }
        let key = PrivateKey(owning: rawKey)
        let certificatePEM = try selfSigned(dns: dns, key: key, validFrom: validFrom, validUntil: validUntil)
        guard let privateKeyPEM = pem({ PEM_write_bio_PKCS8PrivateKey($0, key.pointer, nil, nil, 0, nil, nil) }) else {
            throw OpenSSLQueue.failure(.library, "OpenSSL could not write the key of \(dns)")
        }
        return Generated(certificatePEM: certificatePEM, privateKeyPEM: privateKeyPEM)
    }

    /// Makes such a certificate for a key that is there already, so that pins of it hold on. The key's bytes stay the
    /// caller's to wipe.
    public static func selfSigned(
        dns: String, privateKeyPEM: UnsafeRawBufferPointer, validFrom: Int64, validUntil: Int64
    ) throws(TLSError) -> [UInt8] {
        let key = PrivateKey(owning: try PEM.privateKey(privateKeyPEM))
        return try selfSigned(dns: dns, key: key, validFrom: validFrom, validUntil: validUntil)
    }

    private static func selfSigned(
        dns: String, key: PrivateKey, validFrom: Int64, validUntil: Int64
    ) throws(TLSError) -> [UInt8] {
        guard isHostName(dns) else {
            throw TLSError(.badIdentity, "a node name for a certificate is DNS labels of letters, digits and hyphens")
        }
        guard validFrom >= 0, validFrom < validUntil, validUntil <= 253_402_300_799 else {
            throw TLSError(.badIdentity, "a certificate's validity must begin before it ends, between 1970 and 9999")
        }
        OpenSSLQueue.clear()
        guard let rawCertificate = X509_new() else {
            throw OpenSSLQueue.failure(.library, "OpenSSL could not make a certificate")
        }
        let certificate = Certificate(owning: rawCertificate)
        guard fill(certificate.pointer, key: key.pointer, dns: dns, from: validFrom, until: validUntil) else {
            throw OpenSSLQueue.failure(.library, "OpenSSL could not make the certificate of \(dns)")
        }
        guard let certificatePEM = pem({ PEM_write_bio_X509($0, certificate.pointer) }) else {
            throw OpenSSLQueue.failure(.library, "OpenSSL could not write the certificate of \(dns)")
        }
        return certificatePEM
    }

    /// The name goes into an extension's text, where a comma would add a second name: hence letters, digits, hyphens.
    static func isHostName(_ name: String) -> Bool {
        guard (1...253).contains(name.utf8.count) else { return false }
        return name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.count) && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
                && label.allSatisfy { byte in
                    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
                }
        }
    }

    private static func fill(
        _ certificate: OpaquePointer, key: OpaquePointer, dns: String, from: Int64, until: Int64
    ) -> Bool {
        guard X509_set_version(certificate, 2) == 1, let serial = BN_new() else { return false }
        defer { BN_free(serial) }
        // RFC 5280, 4.1.2.2: positive, at most 20 octets; random bits so that no two certificates share one.
        guard BN_rand(serial, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1,
            BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) != nil,
            ASN1_TIME_set(X509_getm_notBefore(certificate), time_t(from)) != nil,
            ASN1_TIME_set(X509_getm_notAfter(certificate), time_t(until)) != nil,
            X509_set_pubkey(certificate, key) == 1,
            let name = X509_get_subject_name(certificate)
        else { return false }
        // A common name has at most 64 characters (RFC 5280, ub-common-name); the SAN is what counts.
        let commonName = Array(dns.utf8.prefix(64))
        guard
            X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, commonName, Int32(commonName.count), -1, 0)
                == 1,
            X509_set_issuer_name(certificate, name) == 1,
            add(NID_basic_constraints, "critical,CA:FALSE", to: certificate),
            add(NID_key_usage, "critical,digitalSignature", to: certificate),
            add(NID_ext_key_usage, "serverAuth,clientAuth", to: certificate),
            add(NID_subject_alt_name, "DNS:\(dns)", to: certificate)
        else { return false }
        return X509_sign(certificate, key, EVP_sha256()) > 0
    }

    private static func add(_ kind: Int32, _ value: String, to certificate: OpaquePointer) -> Bool {
        guard let made = X509V3_EXT_conf_nid(nil, nil, kind, value) else { return false }
        defer { X509_EXTENSION_free(made) }
        return X509_add_ext(certificate, made, -1) == 1
    }

    /// What `write` writes into a memory BIO; the BIO is wiped before it is freed, since it may hold a key.
    private static func pem(_ write: (OpaquePointer) -> Int32) -> [UInt8]? {
        guard let output = BIO_new(BIO_s_secmem()) else { return nil }
        defer { BIO_free(output) }
        guard write(output) == 1 else { return nil }
        var start: UnsafeMutablePointer<CChar>?
        let length = entente_BIO_get_mem_data(output, &start)
        guard length > 0, let start else { return nil }
        defer { OPENSSL_cleanse(start, length) }
        return Array(UnsafeRawBufferPointer(start: start, count: length))
    }
}
