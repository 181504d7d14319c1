/// Finds one short text in many bytes: sixteen places at once are asked for three bytes of it, and only where all three
/// stand is the whole compared.
package struct ByteSearch: Sendable {
    private typealias Block = SIMD16<UInt8>

    private let text: [UInt8]
    /// Where in the text the three bytes stand, and what they are.
    private let places: (Int, Int, Int)
    private let probes: (Block, Block, Block)

    /// - Parameter places: places in the text whose bytes rarely stand that far apart elsewhere.
    package init(_ text: StaticString, probing places: (Int, Int, Int)) {
        self.text = text.withUTF8Buffer { Array($0) }
        self.places = places
        probes = (
            Block(repeating: self.text[places.0]), Block(repeating: self.text[places.1]),
            Block(repeating: self.text[places.2])
        )
    }

    package func isIn(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let starts = bytes.count - text.count + 1
        var start = 0
        while start + Block.scalarCount <= starts {
            if hasCandidate(bytes, at: start),
                (start..<(start + Block.scalarCount)).contains(where: { stands(at: $0, in: bytes) })
            {
                return true
            }
            start += Block.scalarCount
        }
        while start < starts {
            if stands(at: start, in: bytes) { return true }
            start += 1
        }
        return false
    }

    /// Whether any of the sixteen places from here on has the three bytes.
    @inline(__always)
    private func hasCandidate(_ bytes: UnsafeRawBufferPointer, at start: Int) -> Bool {
        let hits =
            (bytes.loadUnaligned(fromByteOffset: start + places.0, as: Block.self) .== probes.0)
            .& (bytes.loadUnaligned(fromByteOffset: start + places.1, as: Block.self) .== probes.1)
            .& (bytes.loadUnaligned(fromByteOffset: start + places.2, as: Block.self) .== probes.2)
        let words = unsafeBitCast(hits, to: SIMD2<UInt64>.self)
        return words[0] | words[1] != 0
    }

    private func stands(at start: Int, in bytes: UnsafeRawBufferPointer) -> Bool {
        text.indices.allSatisfy { bytes[start + $0] == text[$0] }
    }
}
