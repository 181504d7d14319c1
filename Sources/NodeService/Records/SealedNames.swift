import Home
import Records

/// Names that node.yaml seals, looked for where a record keeps what a source said under names of its own: in
/// `provenance`, and in a `context`. A part with such a name in it is sealed as a whole.
struct SealedNames: Sendable {
    private let defaults: SealingDefaults
    // As ``folded(_:)`` gives them. Those of every type: an attribution's source may well speak of an incident's victim.
    private let never: Set<[UInt8]>
    private let byDefault: [(path: String, folded: [UInt8])]
    private let all: Set<[UInt8]>
    /// Those with an underscore.
    private let joined: Set<[UInt8]>

    init(defaults: SealingDefaults) {
        self.defaults = defaults
        let rules = defaults.types.values
        never = Set((defaults.neverInClear + rules.flatMap { $0.neverInClear ?? [] }).map(SealedNames.folded))
        byDefault = (defaults.fields + rules.flatMap { $0.fields ?? [] }).map { ($0, SealedNames.folded($0)) }
        all = never.union(byDefault.map(\.folded))
        let paths = defaults.neverInClear + rules.flatMap { $0.neverInClear ?? [] } + byDefault.map(\.path)
        joined = Set(paths.filter { $0.contains("_") && !$0.contains(".") }.map(SealedNames.folded))
    }

    /// The parts of a draft that have such a name in them. A command may open (`--in-clear`) what is only sealed by
    /// default, by that name or by that of the part.
    func parts(of draft: RecordDraft, inClear open: [String]) -> [String] {
        ["provenance", "context"].filter { part in
            guard draft.schema.isSealable(part), let value = draft[part] else { return false }
            return search(part, of: draft.schema.type, inClear: open).isIn(value)
        }
    }

    private func search(_ part: String, of type: RecordType, inClear open: [String]) -> Search {
        guard !open.isEmpty else { return Search(self, names: all, source: defaults.source(of: type)) }
        guard !open.contains(part) else { return Search(self, names: never, source: .never) }
        let others = byDefault.filter { field in
            !open.contains { Records.SealedHeader.path($0, covers: field.path) }
        }
        return Search(
            self, names: never.union(others.map(\.folded)),
            source: open.contains("source") ? .never : defaults.source(of: type))
    }

    /// Letters and digits of ASCII in lower case: "Case Number" is `case_number`.
    private static func folded(_ name: String) -> [UInt8] {
        name.utf8.compactMap(folded)
    }

    private static func folded(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): byte
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
        default: nil
        }
    }

    /// A look through a value, at any depth.
    private struct Search {
        let names: Set<[UInt8]>
        let source: SealingDefaults.SourceSealing
        private let loose: LooseNames
        /// With the name of a source, whose value is not looked at.
        private let looseWithSource: LooseNames
        private let text: TextNames

        init(_ sealed: SealedNames, names: Set<[UInt8]>, source: SealingDefaults.SourceSealing) {
            self.names = names
            self.source = source
            loose = LooseNames(names: names, folded: SealedNames.folded)
            looseWithSource =
                source == .never
                ? loose : LooseNames(names: names.union([Array("source".utf8)]), folded: SealedNames.folded)
            text = TextNames(
                names: names, beforeColon: sealed.never, joined: sealed.joined, folded: SealedNames.folded)
        }

        /// `parent` is the name of the object that this stands in: `confidence: {level: …}` is `confidence.level`.
        func isIn(_ value: JSONValue, below parent: [UInt8] = []) -> Bool {
            switch value {
            case .array(let elements): elements.contains { isIn($0, below: parent) }
            case .object(let members):
                members.contains { member in
                    let name = SealedNames.folded(member.name)
                    return names.contains(name) || names.contains(parent + name)
                        || isSealedSource(member.value, name) || isIn(member.value, below: name)
                }
            case .string(let text): isIn(text)
            default: false
            }
        }

        /// Packs have objects and lists as texts, too, and such texts in texts. What only looks like one is searched as
        /// far as it can be read.
        private func isIn(_ whole: String) -> Bool {
            var text = whole[...]
            // What editors and notes put in front: a byte order mark, the fence of a code block.
            text = text.drop { $0.isWhitespace || $0 == "\u{FEFF}" }
            if text.hasPrefix("```") {
                text = text.drop { !$0.isNewline }.drop(while: \.isWhitespace)
                while let last = text.last, last == "`" || last.isWhitespace { text.removeLast() }
            }
            guard let first = text.first, "{[\"'".contains(first) else { return self.text.isIn(text) }
            if first != "'", let value = try? JSONScanner.scan(text: String(text)) { return isIn(value) }
            // Of a sentence that begins with a quotation only names in quotation marks count.
            return (first == "{" ? looseWithSource : loose).isIn(text, onlyQuoted: first == "\"" || first == "'")
                || self.text.isIn(text)
        }

        private func isSealedSource(_ value: JSONValue, _ name: [UInt8]) -> Bool {
            guard source != .never, name.elementsEqual("source".utf8) else { return false }
            return source == .always || !(value.array ?? [value]).allSatisfy(RecordSchema.isPublicSource)
        }
    }
}
