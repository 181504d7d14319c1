import MutualTLS
import NIOCore
import NIOEmbedded

/// A client and a server handler back to back, with a wire between them that the test cuts as it likes.
struct EmbeddedPair {
    let client: EmbeddedChannel
    let server: EmbeddedChannel
    let clientSeen = Recorder()
    let serverSeen = Recorder()
    /// Tasks of both ends run when the test says so.
    let loop = EmbeddedEventLoop()

    init(
        client clientContext: TLSContext, server serverContext: TLSContext, expecting: String = "us.example",
        halfClosure: Bool = false, serverEchoes: Bool = false
    ) throws {
        client = EmbeddedChannel(loop: loop)
        server = EmbeddedChannel(loop: loop)
        client.allowRemoteHalfClosure = halfClosure
        server.allowRemoteHalfClosure = halfClosure
        try client.pipeline.syncOperations.addHandlers(
            MutualTLSHandler(context: clientContext, role: .client(expecting: expecting)), RecorderHandler(clientSeen))
        try server.pipeline.syncOperations.addHandlers(
            MutualTLSHandler(context: serverContext, role: .server), RecorderHandler(serverSeen, echoes: serverEchoes))
    }

    /// Two nodes that pin each other: `us.example` serves, `kr.example` connects.
    static func trusting(
        halfClosure: Bool = false, serverEchoes: Bool = false, change: (inout TLSConfiguration) -> Void = { _ in }
    ) throws -> EmbeddedPair {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        var ours = us.configuration(trusting: [kr])
        var theirs = kr.configuration(trusting: [us])
        change(&ours)
        change(&theirs)
        return try EmbeddedPair(
            client: TLSContext(theirs), server: TLSContext(ours), halfClosure: halfClosure, serverEchoes: serverEchoes)
    }

    func start() throws {
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
        server.connect(to: address, promise: nil)
        client.connect(to: address, promise: nil)
    }

    /// Carries bytes both ways, in pieces of `piece` bytes, until nothing moves. The number of bytes carried.
    @discardableResult
    func carry(piece: Int = .max) throws -> Int {
        var carried = 0
        while true {
            let moved =
                try carry(from: client, to: server, piece: piece) + carry(from: server, to: client, piece: piece)
            loop.run()
            if moved == 0 { return carried }
            carried += moved
        }
    }

    /// Everything that `source` wants to send now, as one buffer.
    func taken(from source: EmbeddedChannel) throws -> ByteBuffer {
        var all = ByteBuffer()
        while let next = try source.readOutbound(as: ByteBuffer.self) {
            all.writeImmutableBuffer(next)
        }
        return all
    }

    func carry(from source: EmbeddedChannel, to target: EmbeddedChannel, piece: Int = .max) throws -> Int {
        var bytes = try taken(from: source)
        let count = bytes.readableBytes
        while target.isActive, let next = bytes.readSlice(length: min(piece, bytes.readableBytes)),
            next.readableBytes > 0
        {
            _ = try? target.writeInbound(next)
        }
        return count
    }

    /// Ends both; the time-outs pass, since a close waits for the other side.
    func finish() {
        client.close(promise: nil)
        server.close(promise: nil)
        loop.advanceTime(by: .hours(1))
        loop.run()
    }
}

/// Counts how often each promise of a write was completed, which must be once.
final class Outcomes {
    private(set) var succeeded = 0
    private(set) var failed = 0

    func promise(_ channel: EmbeddedChannel) -> EventLoopPromise<Void> {
        let promise = channel.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { result in
            switch result {
            case .success: self.succeeded += 1
            case .failure: self.failed += 1
            }
        }
        return promise
    }
}
