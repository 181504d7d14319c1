import Cryptography

// The document `entente-fork/1`: lines, then the two checkpoints as they are.
//
//     entente-fork/1
//     key <vkey of the log>
//     origin <first line of its checkpoints>     left out where it is the name of the key
//     prefix <n>
//     <base64 hash>                              n times
//     first <index> <n> <m>                      left out where it is not known
//     <base64 hash>                              leaf, then n hashes of its proof, under the smaller checkpoint
//     <base64 hash>                              leaf, then m hashes of its proof, under the larger one
//     checkpoint <bytes>
//     <that many bytes of the smaller checkpoint>
//     checkpoint <bytes>
//     <that many bytes of the larger one>

extension ForkEvidence {
    static let header = "entente-fork/1"
    /// No document is longer.
    public static let maximumByteCount = 60 << 10
    private static let maximumNote = 16 << 10

    /// The document.
    public var serialized: String {
        var text = "\(ForkEvidence.header)\nkey \(key.text)\n"
        if !KeyName.same(origin, key.name) { text += "origin \(origin)\n" }
        text += "prefix \(prefix.count)\n"
        for hash in prefix { text += hash.base64 + "\n" }
        if let difference {
            text +=
                "first \(difference.index) \(difference.proofs.map { "\($0.hashes.count)" }.joined(separator: " "))\n"
            for (leaf, proof) in zip(difference.leaves, difference.proofs) {
                for hash in [leaf] + proof.hashes { text += hash.base64 + "\n" }
            }
        }
        for note in [smaller, larger] {
            let body = note.serialized
            text += "checkpoint \(body.utf8.count)\n\(body)"
        }
        return text
    }

    /// Whether bytes begin as such a document does.
    public static func isEvidence(_ bytes: some Sequence<UInt8>) -> Bool {
        bytes.starts(with: "\(header)\n".utf8)
    }

    /// Reads a document; it is written back identically. Says nothing of what it proves: see ``verify()``.
    public init(parsing bytes: [UInt8]) throws {
        guard bytes.count <= ForkEvidence.maximumByteCount else { throw ForkError.badDocument(line: 1) }
        var reader = DocumentReader(bytes)
        guard try reader.line() == ForkEvidence.header else { throw reader.failure }
        let key = try VerifierKey(parsing: reader.value(of: "key"))
        let origin = reader.isNext("origin ") ? try reader.value(of: "origin") : key.name
        let prefix = try reader.hashes(reader.number(of: "prefix", maximum: RangeProof.maximumLength + 64))
        var difference: Difference?
        if reader.isNext("first ") {
            let words = try reader.value(of: "first").split(separator: " ", omittingEmptySubsequences: false)
            let numbers = words.compactMap { Decimal.parse($0.utf8) }
            guard words.count == 3, numbers.count == 3,
                numbers[1...].allSatisfy({ $0 <= UInt64(RangeProof.maximumLength) })
            else { throw reader.failure }
            let index = numbers[0]
            let lists = try numbers[1...].map { try reader.hashes(Int($0) + 1) }
            difference = Difference(
                index: index, leaves: lists.map { $0[0] },
                proofs: lists.map { RangeProof(hashes: Array($0.dropFirst())) })
        }
        let notes = try (0..<2).map { _ in
            try SignedNote(
                parsing: reader.text(reader.number(of: "checkpoint", maximum: ForkEvidence.maximumNote)))
        }
        guard reader.isAtEnd else { throw reader.failure }
        self.init(key: key, origin: origin, smaller: notes[0], larger: notes[1], prefix: prefix, difference: difference)
        guard Array(serialized.utf8) == bytes else { throw ForkError.badDocument(line: 1) }
    }
}

/// Takes a document apart line by line.
private struct DocumentReader {
    private var rest: ArraySlice<UInt8>
    private var number = 0

    init(_ bytes: [UInt8]) {
        rest = bytes[...]
    }

    var isAtEnd: Bool { rest.isEmpty }
    var failure: ForkError { .badDocument(line: number) }

    func isNext(_ text: String) -> Bool { rest.starts(with: text.utf8) }

    mutating func line() throws -> String {
        number += 1
        guard let end = rest.firstIndex(of: 0x0A), let text = String(validating: rest[..<end], as: UTF8.self) else {
            throw failure
        }
        rest = rest[(end + 1)...]
        return text
    }

    mutating func value(of name: String) throws -> String {
        let line = try line()
        guard line.hasPrefix(name + " ") else { throw failure }
        return String(line.dropFirst(name.count + 1))
    }

    mutating func number(of name: String, maximum: Int) throws -> Int {
        guard let value = Decimal.parse(try value(of: name).utf8), value <= UInt64(maximum) else { throw failure }
        return Int(value)
    }

    mutating func hashes(_ count: Int) throws -> [SHA256Digest] {
        try (0..<count).map { _ in
            guard let hash = SHA256Digest(base64: try line()) else { throw failure }
            return hash
        }
    }

    mutating func text(_ count: Int) throws -> String {
        guard rest.count >= count, let text = String(validating: rest.prefix(count), as: UTF8.self) else {
            throw failure
        }
        rest = rest.dropFirst(count)
        number += text.utf8.count { $0 == 0x0A }
        return text
    }
}
