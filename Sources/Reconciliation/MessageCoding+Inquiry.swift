import Cryptography

import struct FoundationEssentials.Data

// Ranges of heads, receipts and inquiries, between the session and entente.proto.

extension RangeNode {
    init(_ wire: WireRangeNode) throws {
        let depth = Int(wire.depth)
        guard depth <= IDRange.maximumDepth, wire.prefix.count == (depth + 1) / 2 else {
            throw ProtocolViolation("a range of depth \(wire.depth) with a prefix of \(wire.prefix.count) bytes")
        }
        let digits = wire.prefix.flatMap { [$0 >> 4, $0 & 15] }
        guard digits.dropFirst(depth).allSatisfy({ $0 == 0 }) else {
            throw ProtocolViolation("a range whose prefix is longer than its depth")
        }
        let range = IDRange(digits: Array(digits.prefix(depth)))
        let content: Content
        if wire.children.isEmpty {
            let heads = try wire.heads.map { try Head($0) }
            guard heads.allSatisfy({ range.contains($0.log) }) else {
                throw ProtocolViolation("a head outside its range")
            }
            content = .heads(heads, more: wire.more)
        } else {
            guard wire.children.count == HeadsTree.fanOut, wire.heads.isEmpty else {
                throw ProtocolViolation("a range with \(wire.children.count) ranges below it")
            }
            content = .children(try hashes(wire.children, HeadsTree.fanOut))
        }
        self.init(community: try text(wire.community), range: range, content: content)
    }
}

extension WireRangeNode {
    init(_ node: RangeNode) {
        community = node.community
        depth = UInt32(node.range.depth)
        let digits = node.range.digits + [0]
        prefix = Data(stride(from: 0, to: node.range.depth, by: 2).map { digits[$0] << 4 | digits[$0 + 1] })
        switch node.content {
        case .children(let hashes): children = hashes.map(\.wire)
        case .heads(let heads, let hasMore):
            self.heads = heads.map(WireHead.init)
            more = hasMore
        }
    }
}

extension ReceiptLine {
    init(_ wire: WireReceipt) throws {
        self.init(
            index: try size(wire.index), sha256: try SHA256Digest(wire: wire.sha256), holder: try text(wire.holder),
            time: wire.time, line: try text(wire.line))
    }
}

extension WireReceipts {
    init(_ log: LogID, _ lines: [ReceiptLine]) {
        logID = log.wire
        receipts = lines.map { line in
            var wire = WireReceipt()
            wire.index = line.index
            wire.sha256 = line.sha256.wire
            wire.holder = line.holder
            wire.time = line.time
            wire.line = line.line
            return wire
        }
    }
}

extension ReceiptPages {
    init(_ wire: WireReceiptPages) throws {
        let pages = try wire.pages.map { (try size($0.number), try SHA256Digest(wire: $0.digest)) }
        self.init(
            log: try SHA256Digest(wire: wire.logID),
            digest: wire.digest.isEmpty ? .zero : try SHA256Digest(wire: wire.digest), isAnswer: wire.isAnswer,
            pages: Dictionary(pages, uniquingKeysWith: { first, _ in first }), more: wire.more)
    }
}

extension WireReceiptPages {
    init(_ pages: ReceiptPages) {
        logID = pages.log.wire
        if pages.digest != .zero { digest = pages.digest.wire }
        isAnswer = pages.isAnswer
        self.pages = pages.pages.sorted { $0.key < $1.key }.map { number, digest in
            var wire = WireReceiptPage()
            wire.number = number
            wire.digest = digest.wire
            return wire
        }
        more = pages.more
    }
}

extension PrefixRequest {
    init(log: some Collection<UInt8>, size: UInt64, treeSize: UInt64) throws {
        guard size > 0, size <= treeSize, treeSize <= UInt64(Int64.max) else {
            throw ProtocolViolation("the first \(size) entries of a tree of \(treeSize)")
        }
        self.init(log: try SHA256Digest(wire: log), size: size, treeSize: treeSize)
    }
}

extension WirePrefixRequest {
    init(_ request: PrefixRequest) {
        logID = request.log.wire
        size = request.size
        treeSize = request.treeSize
    }
}

extension WirePrefix {
    init(_ request: PrefixRequest, _ proof: [SHA256Digest]) {
        logID = request.log.wire
        size = request.size
        treeSize = request.treeSize
        hashes = proof.map(\.wire)
    }
}

extension SubtreeRequest {
    init(log: some Collection<UInt8>, level: UInt32, index: UInt64) throws {
        guard (1...62).contains(level), index <= UInt64(Int64.max) >> UInt64(level) else {
            throw ProtocolViolation("the subtree \(index) on level \(level)")
        }
        self.init(log: try SHA256Digest(wire: log), level: Int(level), index: index)
    }
}

extension WireNodesRequest {
    init(_ request: SubtreeRequest) {
        logID = request.log.wire
        level = UInt32(request.level)
        index = request.index
    }
}

extension WireNodes {
    init(_ request: SubtreeRequest, _ answer: [SHA256Digest]) {
        logID = request.log.wire
        level = UInt32(request.level)
        index = request.index
        hashes = answer.map(\.wire)
    }
}
