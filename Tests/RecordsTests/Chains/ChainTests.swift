import Records
import Testing

@Suite("Chains and their names")
struct ChainTests {
    @Test(
        "tickers, names and identifiers resolve in any letter case",
        arguments: [
            ("BTC", "bip122:000000000019d6689c085ae165831e93"), ("xbt", "bip122:000000000019d6689c085ae165831e93"),
            ("bitcoin", "bip122:000000000019d6689c085ae165831e93"), ("Ripple", "xrpl:0"), ("XRP", "xrpl:0"),
            ("XRPL:0", "xrpl:0"), ("TRX", "tron:0x2b6653dc"), ("trc20", "tron:0x2b6653dc"), ("Eth", "eip155:1"),
            ("ARB", "eip155:42161"), ("BSC", "eip155:56"), ("BNB", "eip155:56"), ("matic", "eip155:137"),
            ("POL", "eip155:137"), ("base", "eip155:8453"), ("OP", "eip155:10"), ("ETC", "eip155:61"),
            ("bch", "bip122:000000000000000000651ef99cb9fcbe"), ("TON", "tvm:-239"),
            ("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"),
            ("SOLANA:5EYKT4USFV8P8NJDTREPY1VZQKQZKVDP", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"),
        ])
    func resolves(alias: String, caip2: String) {
        #expect(Chain.resolve(alias)?.caip2 == caip2)
    }

    @Test(
        "a token, an unknown name and an empty one are no chains",
        arguments: ["USDT", "USDC", "UNI", "", " BTC", "BTC ", "no such chain", String(repeating: "x", count: 100_000)])
    func unknown(alias: String) {
        #expect(Chain.resolve(alias) == nil)
    }

    @Test("every chain is found by its identifier, ticker and name, and none shares them")
    func table() {
        #expect(Set(Chain.all.map(\.caip2)).count == Chain.all.count)
        for chain in Chain.all {
            for name in [chain.caip2, chain.ticker, chain.name, chain.name.lowercased(), chain.ticker.uppercased()] {
                #expect(Chain.resolve(name) == chain, "\(name)")
            }
        }
    }

    @Test("every identifier has the syntax of CAIP-2")
    func syntax() throws {
        let pattern = /[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}/
        for chain in Chain.all {
            #expect(try pattern.wholeMatch(in: chain.caip2) != nil, "\(chain.caip2)")
        }
    }

    @Test("an address without a chain names the chains whose checksum it has")
    func plausibleByChecksum() {
        func tickers(_ address: String) -> [String] {
            AddressCheck.chains(plausibleFor: address).map(\.ticker)
        }
        #expect(tickers("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4") == ["BTC"])
        #expect(tickers("TJRyWwFs9wTFGZg3JbrVriFbNfCug5tDeC") == ["TRX"])
        #expect(tickers("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo") == ["BTC", "BCH", "BSV", "XEC"])
        let evm = tickers("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
        #expect(evm.contains("ETH") && evm.contains("BSC") && !evm.contains("BTC"))
    }

    @Test("an address without a checksum names all chains that cannot be excluded")
    func plausibleByForm() {
        let evm = AddressCheck.chains(plausibleFor: "0xde709f2102306220921060314715629080e2fb77").map(\.ticker)
        #expect(evm.contains("ETH") && evm.contains("FIL") && !evm.contains("BTC") && !evm.contains("SOL"))
        #expect(AddressCheck.chains(plausibleFor: "bitfinexcw21").contains { $0.ticker == "EOS" })
        #expect(AddressCheck.chains(plausibleFor: "") == [])
        #expect(AddressCheck.chains(plausibleFor: "two words") == [])
    }
}
