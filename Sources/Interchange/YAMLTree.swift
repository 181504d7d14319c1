import Records
import Yams

/// YAML as far as packs use it, copied out of the parser's own nodes, which are not for several threads.
enum YAMLTree: Sendable {
    case scalar(String, isPlain: Bool)
    case list([YAMLTree])
    case map([(key: String, value: YAMLTree)])

    init(_ node: Node) {
        switch node {
        case .scalar(let scalar): self = .scalar(scalar.string, isPlain: scalar.style == .plain || scalar.style == .any)
        case .sequence(let sequence): self = .list(sequence.map(YAMLTree.init))
        case .mapping(let mapping): self = .map(mapping.map { ($0.key.string ?? "", YAMLTree($0.value)) })
        case .alias: self = .scalar("", isPlain: true)
        }
    }

    var string: String? {
        if case .scalar(let text, _) = self { text } else { nil }
    }

    var list: [YAMLTree]? {
        if case .list(let items) = self { items } else { nil }
    }

    var map: [(key: String, value: YAMLTree)]? {
        if case .map(let members) = self { members } else { nil }
    }

    subscript(key: String) -> YAMLTree? {
        map?.first { $0.key == key }?.value
    }

    var isNull: Bool {
        if case .scalar(let text, true) = self { ["", "~", "null", "Null", "NULL"].contains(text) } else { false }
    }

    /// As JSON, for what is kept as the source gives it. Nesting cannot grow beyond what the file spells out, since
    /// aliases are refused.
    var json: JSONValue {
        switch self {
        case .list(let items): return .array(items.map(\.json))
        case .map(let members): return .object(members.map { JSONMember($0.key, $0.value.json) })
        case .scalar(let text, let isPlain):
            guard isPlain else { return .string(text) }
            if isNull { return .null }
            if let bool = ["true": true, "false": false][text] { return .bool(bool) }
            if let integer = Int64(text), String(integer) == text, abs(integer) <= JSONScanner.maximumInteger {
                return .integer(integer)
            }
            return .string(text)
        }
    }
}
