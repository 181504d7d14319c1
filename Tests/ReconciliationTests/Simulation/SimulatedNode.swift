import Cryptography
import Reconciliation
import TransparencyLog

/// A node in memory. What `store`, `marks`, `cards` and `members` hold survives a crash; everything else is lost with it.
final class SimulatedNode {
    let index: Int
    let settings: SimulatedSettings
    let clock: VirtualClock
    unowned let invariants: Invariants

    // On disk.
    var store: SimulatedStore
    var marks = SimulatedMarks()
    /// The nodes whose card this node has.
    var cards: Set<Int> = []
    /// The generation of the key that a log had when its owner's card came, where it was not the first.
    var cardKeys: [String: Int] = [:]
    /// When the mirror key was replaced: once for each of its generations behind the first.
    var mirrorChanges: [UInt64] = []
    /// The generation of the mirror key on a card, where it was not the first.
    var cardMirrors: [Int: Int] = [:]
    /// Whom this node lists in each of its communities.
    var members: [String: Set<Int>] = [:]

    // In memory.
    private(set) var sessions: [UInt64: SimulatedSession] = [:]
    private var transfers: [LogID: SimulatedTransfer] = [:]
    private(set) var storing: WorkQueue
    private(set) var verifying: [WorkQueue]
    /// Cosignatures by mirror keys that are not known yet.
    var parked: [(line: CosignatureLine, log: LogID)] = []
    /// Logs of which such lines were lost in a crash: nobody sends them again.
    private(set) var lostLines: Set<LogID> = []

    /// Whether what it sends is to be believed.
    var isLying = false {
        didSet { if isLying { hasLied = true } }
    }
    private(set) var hasLied = false
    /// Whether the marks were lost with the disk.
    var hasLostMarks = false

    var name: String { SimulatedKeys.name(index) }

    init(_ index: Int, settings: SimulatedSettings, clock: VirtualClock, invariants: Invariants) {
        self.index = index
        self.settings = settings
        self.clock = clock
        self.invariants = invariants
        store = SimulatedStore(node: index)
        storing = WorkQueue(clock, delay: settings.storing)
        verifying = (0..<2).map { _ in WorkQueue(clock, delay: settings.verifying) }
    }

    // MARK: Who may see what

    func communities(admitting peer: Int) -> [String] {
        members.filter { $0.value.contains(peer) && $0.value.contains(index) }.keys.sorted()
    }

    /// Whether a peer may see a log now.
    func shows(_ log: SimulatedReplica, to peer: Int) -> Bool { log.frozen == nil && mayRead(log, peer) }

    func mayRead(_ log: SimulatedReplica, _ peer: Int) -> Bool {
        communities(admitting: peer).contains(log.community)
            && (log.owner == peer || log.members?.contains(peer) ?? true)
    }

    func logs(visibleTo peer: Int) -> [LocalLog] {
        store.logs.keys.sorted().compactMap { localLog($0, visibleTo: peer) }
    }

    func localLog(_ id: LogID, visibleTo peer: Int) -> LocalLog? {
        guard let log = store.logs[id], log.frozen == nil else { return nil }
        return shows(log, to: peer) ? log.local() : lostLog(log, heardFrom: peer)
    }

    // MARK: Sessions

    func add(_ session: SimulatedSession) {
        sessions[session.id] = session
    }

    /// A session is over: what it was to bring can be asked of others.
    func remove(_ session: SimulatedSession) {
        guard sessions.removeValue(forKey: session.id) != nil else { return }
        // Behind the checkpoints that it still had to pin.
        storing.add { [self] in
            for (log, transfer) in transfers.sorted(by: { $0.key < $1.key }) where transfer.leave(session.id) {
                transfer.afterWork { [self] in
                    guard transfers[log] === transfer, transfer.participants.isEmpty else { return }
                    transfers[log] = nil
                    notify([log])
                }
            }
        }
    }

    var inOrder: [SimulatedSession] { sessions.sorted { $0.key < $1.key }.map(\.value) }

    func notify(_ logs: [LogID], except: UInt64? = nil) {
        for session in inOrder where session.id != except { session.changed(logs) }
    }

    func tick() {
        for (_, transfer) in transfers.sorted(by: { $0.key < $1.key }) { transfer.tick() }
        for session in inOrder { session.feed(.tick) }
        for id in store.logs.keys.sorted() { finishRecovery(of: id) }
        publishMirrorKeys()
    }

    // MARK: Transfers

    func transfer(of log: LogID) -> SimulatedTransfer? { transfers[log] }

    enum Joining {
        case joined
        case deferred
    }

    func join(_ head: SimulatedHead, of id: LogID, _ session: SimulatedSession) throws -> Joining {
        let log = try store.log(id)
        if let transfer = transfers[id] {
            guard transfer.target.size == head.size, transfer.target.root == head.root else { return .deferred }
            transfer.join(session)
            return .joined
        }
        if log.head?.size ?? 0 >= head.size || log.tree.size > head.size { return .deferred }
        try store.pin(head, of: id)
        changed(id)
        let pinned = try store.log(id)
        guard pinned.pending != nil else {
            completed(id)
            return .deferred
        }
        let transfer = SimulatedTransfer(self, log: pinned, target: head, chunk: settings.requestSize)
        transfer.join(session)
        transfers[id] = transfer
        return .joined
    }

    func ended(_ transfer: SimulatedTransfer, _ failure: String?) {
        if transfers[transfer.log] === transfer { transfers[transfer.log] = nil }
        if failure == nil { completed(transfer.log) }
        transfer.end(failure)
    }

    /// A replica has reached a checkpoint: it is cosigned before anybody hears of it.
    private func completed(_ id: LogID) {
        judgeParked()
        cosign(id)
        notify([id])
    }

    func changed(_ id: LogID) {
        invariants.changed(id, in: self)
    }

    // MARK: Changes on this machine

    /// Appends to the own log of a community, unless the marks forbid it.
    func append(_ bodies: [[UInt8]], to community: String) {
        let id = SHA256.hash("\(name)/\(community)")
        guard let log = store.logs[id], log.frozen == nil, log.recovering == nil, (try? marks.check(log)) != nil else {
            return
        }
        do {
            try store.append(bodies, to: id)
        } catch {
            return invariants.fail("\(name) could not append: \(error)")
        }
        invariants.appended(id, by: self)
        changed(id)
        // A crash in between leaves the mark behind.
        storing.add { [self] in
            if let log = store.logs[id] { marks.raise(log) }
            notify([id])
        }
    }

    /// Replaces the key of the own log of a community.
    func rotate(number: UInt64, in community: String) {
        guard let log = store.logs[SHA256.hash("\(name)/\(community)")] else { return }
        append([SimulatedBody.rotated(log.changes.count + 1).bytes(number: number)], to: community)
    }

    func createReplicas(_ hasher: MerkleHasher) {
        for community in members.keys.sorted() {
            for card in cards.sorted() where communities(admitting: card).contains(community) {
                let origin = "\(SimulatedKeys.name(card))/\(community)"
                try? store.create(
                    origin, owner: card, community: community, generation: cardKeys[origin] ?? 0, hasher: hasher)
            }
        }
    }

    // MARK: Faults

    /// Everything in memory is lost. The partners notice sooner or later.
    func crash() {
        storing.kill()
        verifying.forEach { $0.kill() }
        for session in inOrder { session.kill() }
        sessions = [:]
        transfers = [:]
        lostLines.formUnion(parked.map(\.log))
        parked = []
        storing = WorkQueue(clock, delay: settings.storing)
        verifying = (0..<2).map { _ in WorkQueue(clock, delay: settings.verifying) }
    }

    /// Whether the marks know of all that was appended here.
    var isMarked: Bool {
        store.logs.values.allSatisfy { !$0.isOwn || $0.head?.size ?? 0 <= marks.own[$0.id]?.size ?? 0 }
    }

    func restore(_ copy: SimulatedStore, marks old: SimulatedMarks?, _ hasher: MerkleHasher) {
        crash()
        store = copy
        if let old {
            marks = old
            hasLostMarks = true
        }
        createReplicas(hasher)
        noticeLosses()
        invariants.restored(self)
    }
}

/// What differs between nodes.
struct SimulatedSettings {
    var requestSize: UInt64 = 64
    var requestsOfOneLog = 16
    var requestsOfAll = 48
    var openOffers = 48
    var pushSize: UInt64 = 256
    var blobWindow = 16
    var frameEntries: UInt64 = 64
    /// Frames of one log that may wait for their turn.
    var waitingFrames = 8
    var storing: ClosedRange<UInt64> = 100...5_000
    var verifying: ClosedRange<UInt64> = 100...2_000
    var reading: ClosedRange<UInt64> = 50...3_000
}
