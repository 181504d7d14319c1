import COpenSSL
import NIOCore

/// Which side of the handshake this is.
public enum TLSRole: Sendable, Hashable {
    /// Waits for a client; any peer that the context trusts will do.
    case server
    /// Opens the handshake; only `expecting`, a node's name, will do. `serverName` is sent unencrypted (SNI), for the
    /// benefit of a proxy on the way; nil sends none.
    case client(expecting: String, serverName: String? = nil)

    var isClient: Bool { self != .server }
}

/// One `SSL` and its transport. It does no I/O of its own: the handler feeds `transport` and sends what gathers there
/// after every call, failed ones too, since the alert is in it. Confined to its channel's event loop.
final class TLSConnection {
    /// What a call came to.
    enum Outcome {
        case done
        /// Nothing more until the peer sends more.
        case needsInput
        /// The peer's close_notify: nothing will follow.
        case closed
        /// Fatal; nothing but the transport's output may be used after.
        case failed(TLSError)
    }

    let context: TLSContext
    let role: TLSRole
    let transport = TransportBIO()

    private let ssl: OpaquePointer
    private let judge: PeerJudge
    private var verdict: Result<PeerIdentity, TLSError>?
    private var isEstablished = false
    /// Set by the client hello callback.
    var refusedForNoProtocol = false
    /// No application byte of the peer has arrived yet. A client does not know before whether it was accepted.
    private(set) var awaitsFirstByte = true
    private var receivedBytes: UInt64 = 0
    private var controlMessages: UInt64 = 0
    private var recordsUnderKey = 0

    init(context: TLSContext, role: TLSRole) throws(TLSError) {
        guard role == .server || context.configuration.asksForClientCertificate else {
            throw TLSError(.badConfiguration, "a context that asks nobody for a certificate is one of servers only")
        }
        OpenSSLQueue.clear()
        guard let ssl = SSL_new(context.pointer) else {
            throw OpenSSLQueue.failure(.library, "OpenSSL gave no connection")
        }
        self.context = context
        self.role = role
        self.ssl = ssl
        switch role {
        case .server:
            judge = PeerJudge(trust: context.configuration.trust, expected: nil)
            SSL_set_accept_state(ssl)
        case .client(let expected, let serverName):
            judge = PeerJudge(trust: context.configuration.trust, expected: expected)
            SSL_set_connect_state(ssl)
            // Of all OpenSSL functions this one returns 0 for success.
            if !context.wireProtocols.isEmpty,
                SSL_set_alpn_protos(ssl, context.wireProtocols, UInt32(context.wireProtocols.count)) != 0
            {
                throw OpenSSLQueue.failure(.library, "OpenSSL refuses the application protocols")
            }
            if let serverName, entente_SSL_set_tlsext_host_name(ssl, serverName) != 1 {
                throw OpenSSLQueue.failure(.badConfiguration, "OpenSSL refuses the server name")
            }
        }
        guard let bio = transport.makeBIO() else {
            throw OpenSSLQueue.failure(.library, "OpenSSL gave no BIO")
        }
        // One BIO for both directions; from here on it is freed with the SSL.
        SSL_set_bio(ssl, bio, bio)
        guard SSL_set_ex_data(ssl, TLSCallbacks.connectionIndex, Unmanaged.passUnretained(self).toOpaque()) == 1 else {
            throw OpenSSLQueue.failure(.library, "OpenSSL is out of memory")
        }
    }

    deinit {
        SSL_free(ssl)
    }

    /// Goes on with the handshake. `done` says who the peer is, ask `peer`.
    func handshake() -> Outcome {
        OpenSSLQueue.clear()
        let result = SSL_do_handshake(ssl)
        guard result == 1 else {
            return outcome(of: result, during: .handshake)
        }
        return establish()
    }

    /// Whether the peer has to prove who it is.
    var asksForCertificate: Bool { role.isClient || context.configuration.asksForClientCertificate }

    /// Who the peer proved to be; nil before the handshake is over, and where nobody is asked.
    var peer: PeerIdentity? {
        guard isEstablished, case .success(let peer) = verdict else { return nil }
        return peer
    }

    /// The application protocol both agreed on.
    var applicationProtocol: String? {
        var start: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &start, &length)
        guard let start, length > 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: start, count: Int(length)), as: UTF8.self)
    }

    /// The key exchange group, `x25519` for instance.
    var group: String? {
        entente_SSL_group_name(ssl).map { String(cString: $0) }
    }

    /// Decrypts into `buffer` until it is full (`done`) or no whole record is left. One `SSL_read` gives at most one
    /// record, hence the loop.
    func read(into buffer: inout ByteBuffer) -> Outcome {
        while buffer.writableBytes > 0 {
            var count = 0
            OpenSSLQueue.clear()
            let result = buffer.withUnsafeMutableWritableBytes { target in
                SSL_read_ex(ssl, target.baseAddress, target.count, &count)
            }
            guard result == 1 else {
                let outcome = outcome(of: result, during: .reading)
                if transport.isBlocked {
                    return .failed(
                        TLSError(
                            .tooManyControlMessages,
                            "the peer sent \(controlMessages) key updates or tickets with \(receivedBytes) bytes of data"
                        )
                    )
                }
                return outcome
            }
            buffer.moveWriterIndex(forwardBy: count)
            receivedBytes &+= UInt64(count)
            awaitsFirstByte = false
        }
        return .done
    }

    /// How many decrypted bytes may come next without further input: an upper bound.
    var readableBound: Int {
        max(transport.inbound.readableBytes, Int(SSL_pending(ssl)))
    }

    /// Encrypts all of `bytes`, at least one, into the transport.
    func write(_ bytes: UnsafeRawBufferPointer) -> TLSError? {
        var rest = bytes
        // RFC 8446, 5.5: with AES-GCM "up to 2^24.5 full-size records may be encrypted on a given connection" under
        // one key; OpenSSL does not change keys by itself.
        recordsUnderKey += 1 + bytes.count >> 14
        if recordsUnderKey > context.configuration.maximumRecordsPerKey {
            recordsUnderKey = 0
            OpenSSLQueue.clear()
            guard SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 else {
                return OpenSSLQueue.failure(.library, "OpenSSL would not change the sending key")
            }
        }
        while rest.count > 0 {
            var count = 0
            OpenSSLQueue.clear()
            let result = SSL_write_ex(ssl, rest.baseAddress, rest.count, &count)
            guard result == 1, count > 0 else {
                switch outcome(of: result, during: .writing) {
                case .failed(let error): return error
                // The transport takes everything, so a write that waits is one that will never end.
                case .done, .needsInput, .closed:
                    return TLSError(.protocolViolation, "OpenSSL would not encrypt in this state")
                }
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        return nil
    }

    /// Puts our close_notify into the transport. Only after the handshake, and never after a fatal error.
    func sendCloseNotify() {
        OpenSSLQueue.clear()
        // 0 is the expected result: ours is sent, the peer's not yet here. Reading goes on until ZERO_RETURN.
        _ = SSL_shutdown(ssl)
        OpenSSLQueue.clear()
    }

    /// Starts a change of our sending keys, and asks the peer for its own. The next write sends the message.
    func requestKeyUpdate() -> Bool {
        OpenSSLQueue.clear()
        return SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1
    }

    // MARK: - Called back by OpenSSL

    /// True accepts.
    func judgePeer(_ store: OpaquePointer) -> Bool {
        let result = judge.judge(store)
        verdict = result
        switch result {
        case .success: return true
        case .failure: return false
        }
    }

    /// Each key update the peer asks for makes us send one, so that thousands in one buffer make us send thousands.
    func countControlMessage() {
        guard isEstablished else { return }
        controlMessages &+= 1
        if controlMessages > UInt64(context.configuration.maximumControlMessages) + receivedBytes >> 20 {
            transport.isBlocked = true
        }
    }

    // MARK: - Judging

    /// After completion nothing is taken for granted: without certificate, verdict or protocol the handshake failed.
    private func establish() -> Outcome {
        if asksForCertificate {
            guard case .success = verdict, SSL_get_verify_result(ssl) == Int(X509_V_OK),
                let certificate = SSL_get0_peer_certificate(ssl), X509_get0_notAfter(certificate) != nil
            else {
                return .failed(TLSError(.noCertificate, "the peer sent no certificate"))
            }
        }
        guard SSL_version(ssl) == TLS1_3_VERSION else {
            return .failed(TLSError(.otherProtocolVersion, "the peer does not speak TLS 1.3"))
        }
        let protocols = context.configuration.applicationProtocols
        if !protocols.isEmpty {
            guard let agreed = applicationProtocol, protocols.contains(agreed) else {
                return .failed(TLSFailure.noCommonProtocol(protocols))
            }
        }
        isEstablished = true
        return .done
    }

    private func outcome(of result: Int32, during phase: TLSFailure.Phase) -> Outcome {
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .needsInput
        case SSL_ERROR_ZERO_RETURN: return .closed
        default: break
        }
        let queue = OpenSSLQueue.drain()
        let refusal: TLSError? =
            if phase == .handshake, case .failure(let error) = verdict { error } else { nil }
        return .failed(
            refusal
                ?? TLSFailure.describe(
                    reasons: queue.reasons, text: queue.text, phase: phase, isClient: role.isClient,
                    mayBeRefused: role.isClient && awaitsFirstByte, refusedForNoProtocol: refusedForNoProtocol,
                    protocols: context.configuration.applicationProtocols, firstBytes: transport.firstBytes))
    }
}
