public import Cryptography

/// A public signing key with its name, as peer cards carry it: a verifier key of C2SP signed notes.
///
/// The text is `name+hash+base64(type || key)`, where `hash` is the first four bytes of
/// `SHA-256(name || 0x0A || type || key)` in hexadecimal (c2sp.org/signed-note, "Verifier keys").
public struct CardKey: Sendable, Hashable {
    /// What the key signs, by its C2SP type byte.
    public enum Kind: UInt8, Sendable, Hashable {
        /// Checkpoints of a log.
        case log = 0x01
        /// Dated cosignatures of a node's mirror.
        case mirror = 0x04
    }

    /// The longest text accepted, in bytes: a name of 512 and the key.
    static let maximumByteCount = 600

    public let name: String
    public let kind: Kind
    public let publicKey: Ed25519.PublicKey

    public init(name: String, kind: Kind, publicKey: Ed25519.PublicKey) {
        self.name = name
        self.kind = kind
        self.publicKey = publicKey
    }

    /// The type byte and the 32 bytes of the key.
    var typedBytes: [UInt8] { [kind.rawValue] + publicKey.bytes }

    private var idText: String {
        let digest = SHA256.hash([UInt8](name.utf8) + [0x0A] + typedBytes)
        return Hexadecimal.encode(digest.bytes.prefix(4))
    }

    /// The key as text.
    public var text: String { "\(name)+\(idText)+" + Base64.encode(typedBytes) }

    /// Why a text is no key.
    struct Problem: Error {
        let message: String
    }

    /// Parses the text of a key of the given kind.
    init(parsing text: String, kind: Kind) throws(Problem) {
        guard text.utf8.count <= CardKey.maximumByteCount else {
            throw Problem(message: "is longer than \(CardKey.maximumByteCount) bytes")
        }
        // Base64 may hold plus signs of its own, so only the first two divide.
        let parts = text.unicodeScalars.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty else {
            throw Problem(message: "must read name+hash+base64, copied whole from the card")
        }
        guard let content = Base64.decode(String(parts[2])), let type = content.first else {
            throw Problem(message: "has a third part that is not base64; copy it again")
        }
        guard type == kind.rawValue else {
            throw Problem(message: "is of type \(type); a \(kind) key is of type \(kind.rawValue)")
        }
        guard let publicKey = try? Ed25519.PublicKey([UInt8](content.dropFirst())) else {
            throw Problem(
                message: "has \(content.count - 1) key bytes instead of \(Ed25519.PublicKey.byteCount); copy it again")
        }
        self.init(name: String(parts[0]), kind: kind, publicKey: publicKey)
        guard self.text.utf8.elementsEqual(text.utf8) else {
            throw Problem(message: "has a hash that does not fit its name and key; copy it again")
        }
    }
}

extension CardKey: CustomStringConvertible {
    public var description: String { text }
}
