import CZstd
import TransparencyLog

/// Compression of full entry bundles, and the checks on those that come from elsewhere.
///
/// A full bundle is compressed once, by its author; the frame is then what is stored, sent and verified.
struct BundleCodec {
    /// 256 bodies of 16,384 bytes, each behind its two length bytes: no bundle of this log format is larger.
    static let maximumRawSize = EntryBundle.maximumEntries * (maximumBodySize + 2)
    static let maximumBodySize = 16_384
    /// 8 MiB, the largest window that decoders must support (RFC 8878, section 3.1.1.1.2).
    private static let maximumWindow: UInt64 = 8 << 20
    static let level: Int32 = 3

    private let compressor: OpaquePointer
    private let decompressor: OpaquePointer
    private let owner: ContextOwner

    /// Frees the contexts with the last copy of the codec that uses them.
    private final class ContextOwner {
        let compressor: OpaquePointer
        let decompressor: OpaquePointer

        init(compressor: OpaquePointer, decompressor: OpaquePointer) {
            self.compressor = compressor
            self.decompressor = decompressor
        }

        deinit {
            ZSTD_freeCCtx(compressor)
            ZSTD_freeDCtx(decompressor)
        }
    }

    init() {
        guard let compressor = ZSTD_createCCtx(), let decompressor = ZSTD_createDCtx() else {
            preconditionFailure("no memory for a compression context")
        }
        self.compressor = compressor
        self.decompressor = decompressor
        owner = ContextOwner(compressor: compressor, decompressor: decompressor)
    }

    /// One frame with its content size declared, or `nil` where it would not be shorter.
    func compress(_ raw: [UInt8]) -> [UInt8]? {
        let bound = ZSTD_compressBound(raw.count)
        let frame = [UInt8](unsafeUninitializedCapacity: bound) { target, count in
            let result = raw.withUnsafeBytes { source in
                ZSTD_compressCCtx(compressor, target.baseAddress, bound, source.baseAddress, source.count, Self.level)
            }
            count = ZSTD_isError(result) == 0 ? result : 0
        }
        return frame.isEmpty || frame.count >= raw.count ? nil : frame
    }

    /// The raw bundle of a frame, whose sizes are judged before anything is allocated.
    ///
    /// Throws ``StoreError/badBundle(number:reason:)`` for anything but exactly one zstd frame, without dictionary,
    /// skippable frames or trailing bytes, with its content size declared and a bounded window.
    func decompress(_ frame: [UInt8], number: UInt64) throws -> [UInt8] {
        func refuse(_ reason: String) -> StoreError { .badBundle(number: number, reason: reason) }
        var header = ZSTD_frameHeader()
        let status = frame.withUnsafeBytes { ZSTD_getFrameHeader(&header, $0.baseAddress, $0.count) }
        guard status == 0 else { throw refuse("not a zstd frame") }
        guard header.frameType == ZSTD_frame else { throw refuse("a skippable zstd frame") }
        guard header.dictID == 0 else { throw refuse("a zstd frame that needs a dictionary") }
        // All ones stands for a size that the frame does not declare.
        guard header.frameContentSize != UInt64.max else { throw refuse("a zstd frame without its content size") }
        guard header.frameContentSize <= UInt64(Self.maximumRawSize) else { throw refuse("too large when unpacked") }
        guard header.windowSize <= Self.maximumWindow else { throw refuse("a zstd frame with too large a window") }
        let frameSize = frame.withUnsafeBytes { ZSTD_findFrameCompressedSize($0.baseAddress, $0.count) }
        guard ZSTD_isError(frameSize) == 0, frameSize == frame.count else {
            throw refuse("bytes behind the zstd frame")
        }
        let expected = Int(header.frameContentSize)
        guard frame.count <= expected else { throw refuse("a zstd frame longer than what it holds") }
        let raw = [UInt8](unsafeUninitializedCapacity: expected) { target, count in
            let result = frame.withUnsafeBytes { source in
                ZSTD_decompressDCtx(decompressor, target.baseAddress, expected, source.baseAddress, source.count)
            }
            count = ZSTD_isError(result) == 0 ? result : 0
        }
        guard raw.count == expected else { throw refuse("a damaged zstd frame") }
        return raw
    }
}

/// Unpacks stored bundles one after another. For one thread at a time.
package struct BundleUnpacker {
    private let codec = BundleCodec()

    package init() {}

    /// The raw form of a stored bundle.
    package func raw(_ bundle: StoredBundle) throws -> [UInt8] {
        bundle.isCompressed ? try codec.decompress(bundle.data, number: bundle.number) : bundle.data
    }
}
