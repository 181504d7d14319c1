public import Cryptography
import Home
import LogStore
import MutualTLS
import TransparencyLog

/// One key of this node, for the operator.
public struct ListedKey: Sendable {
    public enum State: String, Sendable {
        /// In use.
        case current
        /// Made by a rotation that was broken off: nobody knows it yet.
        case begun
        /// Published, and used once partners know it.
        case announced
        /// Opens what is older.
        case old
        /// The log has another by now; only signatures that were made before remain.
        case replaced
        /// Accepted from this node until the overlap ends.
        case overlap
        /// In use as far as partners know, and its file is gone, or an older copy.
        case lost
    }

    /// What a key is for.
    public enum Role: String, Sendable {
        case log, mirror, sealing, tls, witness
    }

    public let role: Role
    /// A log's origin, an epoch, or the node's name.
    public let name: String
    public let keyID: SHA256Digest
    /// As cards and records write it.
    public let publicKey: String
    public let state: State
}

extension ListedKey {
    fileprivate init(mirror key: Ed25519.PublicKey, text: String, node: String, state: State) {
        self.init(role: .mirror, name: node, keyID: SHA256.hash(key.bytes), publicKey: text, state: state)
    }
}

extension Node {
    /// The keys of this node that are in use, or still good for something.
    public func listKeys() throws -> [ListedKey] {
        try logKeys() + mirrorKeyList() + sealingKeyList() + tlsKeys() + witnessKeyList()
    }

    private func witnessKeyList() throws -> [ListedKey] {
        guard let key = try witnessKeyInPlace() else { return [] }
        return [
            ListedKey(
                role: .witness, name: key.name, keyID: SHA256.hash(key.publicKey.bytes), publicKey: key.text,
                state: .current)
        ]
    }

    private func logKeys() throws -> [ListedKey] {
        try configuration.communities.flatMap { community -> [ListedKey] in
            let isLost = try lostLogKey(community: community.name) != nil
            guard try !isLost || store.log(origin(of: community.name)) != nil else { return [] }
            let log = try store.log(origin(of: community.name))
            let card = try logCardKey(community: community.name)
            func listed(_ key: Ed25519.PublicKey, _ text: String, _ state: ListedKey.State) -> ListedKey {
                ListedKey(
                    role: .log, name: card.name, keyID: SHA256.hash(key.bytes), publicKey: text, state: state)
            }
            if isLost { return [listed(card.publicKey, card.text, .lost)] }
            guard let log, try isKeyReplaced(of: log) else { return [listed(card.publicKey, card.text, .current)] }
            let newest = try log.keys.current
            return [
                listed(newest.publicKey, newest.text, .lost), listed(card.publicKey, card.text, .replaced),
            ]
        }
    }

    private func mirrorKeyList() throws -> [ListedKey] {
        let isLost = try !keystore.hasMirrorKey && !isNextMirrorKeyInUse()
        let newest = try isLost ? knownMirrorKey() : newerMirrorKey()
        let here = try isLost ? nil : mirrorCardKey()
        guard let key = newest?.publicKey ?? here?.publicKey, let text = newest?.text ?? here?.text else { return [] }
        let next = try keystore.nextMirrorCardKey()
        var listed = [
            ListedKey(mirror: key, text: text, node: name, state: newest == nil ? .current : .lost)
        ]
        if let next, next != here {
            listed.append(ListedKey(mirror: next.publicKey, text: next.text, node: name, state: .begun))
        }
        // Only public keys are left of these.
        return listed
            + (mirrorKeys[name]?.terms ?? []).reversed().filter { $0.key.text != text }.map {
                ListedKey(mirror: $0.key.publicKey, text: $0.key.text, node: name, state: .replaced)
            }
    }

    private func sealingKeyList() throws -> [ListedKey] {
        let epochs = try keystore.sealingEpochs()
        return try epochs.map { epoch in
            let key = try keystore.sealingPublicKey(epoch: epoch)
            return ListedKey(
                role: .sealing, name: "\(epoch)", keyID: SHA256.hash(key.bytes), publicKey: Base64.encode(key.bytes),
                state: epoch == epochs.last ? .current : .old)
        }
    }

    private func tlsKeys() throws -> [ListedKey] {
        // The pin stands in the certificate, for which no passphrase is needed.
        guard try !isCertificateLost() else { return [] }
        let state = try tlsKeyState()
        func listed(_ pin: SHA256Digest, _ use: ListedKey.State) -> ListedKey {
            ListedKey(role: .tls, name: name, keyID: pin, publicKey: Base64.encode(pin.bytes), state: use)
        }
        let isLost = try !keystore.hasTLSKey || isTLSKeyMismatched
        return [listed(state.current, state.isReplaced ? .replaced : isLost ? .lost : .current)]
            + (state.next.map { [listed($0, state.isNextPublished ? .announced : .begun)] } ?? [])
            + state.leftOver.map { listed($0, state.isReplaced ? .lost : .overlap) }
    }
}
