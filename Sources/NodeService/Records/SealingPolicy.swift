public import Home
public import Records

/// Which fields of a record are sealed and to whom: what node.yaml says, what its TLP asks for, and what a command
/// asks for beyond that. Every record of this node passes here on its way into a log.
public struct SealingPolicy: Sendable {
    /// What a command asks for.
    public struct Wishes: Sendable {
        /// Fields to seal beyond those that are sealed anyway.
        public var sealed: [String]
        /// Fields to leave open although node.yaml seals them by default.
        public var inClear: [String]
        /// Nodes that can open what is sealed, in place of those that node.yaml names.
        public var readers: [String]

        public init(sealed: [String] = [], inClear: [String] = [], readers: [String] = []) {
            self.sealed = sealed
            self.inClear = inClear
            self.readers = readers
        }
    }

    public struct Decision: Sendable, Hashable {
        /// Sorted paths; empty where nothing is sealed.
        public let fields: [String]
        /// This node and the others, sorted.
        public let readers: [String]
    }

    let node: String
    private let members: Set<String>
    private let defaults: SealingDefaults

    public init(node: String, members: [String], defaults: SealingDefaults) {
        self.node = node
        self.members = Set(members)
        self.defaults = defaults
    }

    /// Throws ``SealingRefusal`` where something would stand in clear that must not, `RecordProblem` for a draft that
    /// is sealed already.
    public func decision(on draft: RecordDraft, wishes: Wishes = Wishes()) throws -> Decision {
        guard draft["sealed"] == nil else {
            throw RecordProblem(
                path: "sealed", reason: "is made when a record is written; give the fields themselves")
        }
        let type = draft.schema.type
        let open = wishes.inClear
        let byDefault = fieldsByDefault(of: draft).filter { field in !open.contains { covers($0, field) } }
        let fields = draft.fieldsToSeal(with: byDefault + wishes.sealed)
        for field in open {
            guard draft[field] != nil, fields.contains(where: { covers($0, field) || covers(field, $0) }) else {
                continue
            }
            throw SealingRefusal.sealedAnyway(field: field)
        }
        let never = defaults.neverInClear(of: type)
        for field in never.fields where draft[field] != nil && !fields.contains(where: { covers($0, field) }) {
            throw SealingRefusal.neverInClear(field: field, rule: never.key)
        }
        let readers =
            wishes.readers.isEmpty ? defaults.readers(of: type).filter(members.contains) : wishes.readers
        return Decision(fields: fields, readers: Set(readers + [node]).sorted())
    }

    /// Whether a field that a command line names will be sealed, so that its value had better not be typed there.
    public func seals(_ path: String, of type: RecordType, wishes: Wishes) -> Bool {
        if wishes.sealed.contains(where: { covers($0, path) }) { return true }
        if wishes.inClear.contains(where: { covers($0, path) }) { return false }
        return defaults.fields(of: type).contains { covers($0, path) }
            || (path == SealingPolicy.source && defaults.source(of: type) == .always)
    }

    /// Refuses a name that stands for nothing: what it was to leave in the open would be sealed.
    public static func checkNames(_ wishes: Wishes) throws {
        for name in wishes.inClear where !RecordSchema.all.contains(where: { $0.field(at: name) != nil }) {
            throw HomeError(.usage, "--in-clear \(name) is no field of any type of record")
        }
    }

    /// Why no record can be written with these wishes, whatever is in it: node.yaml forbids it for all types that have
    /// the field.
    public func refusal(of wishes: Wishes) -> SealingRefusal? {
        for field in wishes.inClear {
            let rules = RecordSchema.all.filter { $0.isSealable(field) && $0.field(at: field) != nil }
                .map { defaults.neverInClear(of: $0.type) }
            if let first = rules.first, rules.allSatisfy({ $0.fields.contains { covers($0, field) } }) {
                return .neverInClear(field: field, rule: first.key)
            }
        }
        return nil
    }

    private func fieldsByDefault(of draft: RecordDraft) -> [String] {
        let type = draft.schema.type
        var fields = defaults.fields(of: type).filter { draft[$0] != nil && draft.schema.isSealable($0) }
        if draft[SealingPolicy.source] != nil {
            switch defaults.source(of: type) {
            case .always: fields.append(SealingPolicy.source)
            case .unlessPublic: fields += draft.fieldsSealedByDefault.filter { $0 == SealingPolicy.source }
            case .never: break
            }
        }
        return fields
    }

    private func covers(_ sealed: String, _ path: String) -> Bool { Records.SealedHeader.path(sealed, covers: path) }

    private static let source = "source"
}

/// Why a record is not written as it was asked for. Names fields and rules, never values.
public enum SealingRefusal: Error, Sendable, Hashable, CustomStringConvertible {
    /// node.yaml forbids it in clear, under this key.
    case neverInClear(field: String, rule: String)
    /// It was to stay open, and has to be sealed for another reason.
    case sealedAnyway(field: String)

    public var description: String {
        switch self {
        case .neverInClear(let field, let rule):
            "\(field) would stand in clear, which \(rule) in node.yaml forbids; seal it (`submit --seal \(field)`, or "
                + "add it to sealing.fields; no --in-clear), or leave it out"
        case .sealedAnyway(let field):
            "\(field) cannot stay in clear: the record's tlp, or another field that is sealed, takes it along; leave out "
                + "--in-clear \(field)"
        }
    }
}
