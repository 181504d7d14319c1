/// A blockchain that subjects live on, named by its CAIP-2 identifier.
///
/// Two values are equal when their identifiers are.
public struct Chain: Sendable {
    /// The CAIP-2 identifier, for example `eip155:1`.
    public let caip2: String
    /// The name that people use, for example `Ethereum`.
    public let name: String
    /// The ticker of the chain's own coin, for example `ETH`; a short name where several chains share a coin.
    public let ticker: String

    /// Further names of the chain, in lower case.
    let aliases: [String]
    /// What its addresses look like and how they are checked.
    let format: AddressFormat

    init(_ caip2: String, _ name: String, _ ticker: String, _ aliases: [String] = [], _ format: AddressFormat) {
        self.caip2 = caip2
        self.name = name
        self.ticker = ticker
        self.aliases = aliases
        self.format = format
    }

    /// The chain with this CAIP-2 identifier, ticker or name, in any letter case; `nil` where none is known.
    ///
    /// A token that lives on several chains (USDT, USDC) names none of them.
    public static func resolve(_ alias: String) -> Chain? {
        // No alias is longer, and looking up or folding a long text would cost its whole length.
        guard alias.utf8.count <= longestAlias, let index = indexByAlias[alias] ?? indexByAlias[fold(alias)] else {
            return nil
        }
        return all[index]
    }

    /// Every alias in lower case, and the usual spellings as they are: most look-ups need no folding.
    private static let indexByAlias: [String: Int] = {
        var table: [String: Int] = [:]
        for (index, chain) in all.enumerated() {
            for name in [chain.caip2, chain.ticker, chain.name] {
                // The first chain of the table keeps a ticker that two of them use.
                for key in [name, fold(name)] where table[key] == nil {
                    table[key] = index
                }
            }
            for key in chain.aliases where table[key] == nil {
                table[key] = index
            }
        }
        return table
    }()

    private static let longestAlias = indexByAlias.keys.map(\.utf8.count).max() ?? 0

    private static func fold(_ text: String) -> String {
        String(decoding: text.utf8.map(ASCII.lowercased), as: UTF8.self)
    }
}

extension Chain: Hashable {
    public static func == (left: Chain, right: Chain) -> Bool {
        left.caip2 == right.caip2
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(caip2)
    }
}

extension Chain: CustomStringConvertible {
    public var description: String { caip2 }
}
