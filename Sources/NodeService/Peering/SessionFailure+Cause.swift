import Glibc
import LogStore
public import MutualTLS
import NIOCore
import Reconciliation

extension SessionFailure {
    /// What an error of a session means to whoever ran it.
    init(_ error: any Error, peer: String) {
        switch error {
        case let failure as SessionFailure: self = failure
        case let violation as ProtocolViolation: self.init(.violation, "\(peer): \(violation.description)")
        case let store as StoreError: self.init(.store, store.description)
        case let tls as TLSError: self.init(Kind(tls.code), "\(peer): \(tls.description)")
        case let io as IOError: self.init(.unreachable, "\(peer): \(String(cString: strerror(io.errnoCode)))")
        case is ChannelError: self.init(.unreachable, "\(peer): the connection was closed")
        case is CancellationError: self.init(.interrupted, "interrupted")
        default: self.init(.unreachable, "\(peer): \(error)")
        }
    }
}

extension SessionFailure.Kind {
    /// What kind of failure a TLS error is.
    public init(_ code: TLSError.Code) {
        switch code {
        case .unreachable, .handshakeTimeout, .closed, .closedDuringHandshake, .truncated: self = .unreachable
        case .notTLS, .otherProtocolVersion, .noApplicationProtocol, .protocolViolation, .tooManyControlMessages,
            .tooMuchQueued:
            self = .violation
        default: self = .notPermitted
        }
    }
}
