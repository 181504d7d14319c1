import Glibc
import Synchronization

/// One direction of one relayed connection.
struct RelayLane {
    struct Parcel {
        let due: ContinuousClock.Instant
        let bytes: [UInt8]
    }

    enum Trouble: Error { case reset }

    let from: Int32
    let to: Int32
    /// 0 there, 1 back.
    let way: Int
    private var parcels: [Parcel] = []
    private var first = 0
    /// Of the first parcel, what is sent already.
    private var offset = 0
    private(set) var underWay = 0
    private(set) var isRead = false
    private var endDue: ContinuousClock.Instant?
    private(set) var isDone = false
    /// The receiver takes nothing at the moment.
    private(set) var isBlocked = false
    /// Nothing is read before: a connection takes a round trip to come about.
    let opens: ContinuousClock.Instant

    init(from: Int32, to: Int32, way: Int, opens: ContinuousClock.Instant) {
        self.from = from
        self.to = to
        self.way = way
        self.opens = opens
    }

    /// When the next parcel, or the end, is to come out.
    var nextDue: ContinuousClock.Instant? {
        first < parcels.count ? parcels[first].due : isDone ? nil : endDue
    }

    /// Takes up to `limit` bytes; their number.
    mutating func read(_ limit: Int, due: (Int) -> ContinuousClock.Instant) throws -> Int {
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, used in
            count = recv(from, buffer.baseAddress, limit, 0)
            used = max(0, count)
        }
        if count < 0 {
            guard errno == EAGAIN || errno == EINTR else { throw Trouble.reset }
            return 0
        }
        if count == 0 {
            isRead = true
            endDue = due(0)
            return 0
        }
        parcels.append(Parcel(due: due(count), bytes: bytes))
        underWay += count
        return count
    }

    /// Hands over what is due, at most so many bytes; their number.
    mutating func deliver(_ now: ContinuousClock.Instant, atMost limit: Int) throws -> Int {
        var delivered = 0
        isBlocked = false
        while first < parcels.count, parcels[first].due <= now, delivered < limit {
            let bytes = parcels[first].bytes
            let sent = bytes[offset...].prefix(limit - delivered).withUnsafeBytes {
                send(to, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if sent < 0 {
                guard errno == EAGAIN || errno == EINTR else { throw Trouble.reset }
                isBlocked = true
                return delivered
            }
            delivered += sent
            underWay -= sent
            offset += sent
            guard offset == bytes.count else { continue }
            offset = 0
            first += 1
            if first >= 256 {
                parcels.removeFirst(first)
                first = 0
            }
        }
        if first >= parcels.count, let endDue, endDue <= now, !isDone {
            isDone = true
            shutdown(to, Int32(SHUT_WR))
        }
        return delivered
    }
}

/// The relay's thread: waits for sockets and for what is due.
final class RelayLoop: Sendable {
    private let listener: Int32
    private let target: Int
    private let shared: LinkState

    init(listener: Int32, target: Int, shared: LinkState) {
        self.listener = listener
        self.target = target
        self.shared = shared
    }

    /// How much may wait in front of a narrow link.
    private static let backlog = Duration.milliseconds(50)

    func run() {
        var lanes: [[RelayLane]] = []
        var free = [ContinuousClock.now, ContinuousClock.now]
        var cuts = 0
        while true {
            let state = shared.value.withLock { state in
                if let limit = state.weather.darkAfter, state.passed[1] >= limit {
                    state.weather.isDark = true
                    state.weather.darkAfter = nil
                }
                return state
            }
            if state.isStopped || state.cuts != cuts {
                for pair in lanes { Self.reset(pair) }
                lanes = []
                cuts = state.cuts
            }
            if state.isStopped { break }
            let weather = state.weather
            if !weather.isDark {
                work(&lanes, &free, weather, beforeDark: weather.darkAfter.map { max(0, $0 - state.passed[1]) } ?? .max)
            }
            wait(lanes, free, weather)
        }
        close(listener)
    }

    private static func reset(_ pair: [RelayLane]) {
        RelaySocket.reset(pair[0].from)
        RelaySocket.reset(pair[0].to)
    }

    private func work(
        _ lanes: inout [[RelayLane]], _ free: inout [ContinuousClock.Instant], _ weather: LinkRelay.Weather,
        beforeDark limit: Int
    ) {
        while case let client = accept(listener, nil, nil), client >= 0 {
            let server = RelaySocket.connect(to: target)
            RelaySocket.prepare(client)
            RelaySocket.sendAtOnce(client)
            let opens = ContinuousClock.now + weather.delay * 2
            lanes.append([
                RelayLane(from: client, to: server, way: 0, opens: opens),
                RelayLane(from: server, to: client, way: 1, opens: opens),
            ])
        }
        var passed = [0, 0]
        for position in lanes.indices.reversed() {
            do {
                for way in 0...1 {
                    passed[way] += try pass(
                        &lanes[position][way], &free[way], weather, atMost: way == 1 ? limit - passed[1] : .max)
                }
                guard lanes[position].allSatisfy(\.isDone) else { continue }
                close(lanes[position][0].from)
                close(lanes[position][0].to)
            } catch {
                Self.reset(lanes[position])
            }
            lanes.remove(at: position)
        }
        let counts = passed
        shared.value.withLock { for way in 0...1 { $0.passed[way] += counts[way] } }
    }

    /// Takes in what has come and hands over what is due; the bytes handed over.
    private func pass(
        _ lane: inout RelayLane, _ free: inout ContinuousClock.Instant, _ weather: LinkRelay.Weather,
        atMost limit: Int
    ) throws -> Int {
        let now = ContinuousClock.now
        if wants(lane, free, weather, now) {
            // Pieces of at most a twentieth of a second, so that no connection has a narrow link for itself.
            let limit = weather.bitsPerSecond.map { min(65_536, max(512, $0 / 160)) } ?? 65_536
            var freed = free
            _ = try lane.read(limit) { count in
                if let rate = weather.bitsPerSecond {
                    freed = max(now, freed) + .seconds(Double(count * 8) / Double(rate))
                }
                return max(now, freed) + weather.delay
            }
            free = freed
        }
        return try lane.deliver(ContinuousClock.now, atMost: limit)
    }

    private func wants(
        _ lane: RelayLane, _ free: ContinuousClock.Instant, _ weather: LinkRelay.Weather, _ now: ContinuousClock.Instant
    ) -> Bool {
        !lane.isRead && lane.opens <= now && lane.underWay < weather.window && free <= now + Self.backlog
    }

    private func wait(_ lanes: [[RelayLane]], _ free: [ContinuousClock.Instant], _ weather: LinkRelay.Weather) {
        var polls = [pollfd(fd: shared.wakeEnd, events: Int16(POLLIN), revents: 0)]
        var until: ContinuousClock.Instant?
        func atLatest(_ instant: ContinuousClock.Instant) { until = min(until ?? instant, instant) }
        if !weather.isDark {
            polls.append(pollfd(fd: listener, events: Int16(POLLIN), revents: 0))
            let now = ContinuousClock.now
            for lane in lanes.joined() {
                if wants(lane, free[lane.way], weather, now) {
                    polls.append(pollfd(fd: lane.from, events: Int16(POLLIN), revents: 0))
                } else if !lane.isRead, lane.underWay < weather.window {
                    atLatest(max(lane.opens, free[lane.way] - Self.backlog))
                }
                if lane.isBlocked {
                    polls.append(pollfd(fd: lane.to, events: Int16(POLLOUT), revents: 0))
                } else if let due = lane.nextDue {
                    atLatest(due)
                }
            }
        }
        // Rounded up: a moment too late rather than in circles.
        let milliseconds = until.map { Int32(max(.zero, $0 - .now) / .milliseconds(1) + 1) } ?? -1
        _ = poll(&polls, nfds_t(polls.count), milliseconds)
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(shared.wakeEnd, &bytes, bytes.count) > 0 {}
    }
}
