import Records
import Synchronization

/// A YAML file with a header and one long list, as GraphSense writes them. The list is cut into parts by its lines, so
/// that they are read side by side and a broken item spoils no other. What does not fit that shape is refused.
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
    /// The most lines of a file, those of an old address list of the largest size.
    private static let maximumLines = 16 << 20
    /// The most values in a chunk, an item and a header: more than fit in what is made of them.
    private static let maximumNodes = (chunk: 1 << 18, item: 1 << 14, header: 1 << 14)
    /// The longest included file, in bytes, and the longest header with all that was included.
    private static let maximumInclude = 1 << 20
    private static let maximumHeader = 1 << 20

    private struct Chunk: Sendable {
        let firstLine: Int
        let firstItem: Int
        let text: String
    }

    init(file: (name: String, bytes: [UInt8]), list: String, files: any FileAccess) throws {
        name = file.name
        self.list = list
        let bytes = TextBytes.normalised(file.bytes)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ImportError(file: file.name, reason: "not UTF-8")
        }
        guard !bytes.contains(0) else { throw ImportError(file: file.name, reason: "a NUL byte in it") }
        guard bytes.count(where: { $0 == 0x0A }) < YAMLPack.maximumLines else {
            throw ImportError(file: file.name, reason: "over \(YAMLPack.maximumLines) lines; divide it")
        }
        let lines = YAMLPack.lines(text)
        guard let start = lines.firstIndex(where: { $0.hasPrefix(list + ":") }) else {
            throw ImportError(file: file.name, reason: YAMLPack.missing(list, in: lines))
        }
        guard YAMLPack.isBlank(lines[start].dropFirst(list.count + 1)) else {
            throw ImportError(
                file: file.name, line: start + 1,
                reason: "the items of `\(list):` must stand below it, each behind a dash on a line of its own")
        }
        let body = lines[(start + 1)...]
        let end =
            body.firstIndex { line in
                guard let first = line.first else { return false }
                return !first.isWhitespace && first != "-" && first != "#"
            } ?? lines.endIndex
        let outside = lines[..<start] + lines[end...]
        header = try YAMLPack.header(Array(outside), list: list, file: file.name, files: files) { line in
            // The lines of the list were taken out.
            line <= start ? line : line + (end - start)
        }
        chunks = try YAMLPack.chunks(body[..<end], file: file.name, list: list)
    }

    private static func missing(_ list: String, in lines: [Substring]) -> String {
        let other = list == "tags" ? (list: "actors", format: "actorpack") : (list: "tags", format: "tagpack")
        return lines.contains { $0.hasPrefix(other.list + ":") }
            ? "no list `\(list):` in it, but `\(other.list):`; import it with --format \(other.format)"
            : "no list `\(list):` in it, as a line of its own (an ActorPack has `actors:`, a TagPack `tags:`)"
    }

    var chunkCount: Int { chunks.count }

    /// What the closure makes of each item of one chunk; where the chunk is not valid YAML, each item is read by itself.
    func items<Result>(ofChunk number: Int, _ make: (Item) -> Result) -> [Result] {
        let chunk = chunks[number]
        if let document = try? YAMLReader.read(chunk.text, maximumNodes: YAMLPack.maximumNodes.chunk),
            let trees = document.root?.list
        {
            let count = trees.count
            let texts = ItemTexts(chunk.text)
            return zip(trees, document.lines).enumerated().map { offset, each in
                let (tree, line) = each
                return make(
                    Item(
                        position: ImportPosition(line: chunk.firstLine + line - 1, item: chunk.firstItem + offset),
                        node: tree, problem: nil
                    ) { texts.text(offset, of: count) ?? Array("- ".utf8) + JSONWriter.write(tree.json) })
            }
        }
        var line = chunk.firstLine
        return YAMLPack.items(YAMLPack.lines(chunk.text)[...]).enumerated().map { offset, lines in
            defer { line += lines.count }
            let row = Array(YAMLPack.shifted(lines).utf8)
            let position = ImportPosition(line: line, item: chunk.firstItem + offset)
            do {
                let document = try YAMLReader.read(
                    lines.joined(separator: "\n"), maximumNodes: YAMLPack.maximumNodes.item)
                guard let items = document.root?.list, let node = items.first, items.count == 1 else {
                    return make(Item(position: position, node: nil, problem: "not one item") { row })
                }
                return make(Item(position: position, node: node, problem: nil) { row })
            } catch {
                return make(
                    Item(position: position, node: nil, problem: YAMLPack.reason(error, in: lines)) { row })
            }
        }
    }

    // MARK: Cutting

    /// Of text whose line breaks are line feeds.
    private static func lines(_ text: String) -> [Substring] {
        text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).map { Substring($0) }
    }

    /// Whether nothing is there, or only a comment.
    private static func isBlank(_ text: Substring) -> Bool {
        guard let first = text.first(where: { $0 != " " && $0 != "\t" }) else { return true }
        return first == "#"
    }

    private static func chunks(_ body: ArraySlice<Substring>, file: String, list: String) throws -> [Chunk] {
        let items = items(body)
        if let line = body[..<(items.first?.startIndex ?? body.startIndex)].firstIndex(where: { !isBlank($0) }) {
            throw ImportError(file: file, line: line + 1, reason: "no item of `\(list):`, which begin with a dash")
        }
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
                    ?? YAMLPack.items(YAMLPack.lines(chunk)[...]).map(YAMLPack.shifted)
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
        for member in header {
            let isPlain = member.key.utf8.allSatisfy {
                $0 == UInt8(ascii: "_") || UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0
            }
            let key = isPlain ? member.key : JSONWriter.text(.string(member.key))
            lines.append("\(key): \(JSONWriter.text(member.node.json))\n")
        }
        return Array((lines + ["\(list):\n"]).joined().utf8)
    }

    /// `line` says where a line of the header stands in the file.
    private static func header(
        _ lines: [Substring], list: String, file: String, files: any FileAccess, line: (Int) -> Int
    ) throws -> [(key: String, node: YAMLTree)] {
        let text = lines.joined(separator: "\n")
        let own = try mapping(text, list: list, file: file, includes: true, line: line)
        var size = text.utf8.count
        var members: [(key: String, node: YAMLTree)] = []
        // `header: !include FILE` brings a header in from a file beside the pack.
        for (path, line) in own.includes {
            guard !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
                throw ImportError(file: file, line: line, reason: "an !include leads out of the pack's folder")
            }
            let bytes = TextBytes.normalised(try files.read(path, limit: maximumInclude))
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw ImportError(file: path, reason: "not UTF-8")
            }
            size += bytes.count
            guard size <= maximumHeader else { break }
            members += try mapping(text, list: list, file: path, includes: false) { $0 }.members
        }
        guard size <= maximumHeader else {
            throw ImportError(file: file, reason: "over \(maximumHeader) bytes beside the list, with what it includes")
        }
        members += own.members
        // What the pack says itself counts, whatever it includes.
        var seen: Set<String> = []
        return Array(members.reversed().filter { seen.insert($0.key).inserted }.reversed())
    }

    private static func mapping(
        _ text: String, list: String, file: String, includes: Bool, line: (Int) -> Int
    ) throws -> (members: [(key: String, node: YAMLTree)], includes: [(path: String, line: Int)]) {
        guard lines(text).count(where: { $0.hasPrefix("%") }) <= 16 else {
            throw ImportError(file: file, reason: "too many lines that begin with %")
        }
        let document: YAMLDocument
        do {
            document = try YAMLReader.read(text, maximumNodes: maximumNodes.header, includes: includes)
        } catch let problem as YAMLProblem {
            throw ImportError(
                file: file, line: line(problem.line), reason: "not YAML as packs have it: \(problem.reason)")
        }
        guard let root = document.root else { return ([], []) }
        guard let members = root.map else {
            throw ImportError(file: file, line: line(1), reason: "no mapping of names to values")
        }
        var seen: Set<String> = []
        var result: [(key: String, node: YAMLTree)] = []
        func add(_ key: String, _ node: YAMLTree, _ number: Int) throws {
            guard key != list else {
                throw ImportError(file: file, line: line(number), reason: "a second list `\(list):`; make one of them")
            }
            guard seen.insert(key).inserted else {
                throw ImportError(file: file, line: line(number), reason: "a name stands there twice")
            }
            result.append((key, node))
        }
        for (member, number) in zip(members, document.lines) {
            if member.key == "header", let inner = member.value.map {
                for each in inner { try add(each.key, each.value, number) }
            } else {
                try add(member.key, member.value, number)
            }
        }
        return (result, document.includes.map { ($0.path, line($0.line)) })
    }

    /// What is wrong, and where in an item: said so that it holds wherever the item stands. What is missing at the end
    /// is missing in the last line that has anything in it.
    private static func reason(_ error: any Error, in lines: ArraySlice<Substring>) -> String {
        guard let problem = error as? YAMLProblem else { return "it cannot be read" }
        let last = lines.lastIndex { !isBlank($0) } ?? lines.startIndex
        let line = min(problem.line, last - lines.startIndex + 1)
        return line > 1 ? "\(problem.reason) (in line \(line) of this item)" : problem.reason
    }
}
