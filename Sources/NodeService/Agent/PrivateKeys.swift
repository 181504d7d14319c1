package import Cryptography
import Home
import LogStore
package import Sealing
package import TransparencyLog

/// The private keys of a node, wherever they are open: in this process, or in the running node, which then signs and
/// opens for this one.
package protocol PrivateKeys: Sendable {
    /// Throws where they cannot be used, before anything has been changed.
    func check() throws
    /// Signs checkpoints of an own log with the key that this public one belongs to.
    func signer(of origin: String, publicKey: Ed25519.PublicKey) throws -> NoteSigner
    /// What is in boxes to the sealing keys: `nil` for those that do not open.
    func open(_ boxes: [BoxedKey]) throws -> [SecretBytes?]
    /// The keys of the hashes that find doubles and sealed values. They protect files of this home and nothing else.
    func doublesKey() throws -> SecretBytes
    func blindIndexKey() throws -> SecretBytes
    /// Makes the first of them again where its file is gone. Throws `exists` where there is one.
    func makeDoublesKey() throws
    /// Makes the key of an own log. Throws `exists` where there is one.
    func makeLogKey(community: String, generation: UInt64) throws
    /// Makes the key that cosigns as a witness. Throws `exists` where there is one.
    func makeWitnessKey() throws
}

/// The keys in `keys/`, for which the passphrase is asked when the first of them is needed.
struct OwnKeys: PrivateKeys {
    let keystore: Keystore
    private let store: SQLiteLogStore
    private let sealing = Guarded<[[UInt8]: SealedBox.PrivateKey]?>(nil)

    init(_ keystore: Keystore, _ store: SQLiteLogStore) {
        self.keystore = keystore
        self.store = store
    }

    func check() throws { try keystore.checkPassphrase() }

    func signer(of origin: String, publicKey: Ed25519.PublicKey) throws -> NoteSigner {
        try NoteSigner(name: origin, privateKey: keystore.logKey(origin: origin, publicKey: publicKey))
    }

    func open(_ boxes: [BoxedKey]) throws -> [SecretBytes?] {
        let keys = try sealingKeys(Set(boxes.map(\.keyID)))
        return try AllCores.map(boxes) { boxed in
            do {
                return try keys[boxed.keyID]?.open(boxed.box, isPassing: true)
            } catch CryptographyError.notAuthentic {
                return nil
            } catch CryptographyError.wrongLength {
                return nil
            }
        }.map { try $0.get() }
    }

    /// Read when they are needed first, and again for one that was not there then.
    private func sealingKeys(_ ids: Set<[UInt8]>) throws -> [[UInt8]: SealedBox.PrivateKey] {
        if let keys = sealing.value, ids.isSubset(of: keys.keys) { return keys }
        let all = try keystore.sealingEpochs().map { try keystore.sealingKey(epoch: $0) }
        let keys = Dictionary(all.map { ($0.publicKey.sealingKeyID, $0) }, uniquingKeysWith: { first, _ in first })
        sealing.value = keys
        return keys
    }

    func doublesKey() throws -> SecretBytes { try keystore.doublesKey() }

    func blindIndexKey() throws -> SecretBytes { try keystore.blindIndexKey() }

    func makeDoublesKey() throws { _ = try keystore.createDoublesKey() }

    func makeLogKey(community: String, generation: UInt64) throws {
        _ = try keystore.createLogKey(community: community, generation: generation)
    }

    func makeWitnessKey() throws {
        let key = try Ed25519.PrivateKey()
        // A crash in between leaves a note of a key that nobody has.
        try store.noteWitnessKey(key.publicKey)
        try keystore.storeWitnessKey(key)
    }
}

extension PrivateKeys {
    /// Opens one box at a time; those that were opened together beforehand are taken from there.
    func boxOpener(keyIDs: [[UInt8]], opened: [[UInt8]: SecretBytes] = [:]) -> BoxOpener {
        BoxOpener(keyIDs: keyIDs) { boxed in
            if let key = opened[boxed.box] { return key }
            guard let key = try open([boxed]).first ?? nil else { throw CryptographyError.notAuthentic }
            return key
        }
    }
}
