import Yams

/// A parsed YAML value that knows its line.
struct YAMLValue {
    enum Content {
        case text(String, isQuoted: Bool)
        case list([YAMLValue])
        case mapping([(key: String, line: Int, value: YAMLValue)])
    }

    /// From 1.
    let line: Int
    let content: Content
}

/// A YAML file being read: what it is called, and which kind of error it deserves.
struct YAMLSource {
    let path: String
    let category: HomeError.Category
    /// The most bytes accepted.
    let limit: Int

    func error(_ message: String, line: Int? = nil) -> HomeError {
        HomeError(category, message, path: path, line: line)
    }

    /// The one document of the text, which must be a mapping.
    func parse(_ bytes: [UInt8]) throws(HomeError) -> YAMLMapping {
        guard bytes.count <= limit else {
            throw error("is \(bytes.count) bytes long; at most \(limit) are read")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw error("is not UTF-8 text") }
        do {
            try YAMLGuard.check(bytes)
        } catch {
            throw self.error("this line \(error.message)", line: error.line)
        }
        let root = try compose(text)
        guard let root else { throw error("is empty") }
        return try YAMLMapping(convert(root, depth: 0), of: self, what: "the file")
    }

    private func compose(_ text: String) throws(HomeError) -> Yams.Node? {
        do {
            // The parser keeps a pointer to the text's storage; the line added keeps a short text from being stored
            // inline, where it would have no lasting address.
            let parser = try Yams.Parser(yaml: text + "\n# end of the file\n", resolver: .basic, encoding: .utf8)
            return try parser.singleRoot()
        } catch let error as YamlError {
            throw self.error(from: error)
        } catch {
            throw self.error("cannot be parsed as YAML")
        }
    }

    private func error(from yaml: YamlError) -> HomeError {
        switch yaml {
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.prefix(3).map(Display.quoted).joined(separator: ", ")
            return error(
                "\(names) stands more than once in the mapping that has it here; keep one", line: context.mark.line)
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return error("is not valid YAML here: \(Display.text(problem, limit: 120))", line: mark.line)
        case .reader(let problem, _, _, _):
            return error("is not valid YAML: \(Display.text(problem, limit: 120))")
        default:
            return error("cannot be parsed as YAML")
        }
    }

    private func convert(_ node: Yams.Node, depth: Int) throws(HomeError) -> YAMLValue {
        let line = node.mark?.line ?? 1
        guard depth <= YAMLGuard.maximumIndentation else { throw error("is nested too deeply", line: line) }
        guard node.anchor == nil else { throw error("has an anchor; write the value out", line: line) }
        switch node {
        case .scalar(let scalar):
            return YAMLValue(line: line, content: .text(scalar.string, isQuoted: scalar.style != .plain))
        case .sequence(let sequence):
            var items: [YAMLValue] = []
            for item in sequence { items.append(try convert(item, depth: depth + 1)) }
            return YAMLValue(line: line, content: .list(items))
        case .mapping(let mapping):
            var pairs: [(key: String, line: Int, value: YAMLValue)] = []
            for (key, value) in mapping {
                guard case .scalar(let name) = key else { throw error("has a key that is no text", line: line) }
                pairs.append((name.string, key.mark?.line ?? line, try convert(value, depth: depth + 1)))
            }
            return YAMLValue(line: line, content: .mapping(pairs))
        case .alias:
            throw error("has an alias; write the value out", line: line)
        }
    }
}
