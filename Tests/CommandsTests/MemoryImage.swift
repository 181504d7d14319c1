import Foundation
import Glibc

/// What another process has in memory, as far as the system lets it be looked at: root may, and the user's own
/// processes may not where they have forbidden it.
struct MemoryImage {
    /// One mapping.
    struct Region {
        let start: UInt
        let bytes: Data
        let isWritable: Bool
        /// Left out of core files: libsodium's allocations, and OpenSSL's for keys.
        let isGuarded: Bool

        func contains(_ bytes: [UInt8]) -> Bool { MemoryImage.stands(bytes, in: self.bytes) }
    }

    let regions: [Region]

    init?(of process: Process) {
        let pid = process.processIdentifier
        guard let maps = MemoryImage.text("/proc/\(pid)/smaps") else { return nil }
        let memory = open("/proc/\(pid)/mem", O_RDONLY)
        guard memory >= 0 else { return nil }
        defer { close(memory) }
        var regions: [Region] = []
        var range: Range<UInt>?
        var rights = Substring()
        for line in maps.split(separator: "\n") {
            let parts = line.split(separator: " ")
            if let first = parts.first, first.contains("-"), parts.count > 2 {
                let ends = first.split(separator: "-").compactMap { UInt($0, radix: 16) }
                rights = parts[1]
                range = ends.count == 2 && rights.hasPrefix("r") ? ends[0]..<ends[1] : nil
            } else if line.hasPrefix("VmFlags:"), let region = range, region.count <= 512 << 20,
                let start = off_t(exactly: region.lowerBound)
            {
                var bytes = Data(count: region.count)
                let count = bytes.withUnsafeMutableBytes { pread(memory, $0.baseAddress, $0.count, start) }
                guard count > 0 else { continue }
                regions.append(
                    Region(
                        start: region.lowerBound, bytes: bytes.prefix(count), isWritable: rights.contains("w"),
                        isGuarded: parts.contains("dd")))
            }
        }
        guard !regions.isEmpty else { return nil }
        self.regions = regions
    }

    /// Files of the system come in pieces, and say that they are empty.
    private static func text(_ path: String) -> String? {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(file, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private typealias Find =
        @convention(c) (UnsafeRawPointer?, Int, UnsafeRawPointer?, Int) -> UnsafeMutableRawPointer?
    /// memmem(3), which Swift does not import: hundreds of megabytes are searched.
    private static let find = dlsym(nil, "memmem").map { unsafeBitCast($0, to: Find.self) }

    static func stands(_ bytes: [UInt8], in data: Data) -> Bool {
        guard let find else { return data.range(of: Data(bytes)) != nil }
        return data.withUnsafeBytes { find($0.baseAddress, $0.count, bytes, bytes.count) != nil }
    }
}
