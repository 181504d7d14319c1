public import Cryptography

/// A node to seal to, with its sealing key.
public struct SealingRecipient: Hashable, Sendable {
    public let node: String
    public let key: SealedBox.PublicKey
    /// SHA-256 of the public key: 32 bytes.
    public let keyID: [UInt8]

    public init(node: String, key: SealedBox.PublicKey) {
        self.node = node
        self.key = key
        keyID = key.sealingKeyID
    }
}

extension SealedBox.PublicKey {
    /// What names this key in headers, blobs and grants: its SHA-256, 32 bytes.
    public var sealingKeyID: [UInt8] { SHA256.hash(bytes).bytes }
}

/// A data key boxed to one recipient, as it stands in a blob or a grant.
public struct BoxedKey: Hashable, Sendable {
    public var node: String
    /// SHA-256 of the recipient's public key: 32 bytes.
    public var keyID: [UInt8]
    /// The data key in a sealed box: 80 bytes.
    public var box: [UInt8]

    public init(node: String, keyID: [UInt8], box: [UInt8]) {
        self.node = node
        self.keyID = keyID
        self.box = box
    }

    /// A data key boxed to each recipient, in the order of the format.
    static func box(_ dataKey: SecretBytes, to recipients: [SealingRecipient]) throws -> [BoxedKey] {
        guard (1...SealingSuite.maximumRecipientCount).contains(recipients.count) else {
            throw SealingError.notSealable("there must be 1 to \(SealingSuite.maximumRecipientCount) recipients")
        }
        guard recipients.allSatisfy({ SealingSuite.isName($0.node.utf8, SealingSuite.nodeByteCounts) }) else {
            throw SealingError.notSealable("a recipient's name is not that of a node")
        }
        let sorted = recipients.sorted { RecipientOrder.precedes(($0.node, $0.keyID), ($1.node, $1.keyID)) }
        for (one, next) in zip(sorted, sorted.dropFirst()) where one.node == next.node && one.keyID == next.keyID {
            throw SealingError.notSealable("\(one.node) is named twice with the same key")
        }
        let sender = try SealedBox.Sender(of: dataKey)
        return try sorted.map { recipient in
            do {
                let box = try sender.box(to: recipient.key)
                return BoxedKey(node: recipient.node, keyID: recipient.keyID, box: box)
            } catch CryptographyError.badPublicKey {
                throw SealingError.badRecipientKey(node: recipient.node)
            }
        }
    }
}

/// The one order of recipients: by the bytes of the node's name, then of the key id.
enum RecipientOrder {
    static func precedes(_ left: (node: String, keyID: [UInt8]), _ right: (node: String, keyID: [UInt8])) -> Bool {
        if left.node.utf8.elementsEqual(right.node.utf8) {
            return left.keyID.lexicographicallyPrecedes(right.keyID)
        }
        return left.node.utf8.lexicographicallyPrecedes(right.node.utf8)
    }
}

/// The one order of fields: by the bytes of their names.
enum FieldOrder {
    static func precedes(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }
}
