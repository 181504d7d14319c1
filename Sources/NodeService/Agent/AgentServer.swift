import Cryptography
import Dispatch
import Glibc
package import Home

/// Serves commands of this user on `node.sock`: hears them ring, and signs and opens for them.
///
/// Each connection brings one request and gets at most one answer. So many are served at a time as there are threads,
/// which are its own: what waits here holds up neither partners nor the rest of the node. Who sends nothing, or anything
/// that is no request, loses the connection and nothing else happens.
package final class AgentServer: Sendable {
    private let listener: Listener

    private final class Listener: Sendable {
        let descriptor: Int32
        let isStopped = Guarded(false)

        init(_ descriptor: Int32) {
            self.descriptor = descriptor
        }

        deinit {
            close(descriptor)
        }
    }

    /// Connections that are served at a time, and those that wait for it.
    private static let threadCount = 8
    private static let backlog: Int32 = 64
    /// A command sends its request at once.
    private static let seconds = 5

    /// Listens until ``stop()`` or the end of the process. The run lock of the home must be held.
    package init(_ home: HomeFolder, agent: KeyAgent, onRing: @escaping @Sendable () -> Void) throws {
        let kind = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw HomeError(.io, "no socket can be made", path: home.socket) }
        let listener = Listener(descriptor)
        // Whatever stands there is left from a node that is gone.
        unlink(home.socket)
        let bound = AgentSocket.withAddress(home.socket) { address, length in bind(descriptor, address, length) }
        guard bound == 0, chmod(home.socket, 0o600) == 0, listen(descriptor, Self.backlog) == 0 else {
            throw HomeError(.io, "cannot be listened on: \(String(cString: strerror(errno)))", path: home.socket)
        }
        self.listener = listener
        for number in 1...Self.threadCount {
            DispatchQueue(label: "entente.agent.\(number)").async {
                Self.serve(listener, agent: agent, onRing: onRing)
            }
        }
    }

    deinit {
        stop()
    }

    package func stop() {
        listener.isStopped.value = true
        // Wakes those that wait for connections.
        shutdown(listener.descriptor, Int32(SHUT_RDWR))
    }

    private static func serve(_ listener: Listener, agent: KeyAgent, onRing: () -> Void) {
        while !listener.isStopped.value {
            let descriptor = accept(listener.descriptor, nil, nil)
            guard descriptor >= 0 else {
                // Out of descriptors, for instance, which passes.
                if errno != EINTR, errno != ECONNABORTED, !listener.isStopped.value { usleep(100_000) }
                continue
            }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            serve(AgentSocket(owning: descriptor), agent: agent, onRing: onRing)
        }
    }

    private static func serve(_ socket: consuming AgentSocket, agent: KeyAgent, onRing: () -> Void) {
        socket.limit(seconds: seconds)
        guard let peer = socket.peer, peer.user == geteuid() else { return }
        var message = [UInt8](repeating: 0, count: AgentRequest.maximumByteCount)
        var received: Int?
        message.withUnsafeMutableBytes { received = socket.receive(into: $0) }
        guard let count = received, let request = AgentRequest(message[..<count]) else { return }
        if case .ring = request { return onRing() }
        guard let answer = try? agent.answer(request, to: peer).encoded() else { return }
        _ = answer.withUnsafeBytes { socket.send($0) }
    }
}
