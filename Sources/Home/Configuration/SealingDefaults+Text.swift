import Records

// How `sealing` stands in node.yaml.

extension SealingDefaults {
    /// A list in the file: of all types, or of one.
    struct List: Hashable {
        enum Kind: String {
            case fields, readers
            case neverInClear = "never_in_clear"
        }

        let type: String?
        let kind: Kind
    }

    init(
        parsing value: YAMLValue, of source: YAMLSource, _ lines: inout [NodeConfiguration.Place: Int]
    ) throws {
        var mapping = try YAMLMapping(value, of: source, what: "sealing")
        self.init()
        let own = try OfType(taking: &mapping, type: nil, &lines)
        fields = own.fields ?? fields
        self.source = own.source ?? self.source
        readers = own.readers ?? readers
        neverInClear = own.neverInClear ?? neverInClear
        if let value = mapping.take("tlp") { trafficLight = try mapping.choice(value, "tlp") }
        if let value = mapping.take("types") {
            var inner = try YAMLMapping(value, of: source, what: "types")
            for schema in SealingDefaults.schemas {
                let name = schema.type.rawValue
                guard let value = inner.take(name) else { continue }
                var rules = try YAMLMapping(value, of: source, what: name)
                types[name] = try OfType(taking: &rules, type: name, &lines)
                try rules.finish()
            }
            try inner.finish()
        }
        try mapping.finish()
    }

    /// The lines of the file, without the key `sealing` itself.
    func lines() -> [String] {
        var lines = [
            "  # Sealed wherever a record has them. Parts of a field have paths, for example confidence.level."
        ]
        lines += NodeConfiguration.list(fields, key: "fields", indentation: "  ")
        lines += [
            "  # unless_public: sealed unless it is a public address on the web; always; never.",
            "  source: \(source.rawValue)",
            "  # Who can open what is sealed, besides this node, where a command names nobody; of the members of the",
            "  # community that the record is for.",
        ]
        lines += NodeConfiguration.list(readers, key: "readers", indentation: "  ")
        lines.append("  # A record that would have one of these in the open is refused, whatever a command says.")
        lines += NodeConfiguration.list(neverInClear, key: "never_in_clear", indentation: "  ")
        lines += [
            "  # Traffic light protocol: clear, green or amber. A record marked amber+strict or red is sealed as a whole.",
            "  tlp: \(trafficLight.rawValue)",
            "  # For one type of record: fields and never_in_clear add to the lists above, and none of those is taken away;",
            "  # source and readers count in place of those above.",
        ]
        guard !types.isEmpty else {
            return lines + [
                "  # types:", "  #   incident:", "  #     readers: [kr.example]",
                "  #     never_in_clear: [losses]",
            ]
        }
        lines.append("  types:")
        for schema in SealingDefaults.schemas {
            guard let rules = types[schema.type.rawValue] else { continue }
            // Without a key it would read as a text.
            guard rules != OfType() else { continue }
            lines.append("    \(schema.type):")
            for (kind, items) in rules.lists {
                lines += NodeConfiguration.list(items, key: kind.rawValue, indentation: "      ")
            }
            if let source = rules.source { lines.append("      source: \(source.rawValue)") }
        }
        return lines
    }

    // MARK: Rules

    func firstProblem(communities: [CommunityConfiguration]) -> NodeConfiguration.Problem? {
        let own = OfType(fields: fields, readers: readers, neverInClear: neverInClear)
        let members = Set(communities.flatMap(\.members))
        if let problem = SealingDefaults.firstProblem(own, type: nil, members: members) { return problem }
        for schema in SealingDefaults.schemas {
            guard let rules = types[schema.type.rawValue] else { continue }
            if let problem = SealingDefaults.firstProblem(rules, type: schema, members: members) { return problem }
        }
        if let stranger = types.keys.filter({ RecordSchema.of(RecordType(rawValue: $0)) == nil }).min() {
            return .init(.sealing, "\(Display.quoted(stranger)) is no type of record")
        }
        return nil
    }

    private static func firstProblem(
        _ rules: OfType, type: RecordSchema?, members: Set<String>
    ) -> NodeConfiguration.Problem? {
        for (kind, items) in rules.lists {
            var seen: Set<String> = []
            for (index, item) in items.enumerated() {
                let place = NodeConfiguration.Place.sealingItem(List(type: type?.type.rawValue, kind: kind), index)
                let fault: String? =
                    switch kind {
                    case .readers: readerFault(item, at: index, members: members)
                    case .fields, .neverInClear: fieldFault(item, at: index, type: type, kind)
                    }
                if let fault { return .init(place, fault) }
                guard seen.insert(item).inserted else {
                    let what = kind == .readers ? "reader" : "field"
                    return .init(place, "the \(what) \(item) stands twice; remove one")
                }
            }
        }
        return nil
    }

    private static func readerFault(_ reader: String, at index: Int, members: Set<String>) -> String? {
        guard index < maximumReaderCount else { return "at most \(maximumReaderCount) readers are accepted" }
        guard Names.isNode(reader) else { return "\(Display.quoted(reader)) is no node name; \(Names.nodeRule)" }
        guard members.contains(reader) else {
            return "the reader \(reader) is a member of no community; remove it, or add it to the members of one"
        }
        return nil
    }

    private static func fieldFault(_ field: String, at index: Int, type: RecordSchema?, _ kind: List.Kind) -> String? {
        guard index < maximumFieldCount else { return "at most \(maximumFieldCount) fields are accepted" }
        guard field.utf8.first.map({ UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 }) ?? false,
            field.utf8.count <= 64,
            field.utf8.allSatisfy({ ASCII.isLowerOrDigit($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") })
        else {
            return "\(Display.quoted(field)) is no field name; they are lower-case words, for example case_number"
        }
        guard field != "source" || kind != .fields else {
            return "whether a source is sealed is said by the key source, not here"
        }
        // A name that is mistyped would leave the field in the open.
        let schemas = type.map { [$0] } ?? schemas
        guard schemas.contains(where: { $0.field(at: field) != nil }) else {
            let whose = type.map { "\($0.type) records have" } ?? "no type of record has"
            return "\(whose) \(type == nil ? "a" : "no") field \(field)"
        }
        guard schemas.contains(where: { $0.isSealable(field) }) else {
            return "\(field) cannot be sealed; every holder has to see it"
        }
        return nil
    }
}

extension SealingDefaults.OfType {
    fileprivate init(
        taking mapping: inout YAMLMapping, type: String?, _ lines: inout [NodeConfiguration.Place: Int]
    ) throws {
        self.init()
        fields = try Self.list(.fields, &mapping, type, SealingDefaults.maximumFieldCount, &lines)
        if let value = mapping.take("source") { source = try mapping.choice(value, "source") }
        readers = try Self.list(.readers, &mapping, type, SealingDefaults.maximumReaderCount, &lines)
        neverInClear = try Self.list(.neverInClear, &mapping, type, SealingDefaults.maximumFieldCount, &lines)
    }

    private static func list(
        _ kind: SealingDefaults.List.Kind, _ mapping: inout YAMLMapping, _ type: String?, _ limit: Int,
        _ lines: inout [NodeConfiguration.Place: Int]
    ) throws -> [String]? {
        guard let value = mapping.take(kind.rawValue) else { return nil }
        var items: [String] = []
        for item in try mapping.list(value, kind.rawValue, limit: limit) {
            lines[.sealingItem(.init(type: type, kind: kind), items.count)] = item.line
            items.append(try mapping.text(item, kind == .readers ? "a reader" : "a field"))
        }
        return items
    }

    /// The lists that are given.
    fileprivate var lists: [(kind: SealingDefaults.List.Kind, items: [String])] {
        [(.fields, fields), (.readers, readers), (.neverInClear, neverInClear)].compactMap { kind, items in
            items.map { (kind, $0) }
        }
    }
}
