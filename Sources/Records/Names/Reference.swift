/// The place of a record: the origin of its log and its index, `us.example/krus#1042`.
///
/// A record that points at another one also gives the leaf hash: see ``RecordTarget``.
public struct Reference: Sendable, Hashable {
    public let origin: LogOrigin
    public let index: UInt64

    /// `nil` for an index beyond 2^53 − 1.
    public init?(origin: LogOrigin, index: UInt64) {
        guard index <= UInt64(JSONScanner.maximumInteger) else { return nil }
        self.origin = origin
        self.index = index
    }

    /// Parses `us.example/krus#1042`, and `us.example/krus/1042` as shells and URLs like it better; `nil` for
    /// anything else. With four parts, the third says which successor it is: `us.example/krus/2/5`.
    public init?(_ text: String) {
        guard text.utf8.count <= LogOrigin.maximumByteCount + 17 else { return nil }
        let bytes = text.utf8
        if let mark = bytes.firstIndex(of: UInt8(ascii: "#")) {
            guard let origin = LogOrigin(String(text[..<mark])),
                let index = ASCIIText.unsigned(bytes[bytes.index(after: mark)...])
            else { return nil }
            self.init(origin: origin, index: index)
        } else {
            var parts = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            guard let last = parts.popLast(), let index = ASCIIText.unsigned(last), let origin = LogOrigin(parts: parts)
            else { return nil }
            self.init(origin: origin, index: index)
        }
    }

    /// `us.example/krus#1042`: the form that records hold.
    public var text: String { "\(origin.text)#\(index)" }

    /// `us.example/krus/1042`: the form for paths and URLs.
    public var path: String { "\(origin.text)/\(index)" }
}

extension Reference: CustomStringConvertible {
    public var description: String { text }
}
