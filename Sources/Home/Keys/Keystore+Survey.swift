import Cryptography
import Glibc

// What key files say of a node whose configuration is lost.
extension Keystore {
    /// The logs for which there is a key: the community, and which log of this node in it, from 1; sorted.
    public func logGenerations() throws -> [(community: String, generation: UInt64)] {
        try SystemCall.names(in: home.keysFolder, limit: 10_000).compactMap { name -> (String, UInt64)? in
            guard name.hasPrefix("log-"), name.hasSuffix(".key") else { return nil }
            let parts = name.dropFirst(4).dropLast(4).split(separator: ".", omittingEmptySubsequences: false)
            guard let community = parts.first.map(String.init), Names.isCommunity(community), parts.count <= 2 else {
                return nil
            }
            guard parts.count == 2 else { return (community, 1) }
            // Community names have no dots, and the first log's file has no number.
            guard let number = Names.number(parts[1].utf8, maximum: 9_007_199_254_740_991), number > 1 else {
                return nil
            }
            return (community, number)
        }.sorted { $0 < $1 }
    }

    /// The node's name, as the file of its mirror key has it.
    ///
    /// Throws `noInput` without that file, `configuration` where it is malformed.
    public static func nodeName(in home: HomeFolder) throws -> String {
        let file = KeyFile(path: "\(home.keysFolder)/mirror.key", purpose: .mirror, name: "")
        let name = try file.readName()
        guard Names.isNode(name) else {
            throw HomeError(.configuration, "is not the key of a node", path: file.path)
        }
        return name
    }
}
