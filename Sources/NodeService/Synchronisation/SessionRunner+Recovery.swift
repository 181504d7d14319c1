import Cryptography
import Dispatch
import LogStore
import Logging
import Reconciliation

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
}
