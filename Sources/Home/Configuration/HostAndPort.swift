import Glibc

/// Where a node listens, or where its partners reach it: a DNS name or IP address, and a TCP port.
public struct HostAndPort: Sendable, Hashable {
    /// The port of a node unless another is given.
    public static let defaultPort: UInt16 = 7962

    /// A DNS name, an IPv4 address, or an IPv6 address without brackets.
    public let host: String
    /// 0 stands for any free port, where a node listens.
    public let port: UInt16

    /// `nil` for a host that is neither a DNS name nor an IP address.
    public init?(host: String, port: UInt16 = HostAndPort.defaultPort) {
        guard
            HostAndPort.isAddress(host, AF_INET) || HostAndPort.isAddress(host, AF_INET6)
                || HostAndPort.isDNSName(host)
        else { return nil }
        self.host = host
        self.port = port
    }

    /// Parses `host`, `host:port`, `[IPv6]`, `[IPv6]:port` or `:port` (every IPv4 address); `nil` for anything else.
    public init?(_ text: String) {
        guard text.utf8.count <= 300 else { return nil }
        let bytes = Array(text.utf8)
        var host = bytes[...]
        var port = bytes[bytes.endIndex...]
        if bytes.first == UInt8(ascii: "[") {
            guard let close = bytes.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            host = bytes[1..<close]
            port = bytes[(close + 1)...]
            guard HostAndPort.isAddress(String(decoding: host, as: UTF8.self), AF_INET6) else { return nil }
        } else if let colon = bytes.firstIndex(of: UInt8(ascii: ":")) {
            host = bytes[..<colon]
            port = bytes[colon...]
            if host.isEmpty { host = Array("0.0.0.0".utf8)[...] }
        }
        var number = UInt64(HostAndPort.defaultPort)
        if !port.isEmpty {
            guard port.first == UInt8(ascii: ":"), let parsed = Names.number(port.dropFirst(), maximum: 65_535)
            else { return nil }
            number = parsed
        }
        self.init(host: String(decoding: host, as: UTF8.self), port: UInt16(truncatingIfNeeded: number))
    }

    /// Whether it stands for every address of the machine, so that no partner can connect to it as written.
    public var isWildcard: Bool { host == "0.0.0.0" || isUnspecifiedIPv6 }

    private var isUnspecifiedIPv6: Bool {
        var address = in6_addr()
        guard inet_pton(AF_INET6, host, &address) == 1 else { return false }
        return withUnsafeBytes(of: &address) { $0.allSatisfy { $0 == 0 } }
    }

    private static func isAddress(_ text: String, _ family: Int32) -> Bool {
        guard !text.utf8.contains(0) else { return false }
        var address = in6_addr()
        return inet_pton(family, text, &address) == 1
    }

    /// Labels as DNS has them, either case; a last label of digits only would be a mistyped IPv4 address.
    private static func isDNSName(_ text: String) -> Bool {
        guard Names.isNode(String(decoding: text.utf8.map(lowerCase), as: UTF8.self)) else { return false }
        let last = text.utf8.split(separator: UInt8(ascii: ".")).last ?? []
        return !last.allSatisfy(ASCII.isDigit)
    }

    private static func lowerCase(_ byte: UInt8) -> UInt8 {
        UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte | 0x20 : byte
    }
}

extension HostAndPort: CustomStringConvertible {
    /// `host:port`, with brackets around an IPv6 address.
    public var description: String {
        host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
