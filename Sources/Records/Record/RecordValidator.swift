/// Compares a body with the schema of its type and notes every difference.
struct RecordValidator {
    /// How strictly to look.
    enum Strictness {
        /// What this node is about to write: nothing unknown, nothing that fails a check.
        case submission
        /// The same before fields are sealed: what sealing will settle is not asked for yet.
        case draft
        /// What a partner wrote: fields of later versions are fine, and checksums are for views to mark.
        case reading
    }

    static let maximumProblemCount = 100

    let strictness: Strictness
    var problems: [RecordProblem] = []
    var sealed: [String] = []

    init(_ strictness: Strictness) {
        self.strictness = strictness
    }

    mutating func note(_ path: String, _ reason: String) {
        if problems.count < RecordValidator.maximumProblemCount {
            problems.append(RecordProblem(path: path, reason: reason))
        }
    }

    mutating func check(_ body: JSONValue) {
        guard case .object(let members) = body else { return note("", "a record must be a JSON object") }
        guard let type = body["type"] else { return note("type", "is missing: it says what kind of record this is") }
        guard case .string(let name) = type else { return note("type", "must be a text") }
        guard let schema = RecordSchema.of(RecordType(rawValue: name)) else {
            let types = RecordSchema.all.map(\.type.rawValue)
            if strictness != .reading {
                let hint = Suggestion.text(for: name, among: types)
                note("type", "is not known\(hint.isEmpty ? ": one of " + types.joined(separator: ", ") : hint)")
            }
            return
        }
        let header = body["sealed"]
        if let header {
            sealed = (header["fields"]?.array ?? []).compactMap(\.string)
        }
        object(members, schema.shape, prefix: "")
        if let header { checkSealed(header, schema, body) }
        checkAudience(body, schema)
    }

    mutating func object(_ members: [JSONMember], _ shape: ObjectShape, prefix: String) {
        var seen: UInt64 = 0
        var expected = 0
        for member in members {
            guard let position = shape.position(of: member.name, expected: expected) else {
                if strictness != .reading {
                    let names = shape.fields.map(\.name)
                    note(
                        prefix + Shown.name(member.name),
                        "is no field here" + Suggestion.text(for: member.name, among: names))
                }
                continue
            }
            expected = position + 1
            seen |= 1 << UInt64(position)
            let field = shape.fields[position]
            check(member.value, field.kind, name: field.name, prefix: prefix)
        }
        if shape.requiredMask & ~seen != 0 { checkRequired(shape, seen, prefix: prefix) }
        checkGroups(shape, seen, prefix: prefix)
        if !shape.conditions.isEmpty || !shape.ordered.isEmpty { checkRules(.object(members), shape, prefix: prefix) }
        if strictness != .reading, shape === RecordSchema.confidence {
            checkConfidence(.object(members), prefix: prefix)
        }
        if strictness != .reading, !shape.checked.isEmpty { checkAddresses(members, shape, prefix: prefix) }
    }

    private mutating func check(_ value: JSONValue, _ kind: FieldKind, name: String, prefix: String) {
        switch kind {
        case .object(let shape):
            guard case .object(let members) = value else { return note(prefix + name, "must be an object") }
            object(members, shape, prefix: prefix + name + ".")
        case .list(let element, let range):
            guard case .array(let elements) = value else { return note(prefix + name, "must be a list") }
            if !range.contains(elements.count) {
                note(prefix + name, "must have \(range.lowerBound) to \(range.upperBound) elements")
            }
            for (position, value) in elements.prefix(range.upperBound).enumerated() {
                switch element {
                case .object, .list: check(value, element, name: String(position), prefix: "\(prefix)\(name).")
                default:
                    if let fault = FieldCheck.fault(value, element) { note("\(prefix)\(name).\(position)", fault) }
                }
            }
        default:
            if let fault = FieldCheck.fault(value, kind) { note(prefix + name, fault) }
        }
    }

    private func isSealed(_ path: String) -> Bool {
        sealed.contains { SealedHeader.path($0, covers: path) }
    }

    private mutating func checkRequired(_ shape: ObjectShape, _ seen: UInt64, prefix: String) {
        for (position, field) in shape.fields.enumerated()
        where field.isRequired && seen & (1 << UInt64(position)) == 0 && !isSealed(prefix + field.name) {
            let path = prefix + field.name
            // All of an object's fields can be sealed one by one, and nothing of it stay.
            if case .object(let inner) = field.kind, sealed.contains(where: { $0.hasPrefix(path + ".") }) {
                object([], inner, prefix: path + ".")
            } else {
                note(path, "is missing: \(field.summary)")
            }
        }
    }

    private mutating func checkGroups(_ shape: ObjectShape, _ seen: UInt64, prefix: String) {
        for (names, mask) in zip(shape.exactlyOne, shape.exactlyOneMasks) {
            let open = (seen & mask).nonzeroBitCount
            if open == 1 && sealed.isEmpty { continue }
            if open + names.count(where: { isSealed(prefix + $0) }) == 1 { continue }
            note(String(prefix.dropLast()), "must have exactly one of \(names.joined(separator: ", "))")
        }
        for (names, mask) in zip(shape.atLeastOne, shape.atLeastOneMasks) where seen & mask == 0 {
            if names.contains(where: { isSealed(prefix + $0) }) { continue }
            note(String(prefix.dropLast()), "must have at least one of \(names.joined(separator: ", "))")
        }
    }

    private mutating func checkRules(_ object: JSONValue, _ shape: ObjectShape, prefix: String) {
        for condition in shape.conditions where object[condition.field]?.string == condition.value {
            for name in condition.requires where object[name] == nil && !isSealed(prefix + name) {
                note(prefix + name, "is missing: \(condition.field) \(condition.value) needs it")
            }
            for name in condition.forbids where object[name] != nil {
                note(prefix + name, "has no place where \(condition.field) is \(condition.value)")
            }
        }
        for (first, second) in shape.ordered {
            guard let from = object[first]?.string.flatMap(RecordValidator.moment),
                let until = object[second]?.string.flatMap(RecordValidator.moment), until < from
            else { continue }
            note(prefix + second, "is before \(first)")
        }
    }

    /// A level of TagPack is one of its levels, and goes with its value.
    private mutating func checkConfidence(_ confidence: JSONValue, prefix: String) {
        guard confidence["scheme"] == nil || confidence["scheme"]?.string == ConfidenceLevel.scheme,
            !isSealed(prefix + "scheme"), let name = confidence["level"]?.string
        else { return }
        guard let level = ConfidenceLevel.named(name) else {
            let names = ConfidenceLevel.all.map(\.name).joined(separator: ", ")
            return note(prefix + "level", "must be one of \(names), or of another scheme that is named")
        }
        if let value = confidence["value"]?.integer, value != level.value {
            note(prefix + "value", "is not the value that TagPack gives the level")
        }
    }

    static func moment(_ text: String) -> Timestamp? {
        Timestamp(text) ?? Timestamp(day: text)
    }

    /// Checks addresses and transaction hashes on the chain beside them.
    private mutating func checkAddresses(_ members: [JSONMember], _ shape: ObjectShape, prefix: String) {
        guard let chainPosition = shape.chain else { return }
        let chainName = shape.fields[chainPosition].name
        guard let identifier = members.first(where: { $0.name == chainName })?.value.string else { return }
        guard let chain = Chain.resolve(identifier) else { return }
        if !ByteText.same(chain.caip2, identifier) {
            return note(prefix + chainName, "must be the chain's CAIP-2 identifier, \(chain.caip2)")
        }
        for position in shape.checked {
            let field = shape.fields[position]
            guard let text = members.first(where: { $0.name == field.name })?.value.string else { continue }
            let verdict: AddressVerdict
            if case .address = field.kind {
                verdict = AddressCheck.verdict(text, on: chain)
            } else {
                verdict = AddressCheck.transactionVerdict(text, on: chain)
            }
            if case .invalid(let reason) = verdict {
                note(prefix + field.name, "fails the check of \(chain.name): \(reason)")
            }
        }
    }

    /// Checks the addresses of an object and of all objects in it, and nothing else.
    mutating func checkAllAddresses(_ members: [JSONMember], _ shape: ObjectShape, prefix: String) {
        if !shape.checked.isEmpty { checkAddresses(members, shape, prefix: prefix) }
        for member in members {
            guard let field = shape.field(member.name) else { continue }
            switch (field.kind, member.value) {
            case (.object(let inner), .object(let members)):
                checkAllAddresses(members, inner, prefix: "\(prefix)\(field.name).")
            case (.list(.object(let inner), _), .array(let elements)):
                for (position, element) in elements.enumerated() {
                    guard case .object(let members) = element else { continue }
                    checkAllAddresses(members, inner, prefix: "\(prefix)\(field.name).\(position).")
                }
            default: break
            }
        }
    }

    /// What the header of a sealed record must keep besides its own form.
    private mutating func checkSealed(_ header: JSONValue, _ schema: RecordSchema, _ body: JSONValue) {
        if SealedHeader(header) == nil {
            note("sealed", "is malformed, or its recipients or fields are not sorted or stand there twice")
        }
        for path in sealed {
            // A later version may seal fields that this one does not know.
            if strictness == .reading, schema.field(at: path) == nil { continue }
            guard schema.isSealable(path) else {
                note("sealed.fields", "\(Shown.name(path)) cannot be sealed")
                continue
            }
            if RecordValidator.value(at: path, in: body) != nil {
                note(path, "is sealed and must not stand in the open as well")
            }
            if sealed.contains(where: { $0 != path && SealedHeader.path($0, covers: path) }) {
                note("sealed.fields", "\(Shown.name(path)) is sealed twice")
            }
        }
        if body["provenance"] != nil { note("provenance", "must be sealed where any field is") }
    }

    static func value(at path: String, in body: JSONValue) -> JSONValue? {
        var value = body
        for part in path.split(separator: ".", omittingEmptySubsequences: false) {
            guard let inner = value[String(part)] else { return nil }
            value = inner
        }
        return value
    }

    /// A record that may not be passed on leaves nothing of its content in the open.
    private mutating func checkAudience(_ body: JSONValue, _ schema: RecordSchema) {
        guard strictness == .submission, let tlp = body["tlp"]?.string.flatMap(TLP.init(rawValue:)), tlp.requiresSealing
        else { return }
        let content = schema.sealableFields
        if content.isEmpty || sealed.isEmpty {
            return note("tlp", "\(tlp.rawValue) needs every content field sealed")
        }
        for field in content where body[field.name] != nil {
            note(field.name, "must be sealed: tlp is \(tlp.rawValue)")
        }
    }
}
