public import Cryptography
public import TransparencyLog

/// A checkpoint with the note that signs it: what a log claims to be at one size.
public struct SignedHead: Sendable, Hashable {
    public let size: UInt64
    public let root: SHA256Digest
    /// The signed note, as it travels.
    public let note: String

    public init(size: UInt64, root: SHA256Digest, note: String) {
        self.size = size
        self.root = root
        self.note = note
    }
}

/// A log as this node holds it: its own, or a replica of a partner's.
public struct StoredLog: Sendable, Hashable {
    /// SHA-256 of the origin.
    public let id: SHA256Digest
    /// `<node>/<community>`, with a number behind it in a successor log.
    public let origin: String
    public let node: String
    public let community: String
    public let isOwn: Bool
    /// The vkey by which this log is known here: it signs the log's checkpoints, or did before it was replaced.
    public let verifierKey: String
    /// What the log says of keys that took the place of others.
    public let keyChanges: [LogKeyChange]
    /// Entries held: a contiguous verified prefix, which may reach beyond the head while a transfer is under way.
    public let size: UInt64
    /// The newest checkpoint whose entries are held completely.
    public let head: SignedHead?
    /// The checkpoint that a transfer under way is bringing in.
    public let pending: SignedHead?
    /// Why this log takes no more entries, if it does not.
    public let frozen: String?
    /// The largest size that partners have shown of this own log while it is being recovered from them; `nil` where it
    /// is not. Such a log grows like a replica, and takes no entries of this node's.
    public let recovering: UInt64?
    /// When the backup was made that this log came back with, in Unix seconds; `nil` once its owner has been asked, or
    /// where it was never restored. What was erased since may still be here, and nobody gets a sealed part of it.
    public let restored: UInt64?
    /// How many entries its owner had written when it went on in a successor; `nil` where no successor here says so.
    /// What stands behind them may be a thief's.
    public let givenUpAt: UInt64?
}

extension StoredLog {
    /// The keys that may sign this log's checkpoints. Throws where the one that it is known by cannot be read.
    public var keys: LogKeyChain {
        get throws { LogKeyChain(anchor: try VerifierKey(parsing: verifierKey), changes: keyChanges) }
    }
}

/// An entry that is about to be appended to an own log.
public struct NewEntry: Sendable {
    public let body: [UInt8]
    /// Keyed hash of what the record says apart from when and by whom; equal for doubles.
    public let doubleHash: UInt64
    /// The sealed envelope that the body names, if it names one.
    public let blob: NewBlob?

    public init(body: [UInt8], doubleHash: UInt64 = 0, blob: NewBlob? = nil) {
        self.body = body
        self.doubleHash = doubleHash
        self.blob = blob
    }
}

/// Bytes that lie beside a log and that one of its records names by hash.
public struct NewBlob: Sendable {
    public let sha256: SHA256Digest
    public let bytes: [UInt8]

    public init(sha256: SHA256Digest, bytes: [UInt8]) {
        self.sha256 = sha256
        self.bytes = bytes
    }
}

/// What became of one entry of a batch.
public enum AppendOutcome: Sendable, Hashable {
    case appended(index: UInt64, leafHash: SHA256Digest)
    /// The own log already says this, at this index.
    case double(of: UInt64)
}

/// The answer to a batch: durable, signed, and marked as shown.
public struct AppendResult: Sendable {
    public let outcomes: [AppendOutcome]
    public let head: SignedHead
}

/// An entry bundle as it is stored and as it travels.
public struct StoredBundle: Sendable, Hashable {
    /// The bundle holds entries `number * 256` and on.
    public let number: UInt64
    /// Entries in it: 256, fewer only in the last bundle of a log.
    public let entries: Int
    /// Whether `data` is a zstd frame (full bundles only) or the raw bundle.
    public let isCompressed: Bool
    public let data: [UInt8]

    public init(number: UInt64, entries: Int, isCompressed: Bool, data: [UInt8]) {
        self.number = number
        self.entries = entries
        self.isCompressed = isCompressed
        self.data = data
    }
}

/// One partner's dated statement that it holds a log up to a size.
public struct StoredCosignature: Sendable, Hashable {
    public let cosigner: String
    public let size: UInt64
    /// Unix seconds.
    public let time: UInt64
    /// The signature line of the note, without its line break.
    public let line: String

    public init(cosigner: String, size: UInt64, time: UInt64, line: String) {
        self.cosigner = cosigner
        self.size = size
        self.time = time
        self.line = line
    }
}

/// A blob by the record that names it.
public struct BlobReference: Sendable, Hashable {
    public let log: SHA256Digest
    public let index: UInt64
    public let sha256: SHA256Digest
    public let size: Int

    public init(log: SHA256Digest, index: UInt64, sha256: SHA256Digest, size: Int) {
        self.log = log
        self.index = index
        self.sha256 = sha256
        self.size = size
    }
}

/// Who may hold a log, from its newest `members` record.
public struct Membership: Sendable, Hashable {
    public let members: [String]
    /// Whether members that are not recipients carry sealed blobs too.
    public let membersCarrySealed: Bool

    public init(members: [String], membersCarrySealed: Bool) {
        self.members = members
        self.membersCarrySealed = membersCarrySealed
    }

    /// Whether a node is to hold sealed parts that are not for it.
    func makesCarrier(_ node: String) -> Bool { membersCarrySealed && members.contains(node) }
}

/// Where a node keeps its logs, the replicas of its partners' and the blobs beside them.
///
/// Every implementation promises:
/// - *Durable before told.* What a call returned is on the disk and survives a crash of the machine.
/// - *All or nothing.* A call that throws has changed nothing that another call can see.
/// - *Only what is proved.* Entries of replicas, and of own logs that are being recovered, come in through
///   ``commit(_:)``, which checks them against the pending checkpoint; the caller checks that checkpoint's signature and consistency before ``pin(_:of:)``.
/// - *One root a size.* An own log is signed inside the transaction that appends, and the signed mark is raised
///   before the answer, so that no restart, race or restored copy signs a second root for a size.
/// - *Several processes.* Two processes may use one store at once.
///
/// Calls block on the disk: they belong on a thread of their own, not on an event loop or in a task.
public protocol LogStorage: Sendable {
    /// All logs, by origin.
    func logs() throws -> [StoredLog]
    /// The log with this origin.
    func log(_ origin: String) throws -> StoredLog?
    /// Makes a log that does not exist yet, or gives the one that does. Empty until its first entries come.
    @discardableResult
    func createLog(origin: String, node: String, community: String, isOwn: Bool, verifierKey: String) throws
        -> StoredLog

    /// Appends to an own log in one transaction, signs the new checkpoint in it, and raises the signed mark after it.
    func append(_ entries: [NewEntry], to origin: String, options: AppendOptions) throws -> AppendResult

    /// Makes this the checkpoint that the next ranges of a replica are proved against.
    func pin(_ head: SignedHead, of log: SHA256Digest) throws
    /// Commits a verified range of a replica; its head moves when the pending checkpoint is complete.
    @discardableResult
    func commit(_ range: VerifiedRange) throws -> StoredLog

    /// The bundles that hold entries `range`, whole, in order.
    func bundles(of log: SHA256Digest, entries range: Range<UInt64>) throws -> [StoredBundle]
    /// The body of one entry.
    func body(of log: SHA256Digest, at index: UInt64) throws -> [UInt8]?
    /// Perfect nodes of a log's tree.
    func hashes(of log: SHA256Digest, at nodes: [NodeCoordinate]) throws -> [SHA256Digest]
    /// The checkpoints kept of a log, by size.
    func checkpoints(of log: SHA256Digest) throws -> [SignedHead]

    func cosignatures(of log: SHA256Digest) throws -> [StoredCosignature]
    func store(_ cosignature: StoredCosignature, of log: SHA256Digest) throws
    /// Records, before it is shown, that this node cosigns this head, which it holds; refuses one that goes back.
    /// Answers the time to sign: Unix seconds, never before the last cosignature of this log.
    @discardableResult
    func markCosigned(_ head: SignedHead, of log: SHA256Digest, time: UInt64) throws -> UInt64

    func membership(of log: SHA256Digest) throws -> Membership?
    /// Blobs of this log that this node is to hold and does not hold yet.
    func wantedBlobs(of log: SHA256Digest) throws -> [BlobReference]
    func blob(_ reference: BlobReference) throws -> [UInt8]?
    /// Stores the bytes of a blob that is wanted, after checking size and hash. Unwanted bytes are refused.
    func store(_ bytes: [UInt8], for reference: BlobReference) throws
}

/// How a batch is appended.
public struct AppendOptions {
    /// Signs a checkpoint: the root of the log at a size, as a signed note.
    public let sign: (_ size: UInt64, _ root: SHA256Digest) throws -> String
    /// Leaves out what the log already says; `nil` appends all.
    public let doubles: DoubleFilter?
    /// Called with the size of the log once nobody else can write to this store before the entries are in it. Throws
    /// where they were made from something that does not hold any more; nothing is appended then.
    public let check: (_ size: UInt64) throws -> Void

    public init(
        doubles: DoubleFilter? = nil, check: @escaping (_ size: UInt64) throws -> Void = { _ in },
        sign: @escaping (_ size: UInt64, _ root: SHA256Digest) throws -> String
    ) {
        self.sign = sign
        self.doubles = doubles
        self.check = check
    }
}
