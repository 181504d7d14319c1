import Cryptography
public import Home
public import LogStore
import Records
public import TransparencyLog

/// A backup opened to be audited: nothing is written, and no private key is needed.
public struct BackupSource: Sendable {
    public let backup: StoredBackup
    /// Keys that check cosignatures, by node.
    public let mirrorKeys: [String: MirrorKeys]
    /// Keys of logs, by origin: those of the peer cards in it, of the node's own home, and of the command line.
    public let logKeys: [String: [VerifierKey]]
    public let unproved: [String]
    private let file: FoundDatabase

    /// - Parameters:
    ///   - keys: of logs and of cosigners; those of a log count more than what the backup says.
    ///   - home: a home whose private keys' public halves count, where it is that of the same node.
    public init(path: String, keys: [VerifierKey], home: HomeFolder? = nil) throws {
        file = FoundDatabase(path)
        guard file.access != .absent else { throw HomeError(.noInput, "does not exist", path: path) }
        backup = try StoredBackup(file)
        var unproved = [
            "that nothing was signed since: signed.sqlite, where the node keeps that, is in no backup"
        ]
        if file.writeAheadBytes > 0 {
            unproved.append("\(path)-wal lies beside the backup, and belongs to no backup; somebody has written to it")
        }
        var found = KnownKeys()
        // Whoever writes a backup could put a card of its own node into it, which would vouch for whatever else it says.
        for card in BackupSource.cards(in: backup) where card.node != backup.store.node { found.add(card) }
        if let node = backup.manifest?.node, let home {
            unproved += try found.addOwn(of: home, node, asOf: backup.store)
        }
        if home != nil, let node = backup.manifest?.node {
            unproved += try found.addCosigned(by: node, in: backup.store)
        }
        self.unproved = unproved
        found.add(keys)
        mirrorKeys = found.mirrorKeys(ledBy: backup.store)
        logKeys = found.logKeys
    }

    private static func cards(in backup: StoredBackup) -> [PeerCard] {
        (backup.manifest?.files ?? []).compactMap { file in
            guard file.path.hasPrefix("peers/"), file.path.hasSuffix(".yaml"),
                let bytes = try? backup.bytes(file.path, limit: PeerCard.maximumByteCount),
                let card = try? PeerCard(parsing: bytes, path: file.path), file.path == "peers/\(card.node).yaml"
            else { return nil }
            return card
        }
    }

    /// Whether it was written while it was read as a file that nobody changes.
    public var hasChanged: Bool { file.hasChanged }

    /// Adds what is wrong with the backup itself to a report of its logs.
    public func add(to report: inout AuditReport) throws {
        for (what, text) in try backup.problems() {
            report.problems.append(AuditReport.Problem(origin: what, entry: nil, text: text))
        }
    }
}

/// Keys that an auditor knows from elsewhere than the logs.
struct KnownKeys {
    private(set) var logKeys: [String: [VerifierKey]] = [:]
    private var mirrorKeys: [String: MirrorKeys] = [:]

    mutating func add(_ card: PeerCard) {
        if let key = try? VerifierKey(parsing: card.mirrorKey.text) {
            mirrorKeys[card.node] = MirrorKeys(key, origins: Set(card.logs.map(\.origin)))
        }
        for log in card.logs {
            if let key = try? VerifierKey(parsing: log.key.text) { logKeys[log.origin, default: []].append(key) }
        }
    }

    /// The keys of the node itself, where this is a home of the user's own.
    mutating func addOwn(of home: HomeFolder, _ node: String) {
        guard let keystore = try? Keystore(home, node: node) else { return }
        if let own = try? VerifierKey(parsing: keystore.mirrorCardKey().text) { mirrorKeys[node] = MirrorKeys(own) }
        for (community, generation) in (try? keystore.logGenerations()) ?? [] {
            guard let own = try? keystore.logCardKey(community: community, generation: generation),
                let key = try? VerifierKey(parsing: own.text)
            else { continue }
            logKeys[key.name, default: []].append(key)
        }
    }

    /// The same for a backup of that node: a key that took another's place since vouches for nothing in it. Answers what
    /// is left unproved by that.
    mutating func addOwn(of home: HomeFolder, _ node: String, asOf store: SQLiteLogStore) throws -> [String] {
        var own = KnownKeys()
        own.addOwn(of: home, node)
        var unproved: [String] = []
        for log in try store.logs() where log.isOwn {
            guard let keys = own.logKeys[log.origin], let chain = try? log.keys else { continue }
            if keys.contains(where: chain.keys.contains) {
                logKeys[log.origin, default: []] += keys
            } else {
                unproved.append(
                    "\(log.origin): that it is the node's own: its key was rotated since, or the one in "
                        + "\(home.keysFolder) is another's; --vkey gives the key of that time")
            }
        }
        if let mirror = own.mirrorKeys[node] { mirrorKeys[node] = mirror }
        return unproved
    }

    /// The same for that home itself, whose own logs may have come back older than its keys (``RecoveringKeys``). Answers
    /// what is left unproved by that.
    mutating func addOwn(of home: HomeFolder, _ node: String, recoveringIn store: SQLiteLogStore) throws -> [String] {
        addOwn(of: home, node)
        let keys = try RecoveringKeys(logKeys, mirror: mirrorKeys(ledBy: store)[node], of: home, in: store)
        logKeys = keys.logKeys
        return keys.unproved
    }

    /// Logs of partners that no card names any more, of which this node has cosigned all that is here: while their cards
    /// named them, it took what they are kept under for their keys. For whoever takes this node's word, because it is
    /// the node's own operator. Answers what is to be said of them.
    mutating func addCosigned(by node: String, in store: SQLiteLogStore) throws -> [String] {
        guard let own = mirrorKeys(ledBy: store)[node] else { return [] }
        var unproved: [String] = []
        for log in try store.logs() where !log.isOwn && logKeys[log.origin] == nil {
            guard let keys = try? log.keys, try store.isCosigned(log, by: own, of: node) else { continue }
            logKeys[log.origin] = keys.keys
            unproved.append(
                "\(log.origin): that \(log.verifierKey) is its key: no card names that log any more; this node took it "
                    + "for that, and has cosigned what is here")
        }
        return unproved
    }

    /// What was said on the command line counts more than what lies beside the database.
    mutating func add(_ keys: [VerifierKey]) {
        for key in keys where key.algorithm == .ed25519 { logKeys[key.name] = [] }
        for key in keys {
            switch key.algorithm {
            case .ed25519: logKeys[key.name, default: []].append(key)
            case .cosignature: mirrorKeys[key.name] = MirrorKeys(key)
            }
        }
    }

    /// With those that took their places, as the logs say.
    func mirrorKeys(ledBy store: SQLiteLogStore) -> [String: MirrorKeys] {
        let published = Dictionary(grouping: (try? store.publishedKeys(role: .mirror)) ?? [], by: \.node)
        return Dictionary(
            uniqueKeysWithValues: mirrorKeys.map { node, keys in
                (node, keys.led(by: (published[node] ?? []).map { ($0.origin, $0.key) }))
            })
    }
}
