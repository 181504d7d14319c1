import Foundation
import Glibc

/// Two machines with a link between them: each a network namespace of this one, so that the real program runs over the
/// kernel's own TCP. Nothing of it outlives the process that made it.
final class NetworkLab {
    /// Why this machine cannot have such namespaces; `nil` where it can.
    static let obstacle: String? = {
        guard geteuid() == 0 else { return "needs root for network namespaces" }
        guard access(ip, X_OK) == 0 else { return "needs \(ip) (iproute2)" }
        do {
            _ = try NetworkLab(.init())
            return nil
        } catch {
            return "no network namespaces here: \(error)"
        }
    }()

    /// The address of each machine; the others cannot be seen from there, so every lab has the same.
    static let addresses = ["10.231.0.1", "10.231.0.2"]
    private static let ip = "/usr/sbin/ip"
    private static let prefix = "entente-"

    private struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    let link: PacketLink
    private let namespaces: [String]

    init(_ weather: PacketLink.Weather) throws {
        NetworkLab.sweep()
        let unique = "\(getpid())-\(String(UInt32.random(in: 0...UInt32.max), radix: 36))"
        namespaces = ["a", "b"].map { "\(NetworkLab.prefix)\(unique)-\($0)" }
        // A device's name has at most 15 characters, and is seen by everybody until it is moved.
        let devices = ["a", "b"].map { "e\(String(UInt32.random(in: 0...UInt32.max), radix: 36))\($0)" }
        link = try PacketLink(devices[0], devices[1], weather: weather)
        do {
            for (position, namespace) in namespaces.enumerated() {
                let device = devices[position]
                try NetworkLab.ip("netns", "add", namespace)
                try NetworkLab.ip("link", "set", device, "netns", namespace)
                try NetworkLab.ip("-n", namespace, "link", "set", "lo", "up")
                try NetworkLab.ip("-n", namespace, "link", "set", device, "txqueuelen", "10000", "up")
                try NetworkLab.ip(
                    "-n", namespace, "addr", "add", NetworkLab.addresses[position], "peer",
                    NetworkLab.addresses[1 - position], "dev", device)
            }
        } catch {
            remove()
            throw error
        }
    }

    deinit { remove() }

    /// The namespace of a machine, as ip-netns(8) names it.
    func name(of machine: Int) -> String { namespaces[machine] }

    private func remove() {
        link.close()
        for namespace in namespaces { try? NetworkLab.ip("netns", "delete", namespace) }
    }

    /// Removes what runs of this test that were killed have left.
    private static func sweep() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/run/netns")) ?? []
        where name.hasPrefix(prefix) {
            guard let owner = pid_t(name.dropFirst(prefix.count).prefix { $0.isNumber }), kill(owner, 0) != 0,
                errno == ESRCH
            else { continue }
            try? ip("netns", "delete", name)
        }
    }

    private static func ip(_ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: ip)
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let text = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(
                description: "ip \(arguments.joined(separator: " ")): \(String(decoding: text, as: UTF8.self))")
        }
    }
}
