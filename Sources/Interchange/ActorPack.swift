import Records

/// GraphSense ActorPack: who is who. What has no place in a record goes to its provenance, so that nothing is lost.
struct ActorPack: RowSource {
    private let pack: YAMLPack
    private let defaults: ImportDefaults
    private let headerProvenance: JSONValue?

    init(file: (name: String, bytes: [UInt8]), defaults: ImportDefaults, files: any FileAccess) throws {
        pack = try YAMLPack(file: file, list: "actors", files: files)
        self.defaults = defaults
        headerProvenance =
            pack.header.isEmpty ? nil : .object(pack.header.map { JSONMember($0.key, $0.node.json) })
    }

    var chunkCount: Int { pack.chunkCount }

    var heading: [UInt8] { pack.heading }

    func items(ofChunk chunk: Int) -> [ImportItem] {
        pack.items(ofChunk: chunk) { item in
            do {
                if let problem = item.problem { throw Tag.Problem(description: problem) }
                guard let mapping = item.node?.map else { throw Tag.Problem(description: "no names and values") }
                return RowFinisher.finish(
                    try record(mapping, at: item.position), type: .actor, defaults: defaults,
                    position: item.position, row: item.row)
            } catch {
                return .reject(position: item.position, reason: "\(error)", row: item.row())
            }
        }
    }

    private func record(_ mapping: [(key: String, value: YAMLTree)], at position: ImportPosition) throws -> JSONValue {
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
        var provenance = [
            JSONMember("format", .string("actorpack")), JSONMember("file", .string(pack.name)),
            JSONMember("position", .string("actor \(position.item ?? 0)")),
        ]
        if let headerProvenance { provenance.append(JSONMember("header", headerProvenance)) }
        if !unplaced.isEmpty { provenance.append(JSONMember("fields", .object(unplaced))) }
        members.append(JSONMember("provenance", .object(provenance)))
        return .object(members)
    }
}
