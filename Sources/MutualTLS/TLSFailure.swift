import COpenSSL

/// Turns OpenSSL's reasons into what an administrator needs to know.
enum TLSFailure {
    enum Phase { case handshake, reading, writing }

    static func noCommonProtocol(_ ours: [String]) -> TLSError {
        TLSError(
            .noApplicationProtocol,
            "no common application protocol: the peer offers none of \(ours.joined(separator: ", "))")
    }

    static func describe(
        reasons: [Int32], text: String?, phase: Phase, isClient: Bool, mayBeRefused: Bool, refusedForNoProtocol: Bool,
        protocols: [String], firstBytes: [UInt8]
    ) -> TLSError {
        if refusedForNoProtocol { return noCommonProtocol(protocols) }
        // OpenSSL numbers an alert that was received as 1000 plus the alert (SSL_AD_REASON_OFFSET).
        if let alert = reasons.first(where: { (1_000..<1_256).contains($0) }).map({ $0 - 1_000 }) {
            return received(alert: alert, phase: phase, mayBeRefused: mayBeRefused, protocols: protocols)
        }
        if phase == .handshake, let guess = notTLS(firstBytes) {
            return TLSError(.notTLS, guess)
        }
        for reason in reasons {
            switch reason {
            case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
                return TLSError(.noCertificate, "the peer sent no certificate")
            case SSL_R_NO_APPLICATION_PROTOCOL:
                return noCommonProtocol(protocols)
            case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_WRONG_SSL_VERSION:
                return TLSError(
                    .otherProtocolVersion, "the peer speaks TLS 1.2 or older; TLS 1.3 is needed on both sides")
            default: continue
            }
        }
        let place =
            switch phase {
            case .handshake: "during the handshake"
            case .reading: "in what the peer sent"
            case .writing: "while encrypting"
            }
        return TLSError(.protocolViolation, "TLS error \(place): \(text ?? "OpenSSL gives no reason")")
    }

    private static func received(alert: Int32, phase: Phase, mayBeRefused: Bool, protocols: [String]) -> TLSError {
        let name = SSL_alert_desc_string_long(alert).map { String(cString: $0) } ?? "number \(alert)"
        switch alert {
        case SSL_AD_NO_APPLICATION_PROTOCOL:
            return TLSError(
                .noApplicationProtocol,
                "no common application protocol: the peer speaks none of \(protocols.joined(separator: ", "))")
        case SSL_AD_PROTOCOL_VERSION:
            return TLSError(.otherProtocolVersion, "the peer does not speak TLS 1.3 (alert \(name))")
        case SSL_AD_CERTIFICATE_REQUIRED:
            return TLSError(.refusedByPeer, "the peer asks for a certificate and got none: alert \(name)")
        case 42...46, SSL_AD_UNKNOWN_CA, SSL_AD_ACCESS_DENIED, SSL_AD_HANDSHAKE_FAILURE:
            return TLSError(
                .refusedByPeer,
                "the peer refused our certificate: alert \(name); if it does not know our TLS key, give it our new card "
                    + "(`entente identity` here, `entente peer add --replace` there)")
        default:
            // The server judges our certificate after our handshake is over, so its first word may be a refusal.
            if phase == .handshake || mayBeRefused {
                return TLSError(.refusedByPeer, "the peer refused the connection: alert \(name)")
            }
            return TLSError(.protocolViolation, "the peer broke the connection off: alert \(name)")
        }
    }

    /// What the first bytes look like when they begin no TLS record (handshake 22 or alert 21, then version 3.x).
    static func notTLS(_ bytes: [UInt8]) -> String? {
        guard let first = bytes.first else { return nil }
        if first == 22 || first == 21, bytes.count < 2 || bytes[1] == 3 { return nil }
        let guesses: [(StaticString, String)] = [
            ("GET ", "HTTP"), ("POST", "HTTP"), ("HEAD", "HTTP"), ("PUT ", "HTTP"), ("OPTI", "HTTP"), ("CONN", "HTTP"),
            ("DELE", "HTTP"), ("PRI ", "HTTP"), ("HTTP", "HTTP"), ("SSH-", "SSH"), ("PROX", "the PROXY protocol"),
        ]
        for (start, name) in guesses where bytes.starts(with: UnsafeRawBufferPointer(start: start.utf8Start, count: 4))
        {
            return "not TLS: looks like \(name)"
        }
        return "not TLS: the first byte is \(first), a TLS record begins with 22"
    }
}
