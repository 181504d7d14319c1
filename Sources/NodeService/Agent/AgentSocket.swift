import Glibc
import Home

/// One connection on `node.sock`, closed when it goes out of scope. Messages keep their bounds: each is received whole
/// or not at all.
struct AgentSocket: ~Copyable {
    private let descriptor: Int32

    /// Takes over a descriptor of a connection.
    init(owning descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    enum Connecting: ~Copyable {
        case connected(AgentSocket)
        /// Others wait to be heard already.
        case full
        case nobody
    }

    /// Connects to whoever listens at the path. Nothing takes longer than so many seconds; without them, nothing waits.
    static func connect(_ path: String, waiting seconds: Int?) -> Connecting {
        let kind =
            Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | (seconds != nil ? 0 : Int32(SOCK_NONBLOCK.rawValue))
        let descriptor = Glibc.socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { return .nobody }
        let socket = AgentSocket(owning: descriptor)
        if let seconds { socket.limit(seconds: seconds) }
        let connected = withAddress(path) { address, length in Glibc.connect(descriptor, address, length) }
        if connected == 0 { return .connected(socket) }
        return errno == EAGAIN ? .full : .nobody
    }

    /// Neither sending nor receiving takes longer than this; 0 is no limit.
    func limit(seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        let length = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, length)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, length)
    }

    /// Who is on the other side, as the kernel says.
    var peer: Journal.Reader? {
        // struct ucred: process, user and group, four bytes each.
        var numbers: [UInt32] = [0, 0, 0]
        var length = socklen_t(12)
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &numbers, &length) == 0, length == 12 else { return nil }
        return Journal.Reader(user: numbers[1], process: numbers[0])
    }

    /// Sends one message; false where the other side does not take it, or, without waiting, not at once.
    func send(_ message: UnsafeRawBufferPointer, isWaiting: Bool = true) -> Bool {
        let flags = Int32(MSG_NOSIGNAL) | (isWaiting ? 0 : Int32(MSG_DONTWAIT))
        while true {
            let count = Glibc.send(descriptor, message.baseAddress, message.count, flags)
            if count == message.count { return true }
            guard count < 0, errno == EINTR else { return false }
        }
    }

    /// Receives one message; `nil` where none comes in time, the connection ends, or the message is larger than the
    /// buffer.
    func receive(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
        while true {
            // The true length is asked for: what is cut off is no message.
            let count = recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_TRUNC))
            if count > 0 { return count <= buffer.count ? count : nil }
            guard count < 0, errno == EINTR else { return nil }
        }
    }

    /// Runs the closure with a socket address of this path.
    static func withAddress<Result>(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
