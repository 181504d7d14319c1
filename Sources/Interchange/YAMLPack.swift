import Records
import Synchronization
import Yams

/// A YAML file with a header and one long list, as GraphSense writes them. The list is cut into parts by its lines, so
/// that they are read side by side and a broken item spoils no other; a file of unusual shape is read as a whole.
struct YAMLPack: Sendable {
    struct Item: Sendable {
        let position: ImportPosition
        /// `nil` where the item is not valid YAML; `problem` then says why.
        let node: YAMLTree?
        let problem: String?
        /// Its text, from a dash at the beginning of a line.
        let row: @Sendable () -> [UInt8]
    }

    let name: String
    private let list: String
    let header: [(key: String, node: YAMLTree)]
    private let chunks: [Chunk]
    private static let itemsInChunk = 1_000
    /// The longest included file, in bytes.
    private static let maximumInclude = 1 << 20

    private struct Chunk: Sendable {
        let firstLine: Int
        let firstItem: Int
        let text: String
    }

    init(file: (name: String, bytes: [UInt8]), list: String, files: any FileAccess) throws {
        name = file.name
        self.list = list
        guard let text = String(validating: file.bytes, as: UTF8.self) else {
            throw ImportError(file: file.name, reason: "not UTF-8")
        }
        guard !text.utf8.contains(0) else { throw ImportError(file: file.name, reason: "a NUL byte in it") }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        try YAMLPack.refuseAliases(lines, file: file.name)
        guard let start = lines.firstIndex(where: { $0.hasPrefix(list + ":") }) else {
            throw ImportError(file: file.name, reason: "no list `\(list):` in it")
        }
        let body = lines[(start + 1)...]
        let end =
            body.firstIndex { line in
                guard let first = line.first else { return false }
                return !first.isWhitespace && first != "-" && first != "#"
            } ?? lines.endIndex
        let outside = lines[..<start] + lines[end...]
        header = try YAMLPack.header(Array(outside), file: file.name, files: files)
        chunks = try YAMLPack.chunks(body[..<end], file: file.name, list: list)
    }

    var chunkCount: Int { chunks.count }

    /// The items of one chunk; where the chunk is not valid YAML, each item by itself.
    func items(ofChunk number: Int) -> [Item] {
        let chunk = chunks[number]
        if let nodes = try? Yams.compose(yaml: chunk.text, .basic)?.sequence {
            let count = nodes.count
            let texts = ItemTexts(chunk.text)
            return nodes.enumerated().map { offset, node in
                let tree = YAMLTree(node)
                return Item(
                    position: ImportPosition(
                        line: chunk.firstLine + (node.mark?.line ?? 1) - 1, item: chunk.firstItem + offset),
                    node: tree, problem: nil
                ) { texts.text(offset, of: count) ?? Array("- ".utf8) + JSONWriter.write(tree.json) }
            }
        }
        var line = chunk.firstLine
        return YAMLPack.items(chunk.text.split(separator: "\n", omittingEmptySubsequences: false)[...])
            .enumerated().map { offset, lines in
                defer { line += lines.count }
                let text = lines.joined(separator: "\n")
                let row = Array(YAMLPack.shifted(lines).utf8)
                let position = ImportPosition(line: line, item: chunk.firstItem + offset)
                do {
                    let node = try Yams.compose(yaml: text, .basic)?.sequence?.first.map(YAMLTree.init)
                    return Item(position: position, node: node, problem: node == nil ? "no item" : nil) { row }
                } catch {
                    return Item(position: position, node: nil, problem: YAMLPack.reason(error)) { row }
                }
            }
    }

    // MARK: Cutting

    /// Anchors and aliases can make a small file stand for a huge one.
    private static func refuseAliases(_ lines: [Substring], file: String) throws {
        for (number, line) in lines.enumerated() {
            guard let colon = line.firstIndex(where: { $0 == ":" || $0 == "-" }) else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "-" }
            if value.hasPrefix("&") || value.hasPrefix("*") {
                throw ImportError(
                    file: file, line: number + 1, reason: "YAML anchors and aliases are not read; write it out")
            }
        }
    }

    private static func chunks(_ body: ArraySlice<Substring>, file: String, list: String) throws -> [Chunk] {
        let items = items(body)
        guard !items.isEmpty else {
            throw ImportError(
                file: file, line: body.startIndex, reason: "nothing in `\(list):`, or not one item a line")
        }
        var chunks: [Chunk] = []
        var first = 0
        while first < items.count {
            let part = items[first..<min(items.count, first + itemsInChunk)]
            chunks.append(
                Chunk(
                    firstLine: (part.first?.startIndex ?? 0) + 1, firstItem: first + 1,
                    text: part.map { $0.joined(separator: "\n") }.joined(separator: "\n")))
            first += part.count
        }
        return chunks
    }

    /// The lines of each item: those from a dash at the indentation of the first one up to the next.
    private static func items(_ body: ArraySlice<Substring>) -> [ArraySlice<Substring>] {
        guard let first = body.firstIndex(where: { $0.drop { $0 == " " }.hasPrefix("-") }) else { return [] }
        let indentation = body[first].prefix { $0 == " " }
        var items: [ArraySlice<Substring>] = []
        var begin = first
        for line in (first + 1)..<max(first + 1, body.endIndex) {
            let text = body[line]
            guard text.hasPrefix(indentation), text.dropFirst(indentation.count).hasPrefix("-") else { continue }
            items.append(body[begin..<line])
            begin = line
        }
        items.append(body[begin..<body.endIndex])
        return items
    }

    /// The texts of the items of a chunk, made when the first is asked for: few rows are refused.
    private final class ItemTexts: Sendable {
        private let chunk: String
        private let made = Mutex<[String]?>(nil)

        init(_ chunk: String) {
            self.chunk = chunk
        }

        /// `nil` where the lines are not those of so many items.
        func text(_ offset: Int, of count: Int) -> [UInt8]? {
            let texts = made.withLock { made in
                let texts =
                    made
                    ?? YAMLPack.items(chunk.split(separator: "\n", omittingEmptySubsequences: false)[...])
                    .map(YAMLPack.shifted)
                made = texts
                return texts
            }
            return texts.count == count ? Array(texts[offset].utf8) : nil
        }
    }

    /// The lines of an item without the indentation of the first.
    private static func shifted(_ lines: ArraySlice<Substring>) -> String {
        let indentation = lines.first.map { $0.prefix { $0 == " " } } ?? ""
        return lines.map { $0.hasPrefix(indentation) ? $0.dropFirst(indentation.count) : $0 }.joined(separator: "\n")
    }

    // MARK: Header

    /// What holds for all items, and what was included, in front of the list.
    var heading: [UInt8] {
        var lines: [String] = []
        for (position, member) in header.enumerated()
        where !header[(position + 1)...].contains(where: { $0.key == member.key }) {
            let isPlain = member.key.utf8.allSatisfy {
                $0 == UInt8(ascii: "_") || UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0
            }
            let key = isPlain ? member.key : JSONWriter.text(.string(member.key))
            lines.append("\(key): \(JSONWriter.text(member.node.json))\n")
        }
        return Array((lines + ["\(list):\n"]).joined().utf8)
    }

    private static func header(
        _ lines: [Substring], file: String, files: any FileAccess
    ) throws -> [(key: String, node: YAMLTree)] {
        var members: [(key: String, node: YAMLTree)] = []
        // `header: !include FILE` brings a header in from a file beside the pack.
        var rest: [Substring] = []
        for line in lines {
            guard let range = line.firstRange(of: "!include ") else {
                rest.append(line)
                continue
            }
            let path = String(line[range.upperBound...]).trimmed
            guard !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
                throw ImportError(file: file, reason: "an !include leads out of the pack's folder")
            }
            let bytes = try files.read(path, limit: maximumInclude)
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw ImportError(file: path, reason: "not UTF-8")
            }
            members += try mapping(text, file: path)
        }
        return members + (try mapping(rest.joined(separator: "\n"), file: file))
    }

    private static func mapping(_ text: String, file: String) throws -> [(key: String, node: YAMLTree)] {
        do {
            guard let tree = try Yams.compose(yaml: text, .basic).map(YAMLTree.init) else { return [] }
            guard let members = tree.map else {
                throw ImportError(file: file, line: 1, reason: "no mapping of names to values")
            }
            return members.flatMap { key, value -> [(key: String, node: YAMLTree)] in
                if key == "header", let inner = value.map { return inner.map { ($0.key, $0.value) } }
                return [(key, value)]
            }
        } catch let error as ImportError {
            throw error
        } catch {
            throw ImportError(file: file, reason: "not YAML: \(reason(error))")
        }
    }

    /// What is wrong, without the text around it, which may hold what is to be sealed.
    static func reason(_ error: any Error) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "\(problem) (line \(mark.line))"
        case .duplicatedKeysInMapping: "a name stands there twice"
        default: "it cannot be read"
        }
    }
}
