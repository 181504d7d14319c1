/// The fields of one record type: the one table from which validation, the reading of `--field` texts, JSON Schema
/// documents and help texts come.
public final class RecordSchema: Sendable {
    public let type: RecordType
    /// One line on what a record of this type says.
    public let summary: String
    package let shape: ObjectShape

    init(_ type: RecordType, _ summary: String, _ shape: ObjectShape) {
        self.type = type
        self.summary = summary
        self.shape = shape
    }

    /// Every type, in the order in which to show them.
    public static let all: [RecordSchema] = [
        members, actor, attribution, incident, transfer, assessment, withdrawal, grant, erasure, key,
    ]

    private static let byType = Dictionary(uniqueKeysWithValues: all.map { ($0.type.rawValue, $0) })

    /// The schema of a type; `nil` for one that this version does not know.
    public static func of(_ type: RecordType) -> RecordSchema? { byType[type.rawValue] }

    /// Every field in the order in which a body has them, the common ones among them.
    public var fields: [RecordField] { shape.fields }

    /// The fields that say something of this type, without the common ones.
    public var ownFields: [RecordField] { shape.fields.filter { !RecordSchema.commonNames.contains($0.name) } }

    /// The field at a path of names and list positions, for example `confidence.level` or `from.0.address`.
    public func field(at path: String) -> RecordField? {
        if !path.utf8.contains(UInt8(ascii: ".")) { return shape.field(path) }
        var shape: ObjectShape? = self.shape
        var found: RecordField?
        var isInList = false
        for part in path.split(separator: ".", omittingEmptySubsequences: false) {
            if isInList, ASCIIText.unsigned(part.utf8) != nil {
                isInList = false
                continue
            }
            guard !isInList, let field = shape?.field(String(part)) else { return nil }
            found = field
            switch field.kind {
            case .object(let inner): shape = inner
            case .list(.object(let inner), _):
                shape = inner
                isInList = true
            case .list:
                shape = nil
                isInList = true
            default: shape = nil
            }
        }
        return found
    }

    /// Whether the field at a path can be sealed: a field that is sealable itself, or one inside of it that is
    /// reached without going through a list.
    public func isSealable(_ path: String) -> Bool {
        let parts = path.split(separator: ".", omittingEmptySubsequences: false)
        guard let first = parts.first, let top = shape.field(String(first)), top.sealing != .never,
            !parts.contains(where: { ASCIIText.unsigned($0.utf8) != nil })
        else { return false }
        return parts.count == 1 || field(at: path) != nil
    }

    /// The fields of this type that can be sealed, by name, in order.
    public var sealableFields: [RecordField] { shape.fields.filter { $0.sealing != .never } }

    /// The names of the fields of a body not yet sealed that policy seals unless somebody says otherwise.
    public func fieldsSealedByDefault(in body: JSONValue) -> [String] {
        shape.fields.compactMap { field in
            guard let value = body[field.name] else { return nil }
            switch field.sealing {
            case .never, .onRequest: return nil
            case .byDefault: return field.name
            case .byDefaultUnlessPublic: return RecordSchema.isPublicSource(value) ? nil : field.name
            }
        }
    }

    /// Whether a source is one that anybody can look up: a web address.
    public static func isPublicSource(_ value: JSONValue) -> Bool {
        guard let text = value.string else { return false }
        let hasScheme = text.hasPrefix("https://") || text.hasPrefix("http://")
        // A name and password before the host are not for everybody, nor is what somebody wrote behind the address.
        return hasScheme
            && text.unicodeScalars.allSatisfy { scalar in
                scalar != "@" && !scalar.properties.isWhitespace && scalar.properties.generalCategory != .control
                    && scalar.properties.generalCategory != .format
            }
    }
}
