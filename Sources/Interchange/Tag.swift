import Records

/// An attribution on its way from the fields of TagPack or CSV to those of a record.
struct Tag {
    /// A field that does not fit; says which, never what it holds.
    struct Problem: Error, CustomStringConvertible {
        let description: String
    }

    private var currency: String?
    private var network: String?
    private var address: String?
    private var transaction: String?
    private var concepts: [String] = []
    private var confidence: String?
    private var members: [JSONMember] = []
    var provenance: [JSONMember] = []

    /// Takes one field by its TagPack name or its path in a record.
    mutating func set(_ field: String, _ text: String) throws {
        guard !text.isEmpty else { return }
        switch field {
        case "currency": currency = text
        case "chain", "network", "subject.chain": network = text
        case "address", "subject.address": address = text
        case "tx_hash", "subject.tx_hash": transaction = text
        case "category", "abuse", "concepts": add(concepts: text.split(separator: ";").map { String($0).trimmed })
        case "confidence", "confidence.level": confidence = text
        case "confidence.value", "confidence.scheme":
            throw Problem(description: "\(field) is not read from rows; give confidence as a level")
        case "is_cluster_definer", "cluster_definer":
            guard let value = ["true": true, "false": false][text.lowercased()] else {
                throw Problem(description: "\(field): must be true or false")
            }
            members.append(JSONMember("cluster_definer", .bool(value)))
        default: members.append(JSONMember(field, .string(text)))
        }
    }

    mutating func add(concepts words: [String]) {
        for word in words where !word.isEmpty && !concepts.contains(word) { concepts.append(word) }
    }

    /// The record, without the common fields.
    var record: JSONValue {
        let chain = network ?? currency
        var subject: [JSONMember] = []
        if let chain { subject.append(JSONMember("chain", .string(Tag.caip2(chain, address: address)))) }
        if let address { subject.append(JSONMember("address", .string(address))) }
        if let transaction { subject.append(JSONMember("tx_hash", .string(transaction))) }
        var all = [JSONMember("subject", .object(subject))]
        if let currency, !members.contains(where: { $0.name == "asset" }) {
            all.append(JSONMember("asset", .string(currency.trimmed)))
        }
        all += members
        if !concepts.isEmpty { all.append(JSONMember("concepts", .array(concepts.map { .string($0) }))) }
        if let confidence { all.append(JSONMember("confidence", Tag.confidence(confidence))) }
        if !provenance.isEmpty { all.append(JSONMember("provenance", .object(provenance))) }
        return .object(all)
    }

    /// A chain by any name it goes by; one that is not known stays as it is, and is refused when the record is judged.
    private static func caip2(_ name: String, address: String?) -> String {
        if let chain = Chain.resolve(name.trimmed) { return chain.caip2 }
        // Sanctions lists and packs name these tokens where the chain should stand. The checksum of an address of Tron
        // or Bitcoin says which it is; those of EVM chains are alike, so there it is not guessed.
        guard let address, ["USDT", "USDC"].contains(name.trimmed.uppercased()) else { return name }
        return tokenChains.first { AddressCheck.verdict(address, on: $0) == .valid }?.caip2 ?? name
    }

    private static let tokenChains = ["TRX", "BTC"].compactMap(Chain.resolve)

    private static func confidence(_ text: String) -> JSONValue {
        if let value = Int64(text) { return .object([JSONMember("value", .integer(value))]) }
        return .object([JSONMember("level", .string(text.trimmed))])
    }
}

extension String {
    /// Without white space at both ends.
    var trimmed: String {
        var view = self[...]
        while let first = view.first, first.isWhitespace { view.removeFirst() }
        while let last = view.last, last.isWhitespace { view.removeLast() }
        return String(view)
    }
}
