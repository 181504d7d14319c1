import Cryptography
import Dispatch
import Glibc
package import Home

/// Serves commands of this user on `node.sock`: hears them ring, and signs and opens for them.
///
/// Each connection brings one request and gets at most one answer; one that asks for a session with a partner is told
/// what becomes of that. So many are served at a time as there are threads, which are its own: what waits here holds up
/// neither partners nor the rest of the node. Who sends nothing, or anything that is no request, loses the connection and
/// nothing else happens.
package final class AgentServer: Sendable {
    /// Runs a session with a partner, and says how it goes on.
    package typealias Session =
        @Sendable (_ partner: String, _ progress: @escaping @Sendable (SyncProgress) -> Void) async -> SessionReport

    private let listener: Listener

    /// What it does for commands.
    private struct Duties: Sendable {
        let agent: KeyAgent
        let session: Session
        let onRing: @Sendable () -> Void
        /// Sessions under way.
        let sessions = Guarded(0)
    }

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
    /// Sessions for commands at a time; more are refused.
    private static let maximumSessionCount = 4
    /// A command sends its request at once.
    private static let seconds = 5

    /// Listens until ``stop()`` or the end of the process. The run lock of the home must be held.
    package init(
        _ home: HomeFolder, agent: KeyAgent, session: @escaping Session, onRing: @escaping @Sendable () -> Void
    ) throws {
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
        let duties = Duties(agent: agent, session: session, onRing: onRing)
        for number in 1...Self.threadCount {
            DispatchQueue(label: "entente.agent.\(number)").async {
                Self.serve(listener, duties)
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

    private static func serve(_ listener: Listener, _ duties: Duties) {
        while !listener.isStopped.value {
            let descriptor = accept(listener.descriptor, nil, nil)
            guard descriptor >= 0 else {
                // Out of descriptors, for instance, which passes.
                if errno != EINTR, errno != ECONNABORTED, !listener.isStopped.value { usleep(100_000) }
                continue
            }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            serve(AgentSocket(owning: descriptor), duties)
        }
    }

    private static func serve(_ socket: consuming AgentSocket, _ duties: Duties) {
        socket.limit(seconds: seconds)
        guard let peer = socket.peer, peer.user == geteuid() else { return }
        var message = [UInt8](repeating: 0, count: AgentRequest.maximumByteCount)
        var received: Int?
        message.withUnsafeMutableBytes { received = socket.receive(into: $0) }
        guard let count = received, let request = AgentRequest(message[..<count]) else { return }
        if case .ring = request { return duties.onRing() }
        let answer = duties.agent.answer(request, to: peer)
        if case .synchronise(let partner) = request, case .done = answer {
            return follow(partner, SessionFollower(socket), duties)
        }
        guard let bytes = try? answer.encoded() else { return }
        _ = bytes.withUnsafeBytes { socket.send($0) }
    }

    /// Leaves the thread to others: a session lasts.
    private static func follow(_ partner: String, _ follower: SessionFollower, _ duties: Duties) {
        let isAllowed = duties.sessions.update { count in
            guard count < maximumSessionCount else { return false }
            count += 1
            return true
        }
        guard isAllowed else {
            return follower.tell(
                .refused(.busy, "the running node is synchronising for \(maximumSessionCount) commands already"))
        }
        Task {
            let report = await duties.session(partner) { follower.tell(.progress($0)) }
            duties.sessions.update { $0 -= 1 }
            await onThread { follower.end(report) }
        }
    }
}

/// A command that hears of the session that the node runs for it. Once it is gone it is told nothing more; the session
/// ends as it would have.
private final class SessionFollower: Sendable {
    private let socket: AgentSocket

    init(_ socket: consuming AgentSocket) {
        self.socket = socket
    }

    func tell(_ answer: AgentAnswer) {
        guard let bytes = try? answer.encoded() else { return }
        _ = bytes.withUnsafeBytes { socket.send($0) }
    }

    /// Holds up nobody: what a command does not take at once it need not know.
    func tell(_ news: SessionNews) {
        _ = news.encoded().withUnsafeBytes { socket.send($0, isWaiting: false) }
    }

    func end(_ report: SessionReport) {
        for news in SessionNews.messages(of: report) {
            guard news.encoded().withUnsafeBytes({ socket.send($0) }) else { return }
        }
    }
}
