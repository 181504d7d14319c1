import Foundation
import Glibc
import Synchronization

/// A link between two network namespaces that delays and loses packets: two TUN devices and a thread that carries
/// packets from one to the other. Kernels without netem have TUN, and the same seed loses the same packets.
final class PacketLink: Sendable {
    /// What the link does to each packet, in either direction.
    struct Weather: Sendable {
        /// One way, in milliseconds.
        var delay = 0
        /// Packets lost out of a hundred.
        var loss = 0
    }

    private struct Packet {
        let due: UInt64
        let bytes: [UInt8]
    }

    /// One direction: packets leave in the order in which they came.
    private struct Lane {
        let input: CInt
        let output: CInt
        var packets: [Packet] = []
        var head = 0

        var due: UInt64? { head < packets.count ? packets[head].due : nil }
    }

    private struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let descriptors: [CInt]
    private let weather: Weather
    private let over = Atomic(false)
    private let dropped = Atomic(0)
    private let ended = DispatchSemaphore(value: 0)

    /// Makes the two devices, in the namespace of this process: whoever calls moves them to theirs.
    init(_ first: String, _ second: String, weather: Weather) throws {
        self.weather = weather
        descriptors = [try PacketLink.open(first), try PacketLink.open(second)]
        let thread = Thread { [self] in
            carry()
            ended.signal()
        }
        thread.start()
    }

    /// Packets that were lost so far, either way.
    var lost: Int { dropped.load(ordering: .relaxed) }

    /// Ends the link; its devices go with it.
    func close() {
        guard !over.exchange(true, ordering: .relaxed) else { return }
        ended.wait()
        for descriptor in descriptors { Glibc.close(descriptor) }
    }

    private static func open(_ name: String) throws -> CInt {
        let descriptor = Glibc.open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(description: "/dev/net/tun: \(String(cString: strerror(errno)))") }
        // struct ifreq: 16 bytes of name, then the flags IFF_TUN and IFF_NO_PI. The request is TUNSETIFF.
        var request = [UInt8](repeating: 0, count: 40)
        request.replaceSubrange(0..<name.utf8.count, with: name.utf8)
        request[16] = 0x01
        request[17] = 0x10
        guard ioctl(descriptor, 0x4004_54CA, &request) == 0 else {
            let reason = String(cString: strerror(errno))
            Glibc.close(descriptor)
            throw Failure(description: "TUN device \(name): \(reason)")
        }
        return descriptor
    }

    private func carry() {
        var lanes = [
            Lane(input: descriptors[0], output: descriptors[1]), Lane(input: descriptors[1], output: descriptors[0]),
        ]
        var random = SplitMix(state: 2)
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !over.load(ordering: .relaxed) {
            var polled = lanes.map { pollfd(fd: $0.input, events: Int16(POLLIN), revents: 0) }
            let now = PacketLink.now()
            // In milliseconds, rounded up: a packet may be one late.
            let wait = lanes.compactMap(\.due).min().map { $0 > now ? min(20, ($0 - now) / 1_000_000 + 1) : 0 } ?? 20
            poll(&polled, 2, CInt(wait))
            for index in lanes.indices {
                if polled[index].revents != 0 { take(&lanes[index], &random, &buffer) }
                deliver(&lanes[index])
            }
        }
    }

    private func take(_ lane: inout Lane, _ random: inout SplitMix, _ buffer: inout [UInt8]) {
        while true {
            let count = read(lane.input, &buffer, buffer.count)
            guard count > 0 else { return }
            guard random.next() % 100 >= UInt64(weather.loss) else {
                dropped.add(1, ordering: .relaxed)
                continue
            }
            lane.packets.append(
                Packet(due: PacketLink.now() + UInt64(weather.delay) * 1_000_000, bytes: Array(buffer[..<count])))
        }
    }

    private func deliver(_ lane: inout Lane) {
        let now = PacketLink.now()
        while let due = lane.due, due <= now {
            let packet = lane.packets[lane.head]
            lane.head += 1
            // A full queue loses packets, as at any router.
            if write(lane.output, packet.bytes, packet.bytes.count) < 0 { dropped.add(1, ordering: .relaxed) }
        }
        if lane.head > 4_096 || lane.head == lane.packets.count {
            lane.packets.removeFirst(lane.head)
            lane.head = 0
        }
    }

    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// A small generator with a seed.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
