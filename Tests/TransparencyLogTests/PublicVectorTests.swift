import Cryptography
import Foundation
import Testing
import TransparencyLog

/// The proof vectors of transparency-dev/merkle, one JSON file each, where they are installed.
struct ProofVector: Decodable, CustomStringConvertible, Sendable {
    var description: String { desc }
    let desc: String
    let wantErr: Bool
    var proof: [String]?
    var leafIdx, start, end, treeSize, size, size1, size2: UInt64?
    var root, root1, root2, leafHash: String?

    static let folder: URL = {
        if let folder = ProcessInfo.processInfo.environment["ENTENTE_VECTORS"] {
            return URL(filePath: folder).appending(path: "merkle")
        }
        return URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appending(path: "shared/vectors/merkle")
    }()

    static let areThere = FileManager.default.fileExists(atPath: folder.appending(path: "inclusion").path)

    static func all(in kind: String) throws -> [ProofVector] {
        let files = FileManager.default.enumerator(at: folder.appending(path: kind), includingPropertiesForKeys: nil)
        var vectors: [ProofVector] = []
        while let file = files?.nextObject() as? URL {
            guard file.pathExtension == "json" else { continue }
            vectors.append(try JSONDecoder().decode(ProofVector.self, from: Data(contentsOf: file)))
        }
        return vectors
    }

    struct NotADigest: Error {}

    /// The digest; texts that are no 32 bytes cannot even be given to a verification, so they are refused here.
    static func digest(_ text: String?) throws -> SHA256Digest {
        guard let digest = SHA256Digest(base64: text ?? "") else { throw NotADigest() }
        return digest
    }

    /// For the roots of consistency proofs, whose vectors also have short texts that must compare equal: a digest
    /// that stands for the text.
    static func standIn(_ text: String?) -> SHA256Digest {
        SHA256Digest(base64: text ?? "") ?? SHA256.hash("not a digest: " + (text ?? ""))
    }

    var hashes: [SHA256Digest] { (proof ?? []).map { ProofVector.standIn($0) } }

    func field(_ value: UInt64?) throws -> UInt64 { try #require(value) }
}

@Suite(.enabled(if: ProofVector.areThere, "set ENTENTE_VECTORS to a folder that holds merkle/ with the public vectors"))
struct PublicVectorTests {
    private let hasher = MerkleHasher()

    @Test func inclusionProofsAreJudgedAsPublished() throws {
        try judge("inclusion", count: 98) { vector in
            try InclusionProof(hashes: vector.hashes).verify(
                leafHash: ProofVector.digest(vector.leafHash), index: vector.field(vector.leafIdx),
                size: vector.field(vector.treeSize), root: ProofVector.digest(vector.root), hasher: hasher)
        }
    }

    @Test func consistencyProofsAreJudgedAsPublished() throws {
        try judge("consistency", count: 98) { vector in
            try ConsistencyProof(hashes: vector.hashes).verify(
                oldSize: vector.field(vector.size1), oldRoot: ProofVector.standIn(vector.root1),
                newSize: vector.field(vector.size2), newRoot: ProofVector.standIn(vector.root2), hasher: hasher)
        }
    }

    @Test func subtreeInclusionProofsAreJudgedAsPublished() throws {
        try judge("subtreeinclusion", count: 204) { vector in
            try InclusionProof(hashes: vector.hashes).verify(
                leafHash: ProofVector.digest(vector.leafHash), index: vector.field(vector.leafIdx),
                in: Subtree(start: vector.field(vector.start), end: vector.field(vector.end)),
                root: ProofVector.digest(vector.root), hasher: hasher)
        }
    }

    @Test func subtreeConsistencyProofsAreJudgedAsPublished() throws {
        try judge("subtreeconsistency", count: 118) { vector in
            try ConsistencyProof(hashes: vector.hashes).verify(
                Subtree(start: vector.field(vector.start), end: vector.field(vector.end)),
                subtreeRoot: ProofVector.standIn(vector.root1), size: vector.field(vector.size),
                root: ProofVector.standIn(vector.root2), hasher: hasher)
        }
    }

    private func judge(_ kind: String, count: Int, _ verify: (ProofVector) throws -> Void) throws {
        let vectors = try ProofVector.all(in: kind)
        #expect(vectors.count >= count)
        for vector in vectors {
            var failure: (any Error)?
            do { try verify(vector) } catch { failure = error }
            #expect((failure != nil) == vector.wantErr, "\(kind): \(vector), \(String(describing: failure))")
        }
    }
}
