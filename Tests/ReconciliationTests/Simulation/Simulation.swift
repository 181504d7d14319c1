import Cryptography
import Reconciliation
import TransparencyLog

/// Runs one schedule: first with faults and liars, then without, and then says whether everything came to rest as it
/// should.
final class Simulation {
    let schedule: Schedule
    let clock: VirtualClock
    let invariants = Invariants()
    private(set) var nodes: [SimulatedNode] = []
    /// All there ever were: sessions that are over may still look at theirs.
    private var connections: [SimulatedConnection] = []
    private let hasher = MerkleHasher()
    private var sessionCount: UInt64 = 0
    private var bodyCount: UInt64 = 0
    private var backups: [Int: (store: SimulatedStore, marks: SimulatedMarks)] = [:]
    private(set) var steps = 0

    init(seed: UInt64, rotatesMuch: Bool = false, trace: ((String) -> Void)? = nil) throws {
        schedule = Schedule(seed: seed, rotatesMuch: rotatesMuch)
        clock = VirtualClock(random: SplitMix64(seed))
        if let trace {
            let clock = clock
            let begin = clock.now
            invariants.trace = { trace("\((clock.now - begin) / 1_000) ms  \($0)") }
        }
        invariants.diskFaults = schedule.diskFaults
        for index in 0..<schedule.nodes {
            let node = SimulatedNode(
                index, settings: schedule.settings[index], clock: clock, invariants: invariants)
            node.members = schedule.members[index]
            node.cards = schedule.cards[index]
            node.isLying = schedule.liars.contains(index)
            nodes.append(node)
        }
        for node in nodes {
            for community in node.members.keys.sorted() {
                try node.store.create(
                    "\(node.name)/\(community)", owner: node.index, community: community, hasher: hasher)
            }
            node.createReplicas(hasher)
            for community in node.members.keys.sorted() { publishMembers(of: community, at: node) }
        }
        for number in schedule.archive.indices { try fillArchive(number) }
    }

    /// A log whose owner is gone, and that some nodes hold and others do not, or not all of it.
    private func fillArchive(_ number: Int) throws {
        let (place, size, held) = schedule.archive[number]
        let community = schedule.communities[place]
        let origin = "gone\(number).example/\(community)"
        let owner = 100 + number
        var writer = SimulatedStore(node: owner)
        try writer.create(origin, owner: owner, community: community, hasher: hasher)
        let id = SHA256.hash(origin)
        var stages = [try writer.log(id)]
        for _ in 0..<size {
            let body = stages.count == 1 ? SimulatedBody.members(Set(0..<schedule.nodes)) : .plain
            try writer.append([bytes(body)], to: id)
            stages.append(try writer.log(id))
        }
        invariants.begin(stages[size])
        for node in nodes where node.members[community] != nil {
            try node.store.create(origin, owner: owner, community: community, hasher: hasher)
            guard let head = stages[held[node.index]].head else { continue }
            try node.store.pin(head, of: id)
            _ = try node.store.commit(
                .init(log: id, start: 0, tree: stages[held[node.index]].tree, target: head))
        }
    }

    private func bytes(_ body: SimulatedBody) -> [UInt8] {
        bodyCount += 1
        return body.bytes(number: bodyCount)
    }

    private func publishMembers(of community: String, at node: SimulatedNode) {
        node.append([bytes(.members(node.members[community] ?? []))], to: community)
    }

    // MARK: Running

    enum Outcome: Equatable {
        case passed
        case failed(String)
    }

    func run() -> Outcome {
        let begin = clock.now
        for (time, event) in schedule.events {
            while isSound, clock.step(until: begin + time) { count() }
            guard isSound else { break }
            clock.advance(to: begin + time)
            invariants.trace?("\(event)")
            happen(event)
        }
        if isSound { calm() }
        // Sessions and nodes hold on to each other.
        nodes.forEach { $0.crash() }
        return invariants.failure.map { .failed($0) } ?? .passed
    }

    private var isSound: Bool { invariants.failure == nil }

    /// Nothing that two sides say to each other goes on for ever.
    static let maximumSteps = 60_000

    private func count() {
        steps += 1
        if steps > Simulation.maximumSteps { invariants.fail("no end after \(steps) steps") }
    }

    func runUntilQuiet() {
        while isSound, clock.step() { count() }
    }

    // MARK: Events

    private func happen(_ event: Schedule.Event) {
        switch event {
        case .append(let index, let community, let number):
            let bodies = (0..<number).map { _ in bytes(.plain) }
            nodes[index].append(bodies, to: schedule.communities[community])
        case .seal(let index, let community, let recipients):
            nodes[index].append([bytes(.sealed(recipients))], to: schedule.communities[community])
        case .rotate(let index, let community):
            bodyCount += 1
            nodes[index].rotate(number: bodyCount, in: schedule.communities[community])
        case .rotateMirror(let index): nodes[index].rotateMirrorKey()
        case .connect(let link, let isForward, let once):
            let usable = schedule.links.filter { isUsable($0) }
            guard !usable.isEmpty else { return }
            let link = usable[link % usable.count]
            // One connection of a pair in most cases, two now and then.
            let isConnected = connections.contains { connection in
                !connection.isOver && Set(connection.ends.map(\.node.index)) == [link.first, link.second]
            }
            if !isConnected || clock.random.next() % 4 == 0 { _ = connect(link, isForward: isForward, once: once) }
        case .disconnect(let number):
            let open = connections.filter { !$0.isOver }
            if !open.isEmpty { open[number % open.count].drop() }
        case .crash(let index): nodes[index].crash()
        case .backUp(let index): backups[index] = (nodes[index].store, nodes[index].marks)
        case .restore(let index, let withMarks):
            guard let backup = backups[index] else { return }
            // What was neither marked nor shown when the disk died was never promised to anybody.
            guard withMarks == false || nodes[index].isMarked else { return }
            nodes[index].restore(backup.store, marks: withMarks ? nil : backup.marks, hasher)
        case .addCard(let index, let other): addCard(of: other, to: nodes[index])
        case .changeMembers(let index, let community, let other):
            changeMembers(schedule.communities[community], other, at: nodes[index])
        case .tick: nodes.forEach { $0.tick() }
        }
    }

    private func addCard(of other: Int, to node: SimulatedNode) {
        guard other != node.index, node.cards.insert(other).inserted else { return }
        for log in nodes[other].store.logs.values where log.isOwn { node.cardKeys[log.origin] = log.changes.count }
        node.cardMirrors[other] = nodes[other].mirrorChanges.count
        node.createReplicas(hasher)
        // The partners are to tell again what could not be judged before.
        node.store.agreements = [:]
        node.notify(node.store.logs.keys.sorted())
    }

    private func changeMembers(_ community: String, _ other: Int, at node: SimulatedNode) {
        guard other != node.index, var members = node.members[community] else { return }
        if members.remove(other) == nil { members.insert(other) }
        node.members[community] = members
        publishMembers(of: community, at: node)
        node.createReplicas(hasher)
        for session in node.inOrder where session.peer.index == other { session.disconnect() }
        node.notify(node.store.logs.keys.sorted())
    }

    // MARK: Connections

    private func isUsable(_ link: Schedule.Link) -> Bool {
        let (first, second) = (nodes[link.first], nodes[link.second])
        return first.cards.contains(second.index) && second.cards.contains(first.index)
            && !first.communities(admitting: second.index).isEmpty
            && !second.communities(admitting: first.index).isEmpty
    }

    private func connect(_ link: Schedule.Link, isForward: Bool, once: Bool) -> SimulatedConnection {
        let pair = isForward ? [link.first, link.second] : [link.second, link.first]
        let connection = SimulatedConnection(clock, delay: link.delay)
        sessionCount += 2
        let first = SimulatedSession(
            sessionCount, of: nodes[pair[0]], with: nodes[pair[1]], over: connection, isInitiator: true, once: once)
        let second = SimulatedSession(
            sessionCount + 1, of: nodes[pair[1]], with: nodes[pair[0]], over: connection, isInitiator: false,
            once: false)
        connections.append(connection)
        connection.connect(first, second)
        return connection
    }

    // MARK: When the faults have stopped

    private func calm() {
        invariants.trace?("calm")
        for connection in connections { connection.drop() }
        runUntilQuiet()
        invariants.diskFaults = 0
        invariants.losesCloses = false
        for node in nodes { node.isLying = false }
        let links = schedule.links.filter { isUsable($0) }
        var live = links.map { connect($0, isForward: $0.delay.lowerBound.isMultiple(of: 4), once: false) }
        if live.count > 1 {
            // A last loss: the others bring what was on its way there.
            let lost = Int(clock.random.next() % UInt64(live.count))
            let moment = clock.now + clock.delay(10_000...400_000)
            while isSound, clock.step(until: moment) { count() }
            live[lost].drop()
            settle()
            live[lost] = connect(links[lost], isForward: true, once: false)
        }
        settle()
        guard isSound else { return }
        let resting = Resting(nodes: nodes, invariants: invariants)
        for (link, connection) in zip(links, live) {
            resting.checkConverged(nodes[link.first], nodes[link.second])
            resting.checkCosigned(nodes[link.first], nodes[link.second])
            resting.checkCosigned(nodes[link.second], nodes[link.first])
            resting.checkNoticed(nodes[link.first], nodes[link.second])
            resting.checkResting(connection, logs: nodes.reduce(0) { $0 + $1.store.logs.count })
        }
        live.forEach { $0.drop() }
        runUntilQuiet()
        for link in links where isSound {
            // The first of the two says what was still to be said.
            for isLast in [false, true] {
                let connection = connect(link, isForward: isLast, once: true)
                runUntilQuiet()
                guard isSound else { return }
                resting.checkOnce(connection, isSecond: isLast)
                connection.drop()
                runUntilQuiet()
            }
        }
    }

    /// Lets everything come to rest, with as many ticks as that takes. Nothing waits for longer than a few of them, so
    /// that what was silent for four stays so.
    private func settle() {
        var silent = 0
        for _ in 0..<16 where isSound {
            let said = frames
            tick()
            silent = frames == said ? silent + 1 : 0
            if silent == 4 { return }
        }
        if isSound { invariants.fail("connections at rest go on talking") }
    }

    private var frames: Int { connections.reduce(0) { $0 + $1.frames } }

    private func tick() {
        runUntilQuiet()
        clock.advance(to: clock.now + 4_000_000)
        nodes.forEach { $0.tick() }
        runUntilQuiet()
    }
}
