import MutualTLS
import NIOCore
import NIOEmbedded
import Testing

@Suite("The handler's states, back to back without sockets")
struct HandlerStateTests {
    @Test("A handshake works however the wire cuts it", arguments: [1, 2, 7, 100, 1_000, Int.max])
    func fragments(piece: Int) throws {
        let pair = try EmbeddedPair.trusting(serverEchoes: true)
        defer { pair.finish() }
        try pair.start()
        try pair.carry(piece: piece)
        #expect(pair.clientSeen.seen.handshake?.node == "us.example")
        #expect(pair.serverSeen.seen.handshake?.node == "kr.example")
        let message = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        pair.client.writeAndFlush(ByteBuffer(bytes: message), promise: nil)
        try pair.carry(piece: piece)
        #expect(pair.serverSeen.seen.bytes == message)
        #expect(pair.clientSeen.seen.bytes == message)
        #expect(pair.clientSeen.seen.errors == [])
    }

    @Test("What was written before the handshake arrives after it, in order")
    func earlyWrites() throws {
        let pair = try EmbeddedPair.trusting()
        defer { pair.finish() }
        let outcomes = Outcomes()
        pair.client.write(ByteBuffer(string: "one "), promise: outcomes.promise(pair.client))
        try pair.start()
        pair.client.write(ByteBuffer(string: "two "), promise: outcomes.promise(pair.client))
        pair.client.flush()
        pair.client.write(ByteBuffer(string: "three"), promise: outcomes.promise(pair.client))
        #expect(outcomes.succeeded == 0)
        try pair.carry()
        #expect(pair.serverSeen.seen.bytes == Array("one two ".utf8))
        #expect(outcomes.succeeded == 2)
        pair.client.flush()
        try pair.carry()
        #expect(pair.serverSeen.seen.bytes == Array("one two three".utf8))
        #expect(outcomes.succeeded == 3)
    }

    @Test("More than the allowance before the handshake is refused, and what was accepted still arrives")
    func earlyLimit() throws {
        let pair = try EmbeddedPair.trusting { $0.maximumEarlyBytes = 1_000 }
        defer { pair.finish() }
        try pair.start()
        let outcomes = Outcomes()
        pair.client.writeAndFlush(ByteBuffer(repeating: 1, count: 1_000), promise: outcomes.promise(pair.client))
        let refused = pair.client.writeAndFlush(ByteBuffer(repeating: 2, count: 1))
        #expect(throws: TLSError.self) { try refused.wait() }
        try pair.carry()
        #expect(pair.serverSeen.seen.byteCount == 1_000)
        #expect(outcomes.succeeded == 1)
    }

    @Test("The client's last handshake flight and its first bytes may come in one piece")
    func coalesced() throws {
        let pair = try EmbeddedPair.trusting()
        defer { pair.finish() }
        try pair.start()
        pair.client.writeAndFlush(ByteBuffer(string: "at once"), promise: nil)
        _ = try pair.carry(from: pair.client, to: pair.server)
        _ = try pair.carry(from: pair.server, to: pair.client)
        let flight = try pair.taken(from: pair.client)
        try pair.server.writeInbound(flight)
        #expect(pair.serverSeen.seen.handshake?.node == "kr.example")
        #expect(pair.serverSeen.seen.bytes == Array("at once".utf8))
    }

    @Test("Closing before the handshake fails every write once")
    func closeWhileHandshaking() throws {
        let pair = try EmbeddedPair.trusting()
        defer { pair.finish() }
        try pair.start()
        let outcomes = Outcomes()
        pair.client.writeAndFlush(ByteBuffer(string: "a"), promise: outcomes.promise(pair.client))
        pair.client.write(ByteBuffer(string: "b"), promise: outcomes.promise(pair.client))
        let closing = Outcomes()
        pair.client.close(promise: closing.promise(pair.client))
        pair.loop.run()
        #expect(outcomes.failed == 2)
        #expect(closing.succeeded == 1)
        #expect(!pair.client.isActive)
    }

    @Test("Closing sends what was flushed, then close_notify, and waits for the peer's")
    func orderlyClose() throws {
        let pair = try EmbeddedPair.trusting()
        defer { pair.finish() }
        try pair.start()
        try pair.carry()
        let outcomes = Outcomes()
        let closing = Outcomes()
        pair.client.writeAndFlush(ByteBuffer(string: "flushed"), promise: outcomes.promise(pair.client))
        pair.client.write(ByteBuffer(string: "not flushed"), promise: outcomes.promise(pair.client))
        pair.client.close(promise: closing.promise(pair.client))
        pair.client.close(promise: closing.promise(pair.client))
        let late = Outcomes()
        pair.client.writeAndFlush(ByteBuffer(string: "late"), promise: late.promise(pair.client))
        #expect(pair.client.isActive)
        #expect(closing.succeeded == 0)
        try pair.carry()
        #expect(pair.serverSeen.seen.bytes == Array("flushed".utf8))
        #expect(outcomes.succeeded == 1 && outcomes.failed == 1)
        #expect(late.failed == 1)
        #expect(closing.succeeded == 2)
        #expect(!pair.client.isActive && !pair.server.isActive)
        #expect(pair.serverSeen.seen.errors == [] && pair.clientSeen.seen.errors == [])
    }

    @Test("A peer that never answers close_notify is left after the close time-out")
    func closeTimeout() throws {
        let pair = try EmbeddedPair.trusting { $0.closeTimeout = 300 }
        defer { pair.finish() }
        try pair.start()
        try pair.carry()
        let closing = Outcomes()
        pair.client.close(promise: closing.promise(pair.client))
        pair.loop.advanceTime(by: .milliseconds(299))
        #expect(closing.succeeded == 0)
        pair.loop.advanceTime(by: .milliseconds(2))
        #expect(closing.succeeded == 1)
        #expect(!pair.client.isActive)
    }

    @Test("A silent peer is refused when the handshake deadline passes")
    func handshakeDeadline() throws {
        let pair = try EmbeddedPair.trusting()
        defer { pair.finish() }
        try pair.start()
        let outcomes = Outcomes()
        pair.server.writeAndFlush(ByteBuffer(string: "a"), promise: outcomes.promise(pair.server))
        pair.loop.advanceTime(by: .milliseconds(9_999))
        #expect(pair.serverSeen.seen.errors == [])
        pair.loop.advanceTime(by: .milliseconds(2))
        #expect(pair.serverSeen.seen.errors.map(\.code) == [.handshakeTimeout])
        #expect(pair.serverSeen.seen.errors.first?.description == "the TLS handshake took longer than 10 s")
        #expect(outcomes.failed == 1)
        #expect(!pair.server.isActive)
    }

    @Test("A connection cut without close_notify is reported as cut, once, and fails what was waiting")
    func truncation() throws {
        let pair = try EmbeddedPair.trusting()
        defer { pair.finish() }
        try pair.start()
        try pair.carry()
        pair.client.writeAndFlush(ByteBuffer(string: "half a "), promise: nil)
        try pair.carry()
        let outcomes = Outcomes()
        pair.server.write(ByteBuffer(string: "never flushed"), promise: outcomes.promise(pair.server))
        pair.server.pipeline.fireChannelInactive()
        pair.server.pipeline.fireChannelInactive()
        #expect(pair.serverSeen.seen.errors.map(\.code) == [.truncated])
        #expect(pair.serverSeen.seen.bytes == Array("half a ".utf8))
        #expect(outcomes.failed == 1)
    }

    @Test("A connection that ends during the handshake says so")
    func endDuringHandshake() throws {
        let pair = try EmbeddedPair.trusting()
        defer { pair.finish() }
        try pair.start()
        _ = try pair.carry(from: pair.client, to: pair.server)
        pair.server.pipeline.fireChannelInactive()
        #expect(pair.serverSeen.seen.errors.map(\.code) == [.closedDuringHandshake])
    }

    @Test("With half-closure, close_notify is an event, and the other direction goes on")
    func peerHalfCloses() throws {
        let pair = try EmbeddedPair.trusting(halfClosure: true)
        defer { pair.finish() }
        try pair.start()
        try pair.carry()
        pair.client.writeAndFlush(ByteBuffer(string: "last words"), promise: nil)
        pair.client.close(mode: .output, promise: nil)
        // An embedded channel knows no half-closure and is closed as a whole: the bytes before it count.
        let bytes = try pair.taken(from: pair.client)
        try pair.server.writeInbound(bytes)
        #expect(pair.serverSeen.seen.bytes == Array("last words".utf8))
        #expect(pair.serverSeen.seen.inputClosed == 1)
        pair.server.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(pair.serverSeen.seen.inputClosed == 1, "the end of the socket is no second event")
        let outcomes = Outcomes()
        pair.server.writeAndFlush(ByteBuffer(string: "answer"), promise: outcomes.promise(pair.server))
        #expect(outcomes.succeeded == 1)
        #expect(pair.server.isActive)
        pair.server.close(mode: .output, promise: outcomes.promise(pair.server))
        #expect(!pair.server.isActive)
        #expect(outcomes.succeeded == 2)
        #expect(pair.serverSeen.seen.errors == [])
    }

    @Test("While the channel is not writable nothing is encrypted; later everything goes out in order")
    func backpressure() throws {
        let pair = try EmbeddedPair.trusting()
        defer { pair.finish() }
        try pair.start()
        try pair.carry()
        pair.client.isWritable = false
        let outcomes = Outcomes()
        let big = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 >> 4) }
        pair.client.writeAndFlush(ByteBuffer(bytes: big), promise: outcomes.promise(pair.client))
        #expect(try pair.taken(from: pair.client).readableBytes == 0)
        pair.client.isWritable = true
        pair.client.pipeline.fireChannelWritabilityChanged()
        try pair.carry()
        #expect(pair.serverSeen.seen.bytes == big)
        #expect(outcomes.succeeded == 1)
    }

    @Test("Small writes of one flush share a record")
    func gathering() throws {
        let pair = try EmbeddedPair.trusting()
        defer { pair.finish() }
        try pair.start()
        try pair.carry()
        let outcomes = Outcomes()
        for index in 0..<100 {
            pair.client.write(
                ByteBuffer(repeating: UInt8(index), count: index == 50 ? 0 : 10), promise: outcomes.promise(pair.client)
            )
        }
        pair.client.flush()
        let sent = try pair.taken(from: pair.client)
        #expect(sent.readableBytes == 990 + 22)
        #expect(outcomes.succeeded == 100)
        try pair.server.writeInbound(sent)
        #expect(pair.serverSeen.seen.byteCount == 990)
    }

    @Test("A flood of key updates ends the connection without an answer for each")
    func keyUpdateFlood() throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let pair = try EmbeddedPair(client: kr.context(trusting: [us]), server: us.context(trusting: [kr]))
        defer { pair.finish() }
        try pair.start()
        try pair.carry()
        let handler = try pair.client.pipeline.syncOperations.handler(type: MutualTLSHandler.self)
        for _ in 0..<10 {
            #expect(handler.requestKeyUpdate())
            pair.client.writeAndFlush(ByteBuffer(string: "x"), promise: nil)
        }
        try pair.carry()
        #expect(pair.serverSeen.seen.errors == [], "a few are nothing to worry about")
        #expect(pair.serverSeen.seen.byteCount == 10)
        var flood = ByteBuffer()
        for _ in 0..<2_000 {
            #expect(handler.requestKeyUpdate())
            pair.client.writeAndFlush(ByteBuffer(string: "x"), promise: nil)
            flood.writeImmutableBuffer(try pair.taken(from: pair.client))
        }
        try pair.server.writeInbound(flood)
        #expect(pair.serverSeen.seen.errors.map(\.code) == [.tooManyControlMessages])
        #expect(try pair.taken(from: pair.server).readableBytes < 2_000)
    }

    @Test("The sending key changes after the records it is good for, unnoticed")
    func keyChanges() throws {
        let pair = try EmbeddedPair.trusting { $0.maximumRecordsPerKey = 100 }
        defer { pair.finish() }
        try pair.start()
        try pair.carry()
        var bytes = 0
        for index in 0..<1_500 {
            pair.client.writeAndFlush(ByteBuffer(bytes: [UInt8(truncatingIfNeeded: index)]), promise: nil)
            bytes += try pair.carry(from: pair.client, to: pair.server)
        }
        #expect(pair.serverSeen.seen.byteCount == 1_500)
        #expect(pair.serverSeen.seen.errors == [])
        // A record of one byte has 23, a key update 27.
        #expect(bytes == 1_500 * 23 + 14 * 27)
    }

    @Test("Closing because of the error still lets the refused peer read why")
    func closeWhileLingering() throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let pair = try EmbeddedPair(client: kr.context(trusting: [us]), server: us.context(trusting: []))
        defer { pair.finish() }
        try pair.server.pipeline.syncOperations.addHandler(OutputCloseFilter(), position: .first)
        try pair.start()
        try pair.carry(piece: .max)
        #expect(pair.serverSeen.seen.errors.map(\.code) == [.notPinned])
        let closing = Outcomes()
        pair.server.close(promise: closing.promise(pair.server))
        pair.server.close(promise: closing.promise(pair.server))
        #expect(closing.succeeded == 0 && pair.server.isActive)
        pair.loop.advanceTime(by: .milliseconds(1_001))
        #expect(closing.succeeded == 2 && !pair.server.isActive)
        #expect(pair.clientSeen.seen.errors.map(\.code) == [.refusedByPeer])
    }

    @Test("With autoRead off, bytes that hold no whole record make the handler read on")
    func readsOn() throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let pair = try EmbeddedPair(client: kr.context(trusting: [us]), server: us.context(trusting: [kr]))
        defer { pair.finish() }
        let reads = ReadCounter()
        try pair.server.pipeline.syncOperations.addHandler(reads, position: .first)
        try pair.start()
        try pair.carry(piece: 50)
        #expect(reads.count > 0, "the handshake reads though nobody asked")
        let before = reads.count
        pair.client.writeAndFlush(ByteBuffer(string: "a record"), promise: nil)
        var record = try pair.taken(from: pair.client)
        let head = ByteBuffer(bytes: record.readBytes(length: 6) ?? [])
        try pair.server.writeInbound(head)
        #expect(reads.count == before, "nobody asked for bytes")
        pair.server.read()
        try pair.server.writeInbound(ByteBuffer(bytes: record.readBytes(length: 1) ?? []))
        #expect(reads.count == before + 2)
        try pair.server.writeInbound(record)
        #expect(pair.serverSeen.seen.bytes == Array("a record".utf8))
        #expect(reads.count == before + 2, "asked for once, answered once")
    }

    @Test("A handler that closes or writes while it is handed bytes upsets nothing", arguments: [true, false])
    func reentrancy(closes: Bool) throws {
        let pair = try EmbeddedPair.trusting()
        defer { pair.finish() }
        try pair.server.pipeline.syncOperations.addHandler(Meddler(closes: closes), position: .last)
        try pair.start()
        try pair.carry()
        for _ in 0..<5 {
            pair.client.writeAndFlush(ByteBuffer(repeating: 3, count: 20_000), promise: nil)
        }
        try pair.carry()
        #expect(pair.serverSeen.seen.errors == [])
        #expect(pair.server.isActive == !closes)
        #expect(pair.clientSeen.seen.byteCount == (closes ? 0 : pair.serverSeen.seen.byteCount))
    }
}

/// Counts the reads that reach the channel.
private final class ReadCounter: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    var count = 0

    func read(context: ChannelHandlerContext) {
        count += 1
        // Not passed on: the embedded channel has no bytes of its own.
    }
}

/// Stands for a socket that can be closed in one direction, which an embedded channel cannot.
private final class OutputCloseFilter: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode == .output {
            promise?.succeed(())
        } else {
            context.close(mode: mode, promise: promise)
        }
    }
}

/// Closes, or writes and flushes, in the middle of being handed bytes.
private final class Meddler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let closes: Bool

    init(closes: Bool) {
        self.closes = closes
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if closes {
            context.close(promise: nil)
        } else {
            context.writeAndFlush(wrapOutboundOut(unwrapInboundIn(data)), promise: nil)
        }
    }
}
