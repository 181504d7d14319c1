import Glibc
public import Home

/// Wakes the running node of a home: a command rings after an append, so that partners hear of it at once.
///
/// The bell is a datagram socket, `node.sock`. A ring carries nothing: whoever can write to a socket in a 0700 folder
/// is the same user already, and the node looks at its logs itself.
public enum NodeBell {
    /// Rings if a node is running, and answers whether one is; does nothing otherwise.
    @discardableResult
    public static func ring(_ home: HomeFolder) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let sent = withAddress(home.socket) { address, length in
            // A full queue means that rings wait to be heard already.
            sendto(descriptor, "r", 1, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL), address, length) == 1
                || errno == EAGAIN
        }
        return sent ?? false
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

    /// Listens for rings until the closure's process ends. `onRing` is called on a thread of its own.
    public static func listen(_ home: HomeFolder, onRing: @escaping @Sendable () -> Void) throws {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw HomeError(.io, "no socket can be made", path: home.socket) }
        // The run lock is held: whatever stands there is left from a node that is gone.
        unlink(home.socket)
        let bound = withAddress(home.socket) { address, length in bind(descriptor, address, length) }
        guard bound == 0, chmod(home.socket, 0o600) == 0 else {
            close(descriptor)
            throw HomeError(.io, "cannot be listened on: \(String(cString: strerror(errno)))", path: home.socket)
        }
        RingThread.start(descriptor, onRing: onRing)
    }
}
