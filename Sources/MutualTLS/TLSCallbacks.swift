import COpenSSL

/// What OpenSSL calls back. C functions cannot capture, so each finds its connection through the `SSL`'s ex_data.
enum TLSCallbacks {
    /// Where an `SSL` keeps the unretained pointer to its `TLSConnection`, which owns the `SSL` and so outlives it.
    static let connectionIndex = entente_SSL_get_ex_new_index()

    static func connection(of ssl: OpaquePointer?) -> TLSConnection? {
        guard let ssl, let raw = SSL_get_ex_data(ssl, connectionIndex) else { return nil }
        return Unmanaged<TLSConnection>.fromOpaque(raw).takeUnretainedValue()
    }

    /// Verification of the peer's certificate. Anything unexpected refuses.
    static let judge: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Int32 = { store, _ in
        guard let store else { return 0 }
        let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx())
        guard let connection = connection(of: ssl.map { OpaquePointer($0) }) else {
            X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION)
            return 0
        }
        return connection.judgePeer(store) ? 1 : 0
    }

    typealias Message =
        @convention(c) (
            Int32, Int32, Int32, UnsafeRawPointer?, Int, OpaquePointer?, UnsafeMutableRawPointer?
        ) -> Void

    /// Sees every message; counts those of the handshake protocol that come after the handshake.
    static let message: Message = { isWrite, _, contentType, _, _, ssl, _ in
        guard contentType == SSL3_RT_HANDSHAKE, isWrite == 0 else { return }
        connection(of: ssl)?.countControlMessage()
    }

    typealias ClientHello =
        @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) -> Int32

    /// A server's first look at a client. The ALPN callback is not called when the client offers no protocol, and the
    /// handshake would succeed; only from here can the proper alert be sent. Clients that do not speak TLS 1.3 go on
    /// to OpenSSL's own refusal, which names the version.
    static let clientHello: ClientHello = { ssl, alert, _ in
        var data: UnsafePointer<UInt8>?
        var length = 0
        let supportedVersions = UInt32(TLSEXT_TYPE_supported_versions)
        let alpn = UInt32(TLSEXT_TYPE_application_layer_protocol_negotiation)
        guard SSL_client_hello_get0_ext(ssl, supportedVersions, &data, &length) == 1,
            SSL_client_hello_get0_ext(ssl, alpn, &data, &length) != 1
        else { return SSL_CLIENT_HELLO_SUCCESS }
        connection(of: ssl)?.refusedForNoProtocol = true
        alert?.pointee = SSL_AD_NO_APPLICATION_PROTOCOL
        return SSL_CLIENT_HELLO_ERROR
    }

    typealias SelectProtocol =
        @convention(c) (
            OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?,
            UnsafePointer<UInt8>?, UInt32, UnsafeMutableRawPointer?
        ) -> Int32

    /// The server's choice: its best protocol that the client offers. What it points at are the client's own bytes,
    /// which OpenSSL keeps beyond the callback, unlike a Swift array.
    static let selectProtocol: SelectProtocol = { ssl, selected, selectedLength, offered, offeredLength, _ in
        guard let connection = connection(of: ssl), let offered else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        let count = Int(offeredLength)
        for ours in connection.context.configuration.applicationProtocols {
            var position = 0
            while position < count {
                let length = Int(offered[position])
                guard length > 0, length <= count - position - 1 else { return SSL_TLSEXT_ERR_ALERT_FATAL }
                let name = UnsafeBufferPointer(start: offered + position + 1, count: length)
                if ours.utf8.elementsEqual(name) {
                    selected?.pointee = offered + position + 1
                    selectedLength?.pointee = UInt8(truncatingIfNeeded: length)
                    return SSL_TLSEXT_ERR_OK
                }
                position += 1 + length
            }
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }
}
