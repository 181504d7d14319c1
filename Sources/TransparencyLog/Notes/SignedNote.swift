import Cryptography

/// One signature line of a note.
public struct NoteSignature: Sendable, Hashable {
    public let name: String
    public let keyID: UInt32
    /// What follows the key id: 64 bytes for Ed25519, 72 for a cosignature.
    public let signature: [UInt8]

    public init(name: String, keyID: UInt32, signature: [UInt8]) throws {
        try KeyName.check(name)
        guard !signature.isEmpty else { throw NoteError.badSignatureLine(number: 1) }
        self.name = name
        self.keyID = keyID
        self.signature = signature
    }

    /// A signature from its line, `— name base64`, without the line feed.
    public init(parsing line: String) throws {
        guard let signature = NoteSignature(line: line.utf8[...]) else {
            throw NoteError.badSignatureLine(number: 1)
        }
        self = signature
    }

    init?(line: Substring.UTF8View) {
        let dash = "\u{2014} ".utf8
        guard line.count <= SignedNote.maximumByteCount, line.starts(with: dash) else { return nil }
        let rest = line.dropFirst(dash.count)
        guard let space = rest.firstIndex(of: UInt8(ascii: " ")),
            let name = String(rest[..<space]), KeyName.isValid(name),
            let base64 = String(rest[rest.index(after: space)...]), let bytes = Base64.decode(base64),
            bytes.count > 4
        else { return nil }
        self.name = name
        keyID = bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
        signature = [UInt8](bytes.dropFirst(4))
    }

    /// The line, `— name base64`, without the line feed.
    public var line: String {
        let idBytes = (0..<4).map { UInt8(truncatingIfNeeded: keyID >> (24 - 8 * $0)) }
        return "\u{2014} \(name) " + Base64.encode(idBytes + signature)
    }

    public static func == (left: NoteSignature, right: NoteSignature) -> Bool {
        left.keyID == right.keyID && left.signature == right.signature && KeyName.same(left.name, right.name)
    }
}

/// A text and signatures over it (c2sp.org/signed-note). What parses is written back identically.
public struct SignedNote: Sendable, Hashable {
    /// The most signatures of a note.
    public static let maximumSignatures = 100
    /// The longest note, in bytes.
    public static let maximumByteCount = 1 << 20

    /// What is signed, with its final line feed.
    public let text: String
    /// At least one.
    public private(set) var signatures: [NoteSignature]

    public init(text: String, signatures: [NoteSignature]) throws {
        try SignedNote.checkCharacters(text.utf8)
        guard text.utf8.last == UInt8(ascii: "\n") else { throw NoteError.unfinishedText }
        self.text = text
        self.signatures = signatures
        try checkSize()
    }

    /// A note from its bytes.
    public init(parsing bytes: [UInt8]) throws {
        guard bytes.count <= SignedNote.maximumByteCount else {
            throw NoteError.tooLong(maximum: SignedNote.maximumByteCount)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw NoteError.notUTF8 }
        try self.init(parsing: text)
    }

    /// A note from its text form.
    public init(parsing note: String) throws {
        let bytes = note.utf8
        try SignedNote.checkCharacters(bytes)
        guard let divide = SignedNote.lastEmptyLine(of: bytes) else { throw NoteError.noSignatures }
        text = String(note[..<divide])
        let block = bytes[bytes.index(after: divide)...]
        guard block.last == UInt8(ascii: "\n") else { throw NoteError.noSignatures }
        let lines = block.dropLast().split(
            separator: UInt8(ascii: "\n"), maxSplits: SignedNote.maximumSignatures,
            omittingEmptySubsequences: false)
        guard lines.count <= SignedNote.maximumSignatures else {
            throw NoteError.tooManySignatures(maximum: SignedNote.maximumSignatures)
        }
        signatures = []
        for (position, line) in lines.enumerated() {
            guard let signature = NoteSignature(line: line) else {
                throw NoteError.badSignatureLine(number: position + 1)
            }
            signatures.append(signature)
        }
    }

    /// The note as it is stored and sent.
    public var serialized: String {
        text + "\n" + signatures.map { $0.line + "\n" }.joined()
    }

    /// Adds a signature line, at the end.
    public mutating func add(_ signature: NoteSignature) throws {
        signatures.append(signature)
        do {
            try checkSize()
        } catch {
            signatures.removeLast()
            throw error
        }
    }

    /// The keys among the given ones whose signatures the note has and which verify, in the order of the lines.
    ///
    /// Signatures by keys not given are ignored. Throws when one by a given key does not verify, or when there is
    /// none by any of them.
    public func verifiedKeys(among keys: [VerifierKey]) throws -> [VerifierKey] {
        var verified: [VerifierKey] = []
        for signature in signatures {
            // Two keys of one name may share an id, if only by design of whoever made them.
            let named = keys.filter { $0.isNamed(by: signature) }
            guard !named.isEmpty else { continue }
            let valid = named.filter { SignedNote.verifies(signature, of: text, by: $0) }
            guard !valid.isEmpty else { throw NoteError.badSignature(name: signature.name, keyID: signature.keyID) }
            verified += valid.filter { !verified.contains($0) }
        }
        guard !verified.isEmpty else { throw NoteError.noKnownSignature }
        return verified
    }

    /// The note with those of its signatures that are by the given keys and verify. Throws when there is none.
    public func signedOnly(by keys: [VerifierKey]) throws -> SignedNote {
        let lines = signatures.filter { line in keys.contains { SignedNote.verifies(line, of: text, by: $0) } }
        guard !lines.isEmpty else { throw NoteError.noKnownSignature }
        return try SignedNote(text: text, signatures: lines)
    }

    /// Whether the line is this key's valid signature over the text, whichever of the two algorithms it has.
    static func verifies(_ signature: NoteSignature, of text: String, by key: VerifierKey) -> Bool {
        guard key.isNamed(by: signature) else { return false }
        switch key.algorithm {
        case .ed25519:
            return key.publicKey.verifies(signature.signature, of: [UInt8](text.utf8))
        case .cosignature:
            guard let cosignature = try? Cosignature(signature) else { return false }
            return cosignature.verifies(text, by: key)
        }
    }

    public static func == (left: SignedNote, right: SignedNote) -> Bool {
        KeyName.same(left.text, right.text) && left.signatures == right.signatures
    }

    private func checkSize() throws {
        guard !signatures.isEmpty else { throw NoteError.noSignatures }
        guard signatures.count <= SignedNote.maximumSignatures else {
            throw NoteError.tooManySignatures(maximum: SignedNote.maximumSignatures)
        }
        guard serialized.utf8.count <= SignedNote.maximumByteCount else {
            throw NoteError.tooLong(maximum: SignedNote.maximumByteCount)
        }
    }

    private static func checkCharacters(_ bytes: String.UTF8View) throws {
        guard bytes.count <= maximumByteCount else { throw NoteError.tooLong(maximum: maximumByteCount) }
        guard bytes.allSatisfy({ $0 >= 0x20 || $0 == UInt8(ascii: "\n") }) else {
            throw NoteError.controlCharacter
        }
    }

    /// The index of the empty line's own line feed: the second of the last two neighbouring ones.
    private static func lastEmptyLine(of bytes: String.UTF8View) -> String.Index? {
        var index = bytes.endIndex
        var following: UInt8?
        while index > bytes.startIndex {
            let next = index
            index = bytes.index(before: index)
            if bytes[index] == UInt8(ascii: "\n"), following == UInt8(ascii: "\n") { return next }
            following = bytes[index]
        }
        return nil
    }
}
