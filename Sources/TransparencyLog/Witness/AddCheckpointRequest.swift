import Cryptography

/// What a log sends to a witness (c2sp.org/tlog-witness, `add-checkpoint`): its new checkpoint, and the proof that it
/// extends the one that the witness cosigned last. What parses is written back identically.
///
///     old 20852014
///     <base64 hash>             0 to 63 times
///
///     <the checkpoint, a signed note>
public struct AddCheckpointRequest: Sendable, Hashable {
    /// The last component of the address, below the witness' prefix.
    public static let path = "add-checkpoint"
    /// The longest request, in bytes: 63 hashes and a note with sixteen of the largest signatures in use.
    public static let maximumByteCount = 64 << 10
    /// The most hashes of a proof.
    public static let maximumProofLength = 63

    /// The size that the witness cosigned last, as its client believes; 0 for none.
    public let oldSize: UInt64
    /// From the old size to the checkpoint's; without hashes where the old size is 0.
    public let proof: ConsistencyProof
    /// The checkpoint with its signatures. Whether its text is one of a checkpoint is another question.
    public let note: SignedNote

    public init(oldSize: UInt64, proof: ConsistencyProof, note: SignedNote) throws {
        guard proof.hashes.count <= AddCheckpointRequest.maximumProofLength else {
            throw AddCheckpointError.tooManyHashes(maximum: AddCheckpointRequest.maximumProofLength)
        }
        guard oldSize <= TreeLimits.maximumSize else { throw AddCheckpointError.badLine(number: 1) }
        self.oldSize = oldSize
        self.proof = proof
        self.note = note
        guard serialized.utf8.count <= AddCheckpointRequest.maximumByteCount else {
            throw AddCheckpointError.tooLong(maximum: AddCheckpointRequest.maximumByteCount)
        }
    }

    /// A request from its bytes.
    public init(parsing bytes: [UInt8]) throws {
        guard bytes.count <= AddCheckpointRequest.maximumByteCount else {
            throw AddCheckpointError.tooLong(maximum: AddCheckpointRequest.maximumByteCount)
        }
        var rest = bytes[...]
        var number = 0
        func line() throws -> ArraySlice<UInt8> {
            number += 1
            guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
                throw AddCheckpointError.badLine(number: number)
            }
            defer { rest = rest[(end + 1)...] }
            return rest[..<end]
        }
        let first = try line()
        guard first.starts(with: "old ".utf8), let oldSize = Decimal.parse(first.dropFirst(4)) else {
            throw AddCheckpointError.badLine(number: number)
        }
        var hashes: [SHA256Digest] = []
        while case let next = try line(), !next.isEmpty {
            guard hashes.count < AddCheckpointRequest.maximumProofLength else {
                throw AddCheckpointError.tooManyHashes(maximum: AddCheckpointRequest.maximumProofLength)
            }
            guard next.count == 44, let hash = SHA256Digest(base64: String(decoding: next, as: UTF8.self)) else {
                throw AddCheckpointError.badLine(number: number)
            }
            hashes.append(hash)
        }
        self.oldSize = oldSize
        proof = ConsistencyProof(hashes: hashes)
        do {
            note = try SignedNote(parsing: Array(rest))
        } catch let error as NoteError {
            throw AddCheckpointError.badNote(error)
        }
    }

    /// The request as it is sent.
    public var serialized: String {
        "old \(oldSize)\n" + proof.hashes.map { $0.base64 + "\n" }.joined() + "\n" + note.serialized
    }
}

/// Why a request to a witness, or its answer, is malformed.
public enum AddCheckpointError: Error, Hashable, Sendable {
    /// Longer than allowed, in bytes.
    case tooLong(maximum: Int)
    /// This line of a request, counted from 1, is not what the form asks for.
    case badLine(number: Int)
    case tooManyHashes(maximum: Int)
    /// What follows the empty line is no signed note.
    case badNote(NoteError)
    /// The text of the note is no checkpoint.
    case badCheckpoint(NoteError)
    /// A witness answered what the protocol does not allow.
    case badAnswer(status: Int)
}

extension AddCheckpointError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .tooLong(let maximum): "longer than \(maximum) bytes"
        case .badLine(1): "line 1 is not \"old N\" with a decimal size"
        case .badLine(let number): "line \(number) is neither a hash in base64 nor empty"
        case .tooManyHashes(let maximum): "a proof has at most \(maximum) hashes"
        case .badNote(let error): "what follows the empty line is no signed note: \(error)"
        case .badCheckpoint(let error): "the note is no checkpoint: \(error)"
        case .badAnswer(let status): "the witness answered \(status) with something that the protocol does not allow"
        }
    }
}
