extension Chain {
    /// Every chain known here. Where two use one ticker, the first keeps it.
    ///
    /// Identifiers are those that CAIP-2's namespaces define or that are in common use; a chain without one is
    /// named by its SLIP-44 coin type.
    public static let all: [Chain] = bitcoinKin + evmChains + accountChains + zones + substrates + unchecked

    private static let bitcoinKin: [Chain] = [
        Chain(
            "bip122:000000000019d6689c085ae165831e93", "Bitcoin", "BTC", ["xbt", "btc mainnet", "omni"],
            .bitcoin(versions: [0, 5], prefix: "bc")),
        Chain("bip122:12a765e31ffd4059bada1e25190f6e98", "Litecoin", "LTC", [], .litecoin),
        Chain(
            "bip122:000000000000000000651ef99cb9fcbe", "Bitcoin Cash", "BCH", ["bitcoincash", "bitcoin-cash", "bcc"],
            .cashAddress(prefix: "bitcoincash")),
        Chain(
            "bip122:1a91e3dace36e2be3bf030a65679fe82", "Dogecoin", "DOGE", ["xdg"], .bitcoin(versions: [30, 22])),
        Chain("bip122:00000ffd590b1485b3caadc19b22e637", "Dash", "DASH", [], .bitcoin(versions: [76, 16])),
        Chain("bip122:00040fe8ec8471911baa1db1266ea15d", "Zcash", "ZEC", [], .zcash),
        Chain(
            "bip122:000000000000000001d956714215d96f", "Bitcoin SV", "BSV", ["bitcoinsv", "bitcoin-sv", "bchsv"],
            .bitcoin(versions: [0, 5])),
        Chain(
            "slip44:156", "Bitcoin Gold", "BTG", ["bitcoingold", "bitcoin-gold"],
            .bitcoin(versions: [38, 23], prefix: "btg")),
        Chain("bip122:000000000000000004284c9d8b2c8ff7", "eCash", "XEC", ["bcha"], .cashAddress(prefix: "ecash")),
        Chain(
            "bip122:7497ea1b465eb39f1c8f507bc877078f", "DigiByte", "DGB", [],
            .bitcoin(versions: [30, 63, 5], prefix: "dgb")),
        Chain("bip122:00000fc63692467faeb20cdb3b53200d", "Verge", "XVG", [], .bitcoin(versions: [30, 33])),
        Chain(
            "bip122:000075aef83cf2853580f8ae8ce6f8c3", "Qtum", "QTUM", [], .bitcoin(versions: [58, 50], prefix: "qc")),
        Chain(
            "bip122:0000006b444bc2f2ffe627be9d9e7e7a", "Ravencoin", "RVN", [], .bitcoin(versions: [60, 122])),
    ]

    private static let evmChains: [Chain] = [
        evm(1, "Ethereum", "ETH", ["eth mainnet", "erc20", "erc-20", "ether"]),
        evm(56, "BNB Smart Chain", "BSC", ["bnb", "bep20", "bep-20", "binance smart chain", "bnb chain"]),
        evm(42161, "Arbitrum One", "ARB", ["arbitrum"]),
        evm(137, "Polygon", "POL", ["matic", "polygon pos"]),
        evm(10, "Optimism", "OP", ["op mainnet"]),
        evm(8453, "Base", "BASE"),
        evm(43114, "Avalanche C-Chain", "AVAX", ["avalanche", "avaxc", "avax-c", "avalanche c"]),
        evm(61, "Ethereum Classic", "ETC", ["ethereumclassic", "ethereum-classic"]),
        evm(250, "Fantom", "FTM", ["fantom opera"]),
        evm(146, "Sonic", "S"),
        evm(100, "Gnosis", "XDAI", ["gnosis chain"]),
        evm(25, "Cronos", "CRO"),
        evm(321, "KuCoin Community Chain", "KCS", ["kcc"]),
        evm(66, "OKX Chain", "OKT", ["okc", "okexchain", "oktc"]),
        evm(128, "Huobi ECO Chain", "HT", ["heco"]),
        evm(42220, "Celo", "CELO"),
        evm(59144, "Linea", "LINEA"),
        evm(324, "zkSync Era", "ZKSYNC", ["zksync", "zk"]),
        evm(1101, "Polygon zkEVM", "ZKEVM"),
        evm(534352, "Scroll", "SCROLL"),
        evm(81457, "Blast", "BLAST"),
        evm(5000, "Mantle", "MNT"),
        evm(2020, "Ronin", "RON"),
        evm(1284, "Moonbeam", "GLMR"),
        evm(1285, "Moonriver", "MOVR"),
        evm(1088, "Metis", "METIS"),
        evm(8217, "Kaia", "KAIA", ["klaytn", "klay"]),
        evm(1666600000, "Harmony", "ONE"),
        evm(1313161554, "Aurora", "AURORA"),
        evm(14, "Flare", "FLR"),
        evm(19, "Songbird", "SGB"),
        evm(361, "Theta", "THETA"),
        evm(820, "Callisto", "CLO"),
        evm(24, "KardiaChain", "KAI", ["kaihot"]),
        evm(40, "Telos EVM", "TLOSEVM"),
        evm(88, "Viction", "VIC", ["tomochain", "tomo"]),
        evm(4689, "IoTeX", "IOTX"),
        evm(888, "Wanchain", "WAN"),
        evm(10000, "SmartBCH", "SBCH"),
        evm(80094, "Berachain", "BERA"),
        evm(130, "Unichain", "UNICHAIN"),
        evm(480, "World Chain", "WORLDCHAIN"),
        evm(999, "HyperEVM", "HYPE", ["hyperliquid"]),
        Chain("eip155:30", "Rootstock", "RBTC", ["rsk"], .rootstock),
        Chain("eip155:50", "XDC Network", "XDC", ["xinfin"], .xdc),
    ]

    private static func evm(_ id: Int, _ name: String, _ ticker: String, _ aliases: [String] = []) -> Chain {
        Chain("eip155:\(id)", name, ticker, aliases, .evm)
    }

    private static let accountChains: [Chain] = [
        Chain("tron:0x2b6653dc", "Tron", "TRX", ["trc20", "trc-20", "tron:728126428", "tron:mainnet"], .tron),
        Chain("xrpl:0", "XRP Ledger", "XRP", ["ripple", "xrpl"], .ripple),
        Chain("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "Solana", "SOL", ["spl", "solana:mainnet"], .solana),
        Chain("monero:418015bb9ae982a1975da7d79277c270", "Monero", "XMR", [], .monero),
        Chain("cip34:1-764824073", "Cardano", "ADA", [], .cardano),
        Chain("tvm:-239", "TON", "TON", ["toncoin", "the open network", "ton:-239"], .ton),
        Chain("stellar:pubnet", "Stellar", "XLM", ["lumens"], .stellar),
        Chain("algorand:wGHE2Pwdvd7S12BL5FaOP20EGYesN73k", "Algorand", "ALGO", [], .algorand),
        Chain("antelope:aca376f206b8fc25a6ed44dbdc66547c", "EOS", "EOS", ["vaulta", "eosio", "a"], .antelope),
        Chain("antelope:1064487b3cd1a897ce03ae5b6a865651", "WAX", "WAXP", ["wax"], .antelope),
        Chain("antelope:4667b205c6838ef70ff7988f6e8257e8", "Telos", "TLOS", [], .antelope),
    ]

    private static let zones: [Chain] = [
        zone("cosmoshub-4", "Cosmos Hub", "ATOM", "cosmos", ["cosmos"]),
        zone("Binance-Chain-Tigris", "BNB Beacon Chain", "BEP2", "bnb", ["bep-2", "binance chain"]),
        zone("phoenix-1", "Terra", "LUNA", "terra", ["luna2"]),
        zone("columbus-5", "Terra Classic", "LUNC", "terra"),
        zone("osmosis-1", "Osmosis", "OSMO", "osmo"),
        zone("injective-1", "Injective", "INJ", "inj"),
        zone("thorchain-1", "THORChain", "RUNE", "thor"),
        zone("celestia", "Celestia", "TIA", "celestia"),
        zone("axelar-dojo-1", "Axelar", "AXL", "axelar"),
        zone("secret-4", "Secret", "SCRT", "secret"),
        zone("akashnet-2", "Akash", "AKT", "akash"),
        zone("noble-1", "Noble", "NOBLE", "noble"),
        zone("neutron-1", "Neutron", "NTRN", "neutron"),
    ]

    private static func zone(
        _ id: String, _ name: String, _ ticker: String, _ prefix: String, _ aliases: [String] = []
    ) -> Chain {
        Chain("cosmos:\(id)", name, ticker, aliases, .cosmos(prefix: prefix))
    }

    private static let substrates: [Chain] = [
        // 42 is SS58's number for no particular network: such an address is the same key's.
        Chain("polkadot:91b171bb158e2d3848fa23a9f1c25182", "Polkadot", "DOT", [], .substrate(networks: [0, 42])),
        Chain("polkadot:b0a8d493285c2df73290dfb7e61f870f", "Kusama", "KSM", [], .substrate(networks: [2, 42])),
        Chain("polkadot:2f0555cc76fc2840a25a6ea3b9637146", "Bittensor", "TAO", [], .substrate(networks: [42])),
    ]

    /// Chains whose addresses have no check here yet.
    private static let unchecked: [Chain] = [
        Chain("bip122:298e5cc3d985bfe7f81dc135f360abe0", "Decred", "DCR", [], .other),
        Chain(
            "bip122:1466275836220db2944ca059a3a10ef6", "Liquid", "L-BTC", ["lbtc", "liquid network", "blockstream"],
            .other),
        Chain("fil:f", "Filecoin", "FIL", [], .other),
        Chain("tezos:NetXdQprcVkpaWU", "Tezos", "XTZ", [], .other),
        Chain("near:mainnet", "NEAR", "NEAR", ["near protocol"], .other),
        Chain("aptos:1", "Aptos", "APT", [], .other),
        Chain("sui:mainnet", "Sui", "SUI", [], .other),
        Chain("hedera:mainnet", "Hedera", "HBAR", [], .other),
        Chain("mvx:1", "MultiversX", "EGLD", ["elrond"], .other),
        Chain("iota:mainnet", "IOTA", "IOTA", ["miota"], .other),
        Chain("neo:860833102", "Neo", "NEO", ["neo n3"], .other),
        Chain("vechain:b1ac3413d346d43539627e6be7ec1b4a", "VeChain", "VET", [], .other),
        Chain("waves:087", "Waves", "WAVES", [], .other),
        Chain("stacks:1", "Stacks", "STX", [], .other),
        Chain("starknet:SN_MAIN", "Starknet", "STRK", [], .other),
        Chain("flow:mainnet", "Flow", "FLOW", [], .other),
        Chain("mina:mainnet", "Mina", "MINA", [], .other),
        Chain("arweave:7wIU", "Arweave", "AR", [], .other),
        Chain("casper:casper", "Casper", "CSPR", [], .other),
        Chain("slip44:313", "Zilliqa", "ZIL", ["ziliqa"], .other),
        Chain("slip44:223", "Internet Computer", "ICP", ["dfinity"], .other),
        Chain("slip44:474", "Oasis", "ROSE", ["oasis network"], .other),
        Chain("slip44:1022", "Radix", "XRD", [], .other),
        Chain("slip44:4219", "Shimmer", "SMR", [], .other),
        Chain("slip44:111111", "Kaspa", "KAS", [], .other),
        Chain("slip44:309", "Nervos", "CKB", [], .other),
        Chain("slip44:165", "Nano", "XNO", ["nano currency"], .other),
        Chain("slip44:74", "ICON", "ICX", [], .other),
        Chain("slip44:360", "V Systems", "VSYS", ["v-systems"], .other),
        Chain("slip44:425", "Aion", "AION", [], .other),
        Chain("slip44:866", "MobileCoin", "MOB", [], .other),
        Chain("slip44:2302", "Metaverse", "ETP", [], .other),
        Chain("slip44:1024", "Ontology", "ONT", [], .other),
        Chain("ccd:9dd9ca4d19e9393877d2c44b70f89acb", "Concordium", "CCD", [], .other),
    ]

    /// The form of a chain's addresses, also for an EVM chain that the table does not list.
    static func format(of caip2: String) -> AddressFormat {
        if let format = formats[caip2] { return format }
        return caip2.utf8.starts(with: "eip155:".utf8) ? .evm : .other
    }

    private static let formats: [String: AddressFormat] = Dictionary(
        all.map { ($0.caip2, $0.format) }, uniquingKeysWith: { first, _ in first })
}
