import Cryptography
import NodeService
import Synchronization
import TransparencyLog

/// A published log in memory, whose files a test changes.
final class PublishedLog: PublishedSource {
    static let origin = "us.example/krus"
    let signer: NoteSigner
    let cosigner: Cosigner
    private let files: Mutex<[String: [UInt8]]>
    private let reads = Mutex<[String]>([])

    /// A log of small bodies, signed, and cosigned at this time.
    init(size: UInt64, cosignedAt time: UInt64 = 1_700_000_000) throws {
        signer = try NoteSigner(name: PublishedLog.origin, privateKey: Ed25519.PrivateKey())
        cosigner = try Cosigner(name: "kr.example", privateKey: Ed25519.PrivateKey())
        let hasher = MerkleHasher()
        var edge = TreeEdge()
        var files: [String: [UInt8]] = [:]
        var bundle: [UInt8] = []
        for index in 0..<size {
            let body = [UInt8]("entry \(index)".utf8)
            try EntryBundle.append(body, to: &bundle)
            for tile in edge.append(leafHashes: [hasher.leaf(body)], hasher: hasher) {
                files[tile.coordinate.path] = tile.data
            }
            guard (index + 1).isMultiple(of: 256) || index + 1 == size else { continue }
            let width = Int(index % 256) + 1
            files[try BundleCoordinate(number: index / 256, width: width).path] = bundle
            bundle = []
        }
        for tile in edge.tilesAtEdge { files[tile.coordinate.path] = tile.data }
        let checkpoint = try Checkpoint(origin: PublishedLog.origin, size: size, root: edge.root(hasher: hasher))
        var note = try checkpoint.sign(with: signer)
        try note.add(cosigner.cosign(checkpoint, time: time).noteSignature)
        files["checkpoint"] = [UInt8](note.serialized.utf8)
        self.files = Mutex(files)
    }

    var paths: [String] { files.withLock { $0.keys.sorted() } }
    /// What was read, a name for each time.
    var readPaths: [String] { reads.withLock { $0 } }

    func change(_ path: String, _ change: (inout [UInt8]?) -> Void) {
        files.withLock { change(&$0[path]) }
    }

    func read(_ files: [PublishedFile], _ take: @Sendable (Int, PublishedContent) -> Void) throws {
        // Backwards: nothing may rely on an order.
        for (place, file) in files.enumerated().reversed() {
            reads.withLock { $0.append(file.path) }
            take(place, self.files.withLock { $0[file.path] }.map { .bytes($0) } ?? .missing)
        }
    }

    func audit(cosigners: [VerifierKey]? = nil) throws -> PublishedReport {
        try PublishedAuditor(
            source: self, logKeys: [signer.verifierKey], cosigners: cosigners ?? [cosigner.verifierKey],
            now: 1_700_000_000
        ).audit()
    }
}
