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
        /// Sealed parts that the log's owner has had erased: they are not here, and none is missing.
        public let erased: Int
        /// Of these, parts that entries had erased which are none of their log's owner.
        public let erasedBeyondOwner: Int
        /// What a later audit, or an archive, needs of it; `nil` where not a whole log was read.
        public let end: End?

        package init(
            origin: String, size: UInt64, root: String, isSound: Bool, checkpoints: Int, cosignatures: Int, blobs: Int,
            erased: Int = 0, erasedBeyondOwner: Int = 0, end: End? = nil
        ) {
            self.origin = origin
            self.size = size
            self.root = root
            self.isSound = isSound
            self.checkpoints = checkpoints
            self.cosignatures = cosignatures
            self.blobs = blobs
            self.erased = erased
            self.erasedBeyondOwner = erasedBeyondOwner
            self.end = end
        }
    }

    public struct Problem: Sendable, Hashable {
        public let origin: String
        /// The first entry that the problem touches, where it touches one.
        public let entry: UInt64?
        public let text: String

        package init(origin: String, entry: UInt64?, text: String) {
            self.origin = origin
            self.entry = entry
            self.text = text
        }
    }

    /// Evidence that lies in the home, as it was checked again.
    public struct EvidenceFile: Sendable, Hashable {
        public let path: String
        /// What it is about: a log that forked, or a record; `nil` where the file cannot be read.
        public let subject: String?
        public let isSound: Bool
        /// What it proves, or why it proves nothing.
        public let text: String
    }

    public var logs: [LogResult] = []
    public var evidence: [EvidenceFile] = []
    public var problems: [Problem] = []
    /// What could not be proved, and why; never silently taken as good.
    public var unproved: [String] = []
    /// Logs for whose key, or for whose last entries, nobody but the database itself vouches.
    public var unanchored: [String] = []
    /// Entries that were read and that a checkpoint covers.
    public var entries: UInt64 = 0
    /// Entries of which the index says what the logs say; `nil` where it was not looked at.
    public var indexed: UInt64?
    /// How what is sealed to this node stands; `nil` where nothing of it was opened.
    public var sealed: SealedCensus?

    public var isSound: Bool { problems.isEmpty }

    public init() {}
}

/// A number with what it counts: `1 entry`, `2 entries`.
public func counted(_ number: some BinaryInteger, _ one: String, _ many: String) -> String {
    "\(number) \(number == 1 ? one : many)"
}
