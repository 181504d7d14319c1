/// Why something in a node's home folder could not be read, written or accepted.
public struct HomeError: Error, Sendable, Hashable {
    /// What kind of failure it is; a command maps each to its exit status.
    public enum Category: Sendable, Hashable {
        /// The caller asked for something that makes no sense (64).
        case usage
        /// A file from elsewhere, such as a peer card, is malformed (65).
        case badInput
        /// What was named does not exist (66).
        case noInput
        /// What was to be made exists already (73).
        case exists
        /// The system failed to read or write (74).
        case io
        /// Another process holds it (75).
        case busy
        /// Owner or permissions forbid it (77).
        case notPermitted
        /// The home folder or `node.yaml` is wrong (78).
        case configuration
    }

    public let category: Category
    /// What is wrong and what to do, in one line, without the place.
    public let message: String
    /// The file, where one is concerned.
    public let path: String?
    /// The line in that file, from 1.
    public let line: Int?

    public init(_ category: Category, _ message: String, path: String? = nil, line: Int? = nil) {
        self.category = category
        self.message = message
        self.path = path
        self.line = line
    }
}

extension HomeError: CustomStringConvertible {
    /// One line: `file:line: what is wrong; what to do`.
    public var description: String {
        guard let path else { return message }
        let place = line.map { ":\($0)" } ?? ""
        return "\(Display.text(path, limit: 4_096))\(place): \(message)"
    }
}

/// Texts from outside, made fit for one line of an error message.
enum Display {
    /// The text with control characters escaped, cut after `limit` characters.
    static func text(_ text: String, limit: Int = 60) -> String {
        var result = ""
        for (count, scalar) in text.unicodeScalars.enumerated() {
            if count == limit { return result + "…" }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator:
                result += scalar.escaped(asASCII: true)
            default:
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// The text between quotation marks.
    static func quoted(_ text: String) -> String { "\"\(Display.text(text))\"" }

    /// The text as one word of a POSIX shell, to paste into a terminal.
    static func shellWord(_ text: String) -> String {
        let plain = text.utf8.allSatisfy { byte in
            ASCII.isLetterOrDigit(byte) || "/._-".utf8.contains(byte)
        }
        return plain && !text.isEmpty
            ? text
            : "'"
                + text.split(separator: "'", omittingEmptySubsequences: false)
                .joined(separator: #"'\''"#) + "'"
    }
}
