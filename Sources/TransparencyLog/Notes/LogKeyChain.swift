import Cryptography

/// One key of a log taking the place of another, as a `key` record in the log says it with the signatures of both.
public struct LogKeyChange: Sendable, Hashable {
    /// The size of the log with the record as its last entry. The checkpoint of that size, signed by both keys, is the
    /// stepping stone; smaller ones are the old key's, larger ones the new one's.
    public let size: UInt64
    public let old: VerifierKey
    public let new: VerifierKey

    public init(size: UInt64, old: VerifierKey, new: VerifierKey) {
        self.size = size
        self.old = old
        self.new = new
    }

    /// What both keys sign: four lines, each ended by a line feed. No checkpoint begins like that, since the first line
    /// of one is the origin, which is the name of the key.
    ///
    ///     entente log key 1
    ///     <origin>
    ///     <vkey of the old key>
    ///     <vkey of the new key>
    public static func statement(old: VerifierKey, new: VerifierKey) -> [UInt8] {
        [UInt8]("entente log key 1\n\(old.name)\n\(old.text)\n\(new.text)\n".utf8)
    }

    /// The change that a record at this index states. `nil` unless both keys are the origin's, differ, and have signed.
    public init?(
        index: UInt64, origin: String, old: String, new: String, signature: (VerifierKey) -> [UInt8]?
    ) {
        guard index < TreeLimits.maximumSize, let old = try? VerifierKey(parsing: old),
            let new = try? VerifierKey(parsing: new), old.publicKey != new.publicKey
        else { return nil }
        for key in [old, new] {
            guard key.algorithm == .ed25519, KeyName.same(key.name, origin), let signature = signature(key),
                key.publicKey.verifies(signature, of: LogKeyChange.statement(old: old, new: new))
            else { return nil }
        }
        self.init(size: index + 1, old: old, new: new)
    }
}

/// The keys that may sign a log's checkpoints, each for its own sizes.
///
/// Trust begins at the anchor, which is the key in the peer card that the log was first known by. Changes lead from it
/// to later keys, and, for who came later and was given a later key, back to earlier ones.
public struct LogKeyChain: Sendable, Hashable {
    /// A key and the sizes of the checkpoints that it may sign.
    public struct Reign: Sendable, Hashable {
        public let key: VerifierKey
        public let sizes: ClosedRange<UInt64>
    }

    public let anchor: VerifierKey
    /// In order.
    public let reigns: [Reign]
    /// The changes that link the keys, in order; those that lead nowhere are left out.
    public let changes: [LogKeyChange]

    /// The key that signs now.
    public var current: VerifierKey { reigns.last?.key ?? anchor }
    public var keys: [VerifierKey] { reigns.map(\.key) }

    public init(anchor: VerifierKey, changes: [LogKeyChange] = []) {
        self.anchor = anchor
        guard !changes.isEmpty else {
            self.changes = []
            reigns = [Reign(key: anchor, sizes: 0...UInt64.max)]
            return
        }
        // A key that has been in use never comes back, from whichever key the log is looked at.
        var seen: Set<VerifierKey> = []
        let known = changes.sorted { $0.size < $1.size }.filter { change in
            seen.insert(change.old)
            return seen.insert(change.new).inserted
        }
        // Back from the anchor to what came before it.
        var links: [LogKeyChange] = []
        var used: Set<VerifierKey> = [anchor]
        if var link = known.first(where: { $0.new == anchor }) {
            while true {
                guard used.insert(link.old).inserted else { break }
                links.insert(link, at: 0)
                guard let before = known.last(where: { $0.size < link.size && $0.new == link.old }) else { break }
                link = before
            }
        }
        // On from it.
        var end = anchor
        var size = links.last?.size ?? 0
        while let link = known.first(where: { $0.size > size && $0.old == end }), used.insert(link.new).inserted {
            links.append(link)
            end = link.new
            size = link.size
        }
        self.changes = links
        var reigns: [Reign] = []
        var first: UInt64 = 0
        for link in links {
            reigns.append(Reign(key: link.old, sizes: first...link.size))
            first = link.size
        }
        self.reigns = reigns + [Reign(key: end, sizes: first...UInt64.max)]
    }

    /// The keys that may sign a checkpoint of this size: one, and where it is a stepping stone two.
    public func keys(at size: UInt64) -> [VerifierKey] {
        reigns.filter { $0.sizes.contains(size) }.map(\.key)
    }

    /// The checkpoint of a note that one of the keys has signed which may sign at its size.
    ///
    /// Throws `notSignedByLog` where none of the keys has signed it, `retiredKey` where only one has that may not.
    public func verify(_ note: SignedNote) throws -> Checkpoint {
        let (checkpoint, signers) = try Checkpoint.open(note, logKeys: keys)
        let entitled = keys(at: checkpoint.size)
        guard signers.contains(where: entitled.contains) else {
            throw NoteError.retiredKey(origin: anchor.name, size: checkpoint.size)
        }
        return checkpoint
    }

    /// The same, and the note with the lines of the log's own keys only.
    public func open(_ note: SignedNote) throws -> (checkpoint: Checkpoint, note: SignedNote) {
        let checkpoint = try verify(note)
        // Whatever names one of the keys has verified.
        let lines = note.signatures.filter { line in keys.contains { $0.isNamed(by: line) } }
        return (checkpoint, try SignedNote(text: note.text, signatures: lines))
    }

    /// The keys that sign at this size and have a line in a note that was verified.
    public func signers(of note: SignedNote, size: UInt64) -> [VerifierKey] {
        keys(at: size).filter { key in note.signatures.contains { key.isNamed(by: $0) } }
    }

    /// Whether a note has a line of every key that signs at this size: of the one, at a stepping stone of both.
    public func isComplete(_ note: SignedNote, size: UInt64) -> Bool {
        signers(of: note, size: size).count == keys(at: size).count
    }

    /// The ids of a note's keys under the log's name that this chain does not lead to.
    public func foreignKeyIDs(of note: SignedNote) -> [UInt32] {
        note.signatures.filter { line in
            KeyName.same(line.name, anchor.name) && !keys.contains { $0.isNamed(by: line) }
        }.map(\.keyID)
    }
}
