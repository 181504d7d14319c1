public import Cryptography
public import TransparencyLog

extension SQLiteLogStore {
    /// Refuses to have a checkpoint signed that is none of an own log, goes behind what was signed, or contradicts it.
    /// For signing on behalf of another process, which is about to commit what the checkpoint covers.
    public func checkSignable(_ checkpoint: Checkpoint, publicKey: Ed25519.PublicKey) throws {
        guard let log = try log(checkpoint.origin) else { throw StoreError.unknownLog(checkpoint.origin) }
        guard log.isOwn else { throw StoreError.notOwn(origin: log.origin) }
        if let reason = log.frozen { throw StoreError.frozen(origin: log.origin, reason: reason) }
        try Self.checkNotRecovering(log)
        try checkNoLaterLog(after: log.origin)
        guard try log.keys.current.publicKey == publicKey else {
            throw StoreError.keyReplaced(origin: log.origin)
        }
        if let mark = try marks.mark(.own, log: log.id) {
            guard checkpoint.size >= mark.size else {
                throw StoreError.rolledBack(origin: log.origin, signed: mark.size, held: checkpoint.size)
            }
            guard checkpoint.size > mark.size || checkpoint.root == mark.root else {
                throw StoreError.contradictsSigned(origin: log.origin, size: mark.size)
            }
        }
        // The mark may be behind for a moment: what is stored was signed, too.
        if let head = log.head {
            guard checkpoint.size >= head.size else {
                throw StoreError.rolledBack(origin: log.origin, signed: head.size, held: checkpoint.size)
            }
            guard checkpoint.size > head.size || checkpoint.root == head.root else {
                throw StoreError.contradictsSigned(origin: log.origin, size: head.size)
            }
        }
    }
}
