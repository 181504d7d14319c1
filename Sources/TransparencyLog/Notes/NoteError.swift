/// Why a note, key, checkpoint, cosignature or proof file is refused.
public enum NoteError: Error, Hashable, Sendable {
    /// Longer than allowed, in bytes.
    case tooLong(maximum: Int)
    /// Not valid UTF-8.
    case notUTF8
    /// Holds a control character other than a line feed.
    case controlCharacter
    /// The text does not end with a line feed.
    case unfinishedText
    /// No empty line stands between a text and signatures.
    case noSignatures
    /// A signature line (counted from 1) is not `— name base64`.
    case badSignatureLine(number: Int)
    /// More signatures than allowed.
    case tooManySignatures(maximum: Int)
    /// A key name is empty or holds a space, a control character or a plus sign.
    case badName
    /// A verifier key is not `name+hash+base64`.
    case badKey
    /// A verifier key's type is neither Ed25519 (1) nor cosignature/v1 (4).
    case unsupportedKeyType(UInt8)
    /// A verifier key's hash is not that of its name, type and public key.
    case wrongKeyID(stated: UInt32, actual: UInt32)
    /// A key of another type is needed here.
    case wrongKeyType
    /// None of the signatures is by a known key.
    case noKnownSignature
    /// A signature by a known key does not verify.
    case badSignature(name: String, keyID: UInt32)
    /// The note is not signed by the log's own key.
    case notSignedByLog(origin: String)
    /// Signed by a key of the log that had been replaced, or was not in use yet, at this size.
    case retiredKey(origin: String, size: UInt64)
    /// The checkpoint is that of another log.
    case wrongOrigin(expected: String, actual: String)
    /// A checkpoint's text is not origin, size and root, a line each.
    case badCheckpoint
    /// The checkpoint's size is larger than supported.
    case sizeTooLarge(UInt64)
    /// A checkpoint of size 0 has another root than the empty tree's.
    case badEmptyRoot
    /// A time is later than 2^63 - 1 seconds.
    case badTime
    /// A signature is not one of cosignature/v1.
    case notACosignature
    /// A proof file breaks its format on this line, counted from 1.
    case badProofFile(line: Int)
    /// Fewer cosignatures of distinct known keys verify than are asked for.
    case tooFewCosignatures(required: Int, verified: Int)
}

extension NoteError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .tooLong(let maximum): "longer than \(maximum) bytes"
        case .notUTF8: "not valid UTF-8"
        case .controlCharacter: "holds a control character other than a line feed"
        case .unfinishedText: "the note's text does not end with a line feed"
        case .noSignatures: "no empty line followed by signature lines"
        case .badSignatureLine(let number): "signature line \(number) is not \"— name base64\""
        case .tooManySignatures(let maximum): "more than \(maximum) signatures"
        case .badName: "a key name must not be empty nor hold spaces, control characters or \"+\""
        case .badKey: "a verifier key is written name+hash+base64"
        case .unsupportedKeyType(let type): "verifier key type \(type) is not supported, only 1 and 4 are"
        case .wrongKeyID(let stated, let actual):
            "the verifier key says hash \(keyIDText(stated)), its content has \(keyIDText(actual))"
        case .wrongKeyType: "the key is of another type than this signature needs"
        case .noKnownSignature: "no signature by a known key"
        case .badSignature(let name, let keyID): "the signature by \(name) (\(keyIDText(keyID))) does not verify"
        case .notSignedByLog(let origin): "not signed by the key of \(origin)"
        case .retiredKey(let origin, let size):
            "a checkpoint of \(origin) for size \(size) by a key that does not sign the log at that size"
        case .wrongOrigin(let expected, let actual): "a checkpoint of \(actual), expected one of \(expected)"
        case .badCheckpoint: "a checkpoint has three lines: origin, decimal size, base64 root"
        case .sizeTooLarge(let size): "a log of \(size) entries is larger than supported (\(TreeLimits.maximumSize))"
        case .badEmptyRoot: "the checkpoint says size 0 but has another root than the empty log's"
        case .badTime: "the time is later than \(Int64.max) seconds"
        case .notACosignature: "not a cosignature: 8 bytes of time and 64 of signature"
        case .badProofFile(let line): "line \(line) of the proof file breaks its format"
        case .tooFewCosignatures(let required, let verified):
            "\(verified) cosignatures by known keys verify, \(required) are asked for"
        }
    }
}

/// A key id as verifier keys write it: eight lower-case hexadecimal digits.
func keyIDText(_ keyID: UInt32) -> String {
    let digits = String(keyID, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
}
