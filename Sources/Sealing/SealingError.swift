/// Why something was not sealed, or not accepted as sealed. Never quotes a value, only names that stand in clear in
/// the signed body.
public enum SealingError: Error, Hashable, Sendable {
    /// What was asked to be sealed or granted breaks a rule; the text says which.
    case notSealable(String)
    /// The key of a recipient is of small order: a box to it would open for anyone.
    case badRecipientKey(node: String)
    /// The blob would be, or is, larger than 1 MiB.
    case blobTooLarge(byteCount: Int)

    /// The signed body's part breaks a rule of the format; the text says which.
    case malformedHeader(String)
    /// The blob breaks the format at this byte; the text says what should stand there.
    case malformedBlob(offset: Int, expected: String)
    /// Made by a construction that this version does not know.
    case unknownSuite

    /// The blob has not the size that was signed.
    case wrongSize(expected: Int, actual: Int)
    /// The blob is not the one whose hash was signed.
    case wrongHash
    /// The signed body and the blob differ in this part.
    case disagreement(String)

    /// The record is not sealed to this node.
    case notARecipient(node: String)
    /// It is sealed to this node, but to a key (another epoch's) that was not given.
    case keyMissing(node: String)
    /// The box for this node does not open with the key that it names.
    case boxDoesNotOpen(node: String)
    /// The key in the box is not the one that the signed body commits to, or the body stands under another origin.
    case wrongCommitment
    /// The field's ciphertext is not this field's, record's or origin's, or was changed.
    case fieldDoesNotOpen(name: String)
    /// The field's padding is not the one that the format prescribes.
    case badPadding(name: String)

    /// A part of the grant breaks a rule; the text says which.
    case malformedGrant(String)
    /// The grant is for another record.
    case wrongGrantTarget
    /// The grant was not made with the key of the record that it names, or was changed.
    case wrongGrantCommitment
}

extension SealingError {
    /// The name of the check that failed, as published vectors and other openers call it.
    public var checkName: String {
        switch self {
        case .unknownSuite: "unknown_suite"
        case .malformedHeader: "malformed_header"
        case .malformedBlob, .blobTooLarge: "malformed_blob"
        case .wrongSize: "wrong_size"
        case .wrongHash: "wrong_hash"
        case .disagreement: "disagreement"
        case .notARecipient: "not_a_recipient"
        case .keyMissing: "key_missing"
        case .boxDoesNotOpen: "box_does_not_open"
        case .wrongCommitment: "wrong_commitment"
        case .fieldDoesNotOpen: "field_does_not_open"
        case .badPadding: "bad_padding"
        case .malformedGrant: "malformed_grant"
        case .wrongGrantTarget: "wrong_grant_target"
        case .wrongGrantCommitment: "wrong_grant_commitment"
        case .notSealable, .badRecipientKey: "not_sealable"
        }
    }
}

extension SealingError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notSealable(let rule): "cannot seal: \(rule)"
        case .badRecipientKey(let node): "cannot seal to \(node): its sealing key is unsafe; ask it for a new card"
        case .blobTooLarge(let count):
            "sealed fields take \(count) bytes, more than \(SealingSuite.maximumBlobByteCount): shorten them"
        case .malformedHeader(let rule): "sealed header: \(rule)"
        case .malformedBlob(let offset, let expected): "sealed blob, byte \(offset): expected \(expected)"
        case .unknownSuite: "sealed with an unknown construction, not \(SealingSuite.name): update this node"
        case .wrongSize(let expected, let actual): "sealed blob: \(actual) bytes instead of \(expected)"
        case .wrongHash: "sealed blob: not the bytes whose SHA-256 the record has; fetch it again"
        case .disagreement(let part): "sealed blob: its \(part) differ from the signed record's"
        case .notARecipient(let node): "not sealed to \(node): ask the author for a grant"
        case .keyMissing(let node): "sealed to a key of \(node) that is not at hand: add the keys of older epochs"
        case .boxDoesNotOpen(let node): "sealed blob: the box for \(node) does not open: ask the author to seal anew"
        case .wrongCommitment:
            "sealed blob: the record's commitment is to another key or origin; do not trust it, tell the other recipients"
        case .fieldDoesNotOpen(let name): "sealed field \(name): not authentic for this record"
        case .badPadding(let name): "sealed field \(name): wrong padding"
        case .malformedGrant(let rule): "grant: \(rule)"
        case .wrongGrantTarget: "grant: it is for another record"
        case .wrongGrantCommitment: "grant: not made with the key of the sealed record; do not trust it"
        }
    }
}
