public import Cryptography

/// The short form of a peer card for two people to compare by phone: 32 bytes, shown as 16 groups of 4 digits.
public struct Fingerprint: Sendable, Hashable {
    public let digest: SHA256Digest

    public init(_ digest: SHA256Digest) {
        self.digest = digest
    }

    /// Reads 64 hexadecimal digits of either case, with spaces, colons or hyphens anywhere between; `nil` for
    /// anything else.
    public init?(_ text: String) {
        guard text.utf8.count <= 256 else { return nil }
        let digits = text.utf8.filter { !" :-\t".utf8.contains($0) }
        guard let digest = SHA256Digest(hex: String(decoding: digits, as: UTF8.self)) else { return nil }
        self.digest = digest
    }

    /// Whether a text, however grouped, is this fingerprint in full.
    public func matches(_ text: String) -> Bool { Fingerprint(text) == self }
}

extension Fingerprint: CustomStringConvertible {
    /// `1f3a 99c0 …`: sixteen groups of four digits.
    public var description: String {
        let digits = Array(digest.hex)
        return stride(from: 0, to: digits.count, by: 4).map { String(digits[$0..<$0 + 4]) }.joined(separator: " ")
    }
}

extension PeerCard {
    /// SHA-256 over everything in the card that trust rests on: name, pins or CA, and public keys. The endpoint is
    /// left out: a node that moves keeps its fingerprint.
    ///
    /// What is hashed, where `str(x)` is the byte count of `x` in four bytes, big-endian, then `x`, and `list(…)` the
    /// number of items in four bytes, big-endian, then the items:
    ///
    ///     str("entente peer card 1")
    ///     str(node)
    ///     list(str(pin of 32 bytes)…)                 pins in byte order; none with tls_ca
    ///     list(str(name), str(file))                  of tls_ca; an empty list with pins
    ///     str(type byte 0x04 and mirror key)
    ///     list(str(epoch in four bytes, big-endian, and key)…)   by epoch
    ///     list(str(origin) str(type byte 0x01 and key)…)         by origin, in byte order
    public var fingerprint: Fingerprint {
        var encoding = LengthPrefixed()
        encoding.append([UInt8]("entente peer card 1".utf8))
        encoding.append([UInt8](node.utf8))
        switch trust {
        case .pins(let pins):
            encoding.append(count: pins.count)
            for pin in pins.sorted() { encoding.append(pin.bytes) }
            encoding.append(count: 0)
        case .authority(let name, let file):
            encoding.append(count: 0)
            encoding.append(count: 2)
            encoding.append([UInt8](name.utf8))
            encoding.append([UInt8](file.utf8))
        }
        encoding.append(mirrorKey.typedBytes)
        encoding.append(count: sealingKeys.count)
        for sealingKey in sealingKeys.sorted(by: { $0.epoch < $1.epoch }) {
            encoding.append(LengthPrefixed.bigEndian(sealingKey.epoch) + sealingKey.key.bytes)
        }
        encoding.append(count: logs.count)
        for log in logs.sorted(by: { $0.origin.utf8.lexicographicallyPrecedes($1.origin.utf8) }) {
            encoding.append([UInt8](log.origin.utf8))
            encoding.append(log.key.typedBytes)
        }
        return Fingerprint(SHA256.hash(encoding.bytes))
    }
}

/// Bytes in which every item is preceded by its length, so that no two different cards encode alike.
private struct LengthPrefixed {
    private(set) var bytes: [UInt8] = []

    static func bigEndian(_ number: UInt32) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { [UInt8]($0) }
    }

    mutating func append(count: Int) {
        // Cards are at most 256 KiB, so every count fits.
        bytes += LengthPrefixed.bigEndian(UInt32(truncatingIfNeeded: count))
    }

    mutating func append(_ item: [UInt8]) {
        append(count: item.count)
        bytes += item
    }
}
