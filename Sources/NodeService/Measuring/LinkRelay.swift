import Dispatch
import Glibc
import Synchronization

/// A TCP relay on loopback that behaves like a long, narrow or broken link, for measurements and tests. It needs no
/// privileges, and everything happens on one thread of its own.
///
/// What it does not have is what TCP itself makes of a long link: slow start, and a window that grows over several
/// round trips. Its bytes in flight are bounded by ``Weather/window`` alone.
package final class LinkRelay: Sendable {
    /// What the link is like, both ways.
    package struct Weather: Sendable {
        /// One way; a round trip takes twice as long.
        package var delay: Duration
        /// Of all connections together, each way.
        package var bitsPerSecond: Int?
        /// How much of one connection may be under way, each way.
        package var window: Int
        /// Nothing passes, and nobody is told: a partition.
        package var isDark = false
        /// Turns dark once so many bytes have come back from the target: a partition that is certain to be in the middle.
        package var darkAfter: Int?

        package init(delay: Duration = .zero, bitsPerSecond: Int? = nil, window: Int = 64 << 20, darkAfter: Int? = nil)
        {
            self.delay = delay
            self.bitsPerSecond = bitsPerSecond
            self.window = window
            self.darkAfter = darkAfter
        }
    }

    struct State {
        var weather: Weather
        var cuts = 0
        var isStopped = false
        var passed = [0, 0]
    }

    package struct NoSocket: Error {}

    package let port: Int
    private let shared: LinkState

    /// Relays from a free port of loopback to `target` of loopback.
    package init(to target: Int, weather: Weather = Weather()) throws {
        let (listener, port) = try RelaySocket.listen()
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            close(listener)
            throw NoSocket()
        }
        ends.forEach(RelaySocket.prepare)
        self.port = port
        shared = LinkState(weather: weather, wake: ends[0], waker: ends[1])
        let loop = RelayLoop(listener: listener, target: target, shared: shared)
        DispatchQueue(label: "entente.link").async { loop.run() }
    }

    package var weather: Weather { shared.value.withLock { $0.weather } }

    /// Bytes that have come out at the target, and at those who connected.
    package var passed: (there: Int, back: Int) { shared.value.withLock { ($0.passed[0], $0.passed[1]) } }

    package func change(_ change: (inout Weather) -> Void) {
        shared.value.withLock { change(&$0.weather) }
        shared.wake()
    }

    /// Resets every connection, as a router does that has lost what it knew of them.
    package func cut() {
        shared.value.withLock { $0.cuts += 1 }
        shared.wake()
    }

    package func stop() {
        shared.value.withLock { $0.isStopped = true }
        shared.wake()
    }

    deinit { stop() }
}

/// What the relay's owner and its thread both know.
final class LinkState: Sendable {
    let value: Mutex<LinkRelay.State>
    /// Readable where something has changed.
    let wakeEnd: Int32
    private let waker: Int32

    init(weather: LinkRelay.Weather, wake: Int32, waker: Int32) {
        value = Mutex(LinkRelay.State(weather: weather))
        wakeEnd = wake
        self.waker = waker
    }

    func wake() {
        var byte: UInt8 = 1
        _ = write(waker, &byte, 1)
    }

    /// Both ends at once: whoever writes where nobody can read any more is killed.
    deinit {
        close(wakeEnd)
        close(waker)
    }
}

enum RelaySocket {
    static func listen() throws -> (Int32, port: Int) {
        let descriptor = make()
        var address = loopback(0)
        var length = socklen_t(address.count)
        let isBound = address.withUnsafeMutableBytes { bytes in
            guard let start = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return false }
            return bind(descriptor, start, length) == 0 && Glibc.listen(descriptor, 64) == 0
                && getsockname(descriptor, start, &length) == 0
        }
        guard isBound else {
            close(descriptor)
            throw LinkRelay.NoSocket()
        }
        return (descriptor, Int(address[2]) << 8 | Int(address[3]))
    }

    /// Begins to connect; whoever is not there is found out by the first bytes.
    static func connect(to port: Int) -> Int32 {
        let descriptor = make()
        _ = loopback(port).withUnsafeBytes { bytes in
            bytes.baseAddress.map {
                Glibc.connect(descriptor, $0.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
            }
        }
        sendAtOnce(descriptor)
        return descriptor
    }

    /// Not for child processes, and never waited for.
    static func prepare(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    /// Small writes go out at once: the delay is the relay's alone.
    static func sendAtOnce(_ descriptor: Int32) {
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    static func reset(_ descriptor: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close(descriptor)
    }

    private static func make() -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        return socket(AF_INET, kind, 0)
    }

    /// A port of 127.0.0.1 as the calls take it. In bytes: which C module the struct belongs to depends on what was
    /// compiled before.
    private static func loopback(_ port: Int) -> [UInt8] {
        let family = withUnsafeBytes(of: sa_family_t(AF_INET)) { Array($0) }
        return family + [UInt8(port >> 8 & 255), UInt8(port & 255), 127, 0, 0, 1] + [UInt8](repeating: 0, count: 8)
    }
}
