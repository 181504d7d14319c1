import Records

/// GraphSense TagPack. Fields of the header hold for every tag that does not say otherwise; what has no place in a
/// record goes to its provenance, so that nothing is lost.
struct TagPack: RowSource {
    private let pack: YAMLPack
    private let defaults: ImportDefaults
    private let inherited: [(key: String, node: YAMLTree)]
    private let unplacedHeader: [(key: String, node: YAMLTree)]

    /// Fields that a tag may have.
    private static let tagFields: Set<String> = [
        "address", "tx_hash", "label", "source", "currency", "network", "confidence", "context",
        "is_cluster_definer", "lastmod", "category", "abuse", "actor", "concepts", "tag_type",
        // Those that TagPack has not, but a record, are as good as its own: so they are sealed, and found, as there.
        "victim", "case_number", "method", "note",
    ]

    init(file: (name: String, bytes: [UInt8]), defaults: ImportDefaults, files: any FileAccess) throws {
        let pack = try YAMLPack(file: file, list: "tags", files: files)
        self.pack = pack
        self.defaults = defaults
        inherited = pack.header.filter { TagPack.tagFields.contains($0.key) }
        unplacedHeader = pack.header.filter { !TagPack.tagFields.contains($0.key) }
    }

    var chunkCount: Int { pack.chunkCount }

    var heading: [UInt8] { pack.heading }

    func items(ofChunk chunk: Int) -> [ImportItem] {
        pack.rows(ofChunk: chunk, as: .attribution, defaults, record)
    }

    private func record(_ mapping: YAMLPack.Mapping, at position: ImportPosition) throws -> JSONValue {
        var tag = Tag()
        var own: Set<String> = []
        var unplaced: [JSONMember] = []
        for (key, node) in mapping {
            guard !key.isEmpty else { throw Tag.Problem(description: "a name that is no text") }
            own.insert(key)
            try take(key, node, &tag, &unplaced)
        }
        for (key, node) in inherited where !own.contains(key) { try take(key, node, &tag, &unplaced) }
        if !own.contains("confidence"), !inherited.contains(where: { $0.key == "confidence" }) {
            try tag.set("confidence", "unknown")
        }
        tag.provenance = pack.provenance(
            format: "tagpack", position: "tag \(position.item ?? 0)", header: unplacedHeader, unplaced: unplaced)
        return tag.record
    }

    private func take(_ key: String, _ node: YAMLTree, _ tag: inout Tag, _ unplaced: inout [JSONMember]) throws {
        switch key {
        case "concepts", "category", "abuse":
            tag.add(concepts: try node.words(of: key))
        case "lastmod":
            // A date is a moment of the source, not of the record.
            unplaced.append(JSONMember(key, node.json))
        case "context" where node.string == nil:
            try tag.set(key, JSONWriter.text(node.json))
        case "context", "label", "source", "currency", "network", "confidence", "address", "tx_hash", "actor",
            "is_cluster_definer", "tag_type":
            guard let text = node.text else {
                throw Tag.Problem(description: "\(key): must be a text")
            }
            try tag.set(key, text)
        case "victim", "case_number", "method", "note":
            guard let text = node.text else {
                unplaced.append(JSONMember(key, node.json))
                return
            }
            try tag.set(key, text)
        default: unplaced.append(JSONMember(key, node.json))
        }
    }
}
