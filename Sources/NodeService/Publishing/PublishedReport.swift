public import Cryptography
public import TransparencyLog

/// What an audit of a published log found.
public struct PublishedReport: Sendable {
    public struct Problem: Sendable, Hashable {
        /// The path below the log's prefix.
        public let file: String
        /// The first entry that it touches, where it touches one.
        public let entry: UInt64?
        public let text: String
    }

    /// Who holds the log, and since when at the latest.
    public struct DatedCosignature: Sendable, Hashable {
        public let name: String
        /// Unix seconds.
        public let time: UInt64
    }

    public let origin: String
    public var size: UInt64 = 0
    /// As the checkpoint says; `nil` where it could not be believed.
    public var signedRoot: SHA256Digest?
    public var cosignatures: [DatedCosignature] = []
    /// The entries by which the log's key was replaced.
    public var keyChanges: [UInt64] = []
    public var problems: [Problem] = []
    /// How many problems there are; those beyond the first hundred are counted only.
    public var problemCount = 0
    /// What the policy says, where there is one and the checkpoint is one of the log's.
    public internal(set) var verdict: WitnessPolicy.Verdict?
    /// What was not checked, or cannot be seen from tiles.
    public var unproved: [String] = []
    public var bundles: UInt64 = 0
    public var tiles: UInt64 = 0

    public var isSound: Bool { problemCount == 0 && signedRoot != nil }

    init(origin: String) {
        self.origin = origin
    }

    mutating func found(_ file: PublishedFile, _ text: String) {
        problems.append(Problem(file: file.path, entry: nil, text: text))
        problemCount += 1
    }

    mutating func add(_ walk: PublishedWalk) {
        problems += walk.findings.map { Problem(file: $0.file.path, entry: $0.entry, text: $0.text) }
        problemCount += walk.findingCount
        if let entry = walk.unknownFrom {
            unproved.append(
                "from entry \(entry) on the root and the tiles above the leaves: what they are made of cannot be read")
        }
    }
}
