import Cryptography
import Reconciliation

/// Turns what an honest session says into what a liar sends: now and then something wrong, more, less or other bytes.
struct SimulatedLiar {
    private var random: SplitMix64

    init(seed: UInt64) {
        random = SplitMix64(seed)
    }

    mutating func twist(_ message: Message, node: SimulatedNode, peer: SimulatedNode) -> [SimulatedFrame] {
        var messages = [message]
        var flips = 0
        switch random.next() % 40 {
        case 0: messages = []
        case 1: messages.append(message)
        case 2: flips = Int.random(in: 1...3, using: &random)
        case 3, 4: messages.append(unasked(node, peer))
        case 5: messages.insert(unasked(node, peer), at: 0)
        case 6..<14: messages = [wrong(message)]
        default: break
        }
        return messages.compactMap { message in
            // A liar's message may be one that cannot even be encoded.
            guard var frame = try? SimulatedFrame(message) else { return nil }
            for _ in 0..<flips {
                frame.payload[Int.random(in: 0..<frame.payload.count, using: &random)] =
                    UInt8(truncatingIfNeeded: random.next())
            }
            return frame
        }
    }

    // MARK: Wrong

    private mutating func wrong(_ message: Message) -> Message {
        switch message {
        case .hello(let hello):
            .hello(
                Hello(
                    node: hello.node,
                    communities: hello.communities.map {
                        CommunityDigest(name: $0.name, digest: wrong($0.digest))
                    }, memory: Bool.random(using: &random) ? hello.memory : random.digest(), once: hello.once,
                    settled: Bool.random(using: &random)))
        case .heads(let community, let heads, let complete, let settled):
            .heads(
                community: community, heads.map { wrong($0) }, complete: one(in: 8) ? !complete : complete,
                settled: Bool.random(using: &random) || settled)
        case .ranges(let nodes, let settled): .ranges(nodes.map { wrong($0) }, settled: settled)
        case .offer(let offer): .offer(wrong(offer))
        case .entries(let entries): .entries(wrong(entries))
        case .request(let request): .request(wrong(request))
        case .cosignatures(let log, let lines):
            .cosignatures(
                log,
                lines.map {
                    CosignatureLine(
                        cosigner: $0.cosigner, size: one(in: 2) ? $0.size : $0.size + 1,
                        time: one(in: 2) ? $0.time : $0.time + 1_000_000, line: $0.line)
                })
        case .blob(let key, let bytes): .blob(key, bytes + [0])
        case .agree: .agree(random.digest())
        case .close(let reason, _): .close(reason: reason, memory: random.digest())
        default: message
        }
    }

    private mutating func one(in count: UInt64) -> Bool { random.next() % count == 0 }

    private mutating func wrong(_ digest: SHA256Digest) -> SHA256Digest { one(in: 2) ? digest : random.digest() }

    private mutating func wrong(_ size: UInt64) -> UInt64 {
        switch random.next() % 5 {
        case 0: size + 1
        case 1: size > 0 ? size - 1 : 0
        case 2: size / 2
        default: size
        }
    }

    private mutating func wrong(_ head: Head) -> Head {
        Head(
            log: one(in: 8) ? random.digest() : head.log, size: wrong(head.size), root: wrong(head.root),
            pinnedSize: one(in: 4) ? head.size + 10 : head.pinnedSize, beside: wrong(head.beside))
    }

    private mutating func wrong(_ node: RangeNode) -> RangeNode {
        let content: RangeNode.Content =
            switch node.content {
            case .children(let hashes): .children(hashes.map { wrong($0) })
            case .heads(let heads, let more): .heads(heads.map { wrong($0) }, more: one(in: 4) ? !more : more)
            }
        let range = one(in: 4) ? node.range.child(Int(random.next() % 16)) : node.range
        return RangeNode(community: node.community, range: range, content: content)
    }

    private mutating func wrong(_ offer: Offer) -> Offer {
        var note = offer.checkpoint
        if one(in: 4) { note = String(note.dropLast(3)) }
        return Offer(
            log: offer.log, checkpoint: note, fromSize: wrong(offer.fromSize), proof: offer.proof.map { wrong($0) },
            isPushed: one(in: 4) ? !offer.isPushed : offer.isPushed)
    }

    private mutating func wrong(_ request: RangeRequest) -> RangeRequest {
        RangeRequest(
            log: request.log, start: request.start, end: wrong(request.end), treeSize: wrong(request.treeSize))
    }

    private mutating func wrong(_ entries: EntryRange) -> EntryRange {
        var bundles = entries.bundles
        if let piece = bundles.first, one(in: 2) {
            var data = piece.data
            data[data.count - 1] ^= 1
            bundles[0] = BundlePiece(entries: piece.entries, isCompressed: false, data: data)
        }
        let range = entries.range
        let shift: UInt64 = one(in: 3) ? 1 : 0
        let isOfOneTree = range.end < range.treeSize && one(in: 2)
        return EntryRange(
            range: RangeRequest(
                log: range.log, start: range.start + shift, end: range.end + shift,
                treeSize: range.treeSize + (isOfOneTree ? 0 : shift)),
            proof: entries.proof.map { one(in: 2) ? wrong($0) : $0 }, bundles: bundles)
    }

    // MARK: Unasked

    private mutating func unasked(_ node: SimulatedNode, _ peer: SimulatedNode) -> Message {
        let logs = node.store.logs.values.filter { node.shows($0, to: peer.index) && $0.tree.size > 0 }
            .sorted { $0.id < $1.id }
        guard let log = logs.randomElement(using: &random), let head = log.head else { return .ignored }
        let known = Bool.random(using: &random) ? log.id : random.digest()
        switch random.next() % 12 {
        case 0: return .unknown([known])
        case 1: return .logRefusal(known, reason: "no")
        case 2: return .request(RangeRequest(log: known, start: 0, end: head.size, treeSize: head.size))
        case 3:
            return .entries(
                EntryRange(
                    range: RangeRequest(log: known, start: 0, end: 1, treeSize: head.size), proof: [],
                    bundles: [BundlePiece(entries: 1, isCompressed: false, data: [0, 1, 7])]))
        case 4:
            let old = log.checkpoints.values.min { $0.size < $1.size } ?? head
            return .offer(
                Offer(log: known, checkpoint: old.note, fromSize: 0, proof: [], isPushed: one(in: 2)))
        case 5: return .blob(BlobKey(log: known, index: 0, sha256: random.digest()), [1, 2, 3])
        case 6: return .blobRequest(BlobKey(log: known, index: random.next() % 10, sha256: random.digest()))
        case 7: return .agree(random.digest())
        case 8:
            return .heads(
                community: log.community,
                [Head(log: known, size: head.size + random.next() % 3, root: wrong(head.root), pinnedSize: 0)],
                complete: one(in: 4), settled: one(in: 2))
        case 9:
            return .cosignatures(
                known,
                [
                    CosignatureLine(
                        cosigner: SimulatedKeys.name(Int(random.next() % 6)), size: head.size,
                        time: random.next() >> 20, line: "\u{2014} nobody \(random.next())")
                ])
        case 10:
            return .requestRefusal(RangeRequest(log: known, start: 0, end: head.size, treeSize: head.size))
        default: return .blobRefusal(BlobKey(log: known, index: 0, sha256: random.digest()))
        }
    }
}
