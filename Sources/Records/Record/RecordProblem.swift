/// One thing that is wrong with a record. Neither part quotes the value of a field.
public struct RecordProblem: Error, Sendable, Hashable {
    /// The field, as names and list positions joined by dots; empty for the record as a whole.
    public let path: String
    /// Half a sentence.
    public let reason: String

    public init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }
}

extension RecordProblem: CustomStringConvertible {
    public var description: String { path.isEmpty ? reason : "\(path): \(reason)" }
}

/// Everything that is wrong with a record; never empty. The first hundred problems are named.
public struct RecordProblems: Error, Sendable, Hashable {
    public let problems: [RecordProblem]

    public init(_ problems: [RecordProblem]) {
        self.problems = problems
    }
}

extension RecordProblems: CustomStringConvertible {
    /// One line.
    public var description: String { problems.map(\.description).joined(separator: "; ") }
}

/// Makes names that come from outside fit to be shown.
enum Shown {
    /// A field's name as it is if it is a plain word, otherwise with question marks; cut after 64 characters.
    static func name(_ text: String) -> String {
        let plain = text.unicodeScalars.prefix(64).map { scalar -> Character in
            scalar.isASCII && (0x21...0x7E).contains(scalar.value) ? Character(scalar) : "?"
        }
        return plain.isEmpty ? "(empty name)" : String(plain)
    }
}

/// Finds the word that somebody may have meant.
enum Suggestion {
    /// `", did you mean x?"` for the nearest candidate, otherwise nothing.
    static func text(for word: String, among candidates: [String]) -> String {
        nearest(to: word, among: candidates).map { ", did you mean \($0)?" } ?? ""
    }

    /// The candidate at the smallest edit distance, if that is at most 2 and less than half of the word.
    static func nearest(to word: String, among candidates: [String]) -> String? {
        let letters = Array(word.utf8.prefix(65)).map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 | 0x20 }
        guard letters.count <= 64 else { return nil }
        var best: (distance: Int, word: String)?
        for candidate in candidates {
            let target = candidate.utf8.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 | 0x20 }
            let distance = distance(letters, target)
            if distance <= 2, distance * 2 < max(letters.count, 3), distance < best?.distance ?? 3 {
                best = (distance, candidate)
            }
        }
        return best?.word
    }

    /// Insertions, deletions, substitutions, and swaps of neighbours.
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var before: [Int] = []
        var above = Array(0...right.count)
        for row in left.indices {
            var line = [row + 1]
            for column in right.indices {
                let cost = left[row] == right[column] ? 0 : 1
                var least = min(above[column + 1] + 1, line[column] + 1, above[column] + cost)
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    least = min(least, before[column - 1] + 1)
                }
                line.append(least)
            }
            before = above
            above = line
        }
        return above[right.count]
    }
}
