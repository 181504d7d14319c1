import Cryptography
import Foundation
import Sealing

/// docs/sealing-vectors.json: known answers for whoever writes another implementation. Bytes are hexadecimal, but for
/// `header`, which is written as in a record's body.
struct SealingVectors: Codable {
    struct Header: Codable {
        struct Recipient: Codable {
            var node: String
            var keyId: String
        }

        var suite: String
        /// Base64, as is the commitment.
        var salt: String
        var recipients: [Recipient]
        var fields: [String]
        var size: Int
        var sha256: String
        var commitment: String
    }

    struct Reader: Codable {
        var node: String
        var secretKey: String
    }

    struct Box: Codable {
        var node: String
        var keyId: String
        var box: String
    }

    struct Field: Codable {
        var name: String
        /// The value's JSON text.
        var value: String
        var padded: String
        var key: String
        var nonce: String
        var associatedData: String
        var ciphertext: String
    }

    struct Envelope: Codable {
        var name: String
        var origin: String
        var recordType: String
        var dataKey: String
        var commitmentKey: String
        var boxes: [Box]
        var readers: [Reader]
        var fields: [Field]
        var header: Header
        var blob: String
    }

    struct Grant: Codable {
        var name: String
        /// The name of the envelope above that it opens.
        var envelope: String
        var reference: String
        var leafHash: String
        var originalCommitment: String
        var recipients: [Box]
        var commitment: String
        var readers: [Reader]
        /// What must come of it: `opened`, or the error's name.
        var outcome: String
    }

    struct Refusal: Codable {
        var name: String
        var origin: String
        var recordType: String
        var reader: Reader
        var header: Header
        var blob: String
        /// The error's name.
        var outcome: String
    }

    var warning = "Every key here is published. Use none of them."
    var envelopes: [Envelope]
    var grants: [Grant]
    var refused: [Refusal]

    static let docs = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "docs")
    static let file = docs.appending(path: "sealing-vectors.json")

    static func read() throws -> SealingVectors {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(SealingVectors.self, from: Data(contentsOf: file))
    }

    func write() throws {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try (encoder.encode(self) + Data("\n".utf8)).write(to: SealingVectors.file)
    }
}

struct NotBytes: Error {}

/// The bytes of hexadecimal text.
func bytes(_ hex: String) throws -> [UInt8] {
    guard let bytes = Hexadecimal.decode(hex) else { throw NotBytes() }
    return bytes
}

func secret(_ hex: String) throws -> SecretBytes {
    var bytes = try bytes(hex)
    return try SecretBytes(wiping: &bytes)
}

func hex(_ secret: SecretBytes) -> String {
    secret.withUnsafeBytes { Hexadecimal.encode($0) }
}

extension SealingVectors.Header {
    init(_ header: SealedHeader) {
        self.init(
            suite: header.suite, salt: Base64.encode(header.salt),
            recipients: header.recipients.map { .init(node: $0.node, keyId: Hexadecimal.encode($0.keyID)) },
            fields: header.fields, size: header.size, sha256: header.sha256.hex,
            commitment: Base64.encode(header.commitment))
    }

    func header() throws -> SealedHeader {
        guard let salt = Base64.decode(salt), let commitment = Base64.decode(commitment),
            let sha256 = SHA256Digest(hex: sha256)
        else { throw NotBytes() }
        return SealedHeader(
            suite: suite, salt: salt,
            recipients: try recipients.map { .init(node: $0.node, keyID: try bytes($0.keyId)) },
            fields: fields, size: size, sha256: sha256, commitment: commitment)
    }
}

extension SealingVectors.Reader {
    init(_ node: String, _ key: SealedBox.PrivateKey) {
        self.init(node: node, secretKey: hex(key.secret))
    }

    func key() throws -> SealedBox.PrivateKey {
        try SealedBox.PrivateKey(secret: secret(secretKey))
    }
}

extension SealingVectors.Box {
    init(_ boxed: BoxedKey) {
        self.init(node: boxed.node, keyId: Hexadecimal.encode(boxed.keyID), box: Hexadecimal.encode(boxed.box))
    }

    func boxed() throws -> BoxedKey {
        BoxedKey(node: node, keyID: try bytes(keyId), box: try bytes(box))
    }
}

extension SealingVectors.Grant {
    func grant() throws -> Grant {
        guard let leafHash = SHA256Digest(hex: leafHash) else { throw NotBytes() }
        return Grant(
            reference: reference, leafHash: leafHash, originalCommitment: try bytes(originalCommitment),
            recipients: try recipients.map { try $0.boxed() }, commitment: try bytes(commitment))
    }
}
