import COpenSSL

/// An OpenSSL context: identity, trust and limits, shared by all connections made with it.
///
/// To change any of them build a new context, use it for new connections, and close the live connections of peers
/// that are no longer allowed.
///
/// Unchecked because it holds a pointer: OpenSSL allows concurrent `SSL_new` on a context that nobody changes, and
/// nothing changes it after the initialiser.
public final class TLSContext: @unchecked Sendable {
    /// What the context was made of.
    public let configuration: TLSConfiguration
    /// Whether the library has the hybrid of X25519 and ML-KEM-768 (OpenSSL 3.5 and later).
    public let offersPostQuantum: Bool
    /// The earliest moment one of the revocation lists goes out of date: from then on peers of the authority are
    /// refused. Unix time; nil without lists.
    public let revocationListNextUpdate: Int64?

    let pointer: OpaquePointer
    /// The application protocols as TLS writes them: each after its length.
    let wireProtocols: [UInt8]

    /// - Throws: `TLSError` with codes `badIdentity`, `badTrust`, `badConfiguration`, `library`.
    public init(_ configuration: TLSConfiguration) throws(TLSError) {
        self.configuration = configuration
        wireProtocols = try Self.wire(configuration.applicationProtocols)
        guard configuration.handshakeTimeout > 0, configuration.closeTimeout > 0,
            configuration.maximumEarlyBytes >= 0, configuration.maximumControlMessages >= 0
        else {
            throw TLSError(.badConfiguration, "TLS time-outs must be positive and limits not negative")
        }
        OpenSSLQueue.clear()
        guard let pointer = SSL_CTX_new(TLS_method()) else {
            throw OpenSSLQueue.failure(.library, "OpenSSL gave no TLS context")
        }
        do {
            try Self.restrict(pointer)
            offersPostQuantum = try Self.chooseGroups(pointer)
            try Self.install(configuration.identity, in: pointer)
            revocationListNextUpdate = try Self.install(configuration.trust, in: pointer)
        } catch {
            SSL_CTX_free(pointer)
            throw error
        }
        self.pointer = pointer
        SSL_CTX_set_verify(
            pointer,
            configuration.asksForClientCertificate
                ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE, nil)
        SSL_CTX_set_cert_verify_callback(pointer, TLSCallbacks.judge, nil)
        SSL_CTX_set_msg_callback(pointer, TLSCallbacks.message)
        if !wireProtocols.isEmpty {
            SSL_CTX_set_client_hello_cb(pointer, TLSCallbacks.clientHello, nil)
            SSL_CTX_set_alpn_select_cb(pointer, TLSCallbacks.selectProtocol, nil)
        }
    }

    deinit {
        SSL_CTX_free(pointer)
    }

    /// TLS 1.3 only, no resumption of any kind.
    private static func restrict(_ pointer: OpaquePointer) throws(TLSError) {
        // The system's configuration may have lowered the minimum, so the result of asking is checked.
        guard entente_SSL_CTX_set_min_proto_version(pointer, TLS1_3_VERSION) == 1 else {
            throw OpenSSLQueue.failure(.library, "this OpenSSL cannot do TLS 1.3")
        }
        let suites = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
        guard SSL_CTX_set_ciphersuites(pointer, suites) == 1 else {
            throw OpenSSLQueue.failure(.library, "OpenSSL refuses the cipher suites")
        }
        SSL_CTX_set_options(pointer, entente_SSL_options())
        _ = entente_SSL_CTX_set_mode(pointer, entente_SSL_modes())
        // A resumed session would skip the judgement of the certificate. NO_TICKET alone still sends tickets.
        guard SSL_CTX_set_num_tickets(pointer, 0) == 1 else {
            throw OpenSSLQueue.failure(.library, "OpenSSL does not let tickets be switched off")
        }
        _ = entente_SSL_CTX_session_cache_off(pointer)
        _ = entente_SSL_CTX_set_max_cert_list(pointer, 64 << 10)
        SSL_CTX_set_verify_depth(pointer, 4)
        SSL_CTX_set_security_level(pointer, 2)
    }

    /// True when the post-quantum hybrid is among the groups.
    private static func chooseGroups(_ pointer: OpaquePointer) throws(TLSError) -> Bool {
        let classical = "X25519:P-256:P-384"
        // With the star of OpenSSL 3.5 a key share goes out for both, which saves a peer without the hybrid a round trip.
        for hybrid in ["*X25519MLKEM768:*" + classical, "X25519MLKEM768:" + classical] {
            if entente_SSL_CTX_set1_groups_list(pointer, hybrid) == 1 { return true }
            // A library refuses the whole list for the one name it does not know.
            OpenSSLQueue.clear()
        }
        guard entente_SSL_CTX_set1_groups_list(pointer, classical) == 1 else {
            throw OpenSSLQueue.failure(.library, "OpenSSL refuses the key exchange groups")
        }
        return false
    }

    private static func install(_ identity: TLSIdentity, in pointer: OpaquePointer) throws(TLSError) {
        for (position, certificate) in identity.chain.enumerated() {
            let added =
                position == 0
                ? SSL_CTX_use_certificate(pointer, certificate.pointer)
                : entente_SSL_CTX_add1_chain_cert(pointer, certificate.pointer)
            guard added == 1 else {
                throw OpenSSLQueue.failure(.badIdentity, "OpenSSL refuses the certificate of \(certificate.subject)")
            }
        }
        guard SSL_CTX_use_PrivateKey(pointer, identity.key.pointer) == 1, SSL_CTX_check_private_key(pointer) == 1 else {
            throw OpenSSLQueue.failure(.badIdentity, "OpenSSL refuses the private key of \(identity.subject)")
        }
    }

    /// Puts authorities and revocation lists into the context's store; the earliest end of a list.
    private static func install(_ trust: PeerTrust, in pointer: OpaquePointer) throws(TLSError) -> Int64? {
        guard let authority = trust.authority else { return nil }
        guard let store = SSL_CTX_get_cert_store(pointer) else {
            throw TLSError(.library, "OpenSSL gave no certificate store")
        }
        for name in authority.names.keys where !TLSIdentity.isHostName(name) {
            throw TLSError(.badTrust, "a peer's TLS name is not a DNS name: \(printable(name.utf8))")
        }
        for certificate in try PEM.certificates(authority.certificatesPEM, what: "the CA file", code: .badTrust) {
            guard X509_STORE_add_cert(store, certificate.pointer) == 1 else {
                throw OpenSSLQueue.failure(.badTrust, "the CA file: OpenSSL refuses \(certificate.subject)")
            }
        }
        guard let pem = authority.revocationListsPEM else { return nil }
        let lists = try PEM.revocationLists(pem, what: "the revocation list file")
        for list in lists {
            guard X509_STORE_add_crl(store, list.pointer) == 1 else {
                throw OpenSSLQueue.failure(.badTrust, "the revocation list file: OpenSSL refuses a list")
            }
        }
        return lists.compactMap(\.nextUpdate).min()
    }

    private static func wire(_ protocols: [String]) throws(TLSError) -> [UInt8] {
        var wire: [UInt8] = []
        for name in protocols {
            guard let length = UInt8(exactly: name.utf8.count), length > 0, protocols.count <= 16 else {
                throw TLSError(.badConfiguration, "an application protocol has 1 to 255 bytes; at most 16 of them")
            }
            wire.append(length)
            wire.append(contentsOf: name.utf8)
        }
        return wire
    }
}
