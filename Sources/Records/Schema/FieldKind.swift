/// What a field holds.
package indirect enum FieldKind: Sendable {
    /// One line of text, 1 to so many characters.
    case line(Int)
    /// Text that may have several lines, 1 to so many characters.
    case text(Int)
    /// `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`, as TagPack's identifiers are.
    case slug
    /// A slug for which a vocabulary has the usual words.
    case concept(Vocabulary)
    /// A word of a closed vocabulary.
    case word(Vocabulary)
    /// One fixed text.
    case constantText(String)
    /// RFC 3339 in UTC.
    case time
    /// RFC 3339 in UTC, or a day.
    case moment
    /// A decimal number as a text, so that no digit is lost.
    case decimal
    case integer(ClosedRange<Int64>)
    case boolean
    /// A CAIP-2 identifier.
    case chain
    /// An address, checked on the chain that stands beside it.
    case address
    /// A transaction's hash, checked on the chain that stands beside it.
    case transactionHash
    case node
    case origin
    case reference
    /// 64 hexadecimal digits in lower case.
    case sha256
    /// Standard base64 of so many bytes.
    case base64(ClosedRange<Int>)
    /// ISO 3166-1 alpha-2, in upper case.
    case country
    /// Any JSON object.
    case anyObject
    case list(FieldKind, ClosedRange<Int>)
    case object(ObjectShape)

    /// A few words for help texts.
    package var title: String {
        switch self {
        case .line: "text, one line"
        case .text: "text"
        case .slug, .concept: "slug"
        case .word(let vocabulary): vocabulary.words.joined(separator: "|")
        case .constantText(let text): text
        case .time: "time, RFC 3339 UTC"
        case .moment: "time, RFC 3339 UTC, or YYYY-MM-DD"
        case .decimal: "decimal number"
        case .integer(let range):
            range.lowerBound == range.upperBound
                ? String(range.lowerBound) : "integer, \(range.lowerBound) to \(range.upperBound)"
        case .boolean: "true|false"
        case .chain: "chain: CAIP-2, ticker or name"
        case .address: "address"
        case .transactionHash: "transaction hash"
        case .node: "node name"
        case .origin: "log origin"
        case .reference: "reference"
        case .sha256: "SHA-256, hexadecimal"
        case .base64: "base64"
        case .country: "country, ISO 3166 alpha-2"
        case .anyObject: "JSON object"
        case .list(let element, _): "list of \(element.title)"
        case .object: "object"
        }
    }
}
