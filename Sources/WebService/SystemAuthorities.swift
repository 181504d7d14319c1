import Glibc
public import MutualTLS

/// The authorities of the web that this machine trusts.
public enum SystemAuthorities {
    /// Where Debian and Ubuntu have them; `SSL_CERT_FILE` names another file, as for OpenSSL's own programs.
    public static var path: String {
        guard let name = getenv("SSL_CERT_FILE"), name.pointee != 0 else { return "/etc/ssl/certs/ca-certificates.crt" }
        return String(cString: name)
    }
    private static let maximumByteCount = 4 << 20

    /// The certificates, PEM.
    public static func read() throws -> [UInt8] {
        let path = path
        guard let file = fopen(path, "re") else {
            throw TLSError(
                .badTrust,
                "\(path) cannot be read: install ca-certificates, or give the pin of the server's key")
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: maximumByteCount)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes[..<count])
    }
}

extension WebAddress {
    /// Believes the server that one of these authorities vouches for by its name.
    ///
    /// - Parameters:
    ///   - authorities: PEM certificates.
    ///   - name: what the trust calls the server.
    public func trust(authorities: [UInt8], calling name: String) throws(TLSError) -> PeerTrust {
        guard isName else {
            throw TLSError(
                .badTrust, "authorities vouch for names, and \(host) is an address: give the pin of the server's key")
        }
        return PeerTrust(
            authority: .init(
                certificatesPEM: authorities, names: [host.lowercased(): name], allowsWildcards: true))
    }
}
