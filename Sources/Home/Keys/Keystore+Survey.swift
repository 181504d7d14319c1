import Cryptography
import Glibc

// What key files say of a node whose configuration is lost.
extension Keystore {
    /// The logs for which there is a key: the community, and which log of this node in it, from 1; sorted.
    ///
    /// - Parameter withNext: also those of which only the key is there that is to replace the one before.
    public func logGenerations(withNext: Bool = false) throws -> [(community: String, generation: UInt64)] {
        let files = try Keystore.logFiles(in: home).map { ($0.community, $0.generation) }
        let next =
            try withNext ? Keystore.logFiles(in: home, ending: ".next.key").map { ($0.community, $0.generation) } : []
        return (files + next.filter { each in !files.contains { $0 == each } }).sorted { $0 < $1 }
    }

    private static func logFiles(
        in home: HomeFolder, ending: String = ".key"
    ) throws -> [(name: String, community: String, generation: UInt64)] {
        try SystemCall.names(in: home.keysFolder, limit: 10_000).compactMap { name -> (String, String, UInt64)? in
            guard name.hasPrefix("log-"), name.hasSuffix(ending) else { return nil }
            let parts = name.dropFirst(4).dropLast(ending.count).split(separator: ".", omittingEmptySubsequences: false)
            guard let community = parts.first.map(String.init), Names.isCommunity(community), parts.count <= 2 else {
                return nil
            }
            guard parts.count == 2 else { return (name, community, 1) }
            // Community names have no dots, and the first log's file has no number.
            guard let number = Names.number(parts[1].utf8, maximum: 9_007_199_254_740_991), number > 1 else {
                return nil
            }
            return (name, community, number)
        }
    }

    /// Whether the name of the node can be read there.
    package static func hasName(in home: HomeFolder) throws -> Bool {
        try home.hasKeys || !logFiles(in: home).isEmpty
    }

    /// The node's name, as the file of its mirror key has it, or, where that is gone, that of a log's.
    ///
    /// Throws `noInput` without such a file, `configuration` where it is malformed.
    public static func nodeName(in home: HomeFolder) throws -> String {
        var file = KeyFile(path: "\(home.keysFolder)/mirror.key", purpose: .mirror, name: "")
        if try SystemCall.status(file.path) == nil, let log = try logFiles(in: home).first {
            file = KeyFile(path: "\(home.keysFolder)/\(log.name)", purpose: .log, name: "")
        }
        let name = try file.readName().split(separator: "/", omittingEmptySubsequences: false)[0]
        guard Names.isNode(String(name)) else {
            throw HomeError(.configuration, "is not the key of a node", path: file.path)
        }
        return String(name)
    }
}
