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
        /// Whether the command has `--seal`, so that a refusal may advise it.
        public var offersSeal: Bool

        public init(
            sealed: [String] = [], inClear: [String] = [], readers: [String] = [], offersSeal: Bool = false
        ) {
            self.sealed = sealed
            self.inClear = inClear
            self.readers = readers
            self.offersSeal = offersSeal
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
    private let names: SealedNames

    public init(node: String, members: [String], defaults: SealingDefaults) {
        self.node = node
        self.members = Set(members)
        self.defaults = defaults
        names = SealedNames(defaults: defaults)
    }

    /// Throws ``SealingRefusal`` where something would stand in clear that must not, `RecordProblem` for a draft that
    /// is sealed already.
    public func decision(on draft: RecordDraft, wishes: Wishes = Wishes()) throws -> Decision {
        guard draft["sealed"] == nil else {
            throw RecordProblem(
                path: "sealed", reason: "is made when a record is written; give the fields themselves")
        }
        // As its body will be: a level of confidence brings a value with it.
        let draft = draft.completed
        let type = draft.schema.type
        let open = wishes.inClear
        let byDefault = fieldsByDefault(of: draft).filter { field in !open.contains { covers($0, field) } }
        // What an import kept under names of its source is held to the same rule.
        let parts = names.parts(of: draft, inClear: open)
        let fields = draft.fieldsToSeal(with: byDefault + wishes.sealed + parts)
        for field in open {
            guard draft[field] != nil, fields.contains(where: { covers($0, field) || covers(field, $0) }) else {
                continue
            }
            throw SealingRefusal.sealedAnyway(field: field)
        }
        for (field, rule) in defaults.neverInClear(of: type)
        where draft[field] != nil && !fields.contains(where: { covers($0, field) }) {
            let option = open.first { covers($0, field) || covers(field, $0) }
            let key = defaults.key(sealing: field, of: type)
            let sealing: SealingRefusal.Remedy =
                draft.schema.isSealable(field)
                ? .sealing(key: key, offersSeal: wishes.offersSeal) : .leavingOut(type: type)
            throw SealingRefusal.neverInClear(
                field: field, rule: rule, remedy: option.map { .withoutInClear($0) } ?? sealing)
        }
        let readers =
            wishes.readers.isEmpty ? defaults.readers(of: type).filter(members.contains) : wishes.readers
        return Decision(fields: fields, readers: Set(readers + [node]).sorted())
    }

    /// A field that stands in the open in a record, and would not if it were written today.
    public struct Exposure: Sendable, Hashable {
        public let field: String
        /// Whether no command could leave it in the open: it is never to stand there, or the record's TLP asks for
        /// sealing. Others may have been left open on purpose.
        public let isRefused: Bool
    }

    /// What stands in the open in a record that was written already, sorted.
    ///
    /// - Parameters:
    ///   - draft: the record without its `sealed`.
    ///   - isSealed: whether it has that, and so has fields which are in the open no more.
    func exposures(in draft: RecordDraft, isSealed: Bool) -> [Exposure] {
        let never = defaults.neverInClear(of: draft.schema.type).map(\.field).filter { draft[$0] != nil }
        // What is named in a part that a command would leave open is there for good reason all the same.
        let refusedParts = names.parts(of: draft, inClear: ["provenance", "context"])
        let withSealed = isSealed && draft["provenance"] != nil ? ["provenance"] : []
        let isMarked = draft["tlp"]?.string.flatMap(TLP.init(rawValue:))?.requiresSealing == true
        let fields = draft.fieldsToSeal(
            with: fieldsByDefault(of: draft) + names.parts(of: draft, inClear: []) + never + withSealed)
        return fields.map { field in
            let isRefused =
                isMarked || refusedParts.contains(field) || never.contains { covers(field, $0) || covers($0, field) }
            return Exposure(field: field, isRefused: isRefused)
        }
    }

    /// Whether a field that a command line names will be sealed, so that its value had better not be typed there.
    public func seals(_ path: String, of type: RecordType, wishes: Wishes) -> Bool {
        if wishes.sealed.contains(where: { covers($0, path) }) { return true }
        if wishes.inClear.contains(where: { covers($0, path) }) { return false }
        return defaults.fields(of: type).contains { covers($0, path) }
            || (path == SealingPolicy.source && defaults.source(of: type) == .always)
    }

    /// Whether a name in a part of a draft, such as a `context` that is JSON, has that part sealed.
    public func seals(_ part: String, byNameIn draft: RecordDraft, wishes: Wishes) -> Bool {
        names.parts(of: draft, inClear: wishes.inClear).contains(part)
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
            let found = rules.map { rule in rule.first { covers($0.field, field) } }
            if let first = found.first ?? nil, found.allSatisfy({ $0 != nil }) {
                return .neverInClear(field: field, rule: first.key, remedy: .withoutInClear(field))
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
    /// What would let the record pass.
    public enum Remedy: Sendable, Hashable {
        /// The command asked for it with `--in-clear` and this name.
        case withoutInClear(String)
        /// This key in node.yaml does not seal it; nor does the command, which may have `--seal`.
        case sealing(key: String, offersSeal: Bool)
        /// Nothing of this type of record is sealed: all who hold the log must be able to act on it.
        case leavingOut(type: RecordType)
    }

    /// node.yaml forbids it in clear, under this key.
    case neverInClear(field: String, rule: String, remedy: Remedy)
    /// It was to stay open, and has to be sealed for another reason.
    case sealedAnyway(field: String)

    public var description: String {
        switch self {
        case .neverInClear(let field, let rule, let remedy):
            "\(field) would stand in clear, which \(rule) in node.yaml forbids; " + remedy.advice(for: field)
        case .sealedAnyway(let field):
            "\(field) cannot stay in clear: the record's tlp, another field that is sealed, or a name in it that "
                + "node.yaml lists as never_in_clear takes it along; leave out --in-clear \(field)"
        }
    }
}

extension SealingRefusal.Remedy {
    fileprivate func advice(for field: String) -> String {
        switch self {
        case .withoutInClear(let name): "leave out --in-clear \(name)"
        case .sealing(let key, let offersSeal):
            // The list of fields takes no source: that has a key of its own.
            (key.hasSuffix(".source") ? "set \(key) to always there" : "add it to \(key) there")
                + (offersSeal ? ", seal it with --seal \(field)," : "") + " or leave it out"
        case .leavingOut(let type): "nothing of a record of type \(type) can be sealed, so leave it out"
        }
    }
}
