public import Cryptography

/// What the holder of a blob signs: "I hold, durably, the bytes with this hash that the record at this place names".
///
/// A receipt is signed like a checkpoint, with the node's mirror key and in the construction of cosignature/v1, over
/// ``text``. It can never be taken for a checkpoint, nor a checkpoint for it: the second line of a checkpoint is a
/// decimal size, that of a receipt a reference, which holds a `#`.
public struct BlobReceipt: Sendable, Hashable {
    /// The first line.
    public static let header = "entente-blob-receipt/1"

    /// The log of the record that names the blob.
    public let origin: String
    /// The record's index in it.
    public let index: UInt64
    /// SHA-256 of the blob.
    public let sha256: SHA256Digest

    /// Throws ``NoteError/badName`` for an origin that no log can have: it could add lines of its own.
    public init(origin: String, index: UInt64, sha256: SHA256Digest) throws {
        try KeyName.check(origin)
        self.origin = origin
        self.index = index
        self.sha256 = sha256
    }

    /// The three lines that are signed, each with its line feed.
    public var text: String {
        "\(BlobReceipt.header)\n\(origin)#\(index)\n\(sha256.hex)\n"
    }
}

extension Cosigner {
    /// The receipt for a blob as of a time in Unix seconds.
    public func sign(_ receipt: BlobReceipt, time: UInt64) throws -> Cosignature {
        try cosign(text: receipt.text, time: time)
    }
}

extension Cosignature {
    /// Throws unless this is the key's valid signature on the receipt.
    public func verify(_ receipt: BlobReceipt, by key: VerifierKey) throws {
        guard key.algorithm == .cosignature else { throw NoteError.wrongKeyType }
        guard verifies(receipt.text, by: key) else { throw NoteError.badSignature(name: name, keyID: keyID) }
    }
}
