extension RecordSchema {
    /// The JSON Schema (draft 2020-12) of what this version accepts for submission.
    ///
    /// What a schema cannot say is left to validation: checksums of addresses, the order of times and of sealed
    /// fields, the levels of a confidence's scheme, and that content of TLP red or amber+strict is sealed.
    public var jsonSchema: JSONValue {
        var members: [JSONMember] = [
            JSONMember("$schema", .string("https://json-schema.org/draft/2020-12/schema")),
            JSONMember("$id", .string("urn:entente:record:\(type.rawValue):\(RecordSchema.version)")),
            JSONMember("title", .string(type.rawValue)),
            JSONMember(
                "description",
                .string("\(summary). Readers keep and show members that they do not know; writers add none.")),
        ]
        guard case .object(let object) = RecordSchema.object(shape, prefix: "") else { return .null }
        members += object
        var rules: [JSONValue] = []
        RecordSchema.addRules(shape, prefix: [], to: &rules)
        if !rules.isEmpty { members.append(JSONMember("allOf", .array(rules))) }
        return .object(members)
    }

    /// ``jsonSchema`` as a file holds it, indented by two spaces, with a newline at its end.
    public var jsonSchemaText: String { JSONWriter.indentedText(jsonSchema) + "\n" }

    /// An object with its fields. `prefix` is `nil` inside of lists, where nothing can be sealed: what is required
    /// there is required always. Elsewhere, rules beside the whole say so.
    private static func object(_ shape: ObjectShape, prefix: String?) -> JSONValue {
        var members = [JSONMember("type", .string("object"))]
        let properties = shape.fields.map { field in
            var schema = schema(of: field.kind, prefix: prefix.map { "\($0)\(field.name)." })
            if case .object(let own) = schema {
                schema = .object([JSONMember("description", .string(field.summary))] + own)
            }
            return JSONMember(field.name, schema)
        }
        members.append(JSONMember("properties", .object(properties)))
        let required = shape.fields.filter { $0.isRequired && (prefix == nil || isFixed($0, prefix: prefix)) }
        if !required.isEmpty { members.append(JSONMember("required", strings(required.map(\.name)))) }
        members.append(JSONMember("additionalProperties", .bool(false)))
        if prefix == nil {
            var rules: [JSONValue] = []
            for names in shape.exactlyOne {
                rules.append(.object([JSONMember("oneOf", .array(names.map { requiring([$0]) }))]))
            }
            for names in shape.atLeastOne {
                rules.append(.object([JSONMember("anyOf", .array(names.map { requiring([$0]) }))]))
            }
            if !rules.isEmpty { members.append(JSONMember("allOf", .array(rules))) }
        }
        return .object(members)
    }

    /// Whether a field stands in every body: it cannot be sealed.
    private static func isFixed(_ field: RecordField, prefix: String?) -> Bool {
        prefix == "" ? field.sealing == .never : prefix?.hasPrefix("sealed.") ?? false || isUnsealable(prefix)
    }

    private static func isUnsealable(_ prefix: String?) -> Bool {
        guard let top = prefix?.split(separator: ".").first else { return false }
        return all.allSatisfy { $0.shape.field(String(top)).map { $0.sealing == .never } ?? true }
    }

    /// Rules that sealed fields satisfy too.
    private static func addRules(_ shape: ObjectShape, prefix: [String], to rules: inout [JSONValue]) {
        let isTop = prefix.isEmpty
        for field in shape.fields {
            let path = prefix + [field.name]
            if field.isRequired, isTop ? field.sealing != .never : true {
                rules.append(whenParent(of: prefix, anyOf([path])))
            }
            if case .object(let inner) = field.kind, isTop, field.sealing != .never {
                addRules(inner, prefix: path, to: &rules)
            }
        }
        for names in shape.exactlyOne {
            for (position, first) in names.enumerated() {
                for second in names[(position + 1)...] {
                    rules.append(
                        .object([JSONMember("not", nested(prefix, requiring([first, second])))]))
                }
            }
            rules.append(whenParent(of: prefix, anyOf(names.map { prefix + [$0] })))
        }
        for names in shape.atLeastOne {
            rules.append(whenParent(of: prefix, anyOf(names.map { prefix + [$0] })))
        }
        for condition in shape.conditions {
            let given = JSONValue.object([
                JSONMember(
                    "properties",
                    .object([
                        JSONMember(condition.field, .object([JSONMember("const", .string(condition.value))]))
                    ])),
                JSONMember("required", strings([condition.field])),
            ])
            var then: [JSONMember] = []
            if !condition.requires.isEmpty { then.append(JSONMember("required", strings(condition.requires))) }
            if !condition.forbids.isEmpty {
                then.append(
                    JSONMember(
                        "properties", .object(condition.forbids.map { JSONMember($0, .bool(false)) })))
            }
            rules.append(.object([JSONMember("if", given), JSONMember("then", .object(then))]))
        }
    }

    /// A rule that holds only where the object it is about is there.
    private static func whenParent(of path: [String], _ rule: JSONValue) -> JSONValue {
        path.isEmpty ? rule : .object([JSONMember("if", requiring(path)), JSONMember("then", rule)])
    }

    /// One of the paths is there, or sealed.
    private static func anyOf(_ paths: [[String]]) -> JSONValue {
        var choices = paths.map { nested($0.dropLast(), requiring([$0[$0.count - 1]])) }
        for path in paths {
            for length in 1...path.count {
                let name = path.prefix(length).joined(separator: ".")
                if !choices.contains(sealing(name)) { choices.append(sealing(name)) }
            }
            // An object may also be gone because its fields are sealed one by one.
            if path.count == 1 { choices.append(sealing(pattern: "^\(path[0])\\.")) }
        }
        return .object([JSONMember("anyOf", .array(choices))])
    }

    private static func sealing(_ name: String) -> JSONValue {
        sealing(.object([JSONMember("const", .string(name))]))
    }

    private static func sealing(pattern: String) -> JSONValue {
        sealing(.object([JSONMember("type", .string("string")), JSONMember("pattern", .string(pattern))]))
    }

    private static func sealing(_ element: JSONValue) -> JSONValue {
        nested(
            ["sealed"],
            .object([
                JSONMember(
                    "properties", .object([JSONMember("fields", .object([JSONMember("contains", element)]))])),
                JSONMember("required", strings(["fields"])),
            ]))
    }

    /// A schema about what stands at a path, which must be there.
    private static func nested(_ path: some Collection<String>, _ schema: JSONValue) -> JSONValue {
        path.reversed().reduce(schema) { inner, name in
            .object([
                JSONMember("properties", .object([JSONMember(name, inner)])),
                JSONMember("required", strings([name])),
            ])
        }
    }

    private static func requiring(_ names: [String]) -> JSONValue {
        .object([JSONMember("required", strings(names))])
    }

    private static func strings(_ texts: [String]) -> JSONValue { .array(texts.map(JSONValue.string)) }

    private static func schema(of kind: FieldKind, prefix: String?) -> JSONValue {
        switch kind {
        case .object(let shape): object(shape, prefix: prefix)
        case .list(let element, let range):
            .object([
                JSONMember("type", .string("array")),
                JSONMember("items", schema(of: element, prefix: nil)),
                JSONMember("minItems", .integer(Int64(range.lowerBound))),
                JSONMember("maxItems", .integer(Int64(range.upperBound))),
            ])
        default: .object(kind.jsonSchema)
        }
    }
}
