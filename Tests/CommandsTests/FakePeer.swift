import Foundation
import Glibc
import Synchronization

/// Listens on a free port of loopback and answers every connection as the test says, on threads of its own.
final class FakePeer: Sendable {
    let port: Int
    private let listener: Int32
    /// Bytes that a relay let through towards the client, over all connections.
    private let passed = Mutex(0)
    private let open = Mutex<[Int32]>([])

    /// - Parameter answer: has the connection's descriptor, which is closed when it returns.
    init(_ answer: @escaping @Sendable (FakePeer, Int32) -> Void) throws {
        (listener, port) = try FakePeer.bound()
        Thread { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                open.withLock { $0.append(connection) }
                Thread { [self] in
                    answer(self, connection)
                    shut(connection)
                }.start()
            }
        }.start()
    }

    /// Sends these bytes and closes once the client has said something.
    static func saying(_ bytes: [UInt8]) throws -> FakePeer {
        try FakePeer { _, connection in
            var buffer = [UInt8](repeating: 0, count: 4_096)
            _ = recv(connection, &buffer, buffer.count, 0)
            _ = send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        }
    }

    /// Passes bytes on to a real node, and after `limit` bytes towards the client nothing more, without closing: a
    /// transfer that is certain to be in its middle.
    static func stalling(node port: Int, after limit: Int) throws -> FakePeer {
        try FakePeer { peer, client in
            guard let server = FakePeer.connected(to: port) else { return }
            peer.open.withLock { $0.append(server) }
            Thread {
                FakePeer.copy(from: client, to: server) { _ in true }
                shutdown(server, Int32(SHUT_RDWR))
            }.start()
            FakePeer.copy(from: server, to: client) { count in
                peer.passed.withLock {
                    $0 += count
                    return $0 < limit
                }
            }
            // Until the test is over with it, or the client gives up.
            var byte: UInt8 = 0
            while peer.hasStalled(after: limit), recv(client, &byte, 1, Int32(MSG_PEEK)) > 0 { usleep(20_000) }
            peer.shut(server)
        }
    }

    func hasStalled(after limit: Int) -> Bool { passed.withLock { $0 >= limit } }

    /// Ends every connection, as a peer that is gone, and accepts no more.
    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        for descriptor in open.withLock({ $0 }) { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }

    private func shut(_ descriptor: Int32) {
        let isOpen = open.withLock { open in
            defer { open.removeAll { $0 == descriptor } }
            return open.contains(descriptor)
        }
        if isOpen { close(descriptor) }
    }

    /// Copies until either side ends or `mayGoOn`, told of each count before it is passed on, says no.
    private static func copy(from: Int32, to: Int32, mayGoOn: (Int) -> Bool) {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = recv(from, &buffer, buffer.count, 0)
            guard count > 0, mayGoOn(count) else { return }
            var sent = 0
            while sent < count {
                let part = buffer[sent..<count].withUnsafeBytes {
                    send(to, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard part > 0 else { return }
                sent += part
            }
        }
    }

    private static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        return address
    }

    private static func connected(to port: Int) -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(port)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            close(descriptor)
            return nil
        }
        return descriptor
    }

    private struct NoSocket: Error {}

    private static func bound() throws -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw NoSocket() }
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }
}
