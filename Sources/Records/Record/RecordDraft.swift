/// A record being written: fields go in as texts or values, a body comes out.
///
/// Members leave in the order of the schema: `v`, `type`, `time`, `author`, `tlp`, `incident`, the fields of the type,
/// `provenance`, `sealed`; in objects too. Nothing is read from a clock or the system: time and author are given.
public struct RecordDraft: Sendable {
    public let schema: RecordSchema
    var root: JSONValue

    /// A draft with the common fields; `nil` for a type that this version does not know.
    public init?(type: RecordType, time: Timestamp, author: String, tlp: TLP) {
        guard let schema = RecordSchema.of(type) else { return nil }
        self.schema = schema
        root = .object([
            JSONMember("v", .integer(RecordSchema.version)),
            JSONMember("type", .string(type.rawValue)),
            JSONMember("time", .string(time.text)),
            JSONMember("author", .string(author)),
            JSONMember("tlp", .string(tlp.rawValue)),
        ])
    }

    /// A draft from an object, as a line of JSON gives it. `v`, `time`, `author` and `tlp` are filled in where they are
    /// missing; `type` where one is given here.
    public init(
        object value: JSONValue, type: RecordType? = nil, time: Timestamp, author: String, tlp: TLP
    ) throws(RecordProblem) {
        guard case .object(let members) = value else {
            throw RecordProblem(path: "", reason: "a record must be a JSON object")
        }
        if let given = value["type"], given.string == nil {
            throw RecordProblem(path: "type", reason: "must be a text")
        }
        let named = value["type"]?.string
        if let type, let named, type.rawValue != named {
            throw RecordProblem(path: "type", reason: "is not \(type.rawValue)")
        }
        guard let name = named ?? type?.rawValue else {
            throw RecordProblem(path: "type", reason: "is missing: it says what kind of record this is")
        }
        guard let schema = RecordSchema.of(RecordType(rawValue: name)) else {
            let hint = Suggestion.text(for: name, among: RecordSchema.all.map(\.type.rawValue))
            throw RecordProblem(path: "type", reason: "is not known\(hint)")
        }
        self.schema = schema
        var head: [JSONMember] = []
        head.reserveCapacity(members.count + 5)
        if value["v"] == nil { head.append(JSONMember("v", .integer(RecordSchema.version))) }
        if named == nil { head.append(JSONMember("type", .string(name))) }
        if value["time"] == nil { head.append(JSONMember("time", .string(time.text))) }
        if value["author"] == nil { head.append(JSONMember("author", .string(author))) }
        if value["tlp"] == nil { head.append(JSONMember("tlp", .string(tlp.rawValue))) }
        root = .object(head + members)
    }

    /// Puts a value at a path of names and list positions, in place of what is there. A position may be one past the
    /// end of its list.
    public mutating func set(_ path: String, to value: JSONValue) throws(RecordProblem) {
        let parts = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard schema.field(at: path) != nil else {
            let hint = Suggestion.text(for: parts[0], among: schema.fields.map(\.name))
            throw RecordProblem(path: Shown.name(path), reason: "is no field of \(schema.type)\(hint)")
        }
        guard root.set(value, at: parts) else {
            throw RecordProblem(path: Shown.name(path), reason: "goes past the end of a list, or through a plain value")
        }
    }

    /// The value at a path of names, if there is one.
    public subscript(path: String) -> JSONValue? { RecordValidator.value(at: path, in: root) }

    /// The fields that policy seals unless somebody says otherwise, and that this draft has.
    public var fieldsSealedByDefault: [String] { schema.fieldsSealedByDefault(in: root) }

    /// The fields that have to be sealed together with `names`: provenance, where it is there, and everything where
    /// the TLP asks for it. Sorted, without doubles, without fields inside of others.
    public func fieldsToSeal(with names: [String]) -> [String] {
        var wanted = Set(names)
        if let tlp = root["tlp"]?.string.flatMap(TLP.init(rawValue:)), tlp.requiresSealing {
            wanted.formUnion(schema.sealableFields.map(\.name).filter { root[$0] != nil })
        }
        if !wanted.isEmpty, root["provenance"] != nil { wanted.insert("provenance") }
        return wanted.filter { path in
            !wanted.contains { $0 != path && SealedHeader.path($0, covers: path) }
        }.sorted(by: ByteText.precedes)
    }

    /// Takes fields out of the draft, to be sealed: their paths and values in the order given.
    ///
    /// - Throws: where a path cannot be sealed or is not there.
    public mutating func takeFields(_ paths: [String]) throws(RecordProblem) -> [(path: String, value: JSONValue)] {
        root = ordered
        var taken: [(path: String, value: JSONValue)] = []
        for path in paths {
            guard schema.isSealable(path) else {
                throw RecordProblem(path: Shown.name(path), reason: "cannot be sealed")
            }
            guard let value = self[path] else {
                throw RecordProblem(path: Shown.name(path), reason: "is not there to be sealed")
            }
            taken.append((path, value))
        }
        for path in paths {
            root.remove(path.split(separator: ".").map(String.init)[...])
        }
        return taken
    }

    /// Puts the header of the sealed fields in.
    public mutating func setSealed(_ header: SealedHeader) {
        root.set(header.value, at: ["sealed"])
    }

    /// The record as it stands, in the order in which a body has it. A TagPack confidence that has only its level gets
    /// the scheme and the value too.
    public var ordered: JSONValue {
        var root = root
        if let level = root["confidence"]?["level"]?.string.flatMap(ConfidenceLevel.named),
            root["confidence"]?["value"] == nil,
            [nil, ConfidenceLevel.scheme].contains(root["confidence"]?["scheme"]?.string)
        {
            root.set(.string(ConfidenceLevel.scheme), at: ["confidence", "scheme"])
            root.set(.integer(level.value), at: ["confidence", "value"])
        }
        return RecordDraft.isOrdered(root, schema.shape) ? root : RecordDraft.order(root, schema.shape)
    }

    /// The draft with all that its body will have: what policy is to decide on.
    public var completed: RecordDraft {
        var draft = self
        draft.root = ordered
        return draft
    }

    /// What is wrong with the draft before anything is sealed.
    public func problems() -> [RecordProblem] {
        var validator = RecordValidator(.draft)
        validator.check(ordered)
        return validator.problems
    }

    /// The bytes of the body, checked as for submission.
    public func body() throws(RecordProblems) -> [UInt8] {
        try finished().body
    }

    /// The bytes of the body, checked as for submission, and what they say.
    public func finished() throws(RecordProblems) -> (body: [UInt8], record: EntryRecord) {
        let body = JSONWriter.write(ordered)
        return (body, try EntryRecord.validate(body: body, forSubmission: true))
    }

    private static func isOrdered(_ value: JSONValue, _ shape: ObjectShape) -> Bool {
        guard case .object(let members) = value else { return true }
        var next = 0
        for member in members {
            guard let position = shape.position(of: member.name, expected: next), position >= next else { return false }
            next = position + 1
            switch (shape.fields[position].kind, member.value) {
            case (.object(let inner), _):
                if !isOrdered(member.value, inner) { return false }
            case (.list(.object(let inner), _), .array(let elements)):
                for element in elements where !isOrdered(element, inner) {
                    return false
                }
            default: break
            }
        }
        return true
    }

    private static func order(_ value: JSONValue, _ shape: ObjectShape) -> JSONValue {
        guard case .object(let members) = value else { return value }
        var slots = [JSONMember?](repeating: nil, count: shape.fields.count)
        var unknown: [JSONMember] = []
        for (index, member) in members.enumerated() {
            guard let position = shape.position(of: member.name, expected: index) else {
                unknown.append(member)
                continue
            }
            var member = member
            switch (shape.fields[position].kind, member.value) {
            case (.object(let inner), _): member.value = order(member.value, inner)
            case (.list(.object(let inner), _), .array(let elements)):
                member.value = .array(elements.map { order($0, inner) })
            default: break
            }
            slots[position] = member
        }
        return .object(slots.compactMap { $0 } + unknown)
    }
}

extension JSONValue {
    /// Puts a value at a path, making objects and lists on the way; false where a position is past the end or a plain
    /// value is in the way.
    @discardableResult
    mutating func set(_ value: JSONValue, at path: [String]) -> Bool {
        set(value, at: path[...])
    }

    private mutating func set(_ value: JSONValue, at path: ArraySlice<String>) -> Bool {
        guard let name = path.first else {
            self = value
            return true
        }
        let rest = path.dropFirst()
        let isPosition = path.dropFirst().first.map { ASCIIText.unsigned($0.utf8) != nil } ?? false
        let fresh: JSONValue = isPosition ? .array([]) : .object([])
        switch self {
        case .object(var members):
            // Given back below: with a second owner, the first change would copy the array.
            self = .null
            defer { self = .object(members) }
            if let index = members.firstIndex(where: { ByteText.same($0.name, name) }) {
                return members[index].value.set(value, at: rest)
            }
            var child = fresh
            guard child.set(value, at: rest) else { return false }
            members.append(JSONMember(name, child))
            return true
        case .array(var elements):
            guard let number = ASCIIText.unsigned(name.utf8), let index = Int(exactly: number),
                index <= elements.count
            else { return false }
            self = .null
            defer { self = .array(elements) }
            if index < elements.count { return elements[index].set(value, at: rest) }
            var child = fresh
            guard child.set(value, at: rest) else { return false }
            elements.append(child)
            return true
        default:
            return false
        }
    }

    /// Removes the member at a path of names, and the objects on the way that it leaves empty.
    mutating func remove(_ path: ArraySlice<String>) {
        guard let name = path.first, case .object(var members) = self,
            let index = members.firstIndex(where: { ByteText.same($0.name, name) })
        else { return }
        if path.count == 1 {
            members.remove(at: index)
        } else {
            members[index].value.remove(path.dropFirst())
            if case .object(let inner) = members[index].value, inner.isEmpty { members.remove(at: index) }
        }
        self = .object(members)
    }
}
