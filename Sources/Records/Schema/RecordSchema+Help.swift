extension RecordSchema {
    /// One field as a help text lists it.
    public struct HelpLine: Sendable, Hashable {
        /// What `--field` takes, for example `subject.chain`, or `from.0.address` for an element of a list.
        public let path: String
        /// What it holds.
        public let kind: String
        public let isRequired: Bool
        public let sealing: FieldSealing
        public let summary: String
    }

    /// The fields that somebody who submits a record may give, those inside of objects among them.
    public var help: [HelpLine] {
        let given = ownFields + shape.fields.filter { $0.name == "incident" && type != .incident }
        return given.flatMap { RecordSchema.help($0, prefix: "", isSealable: $0.sealing) }
    }

    private static func help(_ field: RecordField, prefix: String, isSealable: FieldSealing) -> [HelpLine] {
        let path = prefix + field.name
        switch field.kind {
        case .object(let shape):
            return shape.fields.flatMap { help($0, prefix: "\(path).", isSealable: isSealable) }
        case .list(.object(let shape), _):
            // Elements of a list are sealed together or not at all.
            return shape.fields.flatMap { help($0, prefix: "\(path).0.", isSealable: .never) }
        default:
            return [
                HelpLine(
                    path: path, kind: field.title, isRequired: field.isRequired, sealing: isSealable,
                    summary: field.summary)
            ]
        }
    }
}
