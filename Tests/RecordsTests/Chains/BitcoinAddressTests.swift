import Records
import Testing

@Suite("Bitcoin addresses and their kin")
struct BitcoinAddressTests {
    @Test(
        "segwit addresses that BIP-350 calls valid are valid",
        arguments: [
            "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
            "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
            "BC1SW50QGDZ25J",
            "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        ])
    func validSegwit(address: String) {
        #expect(verdict(address, "BTC") == .valid)
    }

    @Test(
        "segwit addresses that BIP-350 calls invalid are invalid",
        arguments: [
            "tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
            "BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh",
            "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4",
            "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R",
            "bc1pw5dgrnzv",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav",
            "BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf",
            "bc1gmk9yu",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7KV8F3T4",
            "bc1",
            "bc1q",
            "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
        ])
    func invalidSegwit(address: String) {
        #expect(isInvalid(address, "BTC"))
    }

    @Test("a wrong segwit address says what is wrong with it")
    func segwitReasons() {
        #expect(
            verdict("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "BTC")
                == .invalid(reason: "bech32 checksum does not match"))
        #expect(
            verdict("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kV8F3T4", "BTC")
                == .invalid(reason: "bech32 in mixed letter case"))
    }

    @Test("base58check is valid with the chain's own versions only")
    func base58Versions() {
        #expect(verdict("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo", "BTC") == .valid)
        #expect(verdict("36j4NfKv6Akva9amjWrLG6MuSQym1GuEmm", "BTC") == .valid)
        #expect(
            verdict("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mp", "BTC")
                == .invalid(reason: "base58 checksum does not match"))
        #expect(
            verdict("mfWyW5fc9NUj75YAnFgoRLrjxgLDn2MMth", "BTC")
                == .invalid(reason: "a base58 address of another network"))
        #expect(
            verdict("111111111111111111117K4nzc", "BTC") == .invalid(reason: "base58 of the wrong length"))
        #expect(isInvalid("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2m0", "BTC"))
        #expect(isInvalid("1", "BTC"))
    }

    @Test("an address of another chain is named as such")
    func otherChains() {
        #expect(
            verdict("TJRyWwFs9wTFGZg3JbrVriFbNfCug5tDeC", "BTC")
                == .invalid(reason: "a Tron address, not a Bitcoin one"))
        #expect(
            verdict("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo", "ETH")
                == .invalid(reason: "a Bitcoin address, not an Ethereum one"))
        #expect(
            verdict("0xde709f2102306220921060314715629080e2fb77", "TRX")
                == .invalid(reason: "an EVM address, not a Tron one"))
        #expect(
            verdict("r36yxStAh7qgTQNHTzjZvXybCTzUFhrfav", "XLM")
                == .invalid(reason: "an XRP Ledger address, not a Stellar one"))
    }

    @Test("Litecoin has its own versions, Bitcoin's old script version and its own prefix")
    func litecoin() {
        #expect(verdict("LW6HjAU6GL9fK2LZWUA6VZCzomTdrpx3nr", "LTC") == .valid)
        #expect(verdict("MHrYRxAiMNBTku3eoDHwhA1LQGDjUStZW2", "LTC") == .valid)
        #expect(verdict("36j4NfKv6Akva9amjWrLG6MuSQym1GuEmm", "LTC") == .valid)
        #expect(verdict("ltc1q3m3ujh350qrqdl33pv7pjw0d0m9qnm6qjcjpga", "LTC") == .valid)
        #expect(isInvalid("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo", "LTC"))
        #expect(isInvalid("ltcmweb1qq", "LTC"))
    }

    @Test(
        "a CashAddr is valid with and without its prefix, and so is its legacy address",
        arguments: cashPairs)
    func cashAddress(legacy: String, cash: String) {
        let bare = String(cash.dropFirst("bitcoincash:".count))
        for address in [legacy, cash, bare, cash.uppercased(), bare.uppercased()] {
            #expect(verdict(address, "BCH") == .valid, "\(address)")
        }
        #expect(isInvalid("ecash:" + bare, "BCH"))
        #expect(isInvalid("bitcoincash:" + cash, "BCH"))
        #expect(isInvalid(bare.dropLast() + "b", "BCH"))
        #expect(isInvalid("bitcoincash:" + bare.uppercased(), "BCH"))
        #expect(isInvalid(cash, "BTC"))
    }

    @Test("a CashAddr of 64 bytes is valid")
    func longCashAddress() {
        #expect(
            verdict(
                "bitcoincash:qlg0x333p4238k0qrc5ej7rzfw5g8e4a4r6vvzyrcy8j3s5k0en7calvclhw46hudk5flttj6ydvjc0pv3nchp52amk97tqa5zygg96mtky5sv5w",
                "BCH") == .valid)
    }

    @Test(
        "no single wrong character passes",
        arguments: [
            ("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo", "BTC"), ("TJRyWwFs9wTFGZg3JbrVriFbNfCug5tDeC", "TRX"),
            ("t1Wg9uPPAfwhBWeRjtDPa5ZHNzyBx9rJVKY", "ZEC"), ("r36yxStAh7qgTQNHTzjZvXybCTzUFhrfav", "XRP"),
        ])
    func base58Substitutions(address: String, chain: String) {
        expectEverySubstitutionToFail(
            address, chain, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
    }

    @Test(
        "no single wrong character passes in bech32 and CashAddr",
        arguments: [
            ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "BTC"),
            ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", "BTC"),
            ("bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", "BCH"),
            ("cosmos1hsk6jryyqjfhp5dhc55tc9jtckygx0eph6dd02", "ATOM"),
        ])
    func bech32Substitutions(address: String, chain: String) {
        expectEverySubstitutionToFail(address, chain, "abcdefghijklmnopqrstuvwxyz0123456789")
    }

    private func expectEverySubstitutionToFail(_ address: String, _ chain: String, _ alphabet: String) {
        let characters = Array(address.utf8)
        var passed: [String] = []
        for index in characters.indices {
            for digit in alphabet.utf8 where digit != characters[index] {
                var changed = characters
                changed[index] = digit
                let text = String(decoding: changed, as: UTF8.self)
                if !isInvalid(text, chain) { passed.append(text) }
            }
        }
        #expect(verdict(address, chain) == .valid)
        #expect(passed == [])
    }
}

let cashPairs: [(String, String)] = [
    ("1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu", "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a"),
    ("1KXrWXciRDZUpQwQmuM1DbwsKDLYAYsVLR", "bitcoincash:qr95sy3j9xwd2ap32xkykttr4cvcu7as4y0qverfuy"),
    ("16w1D5WRVKJuZUsSRzdLp9w3YGcgoxDXb", "bitcoincash:qqq3728yw0y47sqn6l2na30mcw6zm78dzqre909m2r"),
    ("3CWFddi6m4ndiGyKqzYvsFYagqDLPVMTzC", "bitcoincash:ppm2qsznhks23z7629mms6s4cwef74vcwvn0h829pq"),
    ("3LDsS579y7sruadqu11beEJoTjdFiFCdX4", "bitcoincash:pr95sy3j9xwd2ap32xkykttr4cvcu7as4yc93ky28e"),
    ("31nwvkZwyPdgzjBJZXfDmSWsC4ZLKpYyUw", "bitcoincash:pqq3728yw0y47sqn6l2na30mcw6zm78dzq5ucqzc37"),
]

/// The verdict on a chain given by ticker; records an issue where the ticker is unknown.
func verdict(_ address: String, _ ticker: String) -> AddressVerdict {
    guard let chain = Chain.resolve(ticker) else {
        Issue.record("no chain \(ticker)")
        return .unchecked
    }
    return AddressCheck.verdict(address, on: chain)
}

func isInvalid(_ address: some StringProtocol, _ ticker: String) -> Bool {
    if case .invalid = verdict(String(address), ticker) { true } else { false }
}
