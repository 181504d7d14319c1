import Records
import Testing

@Suite("Match keys, bounds and transaction hashes")
struct AddressKeyTests {
    private let bitcoin = "bip122:000000000019d6689c085ae165831e93"
    private let bitcoinCash = "bip122:000000000000000000651ef99cb9fcbe"

    @Test("letter case is folded where the form ignores it")
    func folded() {
        let address = "0xde709f2102306220921060314715629080e2fb77"
        #expect(AddressCheck.canonicalKey("0XDE709F2102306220921060314715629080E2FB77", on: "eip155:1") == address)
        #expect(AddressCheck.canonicalKey("0xDE709f2102306220921060314715629080e2fb77", on: "eip155:987654") == address)
        #expect(AddressCheck.canonicalKey("xdcDE709F2102306220921060314715629080E2FB77", on: "eip155:50") == address)
        #expect(
            AddressCheck.canonicalKey("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", on: bitcoin)
                == "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")
        #expect(
            AddressCheck.canonicalKey("COSMOS1HSK6JRYYQJFHP5DHC55TC9JTCKYGX0EPH6DD02", on: "cosmos:cosmoshub-4")
                == "cosmos1hsk6jryyqjfhp5dhc55tc9jtckygx0eph6dd02")
    }

    @Test("a Bitcoin Cash address has one key in all its spellings", arguments: cashPairs)
    func cash(legacy: String, cash: String) {
        let bare = String(cash.dropFirst("bitcoincash:".count))
        for spelling in [legacy, cash, bare, cash.uppercased(), bare.uppercased()] {
            #expect(AddressCheck.canonicalKey(spelling, on: bitcoinCash) == bare)
        }
    }

    @Test("everything else stays as it is, white space included")
    func kept() {
        for (address, chain) in [
            ("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo", bitcoin), ("bc1qW508D6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", bitcoin),
            ("TJRyWwFs9wTFGZg3JbrVriFbNfCug5tDeC", "tron:0x2b6653dc"), ("", "eip155:1"), ("0xABC ", "eip155:1"),
            ("1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggv", bitcoinCash), ("AnyThing", "fil:f"), ("AnyThing", "no:chain"),
            ("AnyThing", ""), ("0xDE709F2102306220921060314715629080E2FB77", bitcoin),
        ] {
            #expect(AddressCheck.canonicalKey(address, on: chain) == address)
        }
    }

    @Test("the bounds hold on every chain")
    func bounds() {
        let long = String(repeating: "1", count: 129)
        for chain in Chain.all {
            for text in ["", long, "a b", "a\n", "a\u{0}", "\u{7f}", "é", "a\u{a0}", "a\u{200b}"] {
                guard case .invalid = AddressCheck.verdict(text, on: chain),
                    case .invalid = AddressCheck.transactionVerdict(text, on: chain)
                else {
                    Issue.record("\(chain.name) takes \(text.utf8.count) bytes out of bounds")
                    continue
                }
            }
        }
        #expect(verdict("a trailing space ", "FIL") == .invalid(reason: "white space or a control character in it"))
        #expect(verdict(long, "FIL") == .invalid(reason: "longer than 128 bytes"))
        #expect(verdict(String(repeating: "x", count: 128), "FIL") == .unchecked)
    }

    @Test("over-long text is refused without reading it")
    func overLong() {
        let text = String(repeating: "1", count: 50_000_000)
        let elapsed = ContinuousClock().measure {
            for _ in 0..<1_000 {
                #expect(isInvalid(text, "BTC"))
            }
        }
        // Reading it once takes longer than this allows for a thousand refusals.
        #expect(elapsed < .seconds(2))
    }

    @Test("random text in every alphabet is judged on every chain without a crash")
    func random() {
        var generator = SplitMix(state: 20_260_820)
        let alphabets: [[UInt8]] = [
            Array(0...255), Array(0x21...0x7e), Array("0123456789abcdefABCDEFx".utf8), Array("1".utf8),
            Array("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".utf8), Array("rz".utf8),
            Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l".utf8), Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8),
        ]
        let prefixes = [
            "", "bc1", "u1", "zs1", "addr1", "bitcoincash:", "ltcmweb1", "0x", "xdc", "cosmos1", "0:", "82",
        ]
        var valid = 0
        for _ in 0..<1_500 {
            let alphabet = alphabets[Int(generator.next() % UInt64(alphabets.count))]
            let count = Int(generator.next() % 140)
            let body = (0..<count).map { _ in alphabet[Int(generator.next() % UInt64(alphabet.count))] }
            let text =
                prefixes[Int(generator.next() % UInt64(prefixes.count))] + String(decoding: body, as: UTF8.self)
            for chain in Chain.all {
                if AddressCheck.verdict(text, on: chain) == .valid { valid += 1 }
                _ = AddressCheck.canonicalKey(text, on: chain.caip2)
                _ = AddressCheck.transactionVerdict(text, on: chain)
            }
        }
        #expect(valid == 0)
    }

    @Test("a transaction's hash has the form of its chain and is never more than unchecked")
    func transactions() throws {
        let hash = String(repeating: "0123456789abcdef", count: 4)
        func verdict(_ text: String, _ ticker: String) throws -> AddressVerdict {
            AddressCheck.transactionVerdict(text, on: try #require(Chain.resolve(ticker)))
        }
        for ticker in ["BTC", "BCH", "LTC", "ZEC", "XMR", "XRP", "ADA", "ATOM", "XLM", "EOS", "TON", "TRX", "ETH"] {
            #expect(try verdict(hash, ticker) == .unchecked)
        }
        #expect(try verdict("0x" + hash, "ETH") == .unchecked)
        #expect(try verdict("0x" + hash, "BTC") == .invalid(reason: "not 64 hexadecimal digits"))
        #expect(try verdict(String(hash.dropLast()), "BTC") == .invalid(reason: "not 64 hexadecimal digits"))
        #expect(try verdict(hash + "0", "ETH") == .invalid(reason: "not 0x and 64 hexadecimal digits"))
        #expect(try verdict("1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo", "SOL") == .invalid(reason: "not base58 of 64 bytes"))
        #expect(try verdict(String(repeating: "1", count: 64), "SOL") == .unchecked)
        #expect(try verdict("12345678-2", "DOT") == .unchecked)
        #expect(try verdict(String(repeating: "A", count: 52), "ALGO") == .unchecked)
        #expect(try verdict("anything", "FIL") == .unchecked)
    }
}

/// A small seeded generator, so that a failure can be repeated.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
        return word ^ word >> 31
    }
}
