import Cryptography
import Home
import LogStore
import Records

/// What sealed fields are found by: each text in them, by the path of its field and by the field's own name, in the
/// spelling in which clear fields are compared.
enum SealedTerms {
    struct Term: Hashable, Sendable {
        let field: String
        let key: [UInt8]
    }

    /// The terms of opened fields. `body` is the clear part, where an address may find its chain.
    static func terms(
        of opened: [(path: String, value: JSONValue)], schema: RecordSchema, body: JSONValue
    ) -> Set<Term> {
        var collector = Collector()
        for (path, value) in opened {
            guard let field = schema.field(at: path) else { continue }
            // `subject.address` alone may be sealed; its chain stands in the clear part then.
            var outer = body
            for part in path.split(separator: ".").dropLast() { outer = outer[String(part)] ?? .null }
            let chain = outer["chain"]?.string ?? opened.first { $0.path == sibling("chain", of: path) }?.value.string
            collector.add(value, field.kind, path: path, chain: chain)
        }
        return collector.terms
    }

    private static func sibling(_ name: String, of path: String) -> String {
        (path.split(separator: ".").dropLast().map(String.init) + [name]).joined(separator: ".")
    }

    private struct Collector {
        var terms: Set<Term> = []

        mutating func add(_ value: JSONValue, _ kind: FieldKind, path: String, chain: String?) {
            switch (kind, value) {
            case (.object(let shape), .object(let members)):
                let chain = value["chain"]?.string ?? chain
                for member in members {
                    guard let field = shape.field(member.name) else { continue }
                    add(member.value, field.kind, path: "\(path).\(member.name)", chain: chain)
                }
            case (.list(let element, _), .array(let elements)):
                for each in elements { add(each, element, path: path, chain: chain) }
            case (_, .string(let text)):
                guard SealedTerms.isIndexed(kind) else { return }
                var key = SealedTerms.key(text, kind)
                if case .address = kind, let chain { key = Array(AddressCheck.canonicalKey(text, on: chain).utf8) }
                terms.insert(Term(field: path, key: key))
                if let name = path.split(separator: ".").last, name.count < path.count {
                    terms.insert(Term(field: String(name), key: key))
                }
            default: break
            }
        }
    }

    /// Fields of few possible values have no place in the index: their digests would tell the values.
    static func isIndexed(_ kind: FieldKind) -> Bool {
        switch kind {
        case .line, .text, .slug, .address, .transactionHash, .time, .moment, .decimal, .reference, .sha256: true
        case .list(let element, _): isIndexed(element)
        case .object, .anyObject, .concept, .word, .constantText, .integer, .boolean, .chain, .node, .origin, .base64,
            .country:
            false
        }
    }

    static func key(_ text: String, _ kind: FieldKind) -> [UInt8] {
        switch kind {
        case .transactionHash, .sha256: Array(text.lowercased().utf8)
        case .slug, .time, .moment, .decimal, .reference, .address: Array(text.utf8)
        default: SearchText.normalised(text)
        }
    }
}

/// One condition on a sealed field: `case_number=2023-0417`.
public struct SealedCondition: Sendable, Hashable {
    public let field: String
    /// The spellings that match; an address may stand on several chains.
    let keys: Set<[UInt8]>

    /// Throws `usage` for a field that there is not, or of which no index is kept. Never quotes the value.
    public init(field: String, value: String) throws {
        let kinds = SealedCondition.kinds(of: field)
        guard !kinds.isEmpty else {
            throw HomeError(.usage, "no record has a field \(field) that can be sealed; see `entente help submit`")
        }
        let indexed = kinds.filter(SealedTerms.isIndexed)
        guard !indexed.isEmpty else {
            throw HomeError(
                .usage,
                "\(field) has few possible values, or parts of its own; no index is kept of it when it is sealed")
        }
        guard value.utf8.count <= 1 << 16, !value.isEmpty else {
            throw HomeError(.usage, "the value of \(field) must have 1 to 65536 bytes")
        }
        self.field = field
        var keys: Set<[UInt8]> = []
        for kind in indexed {
            var kind = kind
            while case .list(let element, _) = kind { kind = element }
            if case .address = kind {
                keys.formUnion(RecordIndex.addressKeys(value).map { Array($0.utf8) })
            }
            keys.insert(SealedTerms.key(value, kind))
        }
        self.keys = keys
    }

    /// What the field holds in each type of record that has it, by its path or by its own name.
    private static func kinds(of name: String) -> [FieldKind] {
        RecordSchema.all.flatMap { schema in
            schema.sealableFields.flatMap { field in found(field, path: field.name, name: name) }
        }
    }

    private static func found(_ field: RecordField, path: String, name: String) -> [FieldKind] {
        let own = path == name || field.name == name ? [field.kind] : []
        return own + field.fields.flatMap { found($0, path: "\(path).\($0.name)", name: name) }
    }
}

/// Keyed digests, cut so short that different values share one: who has the disk cannot tell which value a digest
/// stands for, nor be sure that two equal ones are of one value.
struct BlindDigest: Sendable {
    /// With three sealed fields a record, some hundred thousand records give each digest twenty.
    static let bits = 14

    private let key: SecretBytes

    init(key: SecretBytes) {
        self.key = key
    }

    func digest(_ term: SealedTerms.Term) -> UInt32 {
        let field = Array(term.field.utf8)
        let hash = BLAKE2b.hash([UInt8(truncatingIfNeeded: field.count)] + field + term.key, key: key)
        let word = UInt32(hash[0]) << 8 | UInt32(hash[1])
        return word >> UInt32(16 - BlindDigest.bits)
    }

    /// Tells another key, or another way of making digests, from this one.
    var fingerprint: [UInt8] { Array(BLAKE2b.hash([0] + Array("entente blind index 1".utf8), key: key).prefix(16)) }
}
