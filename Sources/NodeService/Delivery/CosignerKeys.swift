public import Cryptography
public import LogStore
import TransparencyLog

/// Which of the cosignatures and receipts that are kept count for the node that they name: those by a key that its card and logs lead
/// to, within its time. What a node that has lost its keys had signed before says nothing of what it holds now. That the
/// key has signed is for an audit to say.
public struct CosignerKeys: Sendable {
    private let keys: [String: MirrorKeys]

    public init(_ node: Node) { keys = node.mirrorKeys }

    /// Of a node without a card nothing is known to the contrary: its cosignatures were judged when they came.
    public func counts(_ cosignature: StoredCosignature) -> Bool {
        counts(cosignature.line, of: cosignature.cosigner)
    }

    /// The same of a receipt for a sealed part.
    public func counts(_ receipt: StoredReceipt) -> Bool { counts(receipt.line, of: receipt.holder) }

    private func counts(_ line: String, of node: String) -> Bool {
        guard let keys = keys[node] else { return true }
        guard let cosignature = try? Cosignature(parsing: line) else { return false }
        return keys.key(for: cosignature) != nil
    }
}

extension SQLiteLogStore {
    /// The newest cosignature of each cosigner of a log, if it counts.
    public func newestCosignatures(of log: SHA256Digest, by keys: CosignerKeys) throws -> [StoredCosignature] {
        try newestCosignatures(of: log).filter(keys.counts)
    }
}
