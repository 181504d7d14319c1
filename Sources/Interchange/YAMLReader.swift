import CYaml

/// Why a text is not read as YAML: never what is in it, which may have to be sealed.
struct YAMLProblem: Error, Hashable {
    /// From 1, in the text that was read.
    let line: Int
    let reason: String
}

/// A document of YAML as it stands there.
struct YAMLDocument: Sendable {
    /// `nil` where there is nothing in the text.
    let root: YAMLTree?
    /// The line of each item or name right below the root, included files left out.
    let lines: [Int]
    /// Files that stand for the value of a name right below the root (`name: !include FILE`).
    let includes: [(path: String, line: Int)]
}

/// Reads YAML by the events of the parser, one at a time, and stops at the first that could make a small file stand for
/// a huge one or that no record has a place for: anchors and aliases, tags, names that are no texts or stand twice, too
/// many values, too deep nesting. So time and memory are in proportion to the text, whoever wrote it.
enum YAMLReader {
    /// Lists and mappings nest at most this deep.
    static let maximumDepth = 64
    fileprivate static let tooDeep = "nested over \(maximumDepth) levels deep"

    /// The one document of a text. Throws ``YAMLProblem``.
    static func read(_ text: some StringProtocol, maximumNodes: Int, includes: Bool = false) throws -> YAMLDocument {
        var text = String(text)
        return try text.withUTF8 { try read($0, maximumNodes: maximumNodes, includes: includes) }
    }

    private static func read(
        _ bytes: UnsafeBufferPointer<UInt8>, maximumNodes: Int, includes: Bool
    ) throws -> YAMLDocument {
        guard let base = bytes.baseAddress, !bytes.isEmpty else {
            return YAMLDocument(root: nil, lines: [], includes: [])
        }
        let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        defer { parser.deallocate() }
        guard yaml_parser_initialize(parser) == 1 else { throw YAMLProblem(line: 1, reason: "there is no memory left") }
        defer { yaml_parser_delete(parser) }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, base, bytes.count)
        var builder = YAMLBuilder(maximumNodes: maximumNodes, includes: includes)
        while true {
            var event = yaml_event_t()
            guard yaml_parser_parse(parser, &event) == 1 else { throw problem(parser.pointee) }
            defer { yaml_event_delete(&event) }
            if event.type == YAML_STREAM_END_EVENT { return builder.document }
            try builder.take(event)
        }
    }

    private static func problem(_ parser: yaml_parser_t) -> YAMLProblem {
        let mark = parser.error == YAML_READER_ERROR ? parser.mark : parser.problem_mark
        // The parser looks ahead, and gives up on depth by itself.
        let words = parser.problem.map { String(cString: $0) } ?? "it cannot be read"
        let reason = words.hasPrefix("Maximum nesting") ? YAMLReader.tooDeep : words
        return YAMLProblem(line: Int(mark.line) + 1, reason: reason)
    }
}

/// Puts a tree together out of events.
private struct YAMLBuilder {
    /// A list or a mapping that has not ended.
    private struct Open {
        let isMapping: Bool
        var items: [YAMLTree] = []
        var members: [(key: String, value: YAMLTree)] = []
        var names: Set<String> = []
        /// The name whose value comes next.
        var name: String?
        var line = 1
    }

    private let maximumNodes: Int
    private let takesIncludes: Bool
    private var open: [Open] = []
    private var root: YAMLTree?
    private var lines: [Int] = []
    private var includes: [(path: String, line: Int)] = []
    private var nodes = 0
    private var documents = 0

    init(maximumNodes: Int, includes: Bool) {
        self.maximumNodes = maximumNodes
        takesIncludes = includes
    }

    var document: YAMLDocument { YAMLDocument(root: root, lines: lines, includes: includes) }

    mutating func take(_ event: yaml_event_t) throws {
        let line = Int(event.start_mark.line) + 1
        switch event.type {
        case YAML_DOCUMENT_START_EVENT:
            documents += 1
            guard documents == 1 else { throw YAMLProblem(line: line, reason: "a second document begins") }
        case YAML_ALIAS_EVENT: throw YAMLBuilder.alias(line)
        case YAML_SCALAR_EVENT: try takeScalar(event, line)
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            try begin(Open(isMapping: false), start.anchor, start.tag, line)
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            try begin(Open(isMapping: true), start.anchor, start.tag, line)
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
            guard let ended = open.popLast() else { return }
            add(ended.isMapping ? .map(ended.members) : .list(ended.items))
        default: break
        }
    }

    private mutating func takeScalar(_ event: yaml_event_t, _ line: Int) throws {
        let scalar = event.data.scalar
        try count(scalar.anchor, line)
        let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
        let tag = scalar.tag.map { String(cString: $0) }
        if isName {
            try YAMLBuilder.check(tag, line)
            return try takeName(text, line)
        }
        if tag == "!include", takesIncludes, open.count == 1, open[0].isMapping {
            includes.append((text, line))
            open[0].name = nil
            return
        }
        try YAMLBuilder.check(tag, line)
        let isText = tag == "!" || tag == "tag:yaml.org,2002:str"
        if open.count == 1, !open[0].isMapping { lines.append(line) }
        add(.scalar(text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE && !isText))
    }

    /// Whether a name comes next, and no value.
    private var isName: Bool {
        guard let last = open.last else { return false }
        return last.isMapping && last.name == nil
    }

    private mutating func takeName(_ name: String, _ line: Int) throws {
        let last = open.count - 1
        guard open[last].names.insert(name).inserted else {
            throw YAMLProblem(line: line, reason: "a name stands there twice")
        }
        open[last].name = name
        open[last].line = line
    }

    private mutating func begin(
        _ new: Open, _ anchor: UnsafeMutablePointer<UInt8>?, _ tag: UnsafeMutablePointer<UInt8>?, _ line: Int
    ) throws {
        try count(anchor, line)
        guard !isName else { throw YAMLProblem(line: line, reason: "a name that is no text") }
        try YAMLBuilder.check(tag.map { String(cString: $0) }, line)
        guard open.count < YAMLReader.maximumDepth else {
            throw YAMLProblem(line: line, reason: YAMLReader.tooDeep)
        }
        if open.count == 1, !open[0].isMapping { lines.append(line) }
        open.append(new)
    }

    private mutating func count(_ anchor: UnsafeMutablePointer<UInt8>?, _ line: Int) throws {
        guard anchor == nil else { throw YAMLBuilder.alias(line) }
        nodes += 1
        guard nodes <= maximumNodes else { throw YAMLProblem(line: line, reason: "over \(maximumNodes) values in it") }
    }

    private mutating func add(_ tree: YAMLTree) {
        guard let last = open.indices.last else {
            root = tree
            return
        }
        if let name = open[last].name {
            open[last].members.append((name, tree))
            open[last].name = nil
            if last == 0 { lines.append(open[last].line) }
        } else {
            open[last].items.append(tree)
        }
    }

    private static func alias(_ line: Int) -> YAMLProblem {
        YAMLProblem(line: line, reason: "YAML anchors and aliases are not read; write it out")
    }

    /// A tag can make something else of what stands there.
    private static func check(_ tag: String?, _ line: Int) throws {
        guard let tag, tag != "!" else { return }
        let standard = "tag:yaml.org,2002:"
        guard tag.hasPrefix(standard), tags.contains(String(tag.dropFirst(standard.count))) else {
            throw YAMLProblem(line: line, reason: "a YAML tag (`!…`) is not read here; write the value without it")
        }
    }

    private static let tags: Set<String> = ["str", "int", "float", "bool", "null", "timestamp", "seq", "map"]
}
