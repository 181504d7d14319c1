/// What may become of a field when a record is sealed.
public enum FieldSealing: Sendable, Hashable {
    /// Everybody has to see it: it cannot be sealed.
    case never
    /// It is sealed where somebody says so.
    case onRequest
    /// It is sealed unless somebody says otherwise.
    case byDefault
    /// As ``byDefault``, but a web address is public and stays open.
    case byDefaultUnlessPublic
}

/// One field of a record type, or of an object in it.
public final class RecordField: Sendable {
    public let name: String
    package let kind: FieldKind
    /// Whether a record without it is refused (a sealed field counts as there).
    public let isRequired: Bool
    public let sealing: FieldSealing
    /// One line on what it says.
    public let summary: String

    init(_ name: String, _ kind: FieldKind, _ isRequired: Bool, _ sealing: FieldSealing, _ summary: String) {
        self.name = name
        self.kind = kind
        self.isRequired = isRequired
        self.sealing = sealing
        self.summary = summary
    }

    /// What it holds, in a few words.
    public var title: String { kind.title }

    /// Whether it is a list, so that it may be given several times.
    public var isList: Bool {
        if case .list = kind { return true }
        return false
    }

    /// The words that it may hold, or usually does.
    public var vocabulary: Vocabulary? {
        switch kind {
        case .word(let vocabulary), .concept(let vocabulary): return vocabulary
        case .list(.word(let vocabulary), _), .list(.concept(let vocabulary), _): return vocabulary
        default: return nil
        }
    }

    /// The fields of the object, or of the objects in the list, that it holds.
    public var fields: [RecordField] {
        switch kind {
        case .object(let shape), .list(.object(let shape), _): return shape.fields
        default: return []
        }
    }
}

/// The fields of an object, in the order in which they are written, and the rules among them.
package final class ObjectShape: Sendable {
    /// While one field has this value, others are required or have no place.
    package struct Condition: Sendable {
        let field: String
        let value: String
        let requires: [String]
        let forbids: [String]
    }

    package let fields: [RecordField]
    /// Groups of fields of which exactly one is given.
    package let exactlyOne: [[String]]
    /// Groups of fields of which one or more are given.
    package let atLeastOne: [[String]]
    package let conditions: [Condition]
    /// Pairs of times of which the first is not after the second.
    package let ordered: [(first: String, second: String)]

    /// Positions in ``fields`` as bits.
    let requiredMask: UInt64
    let exactlyOneMasks: [UInt64]
    let atLeastOneMasks: [UInt64]
    let chain: Int?
    let checked: [Int]
    private let positions: [String: Int]

    /// At most 64 fields.
    init(
        _ fields: [RecordField], exactlyOne: [[String]] = [], atLeastOne: [[String]] = [],
        conditions: [Condition] = [], ordered: [(first: String, second: String)] = []
    ) {
        var positions: [String: Int] = [:]
        for (position, field) in fields.enumerated() {
            positions[field.name] = position
        }
        func mask(_ names: [String]) -> UInt64 {
            names.reduce(0) { mask, name in mask | (1 << UInt64(positions[name] ?? 63)) }
        }
        self.fields = fields
        self.exactlyOne = exactlyOne
        self.atLeastOne = atLeastOne
        self.conditions = conditions
        self.ordered = ordered
        requiredMask = mask(fields.filter(\.isRequired).map(\.name))
        exactlyOneMasks = exactlyOne.map(mask)
        atLeastOneMasks = atLeastOne.map(mask)
        chain = fields.firstIndex {
            if case .chain = $0.kind { return true }
            return false
        }
        checked = fields.indices.filter {
            switch fields[$0].kind {
            case .address, .transactionHash: true
            default: false
            }
        }
        self.positions = positions
    }

    /// The position of a field; `expected` is where a body in the usual order has it.
    @inline(__always)
    func position(of name: String, expected: Int) -> Int? {
        if expected < fields.count, fields[expected].name == name { return expected }
        return positions[name]
    }

    package func field(_ name: String) -> RecordField? {
        positions[name].map { fields[$0] }
    }
}
