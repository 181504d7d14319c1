public import Cryptography

/// Opens the boxes that hold data keys. The sealing keys that it does this with may be elsewhere: what comes from there
/// is the content of one box, never a sealing key.
public struct BoxOpener: Sendable {
    /// The ids of the keys that there are, of all sealing epochs that are at hand.
    public let keyIDs: [[UInt8]]
    private let open: @Sendable (BoxedKey) throws -> SecretBytes

    /// - Parameter open: gives the data key in a box to one of these keys; throws `CryptographyError.notAuthentic` for a
    ///   box that does not open.
    public init(keyIDs: [[UInt8]], open: @escaping @Sendable (BoxedKey) throws -> SecretBytes) {
        self.keyIDs = keyIDs
        self.open = open
    }

    /// Opens with keys that are here.
    public init(_ keys: [SealedBox.PrivateKey]) {
        let byID = Dictionary(keys.map { ($0.publicKey.sealingKeyID, $0) }, uniquingKeysWith: { first, _ in first })
        self.init(keyIDs: keys.map(\.publicKey.sealingKeyID)) { boxed in
            guard let key = byID[boxed.keyID] else { throw SealingError.keyMissing(node: boxed.node) }
            return try key.open(boxed.box, isPassing: true)
        }
    }

    func dataKey(in boxed: BoxedKey) throws -> SecretBytes { try open(boxed) }
}

extension BoxOpener: ExpressibleByArrayLiteral {
    public init(arrayLiteral keys: SealedBox.PrivateKey...) {
        self.init(keys)
    }
}
