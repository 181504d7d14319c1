/// What the body of an entry says.
///
/// Hashes and signatures cover the body's bytes, never a value that was read from them and written again.
public struct EntryRecord: Sendable, Hashable {
    /// The longest body that is accepted, in bytes.
    public static let maximumBodyByteCount = 16_384

    /// The whole body, fields that this version does not know among them.
    public let value: JSONValue
    public let type: RecordType

    /// Checks a body and gives the record that it is.
    ///
    /// - Parameters:
    ///   - body: the bytes of an entry, 1 to 16,384.
    ///   - forSubmission: true for what this node is about to append: unknown fields, failing checksums of
    ///     addresses and, with TLP red or amber+strict, content that is not sealed are refused. False for what others
    ///     wrote.
    /// - Throws: every problem, with its place; never the value of a field.
    public static func validate(body: [UInt8], forSubmission: Bool) throws(RecordProblems) -> EntryRecord {
        guard (1...maximumBodyByteCount).contains(body.count) else {
            throw RecordProblems([
                RecordProblem(
                    path: "", reason: "a body must have 1 to \(maximumBodyByteCount) bytes, not \(body.count)")
            ])
        }
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONScanner.scan(body)
        } catch {
            throw RecordProblems([RecordProblem(path: "", reason: "is not I-JSON: \(error)")])
        }
        var validator = RecordValidator(forSubmission ? .submission : .reading)
        validator.check(value)
        guard validator.problems.isEmpty, let type = value["type"]?.string else {
            throw RecordProblems(validator.problems)
        }
        return EntryRecord(value: value, type: RecordType(rawValue: type))
    }

    /// Reads what a log holds, whoever wrote it. Never refuses: what cannot be read safely is kept as unreadable.
    ///
    /// A record of a known type may still have fields of the wrong kind; their accessors give `nil`. Ask
    /// ``problems()`` before acting on a record.
    public static func read(_ body: [UInt8]) -> ReadRecord {
        guard (1...65_535).contains(body.count) else { return .unreadable(reason: "not 1 to 65,535 bytes") }
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONScanner.scan(body)
        } catch {
            return .unreadable(reason: "not I-JSON: \(error)")
        }
        guard case .object = value else { return .unreadable(reason: "not a JSON object") }
        guard let type = value["type"]?.string else { return .unreadable(reason: "without a type") }
        guard case .integer(RecordSchema.version) = value["v"] else {
            return .unreadable(reason: "of a version that this program does not know")
        }
        return .record(EntryRecord(value: value, type: RecordType(rawValue: type)))
    }

    /// What is wrong with the record by the schema of its type, as far as this version knows it.
    public func problems() -> [RecordProblem] {
        var validator = RecordValidator(.reading)
        validator.check(value)
        return validator.problems
    }

    /// The addresses and transaction hashes of the record that fail the check of their chain, with the reason.
    public func addressProblems() -> [RecordProblem] {
        guard let schema = RecordSchema.of(type), case .object(let members) = value else { return [] }
        var validator = RecordValidator(.reading)
        validator.checkAllAddresses(members, schema.shape, prefix: "")
        return validator.problems
    }
}

/// An entry of a log, as far as it can be interpreted.
public enum ReadRecord: Sendable, Hashable {
    case record(EntryRecord)
    /// Kept and shown, never interpreted. The reason is half a sentence and quotes nothing.
    case unreadable(reason: String)

    public var record: EntryRecord? {
        if case .record(let record) = self { return record }
        return nil
    }
}
