/// What the check of a chain says about an address.
public enum AddressVerdict: Hashable, Sendable {
    /// The checksum matches.
    case valid
    /// The form is right, or not known here; it has no checksum that could be wrong.
    case unchecked
    /// The reason is half a sentence, and does not quote the address.
    case invalid(reason: String)
}

/// Checks addresses and transaction hashes, and makes the keys by which they are matched.
public enum AddressCheck {
    /// The longest address or transaction hash that is looked at, in bytes of UTF-8.
    public static let maximumByteCount = 128

    /// Checks form and checksum of an address as the chain defines them. The text is taken as it is: a
    /// trailing space makes it invalid.
    public static func verdict(_ address: String, on chain: Chain) -> AddressVerdict {
        var address = address
        return address.withUTF8 { text in
            if let fault = boundsFault(text) { return .invalid(reason: fault.description) }
            switch outcome(text, chain.format) {
            case .valid: return .valid
            case .unchecked: return .unchecked
            case .invalid(let reason):
                guard let owner = recognise(text, except: chain.format) else {
                    return .invalid(reason: reason.description)
                }
                return .invalid(reason: "\(withArticle(owner)) address, not \(withArticle(chain.name)) one")
            }
        }
    }

    /// The chains that the address can belong to, for a search that names none.
    ///
    /// Where a checksum matches, the chains whose checksum it is; otherwise those whose addresses look like
    /// it without a checksum, and all whose form is not known here. Empty only for what can be no address.
    public static func chains(plausibleFor address: String) -> [Chain] {
        var address = address
        return address.withUTF8 { text in
            guard boundsFault(text) == nil else { return [] }
            var valid: [Chain] = []
            var unchecked: [Chain] = []
            for chain in Chain.all {
                switch outcome(text, chain.format) {
                case .valid: valid.append(chain)
                case .unchecked: unchecked.append(chain)
                case .invalid: break
                }
            }
            return valid.isEmpty ? unchecked : valid
        }
    }

    /// What holds for the addresses of every chain, known or not; `nil` where nothing is wrong.
    static func boundsFault(_ text: UnsafeBufferPointer<UInt8>) -> StaticString? {
        if text.isEmpty { return "empty" }
        if text.count > maximumByteCount { return "longer than 128 bytes" }
        for byte in text {
            if byte <= 0x20 || byte == 0x7f { return "white space or a control character in it" }
            // Neither an address nor a hash has any; white space and controls also hide up there.
            if byte >= 0x80 { return "a character outside ASCII in it" }
        }
        return nil
    }

    static func outcome(_ text: UnsafeBufferPointer<UInt8>, _ format: AddressFormat) -> AddressOutcome {
        switch format {
        case .bitcoin(let versions, let prefix): BitcoinAddress.check(text, versions: versions, prefix: prefix)
        case .cashAddress(let prefix): CashAddress.check(text, prefix: prefix)
        case .litecoin: BitcoinAddress.checkLitecoin(text)
        case .evm: EVMAddress.check(text)
        case .rootstock: EVMAddress.check(text, salt: "300x")
        case .xdc: EVMAddress.checkXDC(text)
        case .tron: TronAddress.check(text)
        case .zcash: ZcashAddress.check(text)
        case .ripple: RippleAddress.check(text)
        case .solana: SolanaAddress.check(text)
        case .monero: MoneroAddress.check(text)
        case .cardano: CardanoAddress.check(text)
        case .cosmos(let prefix): CosmosAddress.check(text, prefix: prefix)
        case .ton: TONAddress.check(text)
        case .substrate(let networks): SubstrateAddress.check(text, networks: networks)
        case .stellar: StellarAddress.check(text)
        case .algorand: AlgorandAddress.check(text)
        case .antelope: AntelopeAccount.check(text)
        case .other: .unchecked
        }
    }

    /// Whose address the text is beyond doubt, among the other formats.
    private static func recognise(_ text: UnsafeBufferPointer<UInt8>, except format: AddressFormat) -> String? {
        for candidate in distinctFormats where candidate.format != format {
            switch outcome(text, candidate.format) {
            case .valid: return candidate.name
            // Nothing else looks like 0x and 40 digits; other forms without a checksum prove nothing.
            case .unchecked where candidate.format == .evm: return candidate.name
            case .unchecked, .invalid: break
            }
        }
        return nil
    }

    /// Each format with the name of the first chain that uses it.
    private static let distinctFormats: [(format: AddressFormat, name: String)] = {
        var formats: [(format: AddressFormat, name: String)] = []
        for chain in Chain.all where chain.format != .other && !formats.contains(where: { $0.format == chain.format }) {
            formats.append((chain.format, chain.format == .evm ? "EVM" : chain.name))
        }
        return formats
    }()

    private static func withArticle(_ name: String) -> String {
        switch name.utf8.first {
        case UInt8(ascii: "A"), UInt8(ascii: "E"), UInt8(ascii: "I"), UInt8(ascii: "O"): "an \(name)"
        default: name.hasPrefix("XRP") || name.hasPrefix("XDC") ? "an \(name)" : "a \(name)"
        }
    }
}

/// A verdict whose reason costs no allocation.
enum AddressOutcome: Sendable {
    case valid
    case unchecked
    case invalid(StaticString)
}
