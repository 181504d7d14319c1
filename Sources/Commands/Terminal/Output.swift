import Glibc
import Records

/// Results go to standard output, everything else to standard error.
enum Output {
    static let isTerminal = isatty(STDOUT_FILENO) == 1
    static let isErrorTerminal = isatty(STDERR_FILENO) == 1
    static let inputIsTerminal = isatty(STDIN_FILENO) == 1

    static func line(_ text: String) {
        write(text + "\n", to: STDOUT_FILENO)
    }

    static func bytes(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { writeAll($0, to: STDOUT_FILENO) }
    }

    /// What is in memory of another kind, without a copy of it.
    static func bytes(_ bytes: UnsafeRawBufferPointer) {
        writeAll(bytes, to: STDOUT_FILENO)
    }

    /// One JSON object on a line of its own.
    static func json(_ members: [JSONMember]) {
        line(JSONWriter.text(.object(members)))
    }

    static func note(_ text: String) {
        write(text + "\n", to: STDERR_FILENO)
    }

    /// Warns that a field that is sealed was typed as an argument.
    static func noteTypedSecret(_ field: String) {
        note("entente: \(field) is sealed, but as an argument others on this machine can read it")
    }

    static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { writeAll(UnsafeRawBufferPointer($0), to: descriptor) }
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) {
        var rest = bytes
        while let start = rest.baseAddress, !rest.isEmpty {
            let count = Glibc.write(descriptor, start, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
    }
}

/// Colour, on a terminal that wants it.
enum Style: String {
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case cyan = "36"

    private static let isWanted = Output.isTerminal && getenv("NO_COLOR") == nil

    func callAsFunction(_ text: String) -> String {
        Style.isWanted ? "\u{1B}[\(rawValue)m\(text)\u{1B}[0m" : text
    }
}

/// Text from records and peers, made fit to show: control characters could drive the terminal.
func printable(_ text: String) -> String {
    String(
        String.UnicodeScalarView(
            text.unicodeScalars.map { scalar in
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate: "\u{FFFD}"
                default: scalar
                }
            }))
}

/// Columns of text, as wide as their widest cell.
struct Table {
    private var rows: [[String]] = []
    private let header: [String]

    init(_ header: String...) {
        self.header = header
    }

    mutating func add(_ cells: String...) {
        rows.append(cells.map(printable))
    }

    var isEmpty: Bool { rows.isEmpty }

    func print() {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        for (position, row) in all.enumerated() {
            let cells = row.enumerated().map { column, cell in
                column == row.count - 1
                    ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }
            let line = cells.joined(separator: "  ")
            Output.line(position == 0 ? Style.dim(line) : line)
        }
    }
}

/// 1234567 as 1,234,567.
func grouped(_ number: some BinaryInteger) -> String {
    let digits = String(number.magnitude)
    var text = ""
    for (offset, digit) in digits.enumerated() {
        if offset > 0, (digits.count - offset).isMultiple(of: 3) { text.append(",") }
        text.append(digit)
    }
    return number < 0 ? "-" + text : text
}

/// What an audit that found nothing wrong says.
func areSigned(_ entries: some BinaryInteger) -> String {
    groupedCount(entries, "entry is", "entries are") + " what was signed"
}

/// A number with what it counts: `1 entry`, `1,234 entries`.
func groupedCount(_ number: some BinaryInteger, _ one: String, _ many: String) -> String {
    "\(grouped(number)) \(number == 1 ? one : many)"
}
