import Cryptography
package import Home
import LogStore
import Records
import Sealing
import TransparencyLog

/// What the running node does for commands with its private keys, which stay where they are. It asks nobody for a
/// passphrase: what it cannot do with the keys as it has them, commands do themselves.
package struct KeyAgent: Sendable {
    private let node: Node
    private var keystore: Keystore { node.keystore }
    private var store: SQLiteLogStore { node.store }
    private var journal: Journal { node.journal }

    package init(_ node: Node) {
        self.node = node
    }

    package func answer(_ request: AgentRequest, to peer: Journal.Reader) -> AgentAnswer {
        if case .warnings = request {
            return .said(.array(NodeWarnings.now.map { .string($0) }))
        }
        if case .keyAlarms = request {
            let alarms = (try? keystore.mixture().alarms) ?? []
            // Whoever asks could not look at this.
            let mismatch = node.isTLSKeyMismatched ? [node.mismatchedTLSKey.description] : []
            return .said(.array((alarms + mismatch).map { .string($0) }))
        }
        guard canUseKeys else { return .locked }
        do {
            return try allowed(request, to: peer)
        } catch let error as HomeError {
            return .refused(error.category, error.description)
        } catch let error as StoreError {
            return .refused(error.isPassing ? .busy : .notPermitted, error.description)
        } catch let error as NoteError {
            return .refused(.badInput, error.description)
        } catch {
            return .refused(.io, "the running node could not do it: \(error)")
        }
    }

    /// Whether the keys are open, and still those in `keys/`: they may have been put under another passphrase.
    private var canUseKeys: Bool {
        guard let isUnlocked = try? keystore.isUnlocked, isUnlocked else { return false }
        return (try? keystore.checkReadable()) != nil
    }

    private func allowed(_ request: AgentRequest, to peer: Journal.Reader) throws -> AgentAnswer {
        let keys = OwnKeys(keystore, store)
        switch request {
        case .ring, .check, .warnings, .keyAlarms, .synchronise: return .done
        case .sign(let text, let publicKey):
            return .signature(try sign(text, with: Ed25519.PublicKey(publicKey)))
        case .open(let boxes):
            try journal.note([Journal.Entry(.agent, count: boxes.count)], for: peer)
            // The node's name plays no part in opening a box.
            return .opened(try keys.open(boxes.map { BoxedKey(node: "", keyID: $0.keyID, box: $0.box) }))
        case .doublesKey: return .key(try keys.doublesKey())
        case .blindIndexKey: return .key(try keys.blindIndexKey())
        case .makeDoublesKey:
            try keys.makeDoublesKey()
            return .done
        case .makeLogKey(let community, let generation):
            try keys.makeLogKey(community: community, generation: generation)
            return .done
        case .makeWitnessKey:
            try keys.makeWitnessKey()
            return .done
        // Communities and partners may be others than when the node was started.
        case .replaceKey(let replacement): return .said(try node.refreshed().replace(replacement))
        }
    }

    /// Signs a checkpoint of an own log, and nothing else, that contradicts nothing this node has signed.
    private func sign(_ text: String, with publicKey: Ed25519.PublicKey) throws -> [UInt8] {
        let checkpoint = try Checkpoint(parsing: text)
        try store.checkSignable(checkpoint, publicKey: publicKey)
        return try keystore.logKey(origin: checkpoint.origin, publicKey: publicKey).sign(Array(text.utf8))
    }
}

extension StoreError {
    /// Whether the same may be done when it is tried again.
    fileprivate var isPassing: Bool {
        switch self {
        case .busy, .keyReplaced: true
        default: false
        }
    }
}
