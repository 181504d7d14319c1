import Cryptography
public import LogStore
import TransparencyLog

/// A log of this home as the public formats have it (c2sp.org/tlog-tiles): what is exported to files and what is served.
public struct Publication {
    public let log: StoredLog
    private let store: SQLiteLogStore

    public init(_ log: StoredLog, store: SQLiteLogStore) {
        self.log = log
        self.store = store
    }

    /// Where the log stands below the root of what is published: own logs under their community (a successor under its
    /// number below it), replicas under their id.
    public var path: String {
        guard log.isOwn else { return "mirror/\(log.id.hex)" }
        let prefix = log.node + "/"
        return log.origin.hasPrefix(prefix) ? String(log.origin.dropFirst(prefix.count)) : log.community
    }

    /// The newest checkpoint as it is published: with the cosignatures on it. `nil` while nothing is signed.
    public func checkpoint() throws -> (head: SignedHead, note: String)? {
        guard let head = log.head, head.size > 0 else { return nil }
        var note = try SignedNote(parsing: head.note)
        let lines = try store.cosignatures(of: log.id).filter { $0.size == head.size }
        for cosignature in lines.prefix(SignedNote.maximumSignatures - note.signatures.count) {
            try note.add(NoteSignature(parsing: cosignature.line))
        }
        return (head, note.serialized)
    }
}
