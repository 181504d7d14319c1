public import Cryptography

/// A log that a witness cosigns: its origin, and the keys of which one must have signed each checkpoint.
///
/// Pure: ``admit(_:)`` judges what needs no state, ``AdmittedCheckpoint/decide(after:)`` the rest. Whoever holds the
/// state calls the second, writes the new state, makes it durable, all in one transaction, and only then answers.
public struct WitnessedLog: Sendable, Hashable {
    public let origin: String
    public let keys: [VerifierKey]

    /// Throws ``NoteError`` for an origin that no checkpoint can have, for no key at all, or one of another type than
    /// logs sign with.
    public init(origin: String, keys: [VerifierKey]) throws {
        try Checkpoint.checkOriginLine(origin)
        guard !keys.isEmpty, keys.allSatisfy({ $0.algorithm == .ed25519 }) else { throw NoteError.wrongKeyType }
        self.origin = origin
        self.keys = keys
    }

    /// Judges a request as far as that is possible without knowing what was cosigned before: 400, 404 and 403.
    public static func admit(
        _ request: AddCheckpointRequest, log: (_ origin: String) throws -> WitnessedLog?
    ) rethrows -> Admission {
        let checkpoint: Checkpoint
        do {
            checkpoint = try Checkpoint(parsingForeign: request.note.text)
        } catch let error as NoteError {
            return .refused(.malformed(reason: "\(AddCheckpointError.badCheckpoint(error))"))
        } catch {
            return .refused(.malformed(reason: "the note is no checkpoint"))
        }
        guard let log = try log(checkpoint.origin), KeyName.same(log.origin, checkpoint.origin) else {
            return .refused(.unknownLog(reason: "this witness knows no log of this origin"))
        }
        let note: SignedNote
        do {
            let keys = try request.note.verifiedKeys(among: log.keys)
            // One line a key: what is kept of a log stays small, however often it repeats itself.
            let lines = keys.compactMap { key in
                request.note.signatures.first { SignedNote.verifies($0, of: request.note.text, by: key) }
            }
            note = try SignedNote(text: request.note.text, signatures: lines)
        } catch NoteError.badSignature {
            return .refused(.notSigned(reason: "a signature under a known key of this log does not verify"))
        } catch {
            return .refused(.notSigned(reason: "none of the signatures is by a known key of this log"))
        }
        guard request.oldSize <= checkpoint.size else {
            return .refused(.malformed(reason: "the old size is larger than the checkpoint's"))
        }
        return .admitted(
            AdmittedCheckpoint(
                checkpoint: checkpoint, note: note, oldSize: request.oldSize, proof: request.proof))
    }

    /// What is known of a request before anybody looks at the state.
    public enum Admission: Sendable, Hashable {
        case admitted(AdmittedCheckpoint)
        case refused(AddCheckpointAnswer)
    }
}

/// A checkpoint that its log has signed, with what its sender says of the one cosigned before.
public struct AdmittedCheckpoint: Sendable, Hashable {
    public let checkpoint: Checkpoint
    /// The checkpoint with the lines of the log's own keys only, one each, all of which verify.
    public let note: SignedNote
    public let oldSize: UInt64
    public let proof: ConsistencyProof

    /// What a witness cosigned last.
    public struct Last: Sendable, Hashable {
        public let size: UInt64
        public let root: SHA256Digest

        public init(size: UInt64, root: SHA256Digest) {
            self.size = size
            self.root = root
        }
    }

    public enum Decision: Sendable, Hashable {
        /// The checkpoint is to be written as the last one, and then cosigned.
        case cosign
        /// Nothing changes. Where `isFork`, the log has signed two roots for the size cosigned last, and this checkpoint
        /// with that one proves it, whatever the answer is.
        case refuse(AddCheckpointAnswer, isFork: Bool)
    }

    /// Decides what becomes of the checkpoint: 409, 422, or a cosignature.
    public func decide(after last: Last?) -> Decision {
        let isFork = last.map { $0.size == checkpoint.size && $0.root != checkpoint.root } ?? false
        let size = last?.size ?? 0
        guard oldSize == size else { return .refuse(.conflict(size: size), isFork: isFork) }
        guard !isFork else {
            return .refuse(.unproved(reason: "another root was cosigned for this size"), isFork: true)
        }
        if size == 0 {
            guard proof.hashes.isEmpty else {
                return .refuse(.unproved(reason: "a proof from size 0 has no hashes"), isFork: false)
            }
            return .cosign
        }
        do {
            try proof.verify(
                oldSize: size, oldRoot: last?.root ?? MerkleHasher.emptyRoot, newSize: checkpoint.size,
                newRoot: checkpoint.root, hasher: MerkleHasher())
        } catch {
            return .refuse(.unproved(reason: "the proof does not verify"), isFork: false)
        }
        return .cosign
    }
}

extension Checkpoint {
    /// The checkpoint of a log that is none of a federation's: its origin is any line, with spaces perhaps, as those of
    /// older logs have.
    public init(parsingForeign text: String) throws {
        try self.init(parsing: text, checking: Checkpoint.checkOriginLine)
    }

    /// Throws ``NoteError/badName`` for what cannot be the first line of a checkpoint.
    static func checkOriginLine(_ origin: String) throws {
        guard !origin.isEmpty, origin.utf8.count <= KeyName.maximumByteCount,
            origin.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else { throw NoteError.badName }
    }
}
