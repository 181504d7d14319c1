import Records

/// GraphSense ActorPack: who is who.
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
        pack.items(ofChunk: chunk).map { item in
            guard item.problem == nil, let mapping = item.node?.map else {
                return .reject(
                    position: item.position, reason: item.problem ?? "no names and values", row: item.row())
            }
            return RowFinisher.finish(
                record(mapping, at: item.position), type: .actor, defaults: defaults, position: item.position,
                row: item.row)
        }
    }

    private func record(_ mapping: [(key: String, value: YAMLTree)], at position: ImportPosition) -> JSONValue {
        var members: [JSONMember] = []
        var unplaced: [JSONMember] = []
        for (key, node) in mapping {
            switch key {
            case "id": members.append(JSONMember("slug", .string(node.string ?? "")))
            case "label", "uri": members.append(JSONMember(key, .string((node.string ?? "").trimmed)))
            case "aliases", "categories", "jurisdictions":
                let words = (node.list?.compactMap { $0.string?.trimmed } ?? []).filter { !$0.isEmpty }
                if !words.isEmpty { members.append(JSONMember(key, .array(words.map { .string($0) }))) }
            case "context":
                let aliases = node["aliases"]?.list?.compactMap { $0.string?.trimmed } ?? []
                if !aliases.isEmpty, !mapping.contains(where: { $0.key == "aliases" }) {
                    members.append(JSONMember("aliases", .array(aliases.map { .string($0) })))
                }
                members.append(JSONMember("context", .string(node.string ?? JSONWriter.text(node.json))))
            case "source", "method", "case_number", "note":
                // Fields of a record that ActorPack has not: there they are sealed, and found, as any other.
                if let text = node.string, !node.isNull, !text.isEmpty {
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
        if !unplaced.isEmpty { provenance.append(JSONMember("fields", .object(unplaced))) }
        members.append(JSONMember("provenance", .object(provenance)))
        return .object(members)
    }
}
