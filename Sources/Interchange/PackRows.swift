import Records

// What TagPacks and ActorPacks have in common.

extension YAMLPack {
    typealias Mapping = [(key: String, value: YAMLTree)]

    /// Rows for an import of what the closure makes of the names and values of each item of a chunk.
    func rows(
        ofChunk chunk: Int, as type: RecordType, _ defaults: ImportDefaults,
        _ record: (Mapping, ImportPosition) throws -> JSONValue
    ) -> [ImportItem] {
        items(ofChunk: chunk) { item in
            do {
                if let problem = item.problem { throw Tag.Problem(description: problem) }
                guard let mapping = item.node?.map else { throw Tag.Problem(description: "no names and values") }
                return RowFinisher.finish(
                    try record(mapping, item.position), type: type, defaults: defaults, position: item.position,
                    row: item.row)
            } catch {
                return .reject(position: item.position, reason: "\(error)", row: item.row())
            }
        }
    }

    /// Where a record comes from, with what of the header and of the item has no place in it.
    func provenance(
        format: String, position: String, header: [(key: String, node: YAMLTree)], unplaced: [JSONMember]
    ) -> [JSONMember] {
        var members = [
            JSONMember("format", .string(format)), JSONMember("file", .string(name)),
            JSONMember("position", .string(position)),
        ]
        if !header.isEmpty {
            members.append(JSONMember("header", .object(header.map { JSONMember($0.key, $0.node.json) })))
        }
        if !unplaced.isEmpty { members.append(JSONMember("fields", .object(unplaced))) }
        return members
    }
}
