/// What an audit found: for people, for archives, for courts.
public struct AuditReport: Sendable {
    public struct LogResult: Sendable {
        public let origin: String
        public let size: UInt64
        /// Root recomputed from the entries, standard base64.
        public let root: String
        public var isSound: Bool
        public let checkpoints: Int
        public let cosignatures: Int
        public let blobs: Int
    }

    public struct Problem: Sendable, Hashable {
        public let origin: String
        /// The first entry that the problem touches, where it touches one.
        public let entry: UInt64?
        public let text: String
    }

    public var logs: [LogResult] = []
    public var problems: [Problem] = []
    /// What could not be proved, and why; never silently taken as good.
    public var unproved: [String] = []
    public var entries: UInt64 = 0

    public var isSound: Bool { problems.isEmpty }

    public init() {}
}
