import Glibc

/// The peer cards of a home, `peers/NODE.yaml`.
///
/// Cards say who a partner is. To which communities it is admitted stands in `node.yaml` alone.
public struct PeerDirectory: Sendable {
    /// The most files looked at in the folder.
    public static let maximumCount = 10_000

    private let home: HomeFolder

    public init(_ home: HomeFolder) {
        self.home = home
    }

    /// The names of the nodes that have a card, sorted. Other files are passed over.
    public func nodes() throws -> [String] {
        try SystemCall.names(in: home.peersFolder, limit: PeerDirectory.maximumCount).compactMap { name in
            guard name.hasSuffix(".yaml") else { return nil }
            let node = String(name.dropLast(5))
            return Names.isNode(node) ? node : nil
        }
    }

    /// The card of a node. Throws `noInput` where there is none, `badInput` with file and line for a malformed one.
    public func card(of node: String) throws -> PeerCard {
        let path = try path(of: node)
        guard try SystemCall.status(path) != nil else { throw noCard(node, path) }
        let card = try PeerCard(
            parsing: OpenFile(path, O_RDONLY | O_NONBLOCK).readAll(limit: PeerCard.maximumByteCount), path: path)
        guard card.node == node else {
            throw HomeError(
                .badInput, "is the card of \(card.node); name the file \(card.node).yaml", path: path)
        }
        return card
    }

    /// All cards, sorted by node, and what is wrong with those that cannot be read: one bad card stops no other.
    public func all() throws -> (cards: [PeerCard], problems: [HomeError]) {
        var cards: [PeerCard] = []
        var problems: [HomeError] = []
        for node in try nodes() {
            do {
                cards.append(try card(of: node))
            } catch let problem as HomeError {
                problems.append(problem)
            }
        }
        return (cards, problems)
    }

    /// Reads a card from a file anywhere, as a partner sent it.
    public static func read(_ path: String) throws -> PeerCard {
        // Symbolic links are followed here: the file is the user's own choice.
        guard let resolved = realpath(path, nil) else { throw SystemCall.error("cannot be opened", path) }
        defer { free(resolved) }
        let file = try OpenFile(String(cString: resolved), O_RDONLY | O_NONBLOCK)
        return try PeerCard(parsing: file.readAll(limit: PeerCard.maximumByteCount), path: path)
    }

    /// Stores a new card. Throws `exists` where the node has one.
    public func add(_ card: PeerCard) throws {
        let path = try path(of: card.node)
        do {
            try AtomicFile.create(bytes(of: card, path), at: path)
        } catch let error as HomeError where error.category == .exists {
            throw HomeError(
                .exists, "a card of \(card.node) is there already; compare the fingerprints and replace it on purpose",
                path: path)
        }
    }

    /// Stores a card in the place of the node's old one, in one step. Throws `noInput` where it has none.
    public func replace(_ card: PeerCard) throws {
        let path = try path(of: card.node)
        guard try SystemCall.status(path) != nil else { throw noCard(card.node, path) }
        try AtomicFile.write(bytes(of: card, path), to: path)
    }

    /// Removes a node's card. Throws `noInput` where it has none.
    public func remove(_ node: String) throws {
        let path = try path(of: node)
        guard unlink(path) == 0 else {
            throw errno == ENOENT ? noCard(node, path) : SystemCall.error("cannot be removed", path)
        }
        try SystemCall.synchronise(folder: home.peersFolder)
    }

    /// The text of the card, which is sure to read back: a card of very many logs could be too long.
    private func bytes(of card: PeerCard, _ path: String) throws -> [UInt8] {
        let bytes = [UInt8](card.text().utf8)
        guard try PeerCard(parsing: bytes, path: path) == card else {
            throw HomeError(.badInput, "would not read back as it is; nothing was changed", path: path)
        }
        return bytes
    }

    private func path(of node: String) throws -> String {
        guard Names.isNode(node) else {
            throw HomeError(.usage, "\(Display.quoted(node)) is no node name; \(Names.nodeRule)")
        }
        return "\(home.peersFolder)/\(node).yaml"
    }

    private func noCard(_ node: String, _ path: String) -> HomeError {
        HomeError(.noInput, "there is no card of \(node); add it with peer add", path: path)
    }
}
