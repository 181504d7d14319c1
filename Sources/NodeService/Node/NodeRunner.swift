import Cryptography
import Home
import LogStore
public import Logging
import MutualTLS
import NIOCore
import Reconciliation

/// The node while it runs: listens for partners, keeps connections to those it can reach, and passes on what is new.
///
/// Configuration and cards are read again at every ring of the bell and at every tick, so that a partner who was
/// added or removed is heard or dropped within moments.
public final class NodeRunner: Sendable {
    private let node: Node
    private let context: SyncContext
    private let tls: Guarded<TLSContext>
    /// The same for those who read tiles, auditors among them.
    private let readersTLS: Guarded<TLSContext>
    private let known: Guarded<Known>
    private let lock: RunLock
    private let dialling = Guarded<[String: DialPlan]>([:])
    private let heads = Guarded<[LogID: UInt64]>([:])
    private let damaged = Guarded<[LogID: Int]>([:])
    private let frozen = Guarded<Set<LogID>>([])
    private let wake: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation
    private let logger: Logger
    private let contacts: ContactBook
    private let asking: WitnessAsking?
    private let chores = Guarded(Chores())
    /// What this node answers as a witness while it runs, by its configuration as it is at each moment.
    public let witness: WitnessService

    /// What is done now and then, and when it was done last (Unix seconds).
    private struct Chores: Sendable {
        var contacts: UInt64 = 0
        var logContacts: UInt64 = 0
        /// Who was connected at the last look.
        var connected: Set<String> = []
        var dating: UInt64 = 0
        var receipts: UInt64 = 0
        var problems: [String] = []
        var warnings: Set<String> = []
        /// The last one that the index was told of.
        var erasure: RightMark?
    }

    /// What the connections under way were let in by.
    private struct Known: Sendable, Equatable {
        let cards: [String: PeerCard]
        let federation: Federation
        /// Partners' TLS keys, and the one that this node shows.
        let pins: [SHA256Digest: String]
        let identity: SHA256Digest
        let auditors: Auditors

        init(_ node: Node) throws {
            cards = Dictionary(node.cards.map { ($0.node, $0) }, uniquingKeysWith: { first, _ in first })
            federation = node.federation
            pins = try node.pinBook().pins
            identity = try node.identityPin()
            auditors = node.auditors
        }
    }

    /// Takes the lock of the home; `busy` where it is run already.
    ///
    /// - Parameter transport: brings checkpoints to the witnesses that node.yaml names; without one none is asked.
    public init(node: Node, logger: Logger, transport: (any WitnessTransport)? = nil) throws {
        self.node = node
        self.logger = logger
        lock = try RunLock(node.home)
        context = try node.synchronisation()
        contacts = ContactBook(store: node.store, logger: logger)
        asking = transport.map { WitnessAsking(transport: $0, logger: logger) }
        known = Guarded(try Known(node))
        let tls = Guarded(try node.tls())
        self.tls = tls
        witness = WitnessService(node, tls: { tls.value }, logger: logger)
        witness.obey(node)
        readersTLS = Guarded(try node.readersTLS())
        (wake, waker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// What this node publishes while it runs, by its configuration and cards as they are at each moment.
    public var publishing: Publishing {
        Publishing(
            store: context.store, federation: { [context] in context.federation.value },
            auditors: { [known] in known.value.auditors }, tls: { [readersTLS] in readersTLS.value })
    }

    /// Runs until the task is cancelled. `onListening` is told where partners can connect to.
    public func run(onListening: @Sendable (String) -> Void) async throws {
        let listen = node.configuration.listen
        // Own checkpoints are dated before anybody asks for them.
        noteHeads()
        let server = try await PeerServer.listen(
            at: Endpoint(host: listen.host, port: Int(listen.port)), context: context, tls: { [tls] in tls.value },
            logger: logger, onRefusal: { [contacts] in contacts.note($0, now: Clock.now()) }
        ) { [weak self] report in self?.ended(report, dialled: false) }
        let agent = try AgentServer(node.home, agent: KeyAgent(node)) { [weak self] partner, progress in
            await self?.synchronise(with: partner, progress: progress) ?? SessionReport(peer: partner)
        } onRing: { [waker] in
            waker.yield()
        }
        defer { agent.stop() }
        onListening(server.address.map { "\($0.ipAddress ?? listen.host):\($0.port ?? 0)" } ?? listen.description)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [self] in
                // A tick a second drives retries; the bell drives everything else.
                while !Task.isCancelled {
                    waker.yield()
                    try? await Task.sleep(for: .seconds(1))
                }
                waker.finish()
            }
            for await _ in wake {
                await onThread { self.refresh() }
                noteContacts()
                dial()
            }
            group.cancelAll()
        }
        try? await server.close()
        context.sessions.notify(.disconnect(reason: "\(node.name) is stopping"))
    }

    // MARK: Changes on this machine

    /// Reads again what commands may have changed: cards, members, logs.
    private func refresh() {
        warn()
        do {
            let now = try node.refreshed()
            witness.obey(now)
            try obey(now)
            if try finishRotation(now) { try obey(now) }
            partners.value = try now.partners()
            noteHeads()
            settleRecoveries(now)
            try noteLogContacts(now)
            try asking?.look(now)
        } catch {
            logger.error("the home cannot be read", metadata: ["error": "\(error)"])
        }
    }

    /// Says each warning once.
    private func warn() {
        for warning in NodeWarnings.now where chores.update({ $0.warnings.insert(warning).inserted }) {
            logger.warning("\(warning)")
        }
    }

    /// Takes over members, cards and keys as they are now. Whoever is admitted otherwise, is known by another card or
    /// has retired a TLS key loses its connection at once and is judged anew; whoever was admitted newly is tried at once.
    private func obey(_ node: Node) throws {
        let before = known.value
        let now = try Known(node)
        guard before != now else { return }
        let replaced = Set(now.cards.keys).union(before.cards.keys).filter { now.cards[$0] != before.cards[$0] }
        let retired = before.pins.filter { now.pins[$0.key] != $0.value }.values
        if now.federation.mirrorKeys[node.name] != before.federation.mirrorKeys[node.name] {
            context.sign(with: try node.cosigner(), refusal: try node.replacedMirrorKeyAlarm())
        }
        let changed = context.obey(now.federation).union(replaced).union(retired)
        // Without a certificate or a CA file there is no new trust; connections end all the same, and none is taken up
        // with a peer that is in no community.
        defer { context.disconnect(changed) }
        if before.cards != now.cards || before.federation != now.federation { try context.forgetAgreements() }
        tls.value = try node.tls()
        readersTLS.value = try node.readersTLS()
        known.value = now
        dialling.update { dialling in
            for peer in dialling.keys { dialling[peer]?.hasten(now: .now) }
        }
    }

    /// Takes an announced TLS key into use once every partner knows it. What stops that is said once.
    private func finishRotation(_ node: Node) throws -> Bool {
        do {
            let done = try node.finishTLSRotation(author: Clock.user, time: Clock.timestamp)
            rotationProblem.value = nil
            if done != nil { logger.notice("a new TLS key is in use", metadata: ["node": "\(node.name)"]) }
            return done != nil
        } catch {
            if rotationProblem.value != "\(error)" {
                logger.error("the new TLS key cannot be used", metadata: ["error": "\(error)"])
            }
            rotationProblem.value = "\(error)"
            return false
        }
    }

    private let rotationProblem = Guarded<String?>(nil)
    private let recoveryProblem = Guarded<String?>(nil)

    /// Opens own logs again for which every member has answered by now. What stops one is said once.
    private func settleRecoveries(_ now: Node) {
        do {
            let recovered = try now.settleRecoveries()
            recoveryProblem.value = nil
            guard !recovered.isEmpty else { return }
            logger.notice("recovered", metadata: ["logs": "\(recovered.map(\.origin).joined(separator: " "))"])
            context.sessions.notify(.logs(Set(recovered.map(\.id))))
        } catch {
            guard recoveryProblem.value != "\(error)" else { return }
            recoveryProblem.value = "\(error)"
            logger.error("an own log cannot be recovered", metadata: ["error": "\(error)"])
        }
    }

    private let partners = Guarded<[Node.Partner]>([])

    /// Tells the sessions which logs have grown since the last look.
    private func noteHeads() {
        do {
            let logs = try context.store.logs()
            let now = Dictionary(
                logs.map { ($0.id, $0.head?.size ?? 0) }, uniquingKeysWith: { first, _ in first })
            let changed = heads.update { heads in
                let changed = Set(now.filter { heads[$0.key] != $0.value }.map(\.key))
                heads = now
                return changed
            }
            // What a scrub in another process has found or mended.
            let counts = try context.store.damageCounts()
            let marked = damaged.update { damaged in
                let marked = Set(damaged.merging(counts) { $1 }.keys.filter { damaged[$0] != counts[$0] })
                damaged = counts
                return marked
            }
            // Forks that a command has found.
            let frozen = Set(logs.filter { $0.frozen != nil }.map(\.id))
            let newlyFrozen = self.frozen.update { known in
                defer { known = frozen }
                return frozen.subtracting(known)
            }
            for log in newlyFrozen { context.sessions.notify(.frozen(log)) }
            if !changed.isEmpty || !marked.isEmpty { context.sessions.notify(.logs(changed.union(marked))) }
            try date(isDue: !changed.isEmpty)
        } catch {
            logger.error("the logs cannot be read", metadata: ["error": "\(error)"])
        }
    }

    /// Dates the own checkpoints, after partners have been told of what is new; looks at least once a minute whether
    /// an hour is over.
    private func date(isDue: Bool) throws {
        let now = Clock.now()
        let isDue = chores.update { chores in
            guard isDue || now < chores.dating || now - chores.dating >= 60 else { return false }
            chores.dating = now
            return true
        }
        guard isDue else { return }
        let dating = try context.dateOwnHeads()
        if !dating.dated.isEmpty { context.sessions.notify(.logs(dating.dated)) }
        // What another process was reading when it was erased may still be in the write-ahead log.
        try? context.store.settleErasures()
        try? forgetErasedValues()
        try giveMissingReceipts(now)
        let isNews = chores.update { chores in
            defer { chores.problems = dating.problems }
            return chores.problems != dating.problems
        }
        for problem in dating.problems where isNews {
            logger.error("an own checkpoint is not cosigned", metadata: ["reason": "\(problem)"])
        }
    }

    /// The index of sealed values is filled by searches, but what was erased does not stay in it until the next one.
    private func forgetErasedValues() throws {
        guard let last = try context.store.last(.erasure), last != chores.value.erasure else { return }
        try node.forgetErasedValues()
        chores.update { $0.erasure = last }
    }

    /// Once an hour: sealed parts may have come while the clock was wrong, or with an older release.
    private func giveMissingReceipts(_ now: UInt64) throws {
        let isDue = chores.update { chores in
            guard now < chores.receipts || now - chores.receipts >= 3_600 else { return false }
            chores.receipts = now
            return true
        }
        guard isDue else { return }
        for (log, receipts) in try context.signMissingReceipts() { context.sessions.notify(.receipts(log, receipts)) }
    }

    /// Notes who is connected, at once and then once a minute: a silent peer would have been dropped. What went wrong
    /// before is not told of any more then.
    private func noteContacts() {
        let now = Clock.now()
        let connected = context.sessions.met
        let due = chores.update { chores in
            defer { chores.connected = connected }
            guard now < chores.contacts || now - chores.contacts >= 60 else {
                return connected.subtracting(chores.connected)
            }
            chores.contacts = now
            return connected
        }
        for peer in due { contacts.note(PeerContact(peer: peer, lastHeard: now)) }
    }

    /// Notes once a minute whose logs' owners have been heard of.
    private func noteLogContacts(_ node: Node) throws {
        let now = Clock.now()
        let isDue = chores.update { chores in
            guard now < chores.logContacts || now - chores.logContacts >= 60 else { return false }
            chores.logContacts = now
            return true
        }
        if isDue { try node.noteLogContacts(now: now) }
    }

    // MARK: Connections

    /// Connects to every partner that can be reached and is not connected, each after its own pause.
    private func dial() {
        let connected = context.sessions.peers
        for partner in partners.value where !connected.contains(partner.node) {
            guard dialling.update({ $0[partner.node, default: DialPlan()].begin(now: .now) }) else { continue }
            let client = PeerClient(context: context, tls: { [tls] in tls.value }, logger: logger)
            Task { [weak self] in
                let report = await client.synchronise(
                    with: partner.node,
                    at: Endpoint(partner.endpoint), once: false)
                self?.ended(report, dialled: true)
            }
        }
    }

    /// One session for a command, beside those that stay: as in a process of its own, but with the keys of this one.
    private func synchronise(
        with name: String, progress: @escaping @Sendable (SyncProgress) -> Void
    ) async -> SessionReport {
        var report = SessionReport(peer: name)
        do {
            let now = try node.refreshed()
            guard let partner = try now.partners(named: [name]).first else { return report }
            let client = PeerClient(context: try now.synchronisation(), tls: { [tls] in tls.value }, logger: logger)
            report = await client.synchronise(
                with: name, at: Endpoint(partner.endpoint), once: true, progress: progress)
            // What came goes on to the other partners.
            waker.yield()
        } catch {
            report.error = SessionFailure(error, peer: name)
        }
        return report
    }

    /// A session is over that this node has dialled, or that the partner has opened.
    private func ended(_ report: SessionReport, dialled: Bool) {
        contacts.note(report, now: Clock.now())
        let interval = Double(node.configuration.syncInterval)
        let isNews = dialling.update {
            $0[report.peer, default: DialPlan()].ended(report, dialled: dialled, interval: interval, now: .now)
        }
        guard isNews, let error = report.error else { return }
        logger.warning("session ended", metadata: ["peer": "\(report.peer)", "reason": "\(error.description)"])
    }
}
