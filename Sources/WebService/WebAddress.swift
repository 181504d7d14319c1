/// An `https` address as far as it is needed here: host, port and the path that everything stands below.
public struct WebAddress: Sendable, Hashable, CustomStringConvertible {
    /// A DNS name, or an IP address without brackets.
    public let host: String
    public let port: Int
    /// Begins and ends with a slash.
    public let path: String

    /// `nil` for anything but `https://HOST[:PORT][/PATH]`, without user, query or fragment.
    public init?(_ text: String) {
        let scheme = "https://"
        guard text.lowercased().hasPrefix(scheme), text.utf8.count <= 2_048,
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"\"<>\\^`{|}?#@".utf8.contains($0) })
        else { return nil }
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" }
        let path = rest.dropFirst(authority.count)
        self.path = path.hasSuffix("/") ? String(path) : "\(path)/"
        var host = authority
        var digits: Substring = "443"
        if let end = authority.lastIndex(of: "]") {
            guard authority.first == "[" else { return nil }
            host = authority[authority.index(after: authority.startIndex)..<end]
            let behind = authority[authority.index(after: end)...]
            guard behind.isEmpty || behind.first == ":" else { return nil }
            if !behind.isEmpty { digits = behind.dropFirst() }
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            digits = authority[authority.index(after: colon)...]
        }
        guard !host.isEmpty, let port = Int(digits), (1...65_535).contains(port), digits.allSatisfy(\.isNumber) else {
            return nil
        }
        self.host = String(host)
        self.port = port
    }

    /// Host and port as a request names them.
    public var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == 443 ? name : "\(name):\(port)"
    }

    /// Whether the host is a name, which a server may be told of.
    public var isName: Bool { !host.contains(":") && !host.allSatisfy { $0.isNumber || $0 == "." } }

    public var description: String { "https://\(authority)\(path)" }
}
