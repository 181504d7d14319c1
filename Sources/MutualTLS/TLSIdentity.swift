import COpenSSL

/// This node's certificate, the certificates that lead to its authority, and its private key.
public struct TLSIdentity: Sendable {
    let chain: [Certificate]
    let key: PrivateKey

    /// SHA-256 of the certificate's SubjectPublicKeyInfo, 32 bytes: what a partner's peer card pins.
    public let subjectPublicKeyInfoPin: [UInt8]
    /// The validity, as Unix times, both ends included.
    public let notBefore: Int64
    public let notAfter: Int64
    /// The certificate's subject on one line.
    public let subject: String
    /// The certificate's DNS names.
    public let names: [String]

    /// Reads both PEM texts and checks that the key belongs to the first certificate. The key's bytes stay the
    /// caller's to wipe; OpenSSL wipes its own copy when the identity goes.
    ///
    /// - Parameters:
    ///   - certificatePEM: the certificate, then those that lead to its authority (the authority itself not needed).
    ///   - privateKeyPEM: one unencrypted private key.
    /// - Throws: `TLSError` with code `badIdentity`, or `mismatchedKey` for the key of another certificate.
    public init(certificatePEM: [UInt8], privateKeyPEM: UnsafeRawBufferPointer) throws(TLSError) {
        chain = try PEM.certificates(certificatePEM, what: "the TLS certificate", code: .badIdentity)
        key = PrivateKey(owning: try PEM.privateKey(privateKeyPEM))
        guard let leaf = chain.first, let pin = leaf.pin, let notBefore = leaf.notBefore, let notAfter = leaf.notAfter
        else {
            OpenSSLQueue.clear()
            throw TLSError(.badIdentity, "the TLS certificate has no usable key or dates")
        }
        guard X509_check_private_key(leaf.pointer, key.pointer) == 1 else {
            OpenSSLQueue.clear()
            throw TLSError(.mismatchedKey, "the private key does not belong to the TLS certificate of \(leaf.subject)")
        }
        subjectPublicKeyInfoPin = pin.bytes
        self.notBefore = notBefore
        self.notAfter = notAfter
        subject = leaf.subject
        names = Certificate.names(leaf.pointer)
    }

    /// The same from an array, which the caller wipes.
    public init(certificatePEM: [UInt8], privateKeyPEM: [UInt8]) throws(TLSError) {
        // A typed throw does not pass through the closure, so the result does.
        let result = privateKeyPEM.withUnsafeBytes { raw in
            Result { () throws(TLSError) in
                try TLSIdentity(certificatePEM: certificatePEM, privateKeyPEM: raw)
            }
        }
        self = try result.get()
    }
}

/// A private key inside OpenSSL, which wipes it when it is freed. Unchecked because it holds a pointer: references are
/// counted atomically, and the key never changes.
final class PrivateKey: @unchecked Sendable {
    let pointer: OpaquePointer

    /// Takes over the caller's reference.
    init(owning pointer: OpaquePointer) {
        self.pointer = pointer
    }

    deinit {
        EVP_PKEY_free(pointer)
    }
}

/// A certificate, to look at without its private key.
public struct TLSCertificate: Sendable {
    /// SHA-256 of the certificate's SubjectPublicKeyInfo, 32 bytes: what a partner's peer card pins.
    public let subjectPublicKeyInfoPin: [UInt8]
    /// The validity, as Unix times, both ends included.
    public let notBefore: Int64
    public let notAfter: Int64
    /// Whether it is its own issuer, and so recognised by its pin alone.
    public let isSelfSigned: Bool

    /// Reads the first certificate of a PEM text. Throws `TLSError` with code `badIdentity`.
    public init(pem: [UInt8]) throws(TLSError) {
        let chain = try PEM.certificates(pem, what: "the TLS certificate", code: .badIdentity)
        guard let leaf = chain.first, let pin = leaf.pin, let notBefore = leaf.notBefore, let notAfter = leaf.notAfter
        else {
            OpenSSLQueue.clear()
            throw TLSError(.badIdentity, "the TLS certificate has no usable key or dates")
        }
        subjectPublicKeyInfoPin = pin.bytes
        self.notBefore = notBefore
        self.notAfter = notAfter
        isSelfSigned = X509_NAME_cmp(X509_get_issuer_name(leaf.pointer), X509_get_subject_name(leaf.pointer)) == 0
    }
}
