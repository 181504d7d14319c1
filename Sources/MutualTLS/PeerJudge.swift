import COpenSSL

/// Judges a peer's certificate inside OpenSSL's verification callback.
///
/// The callback replaces chain building altogether, dates included, so `X509_verify_cert` is called here for pinned
/// certificates too.
struct PeerJudge {
    let trust: PeerTrust
    /// The only node that will do; nil accepts any node of `trust`.
    let expected: String?

    /// The verdict; OpenSSL's error of `store` is set to match, which chooses the alert the peer gets.
    func judge(_ store: OpaquePointer) -> Result<PeerIdentity, TLSError> {
        guard let leaf = X509_STORE_CTX_get0_cert(store), let pin = Pin(of: leaf),
            let notAfter = Certificate.unixTime(X509_get0_notAfter(leaf))
        else {
            return refuse(store, .certificateUnacceptable, "the peer's certificate has no usable key or dates")
        }
        let verdict: Result<String, TLSError> =
            if let node = trust.pins[pin] {
                judgePinned(store, leaf: leaf, pin: pin, node: node)
            } else if let authority = trust.authority {
                judgeIssued(store, leaf: leaf, pin: pin, authority: authority)
            } else {
                refuse(store, .notPinned, unknownKey(leaf, pin))
            }
        return verdict.map {
            PeerIdentity(node: $0, pin: pin, subject: Certificate.subject(leaf), notAfter: notAfter)
        }
    }

    /// Most often the peer has a new key and this side was away while both were good.
    private func unknownKey(_ leaf: OpaquePointer, _ pin: Pin) -> String {
        let who = expected ?? "the peer"
        let claim = expected == nil ? "it calls itself \(Certificate.label(leaf)); " : ""
        return
            "the certificate of \(who) is pinned by no peer card or log here (SHA-256 \(pin)); \(claim)if \(who) has a "
            + "new TLS key, take its new card (`entente identity` there, `entente peer add --replace` here)"
    }

    /// The pinned certificate is its own trust anchor, so what is left to verify is its dates, uses and algorithms.
    /// Revocation is by taking the pin away.
    private func judgePinned(
        _ store: OpaquePointer, leaf: OpaquePointer, pin: Pin, node: String
    ) -> Result<String, TLSError> {
        guard let anchors = entente_sk_X509_new() else {
            return refuse(store, .library, "out of memory while judging the peer's certificate")
        }
        defer { entente_sk_X509_free(anchors) }
        guard entente_sk_X509_push(anchors, leaf) > 0 else {
            return refuse(store, .library, "out of memory while judging the peer's certificate")
        }
        X509_STORE_CTX_set0_trusted_stack(store, anchors)
        X509_STORE_CTX_set_flags(store, UInt(X509_V_FLAG_PARTIAL_CHAIN))
        guard X509_verify_cert(store) == 1 else {
            let failure = verificationFailure(store, name: node, pin: pin)
            return .failure(TLSError(failure.code, failure.description, node: node))
        }
        if let expected, expected != node {
            return refuse(store, .wrongPeer, "expected \(expected), but the certificate is pinned for \(node)")
        }
        return .success(node)
    }

    private func judgeIssued(
        _ store: OpaquePointer, leaf: OpaquePointer, pin: Pin, authority: PeerTrust.Authority
    ) -> Result<String, TLSError> {
        if authority.revocationListsPEM != nil {
            X509_STORE_CTX_set_flags(store, UInt(X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL))
        }
        guard X509_verify_cert(store) == 1 else {
            return .failure(verificationFailure(store, name: Certificate.label(leaf), pin: pin))
        }
        // A common name must not stand in for a missing subject alternative name, nor a wildcard for a node.
        let flags = UInt32(
            X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
                | (authority.allowsWildcards ? X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS : X509_CHECK_FLAG_NO_WILDCARDS))
        let matching = authority.names.filter { name, node in
            guard TLSIdentity.isHostName(name), expected == nil || node == expected else { return false }
            return X509_check_host(leaf, name, name.utf8.count, flags, nil) == 1
        }
        let nodes = Set(matching.values)
        guard let node = nodes.first else {
            let shown = Certificate.names(leaf)
            let has = shown.isEmpty ? "no DNS name" : shown.joined(separator: ", ")
            let wanted = expected.map { "a name of \($0)" } ?? "a name of a peer"
            return refuse(
                store, .wrongName, "wrong name: the certificate is for \(has), not \(wanted)",
                reason: X509_V_ERR_HOSTNAME_MISMATCH)
        }
        guard nodes.count == 1 else {
            return refuse(
                store, .wrongName, "wrong name: the certificate stands for several nodes: \(nodes.sorted())",
                reason: X509_V_ERR_HOSTNAME_MISMATCH)
        }
        return .success(node)
    }

    private func refuse<Success>(
        _ store: OpaquePointer, _ code: TLSError.Code, _ text: String,
        reason: Int32 = X509_V_ERR_APPLICATION_VERIFICATION
    ) -> Result<Success, TLSError> {
        X509_STORE_CTX_set_error(store, reason)
        return .failure(TLSError(code, text))
    }

    /// What `X509_verify_cert` found, in an administrator's words.
    private func verificationFailure(_ store: OpaquePointer, name: String, pin: Pin) -> TLSError {
        let reason = X509_STORE_CTX_get_error(store)
        let depth = X509_STORE_CTX_get_error_depth(store)
        let failing = X509_STORE_CTX_get_current_cert(store)
        OpenSSLQueue.clear()
        let whose = depth == 0 ? name : "the authority above \(name)"
        func day(_ time: UnsafePointer<ASN1_TIME>?) -> String {
            Certificate.unixTime(time).map(civilDay) ?? "an unreadable date"
        }
        switch reason {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            let date = day(failing.flatMap { X509_get0_notAfter($0) })
            return TLSError(.certificateExpired, "certificate of \(whose) expired on \(date)")
        case X509_V_ERR_CERT_NOT_YET_VALID:
            let date = day(failing.flatMap { X509_get0_notBefore($0) })
            return TLSError(
                .certificateNotYetValid, "certificate of \(whose) is valid from \(date) only (is a clock wrong?)")
        case X509_V_ERR_CERT_REVOKED:
            return TLSError(.revoked, "certificate of \(whose) is revoked by the revocation list of its authority")
        case X509_V_ERR_UNABLE_TO_GET_CRL, X509_V_ERR_CRL_HAS_EXPIRED, X509_V_ERR_CRL_NOT_YET_VALID,
            X509_V_ERR_CRL_SIGNATURE_FAILURE, X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, X509_V_ERR_DIFFERENT_CRL_SCOPE:
            return TLSError(
                .revocationListUnusable,
                "the revocation list for the certificate of \(whose) is missing or unusable: \(text(reason))")
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_UNTRUSTED,
            X509_V_ERR_CERT_SIGNATURE_FAILURE:
            return TLSError(
                .untrustedIssuer,
                "the certificate of \(whose) is neither pinned by a peer card (SHA-256 \(pin)) nor issued by an "
                    + "authority of the CA file: \(text(reason))")
        default:
            return TLSError(.certificateUnacceptable, "the certificate of \(whose) is refused: \(text(reason))")
        }
    }

    private func text(_ reason: Int32) -> String {
        X509_verify_cert_error_string(Int(reason)).map { String(cString: $0) } ?? "reason \(reason)"
    }
}
