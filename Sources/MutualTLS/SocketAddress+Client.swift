import Glibc
public import NIOCore

extension SocketAddress {
    /// By what clients that are not known otherwise are told apart and limited: the address, for IPv6 its /64, of which
    /// one client has all. An IPv4 address inside an IPv6 one is itself. `nil` where there is no IP address.
    public var client: String? {
        guard case .v6 = self, let text = ipAddress else { return ipAddress }
        var bytes = [UInt8](repeating: 0, count: 16)
        guard inet_pton(AF_INET6, text, &bytes) == 1 else { return text }
        if bytes[..<10].allSatisfy({ $0 == 0 }), bytes[10] == 0xFF, bytes[11] == 0xFF {
            return bytes[12...].map(String.init).joined(separator: ".")
        }
        let groups = stride(from: 0, to: 8, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
        return groups.map { String($0, radix: 16) }.joined(separator: ":") + "::/64"
    }
}
