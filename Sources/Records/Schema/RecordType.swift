/// What kind of record a body is. Partners may send types that this version does not know.
public struct RecordType: RawRepresentable, Sendable, Hashable {
    public let rawValue: String

    public init(rawValue: String) {
        self.rawValue = rawValue
    }

    public static let members = RecordType(rawValue: "members")
    public static let actor = RecordType(rawValue: "actor")
    public static let attribution = RecordType(rawValue: "attribution")
    public static let incident = RecordType(rawValue: "incident")
    public static let transfer = RecordType(rawValue: "transfer")
    public static let assessment = RecordType(rawValue: "assessment")
    public static let withdrawal = RecordType(rawValue: "withdrawal")
    public static let grant = RecordType(rawValue: "grant")
    public static let erasure = RecordType(rawValue: "erasure")
    public static let key = RecordType(rawValue: "key")

    /// Whether records of this type act on the log or the node that they stand in, and on nothing else.
    public var actsOnOwnLog: Bool {
        switch self {
        case .members, .withdrawal, .grant, .erasure, .key: true
        default: false
        }
    }

    /// Whether records of this type are only written by commands of their own, which ask, check and do what goes with
    /// them: whatever is submitted or imported under such a type would do it unasked.
    public var isWrittenByCommands: Bool { actsOnOwnLog && self != .withdrawal }
}

extension RecordType: CustomStringConvertible {
    public var description: String { rawValue }
}
