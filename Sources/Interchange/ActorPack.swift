import Records

/// GraphSense ActorPack: who is who. What has no place in a record goes to its provenance, so that nothing is lost.
struct ActorPack: RowSource {
    private let pack: YAMLPack
    private let defaults: ImportDefaults

    init(file: (name: String, bytes: [UInt8]), defaults: ImportDefaults, files: any FileAccess) throws {
        pack = try YAMLPack(file: file, list: "actors", files: files)
        self.defaults = defaults
    }

    var chunkCount: Int { pack.chunkCount }

    var heading: [UInt8] { pack.heading }

    func items(ofChunk chunk: Int) -> [ImportItem] {
        pack.rows(ofChunk: chunk, as: .actor, defaults, record)
    }

    private func record(_ mapping: YAMLPack.Mapping, at position: ImportPosition) throws -> JSONValue {
        var members: [JSONMember] = []
        var unplaced: [JSONMember] = []
        for (key, node) in mapping {
            switch key {
            case "id", "label", "uri":
                guard let text = node.string else { throw Tag.Problem(description: "\(key): must be a text") }
                members.append(JSONMember(key == "id" ? "slug" : key, .string(key == "id" ? text : text.trimmed)))
            case "aliases", "categories", "jurisdictions":
                let words = try node.words(of: key).filter { !$0.isEmpty }
                if !words.isEmpty { members.append(JSONMember(key, .array(words.map { .string($0) }))) }
            case "context":
                let aliases = node["aliases"]?.list?.compactMap { $0.string?.trimmed } ?? []
                if !aliases.isEmpty, !mapping.contains(where: { $0.key == "aliases" }) {
                    members.append(JSONMember("aliases", .array(aliases.map { .string($0) })))
                }
                members.append(JSONMember("context", .string(node.string ?? JSONWriter.text(node.json))))
            case "source", "method", "case_number", "note":
                // Fields of a record that ActorPack has not: there they are sealed, and found, as any other.
                if let text = node.text, !text.isEmpty {
                    members.append(JSONMember(key, .string(text)))
                } else {
                    unplaced.append(JSONMember(key, node.json))
                }
            default: unplaced.append(JSONMember(key, node.json))
            }
        }
        let provenance = pack.provenance(
            format: "actorpack", position: "actor \(position.item ?? 0)", header: pack.header, unplaced: unplaced)
        members.append(JSONMember("provenance", .object(provenance)))
        return .object(members)
    }
}
