public import Cryptography
import Glibc

// The key with which this node cosigns logs outside its communities: `witness.key`. Whoever has such a cosignature knows
// that the log has shown one history; that this node holds the entries, which the mirror key says, it does not know.
extension Keystore {
    /// What the key is called in notes: the node's name and `_witness`, which is no name of a community.
    public var witnessName: String { "\(node)/_witness" }

    var witnessFile: KeyFile {
        KeyFile(path: "\(home.keysFolder)/witness.key", purpose: .witness, name: node)
    }

    /// Writes a new witness key. Throws `exists` where there is one.
    public func storeWitnessKey(_ key: Ed25519.PrivateKey) throws {
        try create(witnessFile, key.seed)
    }

    /// Throws `noInput` where there is none.
    public func witnessKey() throws -> Ed25519.PrivateKey {
        try Ed25519.PrivateKey(seed: witnessFile.read(unlock: unlock))
    }

    /// Its public key, for which no passphrase is needed; `nil` where there is none.
    public func witnessPublicKey() throws -> Ed25519.PublicKey? {
        guard try SystemCall.status(witnessFile.path) != nil else { return nil }
        return try Ed25519.PublicKey(witnessFile.readPublicKey())
    }

    /// What tells one file of the key from the next; `nil` where there is none.
    public func witnessKeyVersion() throws -> [Int]? {
        try SystemCall.status(witnessFile.path).map {
            [Int($0.st_ino), $0.st_mtim.tv_sec, $0.st_mtim.tv_nsec]
        }
    }
}
