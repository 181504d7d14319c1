import Dispatch
import LogStore
import Logging
import Reconciliation
import TransparencyLog

// What sessions do about the keys of logs.
extension SyncContext {
    /// The checkpoints kept where a key took the place of another, by size, and the keys that have signed them here.
    private func steppingStones(of log: StoredLog) throws -> [(head: SignedHead, signers: [VerifierKey])] {
        guard !log.keyChanges.isEmpty else { return [] }
        let keys = try log.keys
        return try keys.changes.compactMap { change in
            try store.checkpoint(of: log.id, size: change.size).map { stone in
                (stone, keys.signers(of: try SignedNote(parsing: stone.note), size: stone.size))
            }
        }
    }

    /// Those that both keys have signed.
    func stones(of log: StoredLog) throws -> [SignedHead] {
        try steppingStones(of: log).filter { $0.signers.count == 2 }.map(\.head)
    }

    /// As a session is told of them.
    func localStones(of log: StoredLog) throws -> [SteppingStone] {
        try steppingStones(of: log).map { stone in
            SteppingStone(
                head: Head(log: log.id, size: stone.head.size, root: stone.head.root),
                signers: stone.signers.map(\.keyID))
        }
    }

    /// The stepping stones of a log that a peer asks about, if it may see it.
    func stones(of id: LogID, for peer: String) throws -> [String]? {
        guard let log = try log(id, readableBy: peer) else { return nil }
        return try stones(of: log).suffix(FrameLimits.maximumKeys).map(\.note)
    }

    /// Keeps those of a peer's stepping stones that this log's keys have signed and that its entries have the root of.
    /// Answers whether any is kept now.
    func keepStones(_ notes: [String], of id: LogID) throws -> Bool {
        guard let log = try store.log(id: id), let head = log.head else { return false }
        let keys = try log.keys
        var isAny = false
        for text in notes {
            guard let note = try? SignedNote(parsing: text), let (checkpoint, own) = try? keys.open(note),
                checkpoint.origin == log.origin, checkpoint.size <= head.size,
                keys.changes.contains(where: { $0.size == checkpoint.size }),
                keys.isComplete(own, size: checkpoint.size)
            else { continue }
            try store.addStone(
                SignedHead(size: checkpoint.size, root: checkpoint.root, note: own.serialized), of: id)
            isAny = true
        }
        return isAny
    }
}

extension SessionRunner {
    func noteForeignKeys(_ keyIDs: [UInt32], of id: LogID, size: UInt64) {
        context.transfers.storing.async { [self] in
            do {
                try context.store.noteForeignKeys(
                    keyIDs, of: id, size: size, peer: configuration.peer, time: context.now())
            } catch {
                log.warning("an alarm could not be kept", metadata: ["error": "\(error)"])
            }
        }
    }

    func storeStones(_ notes: [String], of id: LogID) {
        context.transfers.storing.async { [self] in
            do {
                // Others may have asked for them in vain.
                if try context.keepStones(notes, of: id) {
                    context.sessions.notify(.logs([id]), except: state.value.id)
                }
            } catch {
                log.warning("stepping stones could not be kept", metadata: ["error": "\(error)"])
            }
            reload(id) { .changed([$0]) }
        }
    }
}
