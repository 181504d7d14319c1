package import Cryptography
package import Records

/// The texts of opened values, kept in guarded memory while the record that they are in is spelled.
///
/// In each value marks that stand nowhere else take the place of its texts. A record with marks may be in ordinary
/// memory, be put in order and spelled; then the texts take the places of their marks, in guarded memory again. What is
/// no text, as a number, and the names of members stay as they are.
package struct GuardedTexts {
    /// What each mark begins with; its number follows.
    private let start = Array(Hexadecimal.encode(RandomBytes.make(count: 16)).utf8)
    private static let numberCount = 8
    private var texts: [(value: SecretBytes, range: Range<Int>)] = []

    package init() {}

    package var isEmpty: Bool { texts.isEmpty }

    /// The value that a JSON text says, with marks.
    package mutating func marked(_ value: SecretBytes) throws -> JSONValue {
        var text: [UInt8] = []
        var ranges: [Range<Int>] = []
        value.withUnsafeBytes { bytes in
            var rest = bytes.startIndex
            while let quote = bytes[rest...].firstIndex(of: UInt8(ascii: "\"")) {
                text += bytes[rest..<quote]
                rest = Self.end(ofTextAt: quote, in: bytes)
                if bytes[rest...].first(where: { !Self.spaces.contains($0) }) == UInt8(ascii: ":") {
                    text += bytes[quote..<rest]
                } else {
                    text += mark(texts.count + ranges.count)
                    ranges.append(quote..<rest)
                }
            }
            text += bytes[rest...]
        }
        texts += ranges.map { (value, $0) }
        return try JSONScanner.scan(text)
    }

    /// The bytes with the texts in the places of their marks.
    package func restored(in bytes: [UInt8]) throws -> SecretBytes {
        // What stands before each mark, and which it is.
        var pieces: [(plain: Range<Int>, text: Int?)] = []
        let count = mark(0).count
        var plain = 0
        var index = 0
        while index + count <= bytes.count {
            guard bytes[index] == UInt8(ascii: "\""), bytes[index + count - 1] == UInt8(ascii: "\""),
                bytes[(index + 1)...].starts(with: start),
                let number = Int(
                    String(decoding: bytes[(index + 1 + start.count)..<(index + count - 1)], as: UTF8.self)),
                texts.indices.contains(number)
            else {
                index += 1
                continue
            }
            pieces.append((plain..<index, number))
            index += count
            plain = index
        }
        pieces.append((plain..<bytes.count, nil))
        let size = pieces.reduce(0) { $0 + $1.plain.count + ($1.text.map { texts[$0].range.count } ?? 0) }
        return try SecretBytes(count: size, isPassing: true) { target in
            var filled = 0
            for piece in pieces {
                UnsafeMutableRawBufferPointer(rebasing: target[filled...]).copyBytes(from: bytes[piece.plain])
                filled += piece.plain.count
                guard let number = piece.text else { continue }
                let text = texts[number]
                text.value.withUnsafeBytes {
                    UnsafeMutableRawBufferPointer(rebasing: target[filled...])
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[text.range]))
                }
                filled += text.range.count
            }
        }
    }

    private static let spaces = [UInt8](" \t\r\n".utf8)

    private func mark(_ number: Int) -> [UInt8] {
        let digits = Array(String(number).utf8)
        let padding = [UInt8](repeating: UInt8(ascii: "0"), count: max(0, Self.numberCount - digits.count))
        return [UInt8(ascii: "\"")] + start + padding + digits + [UInt8(ascii: "\"")]
    }

    /// Behind the closing quote; the end of all bytes where there is none.
    private static func end(ofTextAt quote: Int, in bytes: UnsafeRawBufferPointer) -> Int {
        var index = quote + 1
        while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
            index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        return min(index + 1, bytes.count)
    }
}
