import ArgumentParser
import Glibc
import LogStore
import NodeService
import Records

struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Three nodes on this machine share real records: the whole story in a minute.",
        discussion: """
            Makes three homes in a temporary folder, runs real nodes on loopback with mutual TLS, and leaves the homes \
            in place to look at.

            EXAMPLE
              entente demo --examples Examples
            """)

    @Option(help: ArgumentHelp("Where the example records lie.", valueName: "dir"))
    var examples = "Examples"

    @Option(help: "Generated records of the large transfer.")
    var records = 200_000

    func validate() throws {
        guard (1_000...5_000_000).contains(records) else { throw ValidationError("--records takes 1000 to 5000000") }
    }

    func run() throws {
        var template = Array("/tmp/entente-demo-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw CommandFailure(.io, "no temporary folder can be made: \(String(cString: strerror(errno)))")
        }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var story = try DemoStory(folder: folder, examples: examples, records: records)
        defer { story.stop() }
        try story.tell()
    }
}

/// One of the demonstration's nodes.
struct DemoNode {
    let name: String
    let home: String
    let port: Int

    var card: String { home + ".yaml" }

    func arguments(_ command: String...) -> [String] { ["--home", home] + command }
}

extension DemoNode {
    /// A port that is free now.
    static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let found = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard found else { throw CommandFailure(.io, "no free port on 127.0.0.1") }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
