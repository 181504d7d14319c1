import CZstd
import Cryptography
import Foundation
import LogStore
import Reconciliation
import Testing
import TransparencyLog

/// docs/session-vectors.json: what two nodes say to each other, to the byte.
@Suite("The published sessions", .serialized) struct SessionVectorTests {
    private static let isUpdating = ProcessInfo.processInfo.environment["UPDATE_VECTORS"] == "1"

    @Test(.enabled(if: isUpdating, "UPDATE_VECTORS=1 writes docs/session-vectors.json anew"))
    func update() throws {
        try Self.record { raw in
            let bound = ZSTD_compressBound(raw.count)
            return [UInt8](unsafeUninitializedCapacity: bound) { target, count in
                count = ZSTD_compress(target.baseAddress, bound, raw, raw.count, 3)
            }
        }.write()
    }

    @Test("The code says them to the byte")
    func published() throws {
        let published = try SessionVectors.read()
        // zstd may pack otherwise from version to version, so the frames are the published ones; what they hold is ours.
        var bundles = try published.compressedBundles()
        #expect(!bundles.isEmpty)
        let recorded = try Self.record { raw in
            let frame = try #require(bundles.isEmpty ? nil : bundles.removeFirst())
            #expect(try Self.unpack(frame) == raw)
            return frame
        }
        #expect(bundles.isEmpty)
        #expect(recorded.keys == published.keys && recorded.logs == published.logs)
        #expect(recorded.cosignedAt == published.cosignedAt)
        for (ours, theirs) in zip(recorded.sessions, published.sessions) {
            for (number, (our, their)) in zip(ours.frames, theirs.frames).enumerated() {
                #expect(our == their, "\(theirs.name), frame \(number + 1)")
            }
            #expect(ours.frames.count == theirs.frames.count && ours.name == theirs.name)
        }
        #expect(recorded.sessions.count == published.sessions.count)
    }

    @Test("Every frame decodes, and encodes to the same bytes")
    func frames() throws {
        for frame in try SessionVectors.read().sessions.flatMap(\.frames) {
            let encoded = try EncodedFrame(frame.message())
            #expect(Hexadecimal.encode(encoded.head + encoded.parts.flatMap { $0 }) == frame.hex, "\(frame.says)")
        }
    }

    // MARK: The recording

    private static func unpack(_ frame: [UInt8]) throws -> [UInt8] {
        try BundleUnpacker().raw(StoredBundle(number: 0, entries: 256, isCompressed: true, data: frame))
    }

    private static func seed(_ byte: UInt8) throws -> Ed25519.PrivateKey {
        var seed = [UInt8](repeating: byte, count: 32)
        return try Ed25519.PrivateKey(seed: SecretBytes(wiping: &seed))
    }

    private static func record(pack: @escaping ([UInt8]) throws -> [UInt8]) throws -> SessionVectors {
        let signers = [
            try NoteSigner(name: "us.example/krus", privateKey: seed(0x01)),
            try NoteSigner(name: "kr.example/krus", privateKey: seed(0x02)),
        ]
        let mirror = try Cosigner(name: "kr.example", privateKey: seed(0x03))
        let us = VectorNode("us.example", pack: pack, unpack: unpack)
        let kr = VectorNode("kr.example", cosigner: mirror, pack: pack, unpack: unpack)
        us.hold(signers[0], entries: 532, isOwn: true)
        us.hold(signers[1], entries: 3, isOwn: false)
        kr.hold(signers[0], entries: 256, isOwn: false)
        kr.hold(signers[1], entries: 3, isOwn: true)
        let ids = signers.map { SHA256.hash($0.verifierKey.name) }

        var sessions = [try meet(kr, us, "One log is ahead by 276 entries")]
        sessions.append(try meet(kr, us, "Nothing is new"))
        us.append(to: ids[0])
        sessions.append(try meet(kr, us, "One entry is new, and both remember the last session"))

        let log = try #require(us.replicas[ids[0]])
        #expect(kr.replicas[ids[0]]?.tree.bodies == log.tree.bodies)
        return SessionVectors(
            cosignedAt: VectorNode.cosignedAt,
            keys: [
                .init(kind: "log", seed: hex(0x01), vkey: signers[0].verifierKey.text),
                .init(kind: "log", seed: hex(0x02), vkey: signers[1].verifierKey.text),
                .init(kind: "mirror", seed: hex(0x03), vkey: mirror.verifierKey.text),
            ],
            logs: [
                try describe(log, ["us.example": 532, "kr.example": 256], sizes: [256, 532, 533]),
                try describe(
                    try #require(us.replicas[ids[1]]), ["us.example": 3, "kr.example": 3], sizes: [3]),
            ],
            sessions: sessions)
    }

    private static func hex(_ byte: UInt8) -> String { Hexadecimal.encode([UInt8](repeating: byte, count: 32)) }

    private static func describe(
        _ log: VectorNode.Replica, _ entries: [String: Int], sizes: [UInt64]
    ) throws -> SessionVectors.Log {
        SessionVectors.Log(
            origin: log.origin, logId: log.id.hex, body: "the ASCII text `entry N`", entries: entries,
            roots: Dictionary(
                uniqueKeysWithValues: try sizes.map { ("\($0)", try log.tree.root(at: $0).hex) }))
    }

    /// kr opens the connection to us and closes it when done; frames arrive in the order they were sent.
    private static func meet(_ kr: VectorNode, _ us: VectorNode, _ name: String) throws -> SessionVectors.Session {
        let origins = Dictionary(
            uniqueKeysWithValues: us.replicas.values.map { ($0.id, $0.origin) })
        var frames: [SessionVectors.Frame] = []
        var underWay: [(to: VectorNode, message: Message)] = []
        func collect(from node: VectorNode, to other: VectorNode) throws {
            for message in node.takeSent() {
                frames.append(try SessionVectors.Frame(from: node.name, message, origins: origins))
                underWay.append((other, message))
            }
        }
        try kr.meet(us.name, opening: true)
        try collect(from: kr, to: us)
        try us.meet(kr.name, opening: false)
        try collect(from: us, to: kr)
        while !underWay.isEmpty {
            let (node, message) = underWay.removeFirst()
            try node.feed(.received(message))
            try collect(from: node, to: node === us ? kr : us)
        }
        #expect(kr.end == .done && us.end == .closedByPeer("done"), "\(name)")
        return SessionVectors.Session(name: name, frames: frames)
    }
}
