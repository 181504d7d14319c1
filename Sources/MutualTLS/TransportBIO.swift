import COpenSSL
import NIOCore

/// OpenSSL's transport: reads the channel's own buffer, and gathers what is to be sent in one buffer.
///
/// It never blocks and never ends: "no more input" is always "try again", and the handler maps the end of the
/// connection by its state. Confined to its channel's event loop.
final class TransportBIO {
    /// Ciphertext that OpenSSL has not taken yet.
    private(set) var inbound = ByteBuffer()
    /// Ciphertext that the channel has not been given yet.
    private(set) var outbound = ByteBuffer()
    /// When set, OpenSSL gets no further input: how a flood is cut off in the middle of one buffer.
    var isBlocked = false

    /// The first bytes that ever arrived, to tell what talks to us when it is not TLS.
    private(set) var firstBytes: [UInt8] = []

    func receive(_ buffer: ByteBuffer) {
        if firstBytes.count < 8 {
            firstBytes.append(contentsOf: buffer.readableBytesView.prefix(8 - firstBytes.count))
        }
        if inbound.readableBytes == 0 {
            inbound = buffer
        } else {
            inbound.writeImmutableBuffer(buffer)
        }
    }

    /// Lets go of the channel's buffer, so that the channel can use it again.
    func releaseInbound() {
        inbound = ByteBuffer()
    }

    func reserveOutbound(_ bytes: Int) {
        outbound.reserveCapacity(minimumWritableBytes: bytes)
    }

    /// What is to be sent now; nil when nothing is.
    func takeOutbound() -> ByteBuffer? {
        guard outbound.readableBytes > 0 else { return nil }
        let taken = outbound
        outbound = ByteBuffer()
        return taken
    }

    fileprivate func read(into target: UnsafeMutableRawBufferPointer) -> Int {
        guard !isBlocked else { return 0 }
        return inbound.readWithUnsafeReadableBytes { source in
            let count = min(source.count, target.count)
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source.prefix(count)))
            return count
        }
    }

    fileprivate func write(_ source: UnsafeRawBufferPointer) {
        outbound.writeBytes(source)
    }
}

extension TransportBIO {
    /// A BIO over this object, which must outlive it. Nil when OpenSSL is out of memory.
    func makeBIO() -> OpaquePointer? {
        guard let method = Self.method, let bio = BIO_new(method.pointer) else { return nil }
        BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        BIO_set_init(bio, 1)
        return bio
    }

    private static func transport(of bio: OpaquePointer?) -> TransportBIO? {
        guard let bio, let raw = BIO_get_data(bio) else { return nil }
        return Unmanaged<TransportBIO>.fromOpaque(raw).takeUnretainedValue()
    }

    /// Made once, never freed nor changed: hence safe to share.
    private struct Method: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    private static let method: Method? = {
        guard let pointer = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ByteBuffer") else { return nil }
        BIO_meth_set_read_ex(pointer) { bio, target, length, count in
            guard let transport = TransportBIO.transport(of: bio), let target else { return 0 }
            entente_BIO_clear_retry(bio)
            let read = transport.read(into: UnsafeMutableRawBufferPointer(start: target, count: length))
            count?.pointee = read
            if read == 0 {
                entente_BIO_set_retry_read(bio)
            }
            return read > 0 ? 1 : 0
        }
        BIO_meth_set_write_ex(pointer) { bio, source, length, count in
            guard let transport = TransportBIO.transport(of: bio), let source else { return 0 }
            entente_BIO_clear_retry(bio)
            transport.write(UnsafeRawBufferPointer(start: source, count: length))
            count?.pointee = length
            return 1
        }
        BIO_meth_set_ctrl(pointer) { _, command, _, _ in
            command == BIO_CTRL_FLUSH ? 1 : 0
        }
        return Method(pointer: pointer)
    }()
}
