import Cryptography
import Glibc
import LogStore
import Logging
import MutualTLS
import NIOCore
import NodeService
import Reconciliation
import TransparencyLog

/// The keys of a node as TLS knows it.
struct TLSName: Sendable {
    let name: String
    let identity: TLSIdentity

    init(_ name: String) throws {
        let now = Int64(time(nil))
        let made = try TLSIdentity.selfSigned(dns: name, validFrom: now - 86_400, validUntil: now + 86_400)
        self.name = name
        identity = try TLSIdentity(certificatePEM: made.certificatePEM, privateKeyPEM: made.privateKeyPEM)
    }

    func context(trusting others: [TLSName]) throws -> TLSContext {
        let pins = others.compactMap { other in Pin(other.identity.subjectPublicKeyInfoPin).map { ($0, other.name) } }
        return try TLSContext(
            TLSConfiguration(
                identity: identity, trust: PeerTrust(pins: Dictionary(pins, uniquingKeysWith: { first, _ in first })),
                applicationProtocols: [PeerClient.applicationProtocol]))
    }
}

/// A partner whose certificate is pinned, who has a log of its own, and who says whatever the test says.
struct HostilePeer: Sendable {
    static let name = "xx.example"
    let tls: TLSName
    let signer: NoteSigner
    let cosigner: Cosigner
    /// What its own log really holds.
    let tree: MemoryTree

    init(entries: Int = 300) throws {
        tls = try TLSName(HostilePeer.name)
        signer = try NoteSigner(name: "\(HostilePeer.name)/krus", privateKey: Ed25519.PrivateKey())
        cosigner = try Cosigner(name: HostilePeer.name, privateKey: Ed25519.PrivateKey())
        tree = MemoryTree((0..<entries).map { [UInt8]("{\"v\":1,\"type\":\"test\",\"n\":\($0)}".utf8) })
    }

    var origin: String { signer.verifierKey.name }
    var log: LogID { SHA256.hash(origin) }

    func head(_ size: Int) -> Head { Head(log: log, size: UInt64(size), root: tree.root(size)) }

    /// A checkpoint of its own log, or of any other history.
    func checkpoint(_ size: Int, of tree: MemoryTree? = nil) throws -> String {
        try note(origin: origin, size: UInt64(size), root: (tree ?? self.tree).root(size), by: signer).serialized
    }

    func note(origin: String, size: UInt64, root: SHA256Digest, by signer: NoteSigner) throws -> SignedNote {
        let text = try Checkpoint(origin: origin, size: size, root: root).text
        return try SignedNote(text: text, signatures: [signer.sign(text)])
    }

    /// An honest offer.
    func offer(_ size: Int, from: Int = 0, isPushed: Bool = false) throws -> Message {
        let proof =
            from == 0
            ? []
            : try ConsistencyProof.make(
                from: UInt64(from), to: UInt64(size), from: tree, hasher: MerkleHasher()
            ).hashes
        return .offer(
            Offer(
                log: log, checkpoint: try checkpoint(size), fromSize: UInt64(from), proof: proof, isPushed: isPushed))
    }

    /// Honest entries, raw, in one frame.
    func entries(_ range: Range<Int>, treeSize: Int) throws -> EntryRange {
        let request = RangeRequest(
            log: log, start: UInt64(range.lowerBound), end: UInt64(range.upperBound), treeSize: UInt64(treeSize))
        let proof = try RangeProof.make(
            start: request.start, end: request.end, size: request.treeSize, from: tree, hasher: MerkleHasher())
        return EntryRange(range: request, proof: proof.hashes, bundles: try tree.bundles(range))
    }
}

/// A log in memory.
struct MemoryTree: NodeSource, Sendable {
    let bodies: [[UInt8]]
    private let leaves: [SHA256Digest]

    init(_ bodies: [[UInt8]]) {
        self.bodies = bodies
        leaves = bodies.map { MerkleHasher().leaf($0) }
    }

    func root(_ size: Int) -> SHA256Digest { MerkleHasher().root(of: leaves[..<size]) }

    func hashes(at coordinates: [NodeCoordinate]) throws -> [SHA256Digest] {
        coordinates.map { MerkleHasher().root(of: leaves[Int($0.begin)..<Int($0.end)]) }
    }

    func bundles(_ range: Range<Int>) throws -> [BundlePiece] {
        var pieces: [BundlePiece] = []
        var start = range.lowerBound
        while start < range.upperBound {
            let end = min(range.upperBound, (start / 256 + 1) * 256)
            pieces.append(
                BundlePiece(
                    entries: end - start, isCompressed: false, data: try EntryBundle.encode(bodies[start..<end])))
            start = end
        }
        return pieces
    }
}
