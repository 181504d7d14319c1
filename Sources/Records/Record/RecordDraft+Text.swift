extension RecordDraft {
    /// Short names for the subject's fields.
    private static let shortcuts = [
        "chain": "subject.chain", "address": "subject.address", "tx_hash": "subject.tx_hash",
    ]

    /// The path that a name on the command line means: itself, or the subject's field that it stands for.
    public func path(for name: String) -> String {
        guard let path = RecordDraft.shortcuts[name], schema.shape.field(name) == nil,
            schema.shape.field("subject") != nil
        else { return name }
        return path
    }

    /// Sets a field from a text, as `--field name=text` gives it.
    ///
    /// The schema says what the text becomes. Naming a list adds an element; any other field takes one value. A chain
    /// may be given by ticker or name, a confidence by its TagPack level.
    ///
    /// - Throws: where the name is no field or the text does not fit; the text is never quoted.
    public mutating func set(_ name: String, text: String) throws(RecordProblem) {
        let path = path(for: name)
        guard let field = schema.field(at: path) else {
            throw RecordProblem(path: Shown.name(name), reason: "is no field of \(schema.type)\(hint(for: path))")
        }
        var parts = path.split(separator: ".").map(String.init)
        var kind = field.kind
        if case .list(let element, _) = kind {
            kind = element
            // A path that ends in a position names that element, otherwise the text becomes a further one.
            if ASCIIText.unsigned(parts[parts.count - 1].utf8) == nil { parts.append(String(count(at: parts))) }
        } else if !field.fields.isEmpty, RecordDraft.isConfidence(field) {
            parts.append("level")
            kind = .slug
        }
        if case .object(let shape) = kind {
            let names = shape.fields.map { "\(path).\($0.name)" }.joined(separator: ", ")
            throw RecordProblem(
                path: path, reason: "has fields of its own: \(field.isList ? "in each element, " : "")\(names)")
        }
        let value = try RecordDraft.value(of: text, kind, path: path)
        if root.has(parts) { throw RecordProblem(path: path, reason: "is given twice, and takes one value") }
        guard root.set(value, at: parts) else {
            throw RecordProblem(path: path, reason: "leaves a gap in a list: begin with position 0")
        }
    }

    private func count(at parts: [String]) -> Int {
        root.at(parts)?.array?.count ?? 0
    }

    private static func isConfidence(_ field: RecordField) -> Bool {
        if case .object(let shape) = field.kind { return shape === RecordSchema.confidence }
        return false
    }

    private func hint(for path: String) -> String {
        var names: [String] = []
        for field in schema.fields {
            names.append(field.name)
            names += field.fields.map { "\(field.name).\($0.name)" }
        }
        names += RecordDraft.shortcuts.keys.filter { self.path(for: $0) != $0 }
        return Suggestion.text(for: path, among: names)
    }

    /// The value that a text stands for.
    static func value(of text: String, _ kind: FieldKind, path: String) throws(RecordProblem) -> JSONValue {
        let value: JSONValue
        switch kind {
        case .boolean:
            switch text {
            case "true": value = .bool(true)
            case "false": value = .bool(false)
            default: throw RecordProblem(path: path, reason: "must be true or false")
            }
        case .integer:
            guard let number = Int64(text), String(number) == text else {
                throw RecordProblem(path: path, reason: "must be an integer")
            }
            value = .integer(number)
        case .anyObject:
            do throws(JSONError) {
                value = try JSONScanner.scan(text: text)
            } catch {
                throw RecordProblem(path: path, reason: "must be a JSON object: \(error)")
            }
        case .chain:
            guard let chain = Chain.resolve(text) else {
                value = .string(text)
                if FieldCheck.fault(value, kind) == nil { break }
                throw RecordProblem(path: path, reason: "is no chain known here, and no CAIP-2 identifier either")
            }
            value = .string(chain.caip2)
        case .reference:
            guard let reference = Reference(text) else {
                value = .string(text)
                break
            }
            value = .string(reference.text)
        default:
            value = .string(text)
        }
        if let fault = FieldCheck.fault(value, kind) { throw RecordProblem(path: path, reason: fault) }
        return value
    }
}

extension JSONValue {
    /// The value at a path of names and positions.
    func at(_ path: [String]) -> JSONValue? {
        var value = self
        for part in path {
            switch value {
            case .array(let elements):
                guard let number = ASCIIText.unsigned(part.utf8), number < UInt64(elements.count) else { return nil }
                value = elements[Int(number)]
            default:
                guard let inner = value[part] else { return nil }
                value = inner
            }
        }
        return value
    }

    func has(_ path: [String]) -> Bool {
        at(path) != nil
    }
}
