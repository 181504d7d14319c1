import Cryptography
import Foundation
import Testing
import TransparencyLog

/// docs/examples/us.example_krus.fork: evidence that docs/forks.md explains, for whoever writes another reader.
@Suite("The published evidence of a fork") struct ForkVectorTests {
    private static let file: URL = {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { url.deleteLastPathComponent() }
        return url.appending(path: "docs/examples/us.example_krus.fork")
    }()
    private static let isUpdating = ProcessInfo.processInfo.environment["UPDATE_VECTORS"] == "1"

    private let hasher = MerkleHasher()

    /// Two histories, of five and of seven entries, of which the fourth entry is the first that differs.
    private func evidence() throws -> ForkEvidence {
        var seed = [UInt8](repeating: 0x2A, count: 32)
        let signer = try NoteSigner(
            name: "us.example/krus", privateKey: Ed25519.PrivateKey(seed: SecretBytes(wiping: &seed)))
        var one = NaiveTree(count: 0)
        var other = NaiveTree(count: 0)
        one.leaves = (0..<5).map { hasher.leaf([UInt8]("entry \($0)".utf8)) }
        other.leaves = (0..<7).map { hasher.leaf([UInt8](($0 < 3 ? "entry \($0)" : "other \($0)").utf8)) }
        let notes = try [one, other].map { tree in
            try Checkpoint(
                origin: "us.example/krus", size: UInt64(tree.leaves.count), root: tree.root(size: tree.leaves.count)
            ).sign(with: signer)
        }
        let proofs = try [one, other].map {
            try RangeProof.make(start: 3, end: 4, size: UInt64($0.leaves.count), from: $0, hasher: hasher)
        }
        return try ForkEvidence(
            key: signer.verifierKey, notes[0], notes[1],
            prefix: ForkEvidence.makePrefix(size: 5, treeSize: 7, from: other, hasher: hasher),
            difference: ForkEvidence.Difference(index: 3, leaves: [one.leaves[3], other.leaves[3]], proofs: proofs))
    }

    @Test(.enabled(if: isUpdating, "UPDATE_VECTORS=1 writes docs/examples/us.example_krus.fork anew"))
    func update() throws {
        try Data(evidence().serialized.utf8).write(to: Self.file)
    }

    @Test("It is made of what the page says, to the byte, and holds")
    func published() throws {
        let bytes = [UInt8](try Data(contentsOf: Self.file))
        #expect(try Array(evidence().serialized.utf8) == bytes)
        let finding = try ForkEvidence(parsing: bytes).verify()
        #expect(finding.sizes == [5, 7] && finding.firstDifference == 3)
    }

    @Test("Whoever has Python and no Entente comes to the same answer")
    func withoutEntente() throws {
        let script = Self.file.deletingLastPathComponent().appending(path: "check_fork.py").path
        func run(_ arguments: [String]) throws -> Int32 {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["python3"] + arguments
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            return process.terminationStatus
        }
        // Without the package the example cannot run; this is about the format.
        guard try run(["-c", "import cryptography"]) == 0 else { return }
        #expect(try run([script, Self.file.path]) == 0)
        #expect(try run([script, Self.file.path, "us.example/krus+00000000+AAAA"]) != 0)
        let text = try String(contentsOf: Self.file, encoding: .utf8)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        for (number, line) in lines.enumerated() where line.hasSuffix("=") {
            var changed = lines.map(String.init)
            changed[number] = (line.first == "A" ? "B" : "A") + line.dropFirst()
            let copy = FileManager.default.temporaryDirectory.appending(path: "fork-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(at: copy) }
            try Data(changed.joined(separator: "\n").utf8).write(to: copy)
            #expect(try run([script, copy.path]) != 0, "line \(number + 1)")
        }
    }
}
