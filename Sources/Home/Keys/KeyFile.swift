import Cryptography
import Glibc

/// One private key in one file of one line:
///
///     entente-key/1 plain ed25519 us.example/krus <44 characters of base64>
///
/// The fields, separated by single spaces and ended by a line feed: the format and its version; how the secret is
/// protected; what the key is for; whose it is; and what the protection needs, here the 32 secret bytes as they are.
/// Under a passphrase (see ``KeyProtection``) it is
///
///     entente-key/1 passphrase ed25519 us.example/krus PUBLIC NONCE CIPHERTEXT
///
/// in base64: the public key (`-` where there is none), so that it is known without the passphrase, and the secret in
/// XChaCha20-Poly1305 with everything before NONCE as associated data.
struct KeyFile {
    static let format = "entente-key/1"
    static let plain = "plain"
    static let protected = "passphrase"
    static let maximumByteCount = 4_096

    /// What a key is for. A file whose purpose is another than its name promises is refused.
    enum Purpose: String {
        /// Signs checkpoints of one log.
        case log = "ed25519"
        /// Signs cosignatures.
        case mirror = "ed25519-cosignature"
        /// Signs cosignatures on logs outside the communities.
        case witness = "ed25519-witness"
        /// Opens sealed fields.
        case sealing = "x25519"
        /// Finds doubles by a keyed hash.
        case doubles = "blake2b"
        /// Finds sealed values by a keyed hash.
        case blindIndex = "blake2b-index"
        /// Is this node's to its partners: PEM, in a file like this only under a passphrase.
        case tls = "tls"

        /// What anybody may know of the secret; `nil` where nothing is.
        func publicKey(of secret: SecretBytes) throws -> [UInt8]? {
            switch self {
            case .log, .mirror, .witness: try Ed25519.PrivateKey(seed: secret).publicKey.bytes
            case .sealing: try SealedBox.PrivateKey(secret: secret).publicKey.bytes
            case .doubles, .blindIndex, .tls: nil
            }
        }
    }

    let path: String
    let purpose: Purpose
    /// Whose key it is: a log's origin, a node's name, or a node's name, `#` and an epoch.
    let name: String

    /// The file's text with the 32 secret bytes as they are.
    func plainText(_ secret: SecretBytes) throws -> SecretBytes {
        guard secret.count == 32 else { throw HomeError(.usage, "a key has 32 bytes", path: path) }
        let header = Array("\(KeyFile.format) \(KeyFile.plain) \(purpose.rawValue) \(name) ".utf8)
        return try SecretBytes(count: header.count + 45) { target in
            target.copyBytes(from: header)
            let body = UnsafeMutableRawBufferPointer(rebasing: target[header.count..<header.count + 44])
            secret.withUnsafeBytes { SecretBase64.encode($0, into: body) }
            target[header.count + 44] = UInt8(ascii: "\n")
        }
    }

    /// The file's text with the secret encrypted under the key of the passphrase's file.
    func protectedText(_ secret: SecretBytes, under key: SecretBytes) throws -> SecretBytes {
        let publicKey = try purpose.publicKey(of: secret).map(Base64.encode) ?? "-"
        let header = "\(KeyFile.format) \(KeyFile.protected) \(purpose.rawValue) \(name) \(publicKey) "
        let nonce = RandomBytes.make(count: XChaCha20Poly1305.nonceByteCount)
        let box = try XChaCha20Poly1305.seal(secret, key: key, nonce: nonce, associatedData: Array(header.utf8))
        var text = Array("\(header)\(Base64.encode(nonce)) \(Base64.encode(box))\n".utf8)
        return try SecretBytes(wiping: &text)
    }

    /// Reads the secret, into guarded memory only.
    ///
    /// Throws `noInput` without the file, `notPermitted` where others have rights on it or the passphrase is missing,
    /// `configuration` for one that is malformed, protected in a way unknown here, or some other key.
    ///
    /// - Parameter unlock: gives the key of the passphrase's file, where it is needed.
    func read(unlock: () throws -> SecretBytes) throws -> SecretBytes {
        try read(text: SecretFile.read(path, limit: KeyFile.maximumByteCount), unlock: unlock)
    }

    func read(text: SecretBytes, unlock: () throws -> SecretBytes) throws -> SecretBytes {
        try text.withUnsafeBytes { bytes in
            let (fields, start) = try ownHeader(bytes)
            let body = UnsafeRawBufferPointer(rebasing: bytes[start..<bytes.count - 1])
            if fields[1] == KeyFile.plain {
                guard purpose != .tls, let secret = try SecretBase64.decode(body) else { throw malformed }
                return secret
            }
            let parts = try protectedParts(body)
            guard let nonce = Base64.decode(parts[1]), nonce.count == XChaCha20Poly1305.nonceByteCount,
                let box = Base64.decode(parts[2]), box.count >= XChaCha20Poly1305.overhead
            else { throw malformed }
            let header = Array(bytes[..<(start + parts[0].utf8.count + 1)])
            do {
                return try XChaCha20Poly1305.open(box, key: unlock(), nonce: nonce, associatedData: header)
            } catch CryptographyError.notAuthentic {
                throw HomeError(
                    .configuration,
                    "was changed, or does not belong to \(KeyProtection.fileName) beside it; put the right file back",
                    path: path)
            }
        }
    }

    /// The public key, for which no passphrase is needed.
    func readPublicKey() throws -> [UInt8] {
        let text = try SecretFile.read(path, limit: KeyFile.maximumByteCount)
        let stated = try text.withUnsafeBytes { bytes -> [UInt8]? in
            let (fields, start) = try ownHeader(bytes)
            guard fields[1] == KeyFile.protected else { return nil }
            let parts = try protectedParts(UnsafeRawBufferPointer(rebasing: bytes[start..<bytes.count - 1]))
            guard let key = Base64.decode(parts[0]), key.count == 32 else { throw malformed }
            return key
        }
        if let stated { return stated }
        guard let key = try purpose.publicKey(of: read(text: text, unlock: { throw malformed })) else {
            throw malformed
        }
        return key
    }

    /// What is behind the four fields of a protected file.
    private func protectedParts(_ body: UnsafeRawBufferPointer) throws -> [String] {
        let parts = String(decoding: body, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw malformed }
        return parts.map(String.init)
    }

    /// The header of a file that holds what its name promises, in one of the two ways known here.
    private func ownHeader(_ bytes: UnsafeRawBufferPointer) throws -> (fields: [String], end: Int) {
        let (fields, start) = try header(bytes)
        guard [KeyFile.plain, KeyFile.protected].contains(fields[1]) else {
            throw HomeError(
                .configuration,
                "is protected by \(Display.quoted(fields[1])), which this program cannot open; use a newer one",
                path: path)
        }
        guard fields[2] == purpose.rawValue, fields[3] == name else {
            throw HomeError(
                .configuration,
                "holds another key (\(Display.quoted(fields[2])) of \(Display.quoted(fields[3]))) than its name "
                    + "says (\(purpose.rawValue) of \(name)); put the right file back",
                path: path)
        }
        return (fields, start)
    }

    /// What a file says that it is, whatever its name; `nil` for what is no key file.
    static func survey(_ path: String, _ text: SecretBytes) -> (file: KeyFile, isProtected: Bool)? {
        let probe = KeyFile(path: path, purpose: .doubles, name: "")
        guard let fields = try? text.withUnsafeBytes({ try probe.header($0).fields }),
            let purpose = Purpose(rawValue: fields[2])
        else { return nil }
        return (KeyFile(path: path, purpose: purpose, name: fields[3]), fields[1] == protected)
    }

    /// Whether a file is a key under a passphrase.
    static func isProtected(_ text: SecretBytes) -> Bool {
        text.withUnsafeBytes { $0.starts(with: "\(format) \(protected) ".utf8) }
    }

    /// Whose key it is, which can be read whatever protects the secret. The file must have this one's purpose.
    func readName() throws -> String {
        let text = try SecretFile.read(path, limit: KeyFile.maximumByteCount)
        let fields = try text.withUnsafeBytes { try header($0).fields }
        guard fields[2] == purpose.rawValue else { throw malformed }
        return fields[3]
    }

    /// The four fields before the secret, which alone are copied out of guarded memory, and where the secret begins.
    private func header(_ bytes: UnsafeRawBufferPointer) throws -> (fields: [String], end: Int) {
        guard bytes.last == UInt8(ascii: "\n") else { throw malformed }
        var fields: [String] = []
        var start = 0
        while fields.count < 4 {
            guard let space = bytes[start...].firstIndex(of: UInt8(ascii: " ")) else { throw malformed }
            fields.append(String(decoding: bytes[start..<space], as: UTF8.self))
            start = space + 1
            if fields.count == 1, fields[0] != KeyFile.format { throw malformed }
        }
        // Words are quoted only where they cannot be a secret that slipped into the wrong field: base64 of 32 bytes
        // ends with an equals sign.
        guard fields[1...].allSatisfy(isPublicWord), Purpose(rawValue: fields[2]) != nil else { throw malformed }
        return (fields, start)
    }

    private func isPublicWord(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 320
            && text.utf8.allSatisfy { ASCII.isLowerOrDigit($0) || ".-/#".utf8.contains($0) }
    }

    private var malformed: HomeError {
        HomeError(
            .configuration,
            "is no key file of the format \(KeyFile.format) (one line); restore it from a backup",
            path: path)
    }
}

/// Files whose bytes stay in guarded memory.
enum SecretFile {
    /// Writes a new file, 0600. Throws `exists` where there is one.
    static func create(_ secret: SecretBytes, at path: String) throws {
        do {
            try secret.withUnsafeBytes { try StagedFile($0, for: path).create() }
        } catch let error as HomeError where error.category == .exists {
            throw HomeError(.exists, "is there already; a key is never overwritten", path: path)
        }
    }

    /// Replaces a file, 0600.
    static func replace(_ secret: SecretBytes, at path: String) throws {
        try secret.withUnsafeBytes { try StagedFile($0, for: path).replace() }
    }

    /// Reads a file of 1 to `limit` bytes that belongs to this user alone and is no symbolic link.
    static func read(_ path: String, limit: Int) throws -> SecretBytes {
        let file = try OpenFile(path, O_RDONLY | O_NONBLOCK)
        let size = try file.regularSize(limit: limit)
        try Ownership.check(file.status(), path)
        guard size > 0 else { throw HomeError(.configuration, "is empty; restore it from a backup", path: path) }
        return try SecretBytes(count: size) { target in
            guard try file.read(into: target) == size else {
                throw HomeError(.io, "changed while it was read; try again", path: path)
            }
        }
    }
}
