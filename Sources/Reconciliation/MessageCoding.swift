import Cryptography

import struct FoundationEssentials.Data

// Between the messages of the session and those of entente.proto. Everything that comes in is bounded here.

extension WireControl.OneOf_Message {
    /// The wire form of a control message; bulk messages have none.
    init?(_ message: Message) {
        switch message {
        case .hello(let hello):
            var wire = WireHello()
            wire.major = hello.major
            wire.minor = hello.minor
            wire.node = hello.node
            wire.communities = hello.communities.map { community in
                var wire = WireCommunity()
                wire.name = community.name
                wire.digest = community.digest.wire
                return wire
            }
            if let memory = hello.memory { wire.memory = memory.wire }
            wire.once = hello.once
            wire.settled = hello.settled
            self = .hello(wire)
        case .heads(let community, let heads, let complete, let settled):
            var wire = WireHeads()
            wire.community = community
            wire.heads = heads.map(WireHead.init)
            wire.complete = complete
            wire.settled = settled
            self = .heads(wire)
        case .ranges(let nodes, let settled):
            var wire = WireRanges()
            wire.nodes = nodes.map(WireRangeNode.init)
            wire.settled = settled
            self = .ranges(wire)
        case .offer(let offer):
            var wire = WireOffer()
            wire.logID = offer.log.wire
            wire.checkpoint = offer.checkpoint
            wire.fromSize = offer.fromSize
            wire.proof = offer.proof.map(\.wire)
            wire.pushed = offer.isPushed
            self = .offer(wire)
        case .request(let request):
            var wire = WireRequest()
            wire.logID = request.log.wire
            wire.start = request.start
            wire.end = request.end
            wire.treeSize = request.treeSize
            self = .request(wire)
        case .requestRefusal(let request):
            var wire = WireRequestRefusal()
            wire.logID = request.log.wire
            wire.start = request.start
            wire.end = request.end
            wire.treeSize = request.treeSize
            self = .requestRefusal(wire)
        case .unknown(let logs):
            var wire = WireUnknown()
            wire.logIds = logs.map(\.wire)
            self = .unknown(wire)
        case .logRefusal(let log, let reason):
            var wire = WireLogRefusal()
            wire.logID = log.wire
            wire.reason = String(reason.prefix(FrameLimits.maximumText / 4))
            self = .logRefusal(wire)
        case .cosignatures(let log, let lines):
            var wire = WireCosignatures()
            wire.logID = log.wire
            wire.cosignatures = lines.map { line in
                var wire = WireCosignature()
                wire.cosigner = line.cosigner
                wire.size = line.size
                wire.time = line.time
                wire.line = line.line
                return wire
            }
            self = .cosignatures(wire)
        case .blobRequest(let key):
            var wire = WireBlobRequest()
            wire.logID = key.log.wire
            wire.index = key.index
            wire.sha256 = key.sha256.wire
            self = .blobRequest(wire)
        case .blobRefusal(let key):
            var wire = WireBlobRefusal()
            wire.logID = key.log.wire
            wire.index = key.index
            wire.sha256 = key.sha256.wire
            self = .blobRefusal(wire)
        case .receipts(let log, let receipts): self = .receipts(WireReceipts(log, receipts))
        case .receiptPages(let pages): self = .receiptPages(WireReceiptPages(pages))
        case .prefixRequest(let request): self = .prefixRequest(WirePrefixRequest(request))
        case .prefix(let request, let hashes): self = .prefix(WirePrefix(request, hashes))
        case .nodesRequest(let request): self = .nodesRequest(WireNodesRequest(request))
        case .nodes(let request, let hashes): self = .nodes(WireNodes(request, hashes))
        case .fork(let log, let evidence):
            var wire = WireFork()
            wire.logID = log.wire
            wire.evidence = Data(evidence)
            self = .fork(wire)
        case .ping(let nonce, let isReply):
            var wire = WirePing()
            wire.nonce = nonce
            wire.reply = isReply
            self = .ping(wire)
        case .knownKeys(let log, let ids): self = .knownKeys(WireKnownKeys(log, ids))
        case .stonesRequest(let log): self = .stonesRequest(WireStonesRequest(log))
        case .stones(let log, let notes): self = .stones(WireStones(log, notes))
        case .agree(let memory):
            var wire = WireAgree()
            wire.memory = memory.wire
            self = .agree(wire)
        case .close(let reason, let memory):
            var wire = WireClose()
            wire.reason = String(reason.prefix(FrameLimits.maximumText / 4))
            if let memory { wire.memory = memory.wire }
            self = .close(wire)
        case .entries, .blob, .ignored:
            return nil
        }
    }
}

extension Message {
    init(_ control: WireControl) throws {
        switch control.message {
        case .hello(let wire):
            try bound(wire.communities.count, 1_000, "communities")
            self = .hello(
                Hello(
                    major: wire.major, minor: wire.minor, node: try text(wire.node),
                    communities: try wire.communities.map {
                        CommunityDigest(name: try text($0.name), digest: try SHA256Digest(wire: $0.digest))
                    },
                    memory: wire.memory.isEmpty ? nil : try SHA256Digest(wire: wire.memory), once: wire.once,
                    settled: wire.settled))
        case .heads(let wire):
            try bound(wire.heads.count, FrameLimits.maximumHeadsInFrame, "heads")
            self = .heads(
                community: try text(wire.community), try wire.heads.map { try Head($0) }, complete: wire.complete,
                settled: wire.settled)
        case .ranges(let wire):
            try bound(wire.nodes.count, FrameLimits.maximumNodesInFrame, "ranges")
            try bound(
                wire.nodes.reduce(0) { $0 + $1.heads.count }, FrameLimits.maximumHeadsInRanges, "heads in ranges")
            self = .ranges(try wire.nodes.map { try RangeNode($0) }, settled: wire.settled)
        case .offer(let wire):
            try bound(wire.proof.count, FrameLimits.maximumConsistencyProof, "hashes in a consistency proof")
            self = .offer(
                Offer(
                    log: try SHA256Digest(wire: wire.logID),
                    checkpoint: try text(wire.checkpoint, FrameLimits.maximumCheckpoint),
                    fromSize: try size(wire.fromSize), proof: try wire.proof.map { try SHA256Digest(wire: $0) },
                    isPushed: wire.pushed))
        case .request(let wire):
            self = .request(
                try RangeRequest(log: wire.logID, start: wire.start, end: wire.end, treeSize: wire.treeSize))
        case .requestRefusal(let wire):
            self = .requestRefusal(
                try RangeRequest(log: wire.logID, start: wire.start, end: wire.end, treeSize: wire.treeSize))
        case .unknown(let wire):
            try bound(wire.logIds.count, FrameLimits.maximumUnknown, "log ids")
            self = .unknown(try wire.logIds.map { try SHA256Digest(wire: $0) })
        case .logRefusal(let wire):
            self = .logRefusal(try SHA256Digest(wire: wire.logID), reason: try text(wire.reason))
        case .cosignatures(let wire):
            try bound(wire.cosignatures.count, FrameLimits.maximumCosignatures, "cosignatures")
            self = .cosignatures(
                try SHA256Digest(wire: wire.logID),
                try wire.cosignatures.map {
                    CosignatureLine(
                        cosigner: try text($0.cosigner), size: try size($0.size), time: $0.time,
                        line: try text($0.line))
                })
        case .blobRequest(let wire):
            self = .blobRequest(try BlobKey(log: wire.logID, index: wire.index, sha256: wire.sha256))
        case .blobRefusal(let wire):
            self = .blobRefusal(try BlobKey(log: wire.logID, index: wire.index, sha256: wire.sha256))
        case .receipts(let wire):
            try bound(wire.receipts.count, FrameLimits.maximumCosignatures, "receipts")
            self = .receipts(try SHA256Digest(wire: wire.logID), try wire.receipts.map { try ReceiptLine($0) })
        case .receiptPages(let wire):
            try bound(wire.pages.count, FrameLimits.maximumReceiptPages, "pages of receipts")
            self = .receiptPages(try ReceiptPages(wire))
        case .prefixRequest(let wire):
            self = .prefixRequest(try PrefixRequest(log: wire.logID, size: wire.size, treeSize: wire.treeSize))
        case .prefix(let wire):
            self = .prefix(
                try PrefixRequest(log: wire.logID, size: wire.size, treeSize: wire.treeSize),
                try hashes(wire.hashes, FrameLimits.maximumRangeProof))
        case .nodesRequest(let wire):
            self = .nodesRequest(try SubtreeRequest(log: wire.logID, level: wire.level, index: wire.index))
        case .nodes(let wire):
            self = .nodes(
                try SubtreeRequest(log: wire.logID, level: wire.level, index: wire.index),
                try hashes(wire.hashes, 1 << SubtreeRequest.depth))
        case .fork(let wire):
            try bound(wire.evidence.count, FrameLimits.maximumEvidence, "bytes of evidence")
            self = .fork(try SHA256Digest(wire: wire.logID), evidence: [UInt8](wire.evidence))
        case .ping(let wire):
            self = .ping(nonce: wire.nonce, isReply: wire.reply)
        case .close(let wire):
            self = .close(
                reason: try text(wire.reason),
                memory: wire.memory.isEmpty ? nil : try SHA256Digest(wire: wire.memory))
        case .knownKeys(let wire):
            try bound(wire.keyIds.count, FrameLimits.maximumKeys, "keys of a log")
            self = .knownKeys(try SHA256Digest(wire: wire.logID), wire.keyIds)
        case .stonesRequest(let wire): self = .stonesRequest(try SHA256Digest(wire: wire.logID))
        case .stones(let wire):
            try bound(wire.checkpoints.count, FrameLimits.maximumKeys, "stepping stones")
            self = .stones(
                try SHA256Digest(wire: wire.logID),
                try wire.checkpoints.map { try text($0, FrameLimits.maximumCheckpoint) })
        case .agree(let wire):
            self = .agree(try SHA256Digest(wire: wire.memory))
        case nil:
            self = .ignored
        }
    }
}

extension Head {
    init(_ wire: WireHead) throws {
        self.init(
            log: try SHA256Digest(wire: wire.logID), size: try Reconciliation.size(wire.size),
            root: wire.size == 0 ? .zero : try SHA256Digest(wire: wire.root),
            pinnedSize: try Reconciliation.size(wire.pinnedSize),
            beside: wire.beside.isEmpty ? .zero : try SHA256Digest(wire: wire.beside))
    }
}

extension WireHead {
    init(_ head: Head) {
        logID = head.log.wire
        size = head.size
        if head.size > 0 { root = head.root.wire }
        pinnedSize = head.pinnedSize
        if head.beside != .zero { beside = head.beside.wire }
    }
}

extension RangeRequest {
    fileprivate init(log: some Collection<UInt8>, start: UInt64, end: UInt64, treeSize: UInt64) throws {
        guard start < end, end <= treeSize, treeSize <= UInt64(Int64.max) else {
            throw ProtocolViolation("a range \(start)..<\(end) that a tree of \(treeSize) does not have")
        }
        self.init(log: try SHA256Digest(wire: log), start: start, end: end, treeSize: treeSize)
    }
}

extension EntryRange {
    init(_ wire: WireEntries, content: ArraySlice<UInt8>) throws {
        try bound(wire.bundles.count, FrameLimits.maximumBundlesInFrame, "bundles")
        try bound(wire.proof.count, FrameLimits.maximumRangeProof, "hashes in a range proof")
        let range = try RangeRequest(log: wire.logID, start: wire.start, end: wire.end, treeSize: wire.treeSize)
        var rest = content
        var bundles: [BundlePiece] = []
        bundles.reserveCapacity(wire.bundles.count)
        for bundle in wire.bundles {
            guard bundle.length <= rest.count else { throw ProtocolViolation("a bundle longer than its frame") }
            guard (1...256).contains(bundle.entries) else {
                throw ProtocolViolation("a bundle of \(bundle.entries) entries")
            }
            bundles.append(
                BundlePiece(
                    entries: Int(bundle.entries), isCompressed: bundle.compressed,
                    data: Array(rest.prefix(Int(bundle.length)))))
            rest = rest.dropFirst(Int(bundle.length))
        }
        guard rest.isEmpty else { throw ProtocolViolation("bytes behind the last bundle of a frame") }
        let entries = bundles.reduce(0) { $0 + UInt64($1.entries) }
        guard entries == range.end - range.start else {
            throw ProtocolViolation("\(entries) entries in a frame for \(range.start)..<\(range.end)")
        }
        self.init(range: range, proof: try wire.proof.map { try SHA256Digest(wire: $0) }, bundles: bundles)
    }
}

extension WireEntries {
    init(_ entries: EntryRange) {
        logID = entries.range.log.wire
        start = entries.range.start
        end = entries.range.end
        treeSize = entries.range.treeSize
        proof = entries.proof.map(\.wire)
        bundles = entries.bundles.map { piece in
            var wire = WireBundle()
            wire.length = UInt32(piece.data.count)
            wire.entries = UInt32(piece.entries)
            wire.compressed = piece.isCompressed
            return wire
        }
    }
}

extension BlobKey {
    fileprivate init(log: some Collection<UInt8>, index: UInt64, sha256: some Collection<UInt8>) throws {
        self.init(
            log: try SHA256Digest(wire: log), index: try size(index), sha256: try SHA256Digest(wire: sha256))
    }

    init(_ wire: WireBlob) throws {
        try self.init(log: wire.logID, index: wire.index, sha256: wire.sha256)
    }
}

extension WireBlob {
    init(_ key: BlobKey) {
        logID = key.log.wire
        index = key.index
        sha256 = key.sha256.wire
    }
}

extension SHA256Digest {
    init(wire bytes: some Collection<UInt8>) throws {
        guard let digest = SHA256Digest(bytes) else {
            throw ProtocolViolation("a hash of \(bytes.count) bytes where 32 belong")
        }
        self = digest
    }
}

func text(_ text: String, _ limit: Int = FrameLimits.maximumText) throws -> String {
    guard text.utf8.count <= limit else { throw ProtocolViolation("a text of \(text.utf8.count) bytes") }
    return text
}

func size(_ size: UInt64) throws -> UInt64 {
    guard size <= UInt64(Int64.max) else { throw ProtocolViolation("a size of \(size)") }
    return size
}

func hashes(_ wire: [Data], _ limit: Int) throws -> [SHA256Digest] {
    try bound(wire.count, limit, "hashes")
    return try wire.map { try SHA256Digest(wire: $0) }
}

func bound(_ count: Int, _ limit: Int, _ what: String) throws {
    guard count <= limit else { throw ProtocolViolation("\(count) \(what) in one message; at most \(limit)") }
}
