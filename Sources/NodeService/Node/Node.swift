import Cryptography
import Glibc
public import Home
public import LogStore
public import Logging
public import MutualTLS
public import Records
public import TransparencyLog

/// One home, opened: its configuration, partners, keys and logs. Commands and the running node use it alike.
public final class Node: Sendable {
    public let home: HomeFolder
    public let configuration: NodeConfiguration
    /// The cards of partners that can be read; ``cardProblems`` says what is wrong with the others.
    public let cards: [PeerCard]
    public let cardProblems: [HomeError]
    public let keystore: Keystore
    private let unlocker: KeyUnlocker
    private let chosenKeys = Guarded<(any PrivateKeys)?>(nil)
    /// Which log of this node in a community is the newest one.
    private let generations: [String: UInt64]
    public let store: SQLiteLogStore
    public let logger: Logger

    public var name: String { configuration.node }

    private init(home: HomeFolder, logger: Logger, unlocker: KeyUnlocker, store: SQLiteLogStore? = nil) throws {
        self.home = home
        self.logger = logger
        configuration = try home.configuration()
        (cards, cardProblems) = try PeerDirectory(home).all()
        self.unlocker = unlocker
        keystore = try Keystore(home, node: configuration.node, unlocker: unlocker)
        let store =
            try store
            ?? SQLiteLogStore(
                path: home.nodeDatabase, signedPath: home.signedDatabase, node: configuration.node,
                mayUpgrade: home.requireNoOlderRun, onProblem: { logger.error("\($0)") })
        generations = try Node.generations(keystore, store)
        self.store = store
    }

    /// The same home with its configuration and cards as they are now, on the same store.
    public func refreshed() throws -> Node {
        let node = try Node(home: home, logger: logger, unlocker: unlocker, store: store)
        try node.createReplicas()
        return node
    }

    /// Opens a home: the one named, else $ENTENTE_HOME, else ~/.entente. The passphrase is asked for when a private key
    /// is needed first, if there is one.
    public static func open(
        _ path: String?, logger: Logger = Node.quietLogger, unlocker: KeyUnlocker = .plainOnly
    ) throws -> Node {
        let home = try HomeFolder.open(path ?? HomeFolder.defaultPath())
        let node = try Node(home: home, logger: logger, unlocker: unlocker)
        for problem in node.cardProblems {
            logger.warning("a peer card cannot be read", metadata: ["problem": "\(problem)"])
        }
        try node.createReplicas()
        return node
    }

    /// Warnings and worse, on standard error.
    public static var quietLogger: Logger {
        var logger = Logger(label: "entente") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .error
        return logger
    }

    /// A replica for every log that a partner's card names in a community of this node that admits the partner.
    public func createReplicas() throws {
        try store.noteCards(
            Dictionary(cards.map { ($0.node, $0.fingerprint.digest) }, uniquingKeysWith: { first, _ in first }))
        for card in cards {
            let communities = Set(configuration.communities(admitting: card.node))
            for log in card.logs where communities.contains(log.community) {
                if let known = try store.log(log.origin) {
                    // A later key is believed where the log leads to it; `keyAlarms` tells of one that it does not.
                    if known.verifierKey != log.key.text, known.size == 0 {
                        _ = try store.replaceAnchor(of: known.id, with: log.key.text)
                    }
                    continue
                }
                try store.createLog(
                    origin: log.origin, node: card.node, community: log.community, isOwn: false,
                    verifierKey: log.key.text)
            }
        }
    }

    /// Where private keys are put to use: in this process where they need no passphrase or it was given already, else in
    /// the node that is running on this home, else in this process, which asks for the passphrase.
    package var privateKeys: any PrivateKeys {
        get throws {
            if let keys = chosenKeys.value { return keys }
            let keys: any PrivateKeys =
                if try !keystore.isUnlocked, let agent = AgentKeys(home) { agent } else { OwnKeys(keystore, store) }
            chosenKeys.value = keys
            return keys
        }
    }

    /// Throws where what needs a private key could not be done; before anything is changed.
    public func checkKeys() throws { try privateKeys.check() }

    /// Makes the key of a log in a community that this node joins. Whoever left it comes back to its log, and so does
    /// whoever was broken off in joining: that key stays.
    public func makeLogKey(community: String, generation: UInt64 = 1) throws {
        let here = self.generation(of: community)
        let isHere = (try? keystore.logPublicKey(community: community, generation: here)) != nil
        guard !isHere || generation > here else { return }
        // Another key in its place would sign nothing that anybody believes.
        if generation <= here, try store.log(origin(of: community)) != nil,
            let lost = try lostLogKey(community: community)
        {
            throw lost
        }
        try privateKeys.makeLogKey(community: community, generation: generation)
    }

    /// Who opened what that was sealed to this node.
    public var journal: Journal { Journal(home) }

    /// The records of the logs by address, actor and words.
    public func index() throws -> RecordIndex {
        try RecordIndex(path: home.indexDatabase, store: store)
    }

    // MARK: Communities

    /// The community to work in: the one named, or the only one.
    public func community(_ name: String?) throws -> CommunityConfiguration {
        if let name {
            guard let community = configuration.community(name) else {
                throw HomeError(.usage, "this node is in no community \(name); see `entente community list`")
            }
            return community
        }
        guard let only = configuration.communities.first, configuration.communities.count == 1 else {
            let names = configuration.communities.map(\.name).joined(separator: ", ")
            throw HomeError(
                .usage,
                names.isEmpty
                    ? "this node is in no community; add one with `entente community add`"
                    : "name one of \(names) with --community")
        }
        return only
    }

    /// Which log of this node in a community is the one to write: 1, or more after forks.
    func generation(of community: String) -> UInt64 { generations[community] ?? 1 }

    /// The log that this node writes in a community.
    public func origin(of community: String) -> String {
        let generation = generation(of: community)
        return generation == 1 ? "\(name)/\(community)" : "\(name)/\(community)/\(generation)"
    }

    // MARK: Writing

    /// The newest sealing key of each node that fields can be sealed to, this one among them.
    func sealingKeys() throws -> [String: SealedBox.PublicKey] {
        var keys: [String: SealedBox.PublicKey] = [:]
        let book = try sealingKeyBook()
        for node in book.nodes { keys[node] = book.newest(of: node)?.key }
        if let epoch = try keystore.sealingEpochs().last {
            keys[name] = try keystore.sealingPublicKey(epoch: epoch)
        }
        return keys
    }

    /// What turns drafts into entries of this community's log.
    public func writer(community: String) throws -> RecordWriter {
        RecordWriter(
            origin: origin(of: community),
            policy: SealingPolicy(
                node: name, members: configuration.community(community)?.members ?? [],
                defaults: configuration.sealing),
            sealingKeys: try sealingKeys(), doublesKey: try privateKeys.doublesKey())
    }

    /// Appends to the own log of a community and signs. Rings the running node, which tells the partners. For `check`
    /// see ``AppendOptions/check``.
    public func append(
        _ entries: [NewEntry], community: String, signer: NoteSigner, doubles: DoubleFilter? = nil,
        check: @escaping (_ size: UInt64) throws -> Void = { _ in }
    ) throws -> AppendResult {
        let origin = origin(of: community)
        guard let log = try store.log(origin) else { throw lostLog(origin) }
        // A log begins with who may hold it; one that a crash left without begins so now.
        if log.size == 0, log.recovering == nil, entries.first.map({ !isMembers($0) }) ?? false {
            try publishMembers(of: community, author: Clock.user, time: Clock.timestamp)
        }
        if log.size > 0, try !log.keys.keys.contains(signer.verifierKey) {
            throw HomeError(
                .notPermitted,
                "the log key in keys/ is none that \(origin) has had as far as this database knows: one of the two is an "
                    + "older copy; put back the right keys/, or run `entente recover --restored`",
                path: home.keysFolder)
        }
        let result = try store.append(
            entries, to: origin,
            options: AppendOptions(doubles: doubles, check: check) { size, root in
                try Checkpoint(origin: origin, size: size, root: root).sign(with: signer).serialized
            })
        NodeBell.ring(home)
        return result
    }

    private func isMembers(_ entry: NewEntry) -> Bool { EntryRecord.read(entry.body).record?.type == .members }

    /// The public key of the own log of a community.
    public func logCardKey(community: String) throws -> CardKey {
        CardKey(name: origin(of: community), kind: .log, publicKey: try logPublicKey(community: community))
    }

    /// Signs checkpoints of the own log of a community.
    public func signer(community: String) throws -> NoteSigner {
        if let lost = try lostLogKey(community: community) {
            let origin = origin(of: community)
            throw try store.log(origin) == nil ? lostLog(origin) : lost
        }
        if let log = try store.log(origin(of: community)) { try requireNewestKey(of: log) }
        try store.checkNoLaterLog(after: origin(of: community))
        return try privateKeys.signer(of: origin(of: community), publicKey: logPublicKey(community: community))
    }

    /// The `members` record that says who may hold this node's log of a community now.
    public func membersRecord(
        of community: CommunityConfiguration, isStolen: Bool = false, author: String, time: Timestamp
    ) throws -> [UInt8] {
        guard var draft = RecordDraft(type: .members, time: time, author: author, tlp: .green) else {
            throw HomeError(.configuration, "members records are not known")
        }
        try draft.set("members", to: .array(community.members.sorted().map { .string($0) }))
        try draft.set("carry_sealed", to: .string(community.carrySealed.rawValue))
        if let predecessor = try predecessor(of: community.name, isStolen: isStolen) {
            try draft.set("predecessor", to: predecessor)
        }
        return try draft.body()
    }

    /// Publishes the members of a community in the own log, where they have changed.
    ///
    /// - Parameter isStolen: the log is the successor of one whose key is stolen, where it is empty yet.
    public func publishMembers(
        of community: String, isStolen: Bool = false, author: String, time: Timestamp
    ) throws {
        guard let configured = try home.configuration().community(community) else { return }
        let log = try store.log(origin(of: community))
        // While it is being recovered nothing is appended, and nobody knows what it says. A forked one says no more, nor
        // does one that was given up.
        if try log?.recovering != nil || log?.frozen != nil || laterLog(in: community) != nil { return }
        let published = try log.flatMap { try store.membership(of: $0.id) }
        let carry = configured.carrySealed == .members
        if published == Membership(members: configured.members.sorted(), membersCarrySealed: carry) { return }
        let body = try membersRecord(of: configured, isStolen: isStolen, author: author, time: time)
        _ = try append([NewEntry(body: body)], community: community, signer: signer(community: community))
    }

    // MARK: Partners

    /// A partner that can be connected to.
    public struct Partner: Sendable {
        public let node: String
        public let endpoint: HostAndPort
    }

    /// The named partners, or all with an endpoint that share a community with this node.
    public func partners(named names: [String] = []) throws -> [Partner] {
        guard !names.isEmpty else {
            return cards.filter { !configuration.communities(admitting: $0.node).isEmpty }
                .compactMap { card in card.endpoint.map { Partner(node: card.node, endpoint: $0) } }
        }
        return try names.map { name in
            guard let card = cards.first(where: { $0.node == name }) else {
                throw HomeError(.noInput, "no partner \(name); see `entente peer list`")
            }
            guard let endpoint = card.endpoint else {
                throw HomeError(
                    .noInput, "the card of \(name) has no endpoint; give one with `entente peer add --replace`")
            }
            return Partner(node: name, endpoint: endpoint)
        }
    }

    /// Members and keys, as sessions need them.
    public var federation: Federation {
        Federation(
            node: name,
            members: Dictionary(
                configuration.communities.map { ($0.name, $0.members) }, uniquingKeysWith: { first, _ in first }),
            keys: mirrorKeys)
    }

    /// What the sessions of this process share.
    public func synchronisation() throws -> SyncContext {
        SyncContext(
            store: store, federation: federation,
            cosigner: try cosigner(), refusal: try replacedMirrorKeyAlarm(), now: Clock.now,
            evidenceFolder: home.evidenceFolder, logger: logger)
    }

    /// Certificate, key and the partners to believe.
    public func tls() throws -> TLSContext {
        try TLSContext(
            TLSConfiguration(
                identity: try identity(), trust: try trust(),
                applicationProtocols: [PeerClient.applicationProtocol]))
    }

    /// This node's certificate and key.
    public func identity() throws -> TLSIdentity {
        do {
            return try readIdentity()
        } catch let error as TLSError where [.badIdentity, .mismatchedKey].contains(error.code) {
            // Another process may have put a new key in its place between the two.
            do {
                return try readIdentity()
            } catch let error as TLSError where error.code == .mismatchedKey {
                if let identity = try identityBesideLostNext() { return identity }
                throw mismatchedTLSKey
            }
        }
    }

    private func readIdentity() throws -> TLSIdentity {
        let certificate = try certificatePEM()
        return try keystore.tlsKey().withUnsafeBytes { key in
            try TLSIdentity(certificatePEM: certificate, privateKeyPEM: key)
        }
    }

    /// What this node's certificate says, for which its key is not needed.
    public func certificate() throws -> TLSCertificate {
        try TLSCertificate(pem: certificatePEM())
    }

    private func trust() throws -> PeerTrust {
        var trust = PeerTrust()
        for (pin, node) in try pinBook().pins {
            if let pin = Pin(pin.bytes) { trust.pins[pin] = node }
        }
        var authorities: [String: [String: String]] = [:]
        for card in cards where !configuration.communities(admitting: card.node).isEmpty {
            if case .authority(let name, let file) = card.trust { authorities[file, default: [:]][name] = card.node }
        }
        guard let (file, names) = authorities.first else { return trust }
        guard authorities.count == 1 else {
            throw HomeError(.configuration, "peer cards name several CA files; put the authorities into one file")
        }
        trust.authority = PeerTrust.Authority(
            certificatesPEM: try home.certificateFile(file), names: names)
        return trust
    }

    /// What partners must know of this node for these communities.
    public func card(communities: [String]) throws -> PeerCard {
        let epochs = try keystore.sealingEpochs().suffix(PeerCard.maximumSealingKeyCount)
        return try PeerCard(
            node: name, endpoint: configuration.endpoint,
            trust: .pins(tlsPins()),
            mirrorKey: mirrorCardKey(),
            sealingKeys: epochs.map {
                PeerCard.SealingKey(epoch: $0, key: try keystore.sealingPublicKey(epoch: $0))
            },
            logs: communities.map {
                PeerCard.Log(community: $0, origin: origin(of: $0), key: try logCardKey(community: $0))
            })
    }

    // MARK: Proofs

    /// The proof that a record is in its log, with the newest checkpoint and the cosignatures on it.
    public func proof(of reference: Reference) throws -> TLogProof {
        guard let log = try store.log(reference.origin.text), let head = log.head, reference.index < head.size else {
            throw HomeError(.noInput, "no record \(reference.text) under a checkpoint here")
        }
        try checkSound(reference, log)
        return try proof(
            at: reference.index, of: log, under: head,
            try store.cosignatures(of: log.id, sizes: head.size...head.size))
    }
}

/// The system's clock.
public enum Clock {
    /// Unix seconds.
    @Sendable public static func now() -> UInt64 {
        UInt64(clamping: time(nil))
    }

    /// Unix seconds as records write a moment.
    public static func moment(_ seconds: UInt64) -> String {
        Timestamp(seconds: Int64(clamping: seconds))?.text ?? "an unreadable time"
    }

    /// The moment as records write it.
    public static var timestamp: Timestamp {
        Timestamp(seconds: Int64(time(nil))) ?? Clock.epoch
    }

    private static let epoch: Timestamp = {
        guard let epoch = Timestamp(seconds: 0) else { preconditionFailure("1970 can be written") }
        return epoch
    }()

    /// The operating system's user, as `author` in records.
    public static var user: String {
        guard let entry = getpwuid(geteuid()), let name = entry.pointee.pw_name else { return "uid-\(geteuid())" }
        return String(cString: name)
    }
}
