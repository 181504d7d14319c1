import Cryptography
import Home
import Interchange
import LogStore
import NodeService
import Records
import TransparencyLog

/// Records on their way into the own log of one community.
struct Submission {
    let node: Node
    let community: CommunityConfiguration
    let author: String
    private let writer: RecordWriter
    var policy: SealingPolicy { writer.policy }
    private let signer: NoteSigner
    private var store: SQLiteLogStore { node.store }
    private var origin: String { node.origin(of: community.name) }

    init(node: Node, community: CommunityConfiguration, author: String) throws {
        self.node = node
        self.community = community
        self.author = author
        writer = try node.writer(community: community.name)
        signer = try node.signer(community: community.name)
    }

    func prepare(_ draft: RecordDraft, wishes: SealingPolicy.Wishes = .init()) throws -> RecordWriter.Prepared {
        try writer.prepare(draft, wishes: wishes)
    }

    /// The records of a file, one JSON object a line, behind a byte order mark or not: all of them, or an error that names
    /// the first bad line.
    func prepare(
        lines: [UInt8], name: String, tlp: TLP, wishes: SealingPolicy.Wishes
    ) throws -> [RecordWriter.Prepared] {
        let rows = TextBytes.withoutMark(lines).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .enumerated()
            .filter { !$0.element.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D } }
            .map { (number: $0.offset + 1, bytes: $0.element) }
        let outcomes = AllCores.map(rows) { [writer, author] row in
            guard row.bytes.count <= 1 << 20 else {
                throw CommandFailure(.badInput, "a line of \(row.bytes.count) bytes")
            }
            let draft = try RecordDraft(
                object: JSONScanner.scan(Array(row.bytes)), time: Clock.timestamp, author: author, tlp: tlp)
            return try writer.prepare(draft, wishes: wishes)
        }
        let prepared = try zip(rows, outcomes).map { row, outcome in
            do {
                return try outcome.get()
            } catch {
                throw CommandFailure(
                    .badInput, "\(name):\(row.number): \(CommandFailure(error).description); nothing was appended")
            }
        }
        guard !prepared.isEmpty else { throw CommandFailure(.badInput, "\(name): no records in it") }
        return prepared
    }

    func append(
        _ entries: [NewEntry], doubles: DoubleFilter? = nil,
        check: @escaping (_ size: UInt64) throws -> Void = { _ in }
    ) throws -> [AppendOutcome] {
        try node.append(entries, community: community.name, signer: signer, doubles: doubles, check: check).outcomes
    }

    /// Appends a record and, right behind it, the withdrawal of the one that it replaces: both, or neither. Answers what
    /// became of the record.
    func replace(_ target: RecordTarget, by entry: NewEntry, reason: String?) throws -> [AppendOutcome] {
        for _ in 0..<Submission.attempts {
            let size = try store.log(origin)?.size ?? 0
            let withdrawal = try withdrawal(of: target, reason: reason, replacement: entry, at: size)
            do {
                return [try append([entry, withdrawal]) { guard $0 == size else { throw Overtaken() } }[0]]
            } catch is Overtaken {
                continue
            }
        }
        throw CommandFailure(.busy, "\(origin) is written by other commands all the time; try again when they are done")
    }

    /// Another command has appended, so that the record would not stand where its withdrawal says.
    private struct Overtaken: Error {}

    private static let attempts = 64

    /// The withdrawal of a record that another one replaces, which is going to stand at this index. Throws where the
    /// policy refuses it.
    func withdrawal(
        of target: RecordTarget, reason: String?, replacement: NewEntry, at index: UInt64? = nil
    ) throws -> NewEntry {
        let index = try index ?? store.log(origin)?.size ?? 0
        return try withdrawal(
            of: target, reason: reason, replacement: ("\(origin)#\(index)", MerkleHasher().leaf(replacement.body)))
    }

    /// The withdrawal of a record of this node's own log.
    func withdrawal(
        of target: RecordTarget, reason: String?, replacement: (reference: String, hash: SHA256Digest)? = nil
    ) throws -> NewEntry {
        guard target.reference.origin.text == origin else {
            throw CommandFailure(
                .notPermitted,
                "\(target.reference.text) is not in \(origin); only its owner withdraws a "
                    + "record, others can `entente assess` it")
        }
        guard
            var draft = RecordDraft(type: .withdrawal, time: Clock.timestamp, author: author, tlp: .green)
        else { throw CommandFailure(.internal, "withdrawal records are not known") }
        try draft.set("target", to: target.value)
        try draft.set("action", to: .string(replacement == nil ? "retracts" : "supersedes"))
        if let reason { try draft.set("reason", to: .string(reason)) }
        if let replacement, let reference = Reference(replacement.reference) {
            try draft.set(
                "replacement", to: RecordTarget(reference: reference, hash: replacement.hash).value)
        }
        return try writer.prepare(draft).entry
    }
}

extension Node {
    /// A record named on the command line, with the leaf hash of what is here.
    func target(_ text: String) throws -> RecordTarget {
        guard let reference = Reference(text) else {
            throw CommandFailure(.usage, "\(text) is no reference; write NODE/COMMUNITY#INDEX")
        }
        guard let log = try store.log(reference.origin.text),
            let body = try store.soundBody(of: log, at: reference.index)
        else { throw CommandFailure(.answerIsNo, "no record \(reference.text) here") }
        return RecordTarget(reference: reference, hash: MerkleHasher().leaf(body))
    }
}
