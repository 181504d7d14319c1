import Cryptography
import Synchronization
import TransparencyLog

/// Names and keys; the keys follow from the names, and are kept for all simulations of the process.
enum SimulatedKeys {
    static func name(_ node: Int) -> String { "n\(node).example" }

    /// The node of a name.
    static func node(_ name: String) -> Int? {
        name.hasPrefix("n") && name.hasSuffix(".example") ? Int(name.dropFirst().dropLast(8)) : nil
    }

    private static let logKeys = Mutex<[String: NoteSigner]>([:])
    private static let mirrorKeys = Mutex<[String: Cosigner]>([:])

    /// The key of a log: its first one, or the one of a later generation.
    static func signer(_ origin: String, _ generation: Int = 0) throws -> NoteSigner {
        try logKeys.withLock { keys in
            let place = "\(origin) \(generation)"
            if let key = keys[place] { return key }
            let key = try NoteSigner(name: origin, privateKey: privateKey("log \(place)"))
            keys[place] = key
            return key
        }
    }

    /// The mirror key of a node: its first one, or the one of a later generation.
    static func cosigner(_ node: Int, _ generation: Int) throws -> Cosigner {
        let name = name(node)
        return try mirrorKeys.withLock { keys in
            let place = "\(name) \(generation)"
            if let key = keys[place] { return key }
            let key = try Cosigner(name: name, privateKey: privateKey("mirror \(place)"))
            keys[place] = key
            return key
        }
    }

    private static func privateKey(_ name: String) throws -> Ed25519.PrivateKey {
        var seed = SHA256.hash(name).bytes
        return try Ed25519.PrivateKey(seed: SecretBytes(wiping: &seed))
    }
}
