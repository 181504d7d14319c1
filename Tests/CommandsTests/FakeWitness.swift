import Foundation
import Testing

/// A server that answers as a witness does, or as a hostile one might: the first part of the path says how.
final class FakeWitness {
    /// Every way but the honest ones, and what `status` says of a witness that answers so.
    static let hostile = [
        "forged": "does not verify by the key that stands in node.yaml",
        "stranger": "without a cosignature by the key that stands in node.yaml",
        "future": "is dated 24 h ahead",
        "endless": "longer than one may be",
        "silent": "took too long to answer",
        "dripping": "took too long to answer",
        "busy": "its server answered 503 (“come back later?[2J”)",
        "elsewhere": "its server sends elsewhere (307), which is not followed",
        "looping": "asked from the size that it told, it told another",
        "ahead": "it has cosigned 1000000 entries of us.example/krus, and",
        "unproved": "does not continue what it has cosigned (“the proof does not verify”)",
        "unknown": "it does not know us.example/krus (“no such log”): ask its operator to add it",
        "wordless": "its answer is none of a witness",
        "garbage": "its answer is none of a witness",
    ]

    private let process: Process
    private let folder: String
    private let port: Int
    let pin: String
    private let keys: [String: String]

    static let isPossible = Tool.run("python3", "-c", "import cryptography")?.status == 0
    static let skipped: Comment = "skipped: no python3 with cryptography here"

    init(in place: Place) throws {
        folder = place.path
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "\(Self.scripts)/fake_witness.py", folder]
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        var line = Data()
        while line.last != UInt8(ascii: "\n") {
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { break }
            line += more
        }
        let said = try #require(JSONSerialization.jsonObject(with: line) as? [String: Any])
        port = try #require(said["port"] as? Int)
        pin = try #require(said["pin"] as? String)
        keys = try #require(said["keys"] as? [String: String])
        place.keep("witness", process)
    }

    private static let scripts = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Independent"

    func key(_ way: String) throws -> String { try #require(keys[way]) }

    func url(_ way: String) -> String { "https://127.0.0.1:\(port)/\(way)/" }

    /// The arguments that add it to a community.
    func arguments(_ way: String) throws -> [String] {
        ["community", "witness", "add", "krus", url(way), "--vkey", try key(way), "--pin", "sha256:\(pin)", "--yes"]
    }

    /// What it was asked in one way, a line each.
    func requests(_ way: String) -> [String] {
        let log = (try? String(contentsOfFile: "\(folder)/requests", encoding: .utf8)) ?? ""
        return log.split(separator: "\n").map(String.init).filter { $0.hasPrefix("\(way) ") }
    }
}
