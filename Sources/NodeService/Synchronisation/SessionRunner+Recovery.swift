import Cryptography
import Dispatch
import LogStore
import Logging
import Reconciliation
import Records

// What a session finds out of own logs that hold less than this node has signed.
extension SessionRunner {
    /// Writes down that an own log is being recovered, before its session goes on.
    func beginRecovery(_ id: LogID, size: UInt64) {
        context.transfers.storing.async { [self] in
            do {
                guard let own = try context.store.log(id: id) else { return }
                guard own.size < size else {
                    // A partner of a partner may have been faster than the news of what was appended here.
                    return reload(id) { .changed([$0]) }
                }
                report(.ownLogBehind(origin: own.origin, size: size))
                try context.store.beginRecovery(of: id, signed: size)
                // Other sessions have learnt of the log as one that takes nothing.
                context.sessions.notify(.logs([id]))
            } catch {
                feed.yield(.failed(id, reason: "\(error)"))
            }
        }
    }

    /// Notes what the peer holds. Behind the commits that were handed on before, so that it is judged by them.
    func noteAnswer(_ id: LogID, _ head: Head?) {
        context.transfers.storing.async { [self] in
            do {
                let answer: Head
                if let head {
                    answer = head
                } else {
                    // One that does not share the community is heard only where the log's own record does not name it.
                    guard let membership = try context.store.membership(of: id),
                        !membership.members.contains(configuration.peer)
                    else { return }
                    answer = Head(log: id, size: 0, root: .zero)
                }
                let note = try context.store.noteAnswer(
                    of: configuration.peer, size: answer.size, root: answer.root, pinned: answer.pinnedSize, log: id,
                    time: context.now())
                guard note == .contradicts, let origin = try context.store.log(id: id)?.origin else { return }
                report(.conflict(origin: origin, size: answer.size))
            } catch {
                log.warning("an answer could not be kept", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Tells the operator where the partner has given up a log and its card here does not say so, and where it holds what
    /// came after a log of this node's: nothing is appended to that any more.
    func lookForSuccessors(among logs: [LogID]) {
        reading.async { [self] in
            do {
                for successor in try context.successors(of: configuration.peer) where logs.contains(successor.id) {
                    note(
                        "\(successor.origin.text): the partner goes on there, and its card here is from before; take its "
                            + "new card (`entente peer add FILE --replace`)")
                }
                for later in try context.successors(of: configuration.node) where logs.contains(later.id) {
                    try context.store.noteLaterLog(later.origin, heldBy: configuration.peer)
                    note(
                        "\(later.origin.text): the partner holds this log, in which this node went on, and its key is not "
                            + "here: nothing is appended to the one before it; see `entente status`")
                }
            } catch {
                log.warning("logs that came after others could not be read", metadata: ["error": "\(error)"])
            }
        }
    }
}

extension SyncContext {
    /// The logs that a node may have opened after those that are held here.
    fileprivate func successors(of node: String) throws -> [(origin: LogOrigin, id: LogID)] {
        let held = try store.logs().filter { $0.node == node }.compactMap { LogOrigin($0.origin) }
        let newest = Dictionary(grouping: held, by: \.community).values.compactMap {
            $0.max { $0.generation < $1.generation }
        }
        return newest.flatMap(\.nextSuccessors).map { ($0, SHA256.hash($0.text)) }
    }
}
