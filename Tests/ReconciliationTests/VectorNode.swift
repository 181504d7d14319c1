import Cryptography
import Reconciliation
import Testing
import TransparencyLog

/// A node with nothing but what the sessions of the vectors ask of it. It does everything at once, so that one order
/// of messages follows.
final class VectorNode {
    struct Replica {
        let origin: String
        let isOwn: Bool
        let signer: NoteSigner
        var tree: SimulatedLog
        var size: UInt64
        var pinned: (head: Head, note: String)?
        var cosignatures: [CosignatureLine] = []

        var id: LogID { SHA256.hash(origin) }
    }

    static let cosignedAt: UInt64 = 1_767_225_600

    let name: String
    let cosigner: Cosigner?
    private(set) var replicas: [LogID: Replica] = [:]
    private(set) var memory: SessionMemory?
    private var session: Session?
    private var plans: [LogID: TransferPlan] = [:]
    private var events: [SessionEvent] = []
    private(set) var sent: [Message] = []
    /// Compresses a bundle, or says what it is compressed to.
    private let pack: ([UInt8]) throws -> [UInt8]
    private let unpack: ([UInt8]) throws -> [UInt8]

    init(
        _ name: String, cosigner: Cosigner? = nil, pack: @escaping ([UInt8]) throws -> [UInt8],
        unpack: @escaping ([UInt8]) throws -> [UInt8]
    ) {
        self.name = name
        self.cosigner = cosigner
        self.pack = pack
        self.unpack = unpack
    }

    static func body(_ index: Int) -> [UInt8] { Array("entry \(index)".utf8) }

    func hold(_ signer: NoteSigner, entries: Int, isOwn: Bool) {
        var tree = SimulatedLog(hasher: MerkleHasher())
        for index in 0..<entries { tree.append(VectorNode.body(index)) }
        let replica = Replica(
            origin: signer.verifierKey.name, isOwn: isOwn, signer: signer, tree: tree, size: UInt64(entries))
        replicas[replica.id] = replica
    }

    func append(to log: LogID) {
        guard var replica = replicas[log] else { return }
        replica.tree.append(VectorNode.body(Int(replica.size)))
        replica.size += 1
        replicas[log] = replica
    }

    // MARK: A session

    func meet(_ peer: String, opening isInitiator: Bool) throws {
        session = Session(
            configuration: SessionConfiguration(
                node: name, peer: peer, communities: ["krus"], isInitiator: isInitiator, once: isInitiator),
            logs: try replicas.keys.sorted().map(local), memory: memory)
        plans = [:]
        try feed(.start)
    }

    var end: SessionEnd? { session?.end }

    func takeSent() -> [Message] {
        defer { sent = [] }
        return sent
    }

    func feed(_ event: SessionEvent) throws {
        events.append(event)
        while !events.isEmpty {
            let next = events.removeFirst()
            for action in session?.handle(next) ?? [] { try perform(action) }
        }
    }

    private func replica(_ id: LogID) throws -> Replica {
        guard let replica = replicas[id] else { throw SimulatedError("no log \(id.hex)") }
        return replica
    }

    private func local(_ id: LogID) throws -> LocalLog {
        let replica = try replica(id)
        return LocalLog(
            id: id, origin: replica.origin, community: "krus", isOwn: replica.isOwn,
            keys: LogKeyChain(anchor: replica.signer.verifierKey),
            head: Head(log: id, size: replica.size, root: try replica.tree.root(at: replica.size)),
            held: replica.tree.size, pinned: replica.pinned?.head, cosignatures: replica.cosignatures, wantedBlobs: [])
    }

    private func perform(_ action: SessionAction) throws {
        switch action {
        case .send(let message): sent.append(message)
        case .offer(let log, let fromSize, let isPushing): try offer(log, from: fromSize, isPushing: isPushing)
        case .pin(let head, let note):
            replicas[head.log]?.pinned = (head, note)
            var plan = TransferPlan(target: head, held: try replica(head.log).tree.size, chunk: 16_384)
            plan.join(1)
            plans[head.log] = plan
            events.append(.pinned(try local(head.log)))
        case .assign(let log, let limit):
            events.append(.assigned(log, plans[log]?.assign(1, ranges: limit) ?? []))
        case .commit(let entries): try commit(entries)
        case .serve(let request):
            sent.append(.entries(try frame(request)))
            events.append(.served)
        case .storeCosignatures(let log, let lines):
            for line in lines { keep(line, of: log) }
            events.append(.cosignaturesStored(try local(log)))
        case .remember(let memory, _, _): self.memory = memory
        case .close: break
        default: throw SimulatedError("\(name) was not to be asked for \(action)")
        }
    }

    /// Of each cosigner the newest.
    private func keep(_ line: CosignatureLine, of log: LogID) {
        var lines = replicas[log]?.cosignatures ?? []
        if let known = lines.first(where: { $0.cosigner == line.cosigner }), known.size >= line.size { return }
        lines.removeAll { $0.cosigner == line.cosigner }
        replicas[log]?.cosignatures = lines + [line]
    }

    private func checkpoint(_ replica: Replica) throws -> Checkpoint {
        try Checkpoint(origin: replica.origin, size: replica.size, root: replica.tree.root(at: replica.size))
    }

    private func offer(_ log: LogID, from size: UInt64, isPushing: Bool) throws {
        let replica = try replica(log)
        let proof = try ConsistencyProof.make(
            from: size, to: replica.size, from: replica.tree, hasher: replica.tree.hasher)
        sent.append(
            .offer(
                Offer(
                    log: log, checkpoint: try checkpoint(replica).sign(with: replica.signer).serialized,
                    fromSize: size, proof: proof.hashes, isPushed: isPushing)))
        if isPushing {
            let range = RangeRequest(log: log, start: size, end: replica.size, treeSize: replica.size)
            sent.append(.entries(try frame(range)))
        }
    }

    /// All of a range in one frame: full bundles compressed, others raw.
    private func frame(_ request: RangeRequest) throws -> EntryRange {
        let tree = try replica(request.log).tree
        var pieces: [BundlePiece] = []
        var start = request.start
        while start < request.end {
            let end = min(request.end, (start / 256 + 1) * 256)
            let raw = try EntryBundle.encode(tree.bodies[Int(start)..<Int(end)])
            let isFull = end - start == 256
            pieces.append(
                BundlePiece(entries: Int(end - start), isCompressed: isFull, data: isFull ? try pack(raw) : raw))
            start = end
        }
        let proof = try RangeProof.make(
            start: request.start, end: request.end, size: request.treeSize, from: tree, hasher: tree.hasher)
        return EntryRange(range: request, proof: proof.hashes, bundles: pieces)
    }

    private func commit(_ entries: EntryRange) throws {
        let range = entries.range
        var replica = try replica(range.log)
        guard let pinned = replica.pinned, plans[range.log]?.arrived(range.start..<range.end, from: 1) == .now else {
            throw SimulatedError("entries out of turn")
        }
        let before = try CompactRange(begin: 0, end: range.start, from: replica.tree)
        for bundle in entries.bundles {
            let raw = bundle.isCompressed ? try unpack(bundle.data) : bundle.data
            for place in try EntryBundle.bodies(in: raw) { replica.tree.append(Array(raw[place])) }
        }
        let proof = RangeProof(hashes: entries.proof)
        guard proof.hashes.starts(with: before.hashes) else { throw SimulatedError("another beginning") }
        try CompactRange(begin: 0, end: range.end, from: replica.tree).verify(
            after: proof.hashesAfter(start: range.start), size: pinned.head.size, root: pinned.head.root,
            hasher: replica.tree.hasher)
        guard range.end == pinned.head.size else { throw SimulatedError("one frame holds all of a range here") }
        replica.size = range.end
        replica.pinned = nil
        if let cosigner {
            let line = try cosigner.cosign(try checkpoint(replica), time: VectorNode.cosignedAt + replica.size)
            replicas[range.log] = replica
            keep(
                CosignatureLine(cosigner: line.name, size: replica.size, time: line.time, line: try line.line),
                of: range.log)
        } else {
            replicas[range.log] = replica
        }
        events.append(.committed(try local(range.log)))
    }
}
