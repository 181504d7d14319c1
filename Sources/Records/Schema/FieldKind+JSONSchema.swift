extension FieldKind {
    /// The JSON Schema of a single value.
    var jsonSchema: [JSONMember] {
        switch self {
        case .line(let maximum): FieldKind.text("^[^\\u0000-\\u001f\\u007f]+$", maximum: maximum)
        case .text(let maximum):
            FieldKind.text("^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]+$", maximum: maximum)
        case .slug: FieldKind.text(FieldKind.slugPattern)
        case .concept(let vocabulary): FieldKind.text(FieldKind.slugPattern) + [FieldKind.examples(vocabulary)]
        case .word(let vocabulary): [JSONMember("enum", .array(vocabulary.words.map(JSONValue.string)))]
        case .constantText(let text): [JSONMember("const", .string(text))]
        case .time: FieldKind.text(FieldKind.timePattern, format: "date-time")
        case .moment: FieldKind.text("\(FieldKind.timePattern)|^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
        case .decimal: FieldKind.text("^-?(0|[1-9][0-9]*)(\\.[0-9]+)?$", maximum: 128)
        case .integer(let range) where range.lowerBound == range.upperBound:
            [JSONMember("const", .integer(range.lowerBound))]
        case .integer(let range):
            [
                JSONMember("type", .string("integer")),
                JSONMember("minimum", .integer(range.lowerBound)),
                JSONMember("maximum", .integer(range.upperBound)),
            ]
        case .boolean: [JSONMember("type", .string("boolean"))]
        case .chain: FieldKind.text("^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}$")
        case .address, .transactionHash: FieldKind.text("^[^\\u0000-\\u001f\\u007f]+$", maximum: 256)
        case .node: FieldKind.text("^\(FieldKind.nodePattern)$", maximum: NodeName.maximumByteCount)
        case .origin: FieldKind.text("^\(FieldKind.originPattern)$")
        case .reference: FieldKind.text("^\(FieldKind.originPattern)#(0|[1-9][0-9]*)$")
        case .sha256: FieldKind.text("^[0-9a-f]{64}$")
        case .base64(let range):
            [
                JSONMember("type", .string("string")),
                JSONMember("contentEncoding", .string("base64")),
                JSONMember("pattern", .string("^[A-Za-z0-9+/]+={0,2}$")),
                JSONMember("minLength", .integer(Int64((range.lowerBound + 2) / 3 * 4))),
                JSONMember("maxLength", .integer(Int64((range.upperBound + 2) / 3 * 4))),
            ]
        case .country: FieldKind.text("^[A-Z]{2}$")
        case .anyObject: [JSONMember("type", .string("object"))]
        case .list, .object: []
        }
    }

    private static let slugPattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
    private static let timePattern =
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?Z$"
    private static let labelPattern = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    private static let nodePattern = "\(labelPattern)(\\.\(labelPattern))*"
    private static let originPattern = "\(nodePattern)/[a-z0-9][a-z0-9-]{0,31}(/([2-9]|[1-9][0-9]+))?"

    private static func text(_ pattern: String, maximum: Int? = nil, format: String? = nil) -> [JSONMember] {
        var members = [JSONMember("type", .string("string"))]
        if let format { members.append(JSONMember("format", .string(format))) }
        members.append(JSONMember("pattern", .string(pattern)))
        if let maximum { members.append(JSONMember("maxLength", .integer(Int64(maximum)))) }
        return members
    }

    private static func examples(_ vocabulary: Vocabulary) -> JSONMember {
        JSONMember("examples", .array(vocabulary.words.map(JSONValue.string)))
    }
}
