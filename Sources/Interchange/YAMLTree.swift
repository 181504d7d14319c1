import Records

/// YAML as far as packs use it, made of the parser's events by ``YAMLReader``.
enum YAMLTree: Sendable {
    case scalar(String, isPlain: Bool)
    case list([YAMLTree])
    case map([(key: String, value: YAMLTree)])

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

    /// A text; `nil` for anything else, and for nothing.
    var text: String? { isNull ? nil : string }

    /// The words of a list of texts, or the one text. Throws where anything else is in it: it would be lost.
    func words(of field: String) throws -> [String] {
        if isNull { return [] }
        if let string { return [string.trimmed] }
        let words = list?.map(\.text) ?? [nil]
        return try words.map { word in
            guard let word else { throw Tag.Problem(description: "\(field): must be a text or a list of texts") }
            return word.trimmed
        }
    }

    /// As JSON, for what is kept as the source gives it. It nests as deep as ``YAMLReader`` lets it, and has no more in
    /// it than the file spells out, since aliases are refused.
    var json: JSONValue {
        switch self {
        case .list(let items): return .array(items.map(\.json))
        case .map(let members): return .object(members.map { JSONMember($0.key, $0.value.json) })
        case .scalar(let text, let isPlain):
            guard isPlain else { return .string(text) }
            if isNull { return .null }
            if let bool = ["true": true, "false": false][text] { return .bool(bool) }
            if let integer = Int64(text), String(integer) == text,
                integer.magnitude <= JSONScanner.maximumInteger.magnitude
            {
                return .integer(integer)
            }
            return .string(text)
        }
    }
}
