import Dispatch
import LogStore
import Logging
import MutualTLS

/// Writes down when each peer was last heard and what went wrong last: at the end of sessions, on failures, and once
/// a minute for those that stay connected; never for a message.
final class ContactBook: Sendable {
    private let store: SQLiteLogStore
    private let logger: Logger
    private let queue = DispatchQueue(label: "entente.contacts")
    /// What was last written of each peer, so that the same failure is not written at every attempt.
    private let written = Guarded<[String: PeerContact]>([:])

    /// Seconds until the same error is written again.
    static let repetition: UInt64 = 60

    init(store: SQLiteLogStore, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    /// Notes how a session or an attempt ended, some time soon.
    func note(_ report: SessionReport, now: UInt64) {
        note(PeerContact(report, now: now))
    }

    func note(_ contact: PeerContact) {
        let isNews = written.update { written in
            if let last = written[contact.peer], contact.lastHeard == nil, last.lastError == contact.lastError,
                (contact.lastErrorTime ?? 0) < (last.lastErrorTime ?? 0) + ContactBook.repetition
            {
                return false
            }
            written[contact.peer] = contact
            return true
        }
        guard isNews else { return }
        queue.async { [store, logger] in
            do {
                try store.note(contact)
            } catch {
                logger.warning("a contact could not be written down", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Notes that a node whose certificate names it was turned away before there was a session.
    func note(_ error: TLSError, now: UInt64) {
        guard let peer = error.node else { return }
        note(PeerContact(peer: peer, lastError: PeerContact.refusal + error.description, lastErrorTime: now))
    }
}

extension PeerContact {
    /// What a report says of its peer.
    init(_ report: SessionReport, now: UInt64) {
        self.init(
            peer: report.peer, lastHeard: report.bytesIn > 0 ? now : nil,
            lastError: report.error.map { $0.words(of: report.peer) },
            lastErrorTime: report.error == nil ? nil : now)
    }
}

extension SessionFailure {
    /// The reason without the peer's name before it; says whether one side does not let the other in.
    func words(of peer: String) -> String {
        let text = description.hasPrefix("\(peer): ") ? String(description.dropFirst(peer.count + 2)) : description
        return kind == .notPermitted ? PeerContact.refusal + text : text
    }
}

extension Node {
    /// Writes down at once how a session or an attempt ended.
    public func noteContact(_ report: SessionReport) throws {
        try store.note(PeerContact(report, now: Clock.now()))
    }
}
