import Reconciliation

/// What happens in one simulation, all of it drawn from one seed.
struct Schedule {
    enum Event {
        case append(node: Int, community: Int, count: Int)
        /// The log has another key from then on.
        case rotate(node: Int, community: Int)
        /// The node has another mirror key from then on.
        case rotateMirror(node: Int)
        case seal(node: Int, community: Int, to: Set<Int>)
        case connect(link: Int, isForward: Bool, once: Bool)
        case disconnect(Int)
        case crash(node: Int)
        case backUp(node: Int)
        case restore(node: Int, withMarks: Bool)
        case addCard(node: Int, other: Int)
        case changeMembers(node: Int, community: Int, other: Int)
        case tick
    }

    struct Link: Hashable {
        let first: Int
        let second: Int
        let delay: ClosedRange<UInt64>
    }

    let seed: UInt64
    let nodes: Int
    let communities: [String]
    /// Whom each node lists, by community.
    var members: [[String: Set<Int>]] = []
    var cards: [Set<Int>] = []
    var settings: [SimulatedSettings] = []
    var liars: Set<Int> = []
    /// Who can connect to whom.
    var links: [Link] = []
    /// Logs of nodes that are gone: community, entries, and who holds how many.
    var archive: [(community: Int, size: Int, held: [Int])] = []
    var diskFaults: UInt64 = 0
    /// By virtual time, in microseconds after the beginning.
    var events: [(time: UInt64, event: Event)] = []

    /// - Parameter rotatesMuch: whether half of what is written replaces a key.
    init(seed: UInt64, rotatesMuch: Bool = false) {
        self.seed = seed
        var random = SplitMix64(seed &* 0x2545_F491_4F6C_DD1D &+ 1)
        func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
        func chance(_ percent: Int) -> Bool { draw(1...100) <= percent }
        nodes = [2, 2, 3, 3, 3, 4, 4, 5, 6][draw(0...8)]
        communities = Array(["krus", "jpus", "all"].prefix([1, 1, 2, 3][draw(0...3)]))
        for node in 0..<nodes { settings.append(Schedule.settings(&random, node)) }
        // Who is in which community, as agreed on, and what the nodes made of it.
        let agreed = communities.map { _ in Set((0..<nodes).filter { _ in chance(85) }) }
        for node in 0..<nodes {
            var lists: [String: Set<Int>] = [:]
            for (community, all) in zip(communities, agreed) where all.contains(node) {
                lists[community] = chance(90) ? all : Set(all.sorted().filter { $0 == node || chance(70) })
            }
            members.append(lists)
            cards.append(Set((0..<nodes).filter { $0 != node && chance(93) }))
        }
        if chance(35) { liars = Set((0..<max(1, nodes / 3)).map { _ in draw(0...(nodes - 1)) }) }
        for first in 0..<nodes {
            for second in first + 1..<nodes where nodes == 2 || chance(80) {
                let slowest = UInt64([2_000, 20_000, 200_000][draw(0...2)])
                links.append(Link(first: first, second: second, delay: slowest / 2...slowest))
            }
        }
        if chance(20) {
            for _ in 0..<draw(4...40) {
                let size = draw(1...3)
                archive.append((draw(0...(communities.count - 1)), size, (0..<nodes).map { _ in draw(0...size) }))
            }
        }
        if chance(10) { diskFaults = 20 }
        plan(&random, rotatesMuch)
    }

    private static func settings(_ random: inout SplitMix64, _ node: Int) -> SimulatedSettings {
        var settings = SimulatedSettings()
        func one(_ values: [Int]) -> Int { values[Int(random.next() % UInt64(values.count))] }
        settings.requestSize = UInt64(one([16, 64, 256]))
        settings.requestsOfOneLog = one([1, 2, 4, 16])
        settings.requestsOfAll = max(settings.requestsOfOneLog, one([2, 8, 48]))
        settings.openOffers = one([1, 3, 48])
        settings.pushSize = UInt64(one([0, 8, 256]))
        settings.blobWindow = one([1, 4, 16])
        settings.frameEntries = UInt64(one([8, 32, 256]))
        settings.waitingFrames = one([0, 2, 8])
        if one([0, 1, 2]) == 0 { settings.storing = 1_000...100_000 }
        return settings
    }

    private mutating func plan(_ random: inout SplitMix64, _ rotatesMuch: Bool) {
        func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
        let count = draw(8...32)
        let isRough = draw(1...3) == 1
        var hasBurst = false
        var events: [(time: UInt64, event: Event)] = []
        var time: UInt64 = 0
        for _ in 0..<count {
            time += UInt64(draw(0...[20_000, 300_000, 2_000_000][draw(0...2)]))
            let node = draw(0...(nodes - 1))
            let other = draw(0...(nodes - 1))
            let community = draw(0...(communities.count - 1))
            let event: Event
            switch draw(0...99) {
            case 0..<8 where !hasBurst:
                hasBurst = true
                event = .append(node: node, community: community, count: draw(100...520))
            case 0..<34: event = .append(node: node, community: community, count: draw(1...6))
            case 34..<40: event = .seal(node: node, community: community, to: [other, draw(0...(nodes - 1))])
            case 40..<72: event = .connect(link: draw(0...99), isForward: draw(0...1) == 0, once: draw(0...2) == 0)
            case 72..<80: event = .disconnect(draw(0...99))
            case 80..<84: event = .crash(node: node)
            case 84..<87: event = .backUp(node: node)
            case 87..<89 where isRough: event = .restore(node: node, withMarks: draw(0...3) > 0)
            case 89..<92: event = .addCard(node: node, other: other)
            case 92..<94 where isRough: event = .changeMembers(node: node, community: community, other: other)
            case 94..<97: event = .rotate(node: node, community: community)
            case 97: event = .rotateMirror(node: node)
            default: event = .tick
            }
            events.append((time, event))
        }
        self.events = rotatesMuch ? events.map { ($0.time, Schedule.rotating($0.event, draw(0...7))) } : events
        if draw(1...6) == 1 { fork(draw(0...(nodes - 1)), draw(0...(communities.count - 1)), draw(0...1) == 0) }
        // Forks of logs that had several keys are looked at elsewhere, with real nodes.
        let losesMarks = self.events.contains { if case .restore(_, false) = $0.event { true } else { false } }
        if losesMarks {
            self.events = self.events.map { event in
                if case .rotate = event.event { (event.time, .tick) } else { event }
            }
        }
    }

    /// Half of what is written replaces a key: mostly that of the log.
    private static func rotating(_ event: Event, _ chance: Int) -> Event {
        guard case .append(let node, let community, _) = event else { return event }
        return switch chance {
        case 0...2: .rotate(node: node, community: community)
        case 3: .rotateMirror(node: node)
        default: event
        }
    }

    /// A node loses its disk and the marks, and appends as if nothing had been; of one size at times.
    private mutating func fork(_ node: Int, _ community: Int, _ isOfOneSize: Bool) {
        let places = [events.count / 4, events.count / 2, events.count * 3 / 4]
        let more: [[Event]] = [
            [.backUp(node: node), .append(node: node, community: community, count: 2)],
            [.restore(node: node, withMarks: false)],
            [.append(node: node, community: community, count: isOfOneSize ? 2 : 3)],
        ]
        for (place, added) in zip(places, more).reversed() {
            let time = events[place].time
            events.insert(contentsOf: added.map { (time, $0) }, at: place)
        }
    }
}
