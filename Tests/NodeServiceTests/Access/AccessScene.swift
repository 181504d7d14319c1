import Cryptography
import LogStore
import NodeService
import Reconciliation
import TransparencyLog

/// What a node is asked about one log, a message of each kind, and what a peer hears of a log that is none for it.
struct Probe {
    let name: String
    let messages: [Message]
    let answer: [Message]

    /// - Parameters:
    ///   - id: the log that is asked about.
    ///   - shared: a community that the node admits the peer to.
    ///   - note: a checkpoint to offer.
    ///   - blob: a sealed part of the log.
    static func all(of id: LogID, shared: String, note: String = "none", blob: BlobKey? = nil) -> [Probe] {
        let unknown = [Message.unknown([id])]
        let hash = SHA256.hash("x")
        let blob = BlobKey(log: id, index: blob?.index ?? 0, sha256: blob?.sha256 ?? hash)
        let range = RangeRequest(log: id, start: 0, end: 1, treeSize: 1)
        let receipt = ReceiptLine(index: blob.index, sha256: blob.sha256, holder: "kr.example", time: 1, line: "x")
        let offer = { Message.offer(Offer(log: id, checkpoint: note, fromSize: 0, proof: [], isPushed: $0)) }
        let entries = EntryRange(
            range: range, proof: [], bundles: [BundlePiece(entries: 1, isCompressed: false, data: [0, 1, 120])])
        return [
            Probe(name: "range", messages: [.request(range)], answer: unknown),
            Probe(name: "blob", messages: [.blobRequest(blob)], answer: [.blobRefusal(blob)]),
            Probe(name: "offer", messages: [offer(false)], answer: unknown),
            Probe(name: "push", messages: [offer(true), .entries(entries)], answer: unknown),
            Probe(
                name: "cosignature",
                messages: [
                    .cosignatures(id, [CosignatureLine(cosigner: "kr.example", size: 1, time: 1, line: "x")])
                ], answer: unknown),
            Probe(name: "receipt", messages: [.receipts(id, [receipt])], answer: unknown),
            Probe(
                name: "receipt pages",
                messages: [.receiptPages(ReceiptPages(log: id, digest: hash, isAnswer: false))], answer: unknown),
            Probe(
                name: "answered receipt pages",
                messages: [.receiptPages(ReceiptPages(log: id, digest: hash, isAnswer: true))], answer: []),
            Probe(
                name: "beginning", messages: [.prefixRequest(PrefixRequest(log: id, size: 1, treeSize: 1))],
                answer: unknown),
            Probe(
                name: "nodes", messages: [.nodesRequest(SubtreeRequest(log: id, level: 1, index: 0))],
                answer: unknown),
            Probe(name: "fork", messages: [.fork(id, evidence: [1])], answer: []),
            Probe(name: "unknown", messages: [.unknown([id])], answer: []),
            Probe(name: "refusal", messages: [.logRefusal(id, reason: "x")], answer: []),
            Probe(
                name: "head",
                messages: [
                    .heads(community: shared, [Head(log: id, size: 1, root: hash)], complete: false, settled: true)
                ], answer: unknown),
            // What an owner says that has lost all of a log.
            Probe(
                name: "recovery",
                messages: [
                    .heads(community: shared, [Head(log: id, size: 0, root: .zero)], complete: false, settled: true)
                ], answer: []),
        ]
    }
}

/// us.example is in `krus` with out.example, and perhaps in `secret` with kr.example and jp.example. Keys and clock are
/// the same in every scene, so that a conversation can be compared to the byte.
struct AccessScene {
    enum Hidden: CaseIterable {
        /// us.example is not in `secret`.
        case absent
        /// Each log of it holds little.
        case little
        /// Each log of it holds 10,000 entries.
        case much
    }

    static let origins = ["us.example/secret", "kr.example/secret", "jp.example/secret"]
    static let members = ["us.example", "kr.example", "jp.example"]
    let us: TestNode
    private let secret: NoteSigner

    init(_ hidden: Hidden) async throws {
        let now = Moment()
        now.value = 1_800_000_000
        us = try TestNode(
            "us.example", partners: ["out.example"],
            also: hidden == .absent ? [:] : ["secret": AccessScene.members],
            signer: NoteSigner(name: "us.example/krus", privateKey: AccessScene.key(1)), mirror: AccessScene.key(2),
            now: now)
        secret = try NoteSigner(name: "us.example/secret", privateKey: AccessScene.key(3))
        try us.append(700)
        guard hidden != .absent else { return }
        let count = hidden == .little ? 1 : 10_000
        try us.store.createLog(
            origin: "us.example/secret", node: "us.example", community: "secret", isOwn: true,
            verifierKey: secret.verifierKey.text)
        try appendSecretly(count)
        // kr's log comes with sealed parts, cosigned; jp's has forked.
        let kr = try member("kr.example", key: 4, now)
        try kr.append(count)
        _ = try kr.appendSealed("for us", to: ["us.example", "kr.example"])
        let (jp, twin) = (try member("jp.example", key: 5, now), try member("jp.example", key: 5, now))
        try jp.append(count)
        try twin.append(count, text: "another")
        for node in [kr, jp, twin] {
            try us.know(node)
            _ = try await synchronise(us, node)
        }
    }

    private func member(_ name: String, key: UInt8, _ now: Moment) throws -> TestNode {
        let node = try TestNode(
            name, partners: AccessScene.members.filter { $0 != name }, community: "secret",
            signer: NoteSigner(name: "\(name)/secret", privateKey: AccessScene.key(key)),
            mirror: AccessScene.key(key + 10), now: now)
        try node.store.createLog(
            origin: "us.example/secret", node: "us.example", community: "secret", isOwn: false,
            verifierKey: secret.verifierKey.text)
        node.context.know(us.context.cosigner.verifierKey)
        return node
    }

    static func id(_ origin: String) -> LogID { SHA256.hash([UInt8](origin.utf8)) }

    /// Grows the own log of the hidden community.
    func appendSecretly(_ count: Int) throws {
        let size = try us.store.log("us.example/secret")?.size ?? 0
        try us.append(
            (0..<UInt64(count)).map { NewEntry(body: [UInt8](#"{"v":1,"type":"test","n":\#(size + $0)}"#.utf8)) },
            to: "us.example/secret", signer: secret)
    }

    private static func key(_ number: UInt8) throws -> Ed25519.PrivateKey {
        var seed = [UInt8](repeating: number, count: Ed25519.PrivateKey.seedByteCount)
        return try Ed25519.PrivateKey(seed: SecretBytes(wiping: &seed))
    }
}

/// The `members` record that an owner writes.
func membersRecord(_ nodes: [String], carrySealed: Bool = false) -> [UInt8] {
    let list = nodes.map { "\"\($0)\"" }.joined(separator: ",")
    return [UInt8](
        """
        {"v":1,"type":"members","time":"2025-01-01T00:00:00Z","author":"x","tlp":"green",\
        "members":[\(list)],"carry_sealed":"\(carrySealed ? "members" : "recipients")"}
        """.utf8)
}
