import Cryptography
import Home
import LogStore
public import Records
import TransparencyLog

// What this node's logs say of its own keys. Every own log says the same, in the same order: what stands in one and not
// in another, after a crash, in a log that was being recovered or in one that begins later, is said there again.
extension Node {
    /// The logs that this node writes now. In no community it has none.
    struct OwnLogs {
        /// Take entries.
        let open: [StoredLog]
        /// Would, if their keys were not lost.
        let keyless: [StoredLog]
        let recovering: [StoredLog]
        /// Never take entries again; a successor does, which for some of them partners hold already.
        let frozen: [StoredLog]
        /// Have a key and are not in the database.
        let absent: [String]

        /// Those that a record gets into later only.
        var waiting: [String] { (keyless + recovering).map(\.origin) + absent }
        /// What is here of them is all that was said.
        var whole: [StoredLog] { open + keyless }
    }

    func ownLogs() throws -> OwnLogs {
        let current = configuration.communities.map { origin(of: $0.name) }
        let logs = try store.logs().filter { current.contains($0.origin) }
        let writable = try logs.filter { try $0.frozen == nil && store.laterLog(after: $0.origin) == nil }
        let whole = writable.filter { $0.recovering == nil }
        let keyless = try whole.filter { try lostLogKey(community: $0.community) != nil }
        return OwnLogs(
            open: whole.filter { !keyless.contains($0) }, keyless: keyless,
            recovering: writable.filter { $0.recovering != nil },
            frozen: logs.filter { !writable.contains($0) },
            absent: current.filter { origin in !logs.contains { $0.origin == origin } })
    }

    /// The same before a key is made or destroyed that they have to tell of. Throws what appending would where none of
    /// them takes entries, or, where it `needsAll`, one does not.
    @discardableResult
    func ownLogsToTell(needsAll: Bool = false) throws -> OwnLogs {
        let logs = try ownLogs()
        if configuration.communities.isEmpty {
            throw HomeError(
                .notPermitted,
                "this node is in no community, so no log tells partners of a key; see `entente community add`")
        }
        if needsAll || logs.open.isEmpty {
            if let origin = logs.absent.first { throw lostLog(origin) }
            if let log = logs.recovering.first, let signed = log.recovering {
                throw StoreError.recovering(origin: log.origin, signed: signed, held: log.size)
            }
            if let log = logs.keyless.first, let lost = try lostLogKey(community: log.community) { throw lost }
            for log in logs.frozen { try store.checkNoLaterLog(after: log.origin) }
            if let log = logs.frozen.first, logs.open.isEmpty {
                throw HomeError(
                    .notPermitted,
                    "\(log.origin) is frozen and takes no entries, so no log tells partners of that; run `entente community "
                        + "successor \(log.community)` first")
            }
        }
        for log in logs.open {
            try store.checkSigned(log.id)
            try requireNewestKey(of: log)
        }
        return logs
    }

    /// Whether no own log tells partners of a key now: none is here and takes entries, or one is not what was signed.
    func isWithoutLogToTell() throws -> Bool {
        do {
            try ownLogsToTell()
            return false
        } catch let error as HomeError where [.notPermitted, .noInput].contains(error.category) {
            return true
        } catch StoreError.recovering, StoreError.rolledBack, StoreError.contradictsSigned, StoreError.laterLog {
            return true
        }
    }

    /// Of these nodes those of which no cosignature says that they hold a record of a key that is meant: in one own log.
    func nodes(
        _ nodes: some Sequence<String>, without role: KeyRecord.Role, where isMeant: (PublishedKey) -> Bool
    ) throws -> [String] {
        let keys = CosignerKeys(self)
        var confirmed: Set<String> = []
        for log in try ownLogs().whole {
            let record = try store.publishedKeys(of: log.id).first {
                $0.role == role && $0.action != .retires && isMeant($0)
            }
            guard let record else { continue }
            confirmed.formUnion(
                try store.newestCosignatures(of: log.id, by: keys).filter { $0.size > record.entry }.map(\.cosigner))
        }
        return nodes.filter { !confirmed.contains($0) }.sorted()
    }

    /// What the own logs that are whole say of keys of a role, and what those say that were given up and still counts:
    /// each statement once, in order.
    func ownStatements(_ role: KeyRecord.Role) throws -> [PublishedKey] {
        var said: Set<KeyStatement> = []
        let current = try ownLogs().whole.flatMap { try store.publishedKeys(of: $0.id) }.filter { $0.role == role }
        return try (statementsGivenUp(role, current) + current).filter { said.insert(KeyStatement($0)).inserted }
    }

    /// What logs of this node that were given up say of keys of a role, as far as whoever has only their successors needs
    /// it. Such a log may have been brought back with what a thief of its key has written: of that nothing is repeated.
    private func statementsGivenUp(_ role: KeyRecord.Role, _ current: [PublishedKey]) throws -> [PublishedKey] {
        let before = try logsGivenUp().flatMap { try store.publishedKeys(of: $0.id) }.filter { $0.role == role }
        guard !before.isEmpty else { return [] }
        switch role {
        case .mirror:
            // The way back from the keys that are here, so that what they and those before them have signed can be checked.
            let links = (before + current).filter { $0.action == .replaces }
            var wanted = try [knownMirrorKey()?.text, keystore.nextMirrorCardKey()?.text].compactMap { $0 }
            var way: Set<PublishedKey> = []
            while let key = wanted.popLast() {
                guard let link = links.first(where: { $0.publicKey == key }), way.insert(link).inserted else {
                    continue
                }
                if let previous = link.previousKey { wanted.append(previous) }
            }
            return before.filter { way.contains($0) }
        case .tls:
            let shown = try [identityPin(), nextIdentityPin()]
            return before.filter { $0.action != .retires && shown.contains($0.keyID) }
        case .log, .sealing: return []
        }
    }

    /// The logs that those which this node writes now have taken the place of, the oldest first.
    private func logsGivenUp() throws -> [StoredLog] {
        try store.logs().compactMap { log in
            guard log.isOwn, let origin = LogOrigin(log.origin), log.origin != self.origin(of: log.community),
                configuration.community(log.community) != nil, origin.generation < generation(of: log.community)
            else { return nil }
            return (log, origin.generation)
        }.sorted { $0.1 < $1.1 }.map { (log: StoredLog, _: UInt64) in log }
    }

    /// The own logs that lack some of that.
    func logsWithoutStatements(_ role: KeyRecord.Role) throws -> [StoredLog] {
        let all = Set(try ownStatements(role).map { KeyStatement($0) })
        return try ownLogs().open.filter { log in
            try !all.isSubset(of: store.publishedKeys(of: log.id).map { KeyStatement($0) })
        }
    }

    /// Appends to each own log that takes entries what others say of keys of a role, and these records behind it: to one
    /// log all of them or none.
    func publish(_ records: [KeyRecord], _ role: KeyRecord.Role, author: String, time: Timestamp) throws {
        let all = try ownStatements(role)
        for log in try ownLogs().open {
            let said = Set(try store.publishedKeys(of: log.id).map { KeyStatement($0) })
            let lacking = all.filter { !said.contains(KeyStatement($0)) }.map { KeyRecord($0) }
            let known = said.union(all.map { KeyStatement($0) })
            let bodies = try (lacking + records.filter { !known.contains(KeyStatement($0)) }).map {
                NewEntry(body: try $0.draft(time: time, author: author).body())
            }
            guard !bodies.isEmpty else { continue }
            _ = try append(bodies, community: log.community, signer: signer(community: log.community))
        }
    }

    /// A log that begins later says what the others say, those before it among them.
    public func publishKeys(in community: String, author: String, time: Timestamp) throws {
        try publishNewestSealingKey(in: community, author: author, time: time)
        for role in [KeyRecord.Role.mirror, .tls] where try !logsWithoutStatements(role).isEmpty {
            try publish([], role, author: author, time: time)
        }
    }
}

/// What a record says, wherever it stands.
private struct KeyStatement: Hashable {
    let action: KeyRecord.Action
    let keyID: SHA256Digest

    init(_ key: PublishedKey) {
        action = key.action
        keyID = key.keyID
    }

    init(_ record: KeyRecord) {
        action = record.action
        keyID = record.keyID
    }
}

extension KeyRecord {
    /// The same said again.
    fileprivate init(_ key: PublishedKey) {
        self.init(
            role: key.role, action: key.action, keyID: key.keyID, publicKey: key.publicKey,
            previousKeyID: key.previousKeyID, previousKey: key.previousKey, epoch: key.epoch,
            validUntil: key.validUntil.flatMap { Timestamp(seconds: $0) })
    }
}
