/// Words that a field may hold.
public struct Vocabulary: Sendable, Hashable {
    /// The words with one line on each, in the order in which to show them.
    public let entries: [Entry]
    /// Whether the field takes nothing else. An open vocabulary also takes any other slug.
    public let isClosed: Bool

    public struct Entry: Sendable, Hashable {
        public let word: String
        public let summary: String
    }

    init(closed: Bool = true, _ entries: [(String, String)]) {
        self.entries = entries.map { Entry(word: $0.0, summary: $0.1) }
        self.isClosed = closed
    }

    init(open words: [String]) {
        self.entries = words.map { Entry(word: $0, summary: "") }
        self.isClosed = false
    }

    public var words: [String] { entries.map(\.word) }

    public func contains(_ word: String) -> Bool {
        entries.contains { $0.word == word }
    }
}

/// The levels of the Traffic Light Protocol 2.0, the widest first.
public enum TLP: String, Sendable, Hashable, CaseIterable, Comparable {
    case clear
    case green
    case amber
    case amberStrict = "amber+strict"
    case red

    /// Whether records of this level go into a log only with every content field sealed.
    public var requiresSealing: Bool { self == .amberStrict || self == .red }

    public static func < (left: TLP, right: TLP) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .clear: 0
        case .green: 1
        case .amber: 2
        case .amberStrict: 3
        case .red: 4
        }
    }
}

/// A confidence level of TagPack with the value, 0 to 100, that goes with it.
public struct ConfidenceLevel: Sendable, Hashable {
    public let name: String
    public let value: Int64

    /// The scheme that a confidence without one means.
    public static let scheme = "tagpack"

    /// Every level, the surest first.
    public static let all: [ConfidenceLevel] = [
        ("override", 100), ("ownership", 100), ("ledger_immanent", 100), ("manual_transaction", 90),
        ("service_api", 70), ("forensic_investigation", 70), ("authority_data", 60), ("trusted_provider", 50),
        ("service_data", 50), ("forensic", 50), ("untrusted_transaction", 40), ("web_crawl", 20), ("heuristic", 10),
        ("unknown", 5),
    ].map { ConfidenceLevel(name: $0.0, value: $0.1) }

    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// The level with this name; `nil` where TagPack has none.
    public static func named(_ name: String) -> ConfidenceLevel? { byName[name] }
}

extension Vocabulary {
    public static let tlp = Vocabulary([
        ("clear", "may be published"),
        ("green", "for the community and its partners"),
        ("amber", "for the agency and those of its clients who need to know"),
        ("amber+strict", "for the agency alone"),
        ("red", "for the named recipients alone"),
    ])

    public static let tagTypes = Vocabulary([
        ("actor", "the subject belongs to the actor"),
        ("event", "the subject took part in an event"),
        ("mention", "the subject was mentioned somewhere"),
        ("attribute", "the subject has a property"),
    ])

    public static let incidentKinds = Vocabulary([
        ("heist", "theft from a service or a protocol"),
        ("ransomware", "extortion after an intrusion"),
        ("cash-out", "turning stolen assets into money"),
        ("laundering", "hiding where assets came from"),
        ("scam", "deception of many"),
        ("fraud", "deception for investment or payment"),
        ("phishing", "theft of keys or credentials"),
        ("extortion", "extortion without an intrusion"),
        ("exploit", "abuse of a contract's flaw"),
        ("sanctions-evasion", "payments around sanctions"),
        ("terrorism-financing", "payments to terrorists"),
        ("other", "none of these"),
    ])

    public static let transferKinds = Vocabulary([
        ("transfer", "a plain payment"),
        ("mixer", "through a mixing service or a coinjoin"),
        ("bridge", "from one chain to another"),
        ("swap", "from one asset to another"),
        ("deposit", "into a service"),
        ("peel", "one step of a peel chain"),
        ("cash-out", "into money"),
    ])

    public static let verdicts = Vocabulary([
        ("corroborates", "own knowledge agrees with the target"),
        ("disputes", "own knowledge contradicts the target"),
    ])

    public static let withdrawalActions = Vocabulary([
        ("retracts", "the target no longer holds"),
        ("supersedes", "the replacement stands for the target"),
    ])

    public static let carrySealed = Vocabulary([
        ("recipients", "sealed blobs go to their recipients only"),
        ("members", "every member may carry sealed blobs it cannot open"),
    ])

    public static let keyRoles = Vocabulary([
        ("log", "signs the checkpoints of this log"),
        ("mirror", "cosigns checkpoints for the node"),
        ("sealing", "opens what is sealed to the node"),
        ("tls", "proves the node's identity on a connection"),
    ])

    public static let keyActions = Vocabulary([
        ("publishes", "the key is in use from now on"),
        ("replaces", "the key takes the place of an older one"),
        ("retires", "the key is no longer used"),
    ])

    public static let confidenceLevels = Vocabulary(ConfidenceLevel.all.map { ($0.name, "\($0.value) of 100") })

    /// Abuse concepts of INTERPOL's taxonomy as TagPacks use them.
    public static let abuseConcepts = Vocabulary(open: [
        "account_hack", "black_list", "child_sexual_abuse", "counterfeit", "data_breach", "drugs", "exploit",
        "extortion", "extremism", "financial_crime", "gov_black_list", "hacking", "human_trafficking",
        "investment_fraud", "malware", "money_laundering", "murder", "payment_card_fraud", "phishing",
        "ponzi_scheme", "pyramid_scheme", "ransomware", "sanction", "scam", "service_hack", "sextortion",
        "sexual_abuse", "social_engineering", "terrorism", "terrorism_financing", "torture", "violence", "weapons",
    ])

    /// What kinds of entity TagPacks and ActorPacks name.
    public static let entityConcepts = Vocabulary(open: [
        "exchange", "deposit_wallet", "hot_wallet", "warm_wallet", "cold_wallet", "escrow_wallet", "ico_wallet",
        "wallet_service", "payment_processor", "faucet", "mixing", "mixing_service", "coinjoin", "defi", "defi_bridge",
        "defi_derivative", "defi_dex", "defi_lending", "collectible", "gambling", "market", "dark_web", "index",
        "miner", "mining_service", "messaging_service", "filesharing", "search_engine", "shop", "donation",
        "organization", "service", "user", "perpetrator", "victim",
    ])

    /// Both kinds of concepts.
    public static let concepts = Vocabulary(open: abuseConcepts.words + entityConcepts.words)
}
