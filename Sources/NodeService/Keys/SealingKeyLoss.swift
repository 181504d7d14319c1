public import Cryptography
import Home
import LogStore
public import Records

/// What becomes unreadable with the key of an epoch.
public struct SealingKeyLoss: Sendable {
    public let epoch: UInt32
    /// Whether there is something to destroy. Of a key that is lost partners are told all the same.
    public let isHere: Bool
    public let keyID: SHA256Digest
    /// This key and, where another one was published for that epoch than is here, that too.
    let keyIDs: [SHA256Digest]
    /// Records whose sealed part nothing else in this keystore opens.
    public let envelopes: Int
    /// Rows that an import refused, which are sealed to this key alone.
    public let quarantined: Int
    /// Rows that were refused before such rows said to which key they are sealed: perhaps to this one.
    public let unnamed: Int
    /// Members of this node's communities of which no cosignature says that they know a newer key.
    public let missing: [String]
}

extension Node {
    /// Counts what only this epoch's key opens. Throws `noInput` where there is none, `notPermitted` for the newest, and
    /// as appending does while records that were here once may be missing.
    public func lossOfSealingKey(epoch: UInt32) throws -> SealingKeyLoss {
        try ownLogsToTell(needsAll: true)
        try requireWholeReplicas()
        let epochs = try keystore.sealingEpochs()
        let isHere = epochs.contains(epoch)
        var keyIDs = try isHere ? [SHA256.hash(keystore.sealingPublicKey(epoch: epoch).bytes)] : []
        for key in try ownSealingKeys().inUse where key.epoch == epoch && !keyIDs.contains(key.keyID) {
            keyIDs.append(key.keyID)
        }
        guard let keyID = keyIDs.first else {
            let known = epochs.isEmpty ? "none" : epochs.map(String.init).joined(separator: ", ")
            throw HomeError(.noInput, "there is no sealing key of epoch \(epoch) here; there are \(known)")
        }
        let hasNext = try ownSealingKeys().next(after: epochs.last ?? 1) != nil
        // One that nothing can take the place of is not this node's work.
        guard let newest = epochs.last, epoch < newest || !(isHere || hasNext) else {
            throw HomeError(
                .notPermitted,
                "there is no newer sealing key here than that of epoch \(epoch), which partners seal to; run `entente key "
                    + "rotate sealing` before destroying it")
        }
        let rows = try QuarantineFolder(self).count(boxedOnlyTo: Set(keyIDs))
        let members = Set(configuration.communities.flatMap(\.members)).subtracting([name])
        return SealingKeyLoss(
            epoch: epoch, isHere: isHere, keyID: keyID, keyIDs: keyIDs,
            envelopes: try store.countEnvelopes(boxedOnlyTo: Set(keyIDs)), quarantined: rows.lost,
            unnamed: rows.unnamed,
            missing: try nodes(members, without: .sealing) { $0.epoch ?? 0 > epoch })
    }

    /// What partners have sealed to this node counts like what it has sealed itself.
    private func requireWholeReplicas() throws {
        let partners = Set(cards.map(\.node))
        let log = try store.logs().first {
            !$0.isOwn && $0.restored != nil && $0.frozen == nil && partners.contains($0.node)
        }
        if let log {
            throw HomeError(
                .notPermitted,
                "\(log.origin) came back with a backup, and more in it may be sealed to this key until \(log.node) has "
                    + "been asked; run `entente sync`")
        }
        // A database that was put back by hand says nothing of it; what this node has vouched for does.
        for (origin, size) in try store.vouchedSizes() {
            guard let name = LogOrigin(origin), partners.contains(name.node.text),
                configuration.community(name.community.text) != nil
            else { continue }
            let log = try store.log(origin)
            let held = log?.size ?? 0
            // What is frozen never comes.
            guard held < size, log?.frozen == nil else { continue }
            throw HomeError(
                .notPermitted,
                "\(origin) has \(counted(held, "entry", "entries")) here and had \(size): this database is an older copy, "
                    + "and more may be sealed to this key; run `entente sync`")
        }
    }

    /// Says in every own log that the key is retired, forgets by what the records that only it opens are known as doubles,
    /// then wipes it. Done again after it was broken off, it completes.
    public func destroySealingKey(_ loss: SealingKeyLoss, author: String, time: Timestamp) throws -> SealingKeyRotation
    {
        try keystore.whileRotating { try destroyOwnSealingKey(loss, author: author, time: time) }
    }

    private func destroyOwnSealingKey(
        _ loss: SealingKeyLoss, author: String, time: Timestamp
    ) throws -> SealingKeyRotation {
        let logs = try ownLogsToTell(needsAll: true)
        // Nobody destroys what they could not use.
        try checkKeys()
        if loss.isHere, try privateKeys is OwnKeys { _ = try keystore.sealingKey(epoch: loss.epoch) }
        for log in logs.open {
            let said = try store.publishedKeys(of: log.id).filter { $0.role == .sealing && $0.action == .retires }
            for keyID in loss.keyIDs where !said.contains(where: { $0.keyID == keyID }) {
                let record = KeyRecord(
                    role: .sealing, action: .retires, keyID: keyID, epoch: loss.epoch, validUntil: time)
                try append([record], to: log, author: author, time: time)
            }
        }
        // By the hash of a record a guess at what is sealed in it could be tried for ever.
        let left = try keystore.sealingEpochs().filter { $0 != loss.epoch }.map {
            SHA256.hash(try keystore.sealingPublicKey(epoch: $0).bytes)
        }
        try store.forgetDoubleHashes(sealedToNoneOf: Set(left))
        if loss.isHere { try keystore.destroySealingKey(epoch: loss.epoch) }
        return SealingKeyRotation(
            epoch: loss.epoch, keyID: loss.keyID, isResumed: false, published: logs.open.map(\.origin),
            waiting: logs.waiting)
    }

    // MARK: Lost keys

    /// What all own logs, those that were given up among them, say of this node's sealing keys.
    func ownSealingKeys() throws -> OwnSealingKeys {
        OwnSealingKeys(try store.publishedKeys(role: .sealing).filter { $0.node == name }.map(\.key))
    }

    /// Sealing keys that partners do not know, or know and this node does not have.
    func sealingKeyAlarms() throws -> [String] {
        let epochs = try keystore.sealingEpochs()
        var alarms = try logsWithoutNewestSealingKey().map {
            "the newest sealing key is not published in \($0); run `entente key rotate sealing` to complete that"
        }
        if epochs.isEmpty {
            alarms.append(
                "there is no sealing key in keys/: put them back from a backup, or make one with `entente key rotate sealing`"
            )
        }
        // A record that retires one may not be back yet.
        let logs = try ownLogs()
        guard logs.recovering.isEmpty, logs.absent.isEmpty else { return alarms }
        let here = Set(try epochs.map { SHA256.hash(try keystore.sealingPublicKey(epoch: $0).bytes) })
        alarms += try ownSealingKeys().inUse.filter { !here.contains($0.keyID) }.map {
            "the sealing key of epoch \($0.epoch) that partners were told of is not in keys/, and what is sealed to it "
                + "cannot be opened: put keys/sealing-\($0.epoch).key back from a backup; if there is none, run `entente "
                + "key rotate sealing` and then `entente key destroy \($0.epoch)`, which retires it"
        }
        return alarms
    }
}

/// The sealing keys that a node's own logs tell of.
struct OwnSealingKeys {
    struct Key: Hashable {
        let epoch: UInt32
        let keyID: SHA256Digest
    }

    /// In the order of epochs, whatever has become of them.
    let published: [Key]
    /// Those that are destroyed or given up for lost, each with its epoch.
    let retired: [SHA256Digest: UInt32?]
    /// All that any record names.
    let epochs: Set<UInt32>

    init(_ records: [PublishedKey]) {
        let new = records.filter { $0.action != .retires }
        let named = Set(new.map(\.keyID))
        // The first key stands in no record of its own, only in the one that replaces it.
        let first = new.compactMap(\.previousKeyID).filter { !named.contains($0) }.map { Key(epoch: 1, keyID: $0) }
        let rest = new.compactMap { record in record.epoch.map { Key(epoch: $0, keyID: record.keyID) } }
        published = Set(first + rest).sorted { $0.epoch < $1.epoch }
        retired = Dictionary(
            records.filter { $0.action == .retires }.map { ($0.keyID, $0.epoch) },
            uniquingKeysWith: { first, _ in first })
        epochs = Set(records.compactMap(\.epoch))
    }

    /// Those that partners may seal to.
    var inUse: [Key] { published.filter { !retired.keys.contains($0.keyID) } }
    /// Of those the newest; 1 where there is none, since the first key is on cards.
    var newestInUse: UInt32 { max(1, inUse.map(\.epoch).max() ?? 1) }

    /// The number for a new key, where this is the newest that is here; `nil` where there is none left. No number is used
    /// twice, whatever has become of its key: partners keep to the one that they know.
    func next(after newest: UInt32) -> UInt32? {
        var epoch = max(newest, newestInUse)
        repeat {
            guard epoch < UInt32.max else { return nil }
            epoch += 1
        } while epochs.contains(epoch)
        return epoch
    }
}
