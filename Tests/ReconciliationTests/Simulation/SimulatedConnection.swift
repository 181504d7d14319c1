import Reconciliation

/// A frame on its way: what was encoded, to be decoded at the other end.
struct SimulatedFrame {
    var kind: FrameKind
    var payload: [UInt8]

    init(_ message: Message) throws {
        let frame = try EncodedFrame(message)
        var bytes = frame.head
        for part in frame.parts { bytes += part }
        let length = bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
        let prefix = try FramePrefix(length: length, kind: bytes[4])
        guard prefix.payloadSize == bytes.count - FrameLimits.prefixSize else {
            throw SimulatedError("a frame of \(bytes.count) bytes that says \(prefix.payloadSize)")
        }
        kind = prefix.kind
        payload = Array(bytes.dropFirst(FrameLimits.prefixSize))
    }
}

/// Carries frames between two sessions, in order each way and after random delays, until it breaks.
final class SimulatedConnection {
    private let clock: VirtualClock
    private let delay: ClosedRange<UInt64>
    private(set) var ends: [SimulatedSession] = []
    private var lastArrival: [UInt64] = [0, 0]
    private var isBroken = false
    private(set) var frames = 0

    init(_ clock: VirtualClock, delay: ClosedRange<UInt64>) {
        self.clock = clock
        self.delay = delay
    }

    func connect(_ first: SimulatedSession, _ second: SimulatedSession) {
        ends = [first, second]
        ends.forEach { $0.start() }
    }

    var isOver: Bool { ends.allSatisfy(\.isOver) }

    private func arrive(at end: Int, _ body: @escaping () -> Void) {
        lastArrival[end] = max(lastArrival[end], clock.now + clock.delay(delay))
        clock.at(lastArrival[end]) { body() }
    }

    func send(_ frame: SimulatedFrame, from sender: SimulatedSession) {
        guard !isBroken, ends.count == 2 else { return }
        frames += 1
        let end = sender === ends[0] ? 1 : 0
        let receiver = ends[end]
        arrive(at: end) { [self] in
            if !isBroken { receiver.received(frame.payload, frame.kind) }
        }
    }

    /// One side sends nothing more and reads nothing more. Mostly what it has sent still arrives.
    func close(from sender: SimulatedSession) {
        guard !isBroken, ends.count == 2 else { return }
        let end = sender === ends[0] ? 1 : 0
        let receiver = ends[end]
        if sender.node.invariants.losesCloses, clock.random.next() % 4 == 0 { return drop() }
        arrive(at: end) { receiver.lost() }
    }

    /// What is under way is lost, in both directions.
    func drop() {
        guard !isBroken else { return }
        isBroken = true
        for session in ends { clock.after(0...200_000) { session.lost() } }
    }
}
