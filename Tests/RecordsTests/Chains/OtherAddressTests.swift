import Records
import Testing

@Suite("Addresses of chains with forms of their own")
struct OtherAddressTests {
    @Test(
        "addresses of every form pass",
        arguments: [
            ("ZEC", "t1Wg9uPPAfwhBWeRjtDPa5ZHNzyBx9rJVKY"),
            ("ZEC", "zs1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0jqgfzyvjz2f389q5j5ctfvp5"),
            ("ZEC", "tex1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnpna6s6"),
            ("ZEC", "zc8E7R3StiJq1T1UaCdygazuEVBe9xddGdYBLMe8WNgnBTVRGiGwY9MEeVKqhWNtmbPmwi4S1uJtPobqCq4azuLJrKCFjcj"),
            (
                "ZEC",
                "u19w0wmqnyrcx4kx9yxj3l9ewxzpqtrxqq62xswtkhu5r0temhnlhfpde2fud9xa6esrjdqknqsx0qkm8w3qfmue586pc0x3arjvhxc35u"
            ),
            ("XRP", "rrpDp2dLMs7KyhZhg5RbReRagjWuvH7qB"),
            ("XRP", "X7TYt4nPauxSispXtYbecsfAHuA4ciFXGkeY167vGiZVMX6"),
            ("DOT", "11JNArUumxYJcSQpbuxuroRZtcSMVLcy5WbYGt14SRkztH"),
            ("DOT", "5C4iA2und8WV6mbvTBYupm2eZwtxk3wCYUM2SFHXSyQuapGp"),
            ("ADA", "addr1vyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqkdl5mw"),
            ("ADA", "stake1uyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq28lj8u"),
            ("ADA", "Ae2tdPwUPEZ6RUCnjGHFqi59k5WZLiv3HoCCNGCW8SYc5H9srdTzn1bec4W"),
            (
                "ADA",
                "addr1qyqqzqsrqszsvpcgpy9qkrqdpc83qygjzv2p29shrqv35xcur50p7gppyg3jgffxyu5zj23t9skjutesxyerxdp4xcmskm46z7"
            ),
            ("ATOM", "cosmos1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0sxaggsw"),
            ("LUNA", "terra1qqqsyqcyq5rqwzqfpg9scrgwpugpzysn9jt6ne"),
            ("TON", "Ef_lZ1T4NCb2mwkme9h2rJfESCE0W34ma9lWp7-_uY3zXDvq"),
            ("TON", "Ef/lZ1T4NCb2mwkme9h2rJfESCE0W34ma9lWp7+/uY3zXDvq"),
            ("XLM", "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ"),
            ("XLM", "MA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJUAAAAAAAAAAAACJUQ"),
            ("ALGO", "HXIWBVQGOO6ZWE5NYJO22XMYRUGZ6TGNX2K2EERPT3ZIWPHE5CLJGB2GEA"),
            (
                "XMR",
                "4BxSHvcgTwu25WooY4BVmgdcKwZu5EksVZSZkDd6ooxSVVqQ4ubxXkhLF6hEqtw96i9cf3cVfLw8UWe95bdDKfRQeYtPwLm1Jiw7AKt2LY"
            ),
            ("DOGE", "DD4KSSuBJqcjuTcvUg1CgUKeurPUFeEZkE"),
            ("DASH", "XgkpWEFe59pX3aMhx6PrDawjNnoZKHeZbp"),
        ])
    func valid(ticker: String, address: String) {
        #expect(verdict(address, ticker) == .valid)
    }

    @Test(
        "addresses whose checksum matches but whose content is wrong fail",
        arguments: [
            // No shielded receiver; padding that is not the prefix's.
            (
                "ZEC",
                "u1mhaakuyvwxv0smvmw262c48gtqewxft3ar9qlz4mj6mqp38j6umdrvs50ut3mqxfyv2aaedr7remzl7vy4zaxded2w7h3cdlk2ph6x"
            ),
            (
                "ZEC",
                "u1j6qxkulh6x2vg5yjgc4rmgyp9p4wpun8x24299a2jhl3nu309cq065zugytp3vvkuazwvwr3zne0f50aha9udvy0fyy2ne3wpckzxy32"
            ),
            // 42 bytes for Sapling's 43.
            ("ZEC", "zs1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0jqgfzyvjz2f389q5s23zcqp"),
            // A tag without its flag; the test network's prefix.
            ("XRP", "X7TYt4nPauxSispXtYbecsfAHuA4ciFY4N224dKsWcbsL3g"),
            ("XRP", "T7PnJ7NMx1W7HYo9wMLRWp1qmM7B3S7ZDvcrB45S1PG4mYX"),
            // Another network's number; the test network.
            ("DOT", "yGCjWmoEPVriEQ11ZSixhBhPuvLbDN21ZbthTAnwcZahFjXSR"),
            ("KSM", "11JNArUumxYJcSQpbuxuroRZtcSMVLcy5WbYGt14SRkztH"),
            ("ADA", "addr1vqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqkl09mf"),
            // 19 bytes.
            ("ATOM", "cosmos1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqe9qc7s"),
            // Both alphabets of base64.
            ("TON", "Ef_lZ1T4NCb2mwkme9h2rJfESCE0W34ma9lWp7+_uY3zXDvq"),
        ])
    func wrongContent(ticker: String, address: String) {
        #expect(isInvalid(address, ticker))
    }

    @Test(
        "one wrong character fails",
        arguments: [
            ("ZEC", "zs1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0jqgfzyvjz2f389q5j5ctfvp4"),
            ("ADA", "Ae2tdPwUPEZ6RUCnjGHFqi59k5WZLiv3HoCCNGCW8SYc5H9srdTzn1bec4X"),
            ("TON", "Ef_lZ1T4NCb2mwkme9h2rJfESCE0W34ma9lWp7-_uY3zXDvr"),
            ("XLM", "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGA"),
            ("ALGO", "HXIWBVQGOO6ZWE5NYJO22XMYRUGZ6TGNX2K2EERPT3ZIWPHE5CLJGB2GEE"),
            ("DOT", "15AeCjMpcSt3Fwa47jJBd7JzQ395Kr2cuyF5Zp4UBf1g9onz"),
            (
                "XMR",
                "42ey1afDFnn4886T7196doS9GPMzexD9gXpsZJDwVjeRVdFCSoHnv7KPbBeGpzJBzHRCAs9UxqeoyFQMYbqSWYTfJJQAWDn"
            ),
        ])
    func wrongCharacter(ticker: String, address: String) {
        #expect(isInvalid(address, ticker))
    }

    @Test("forms without a checksum are unchecked, and their bounds hold")
    func unchecked() {
        #expect(verdict("11111111111111111111111111111111", "SOL") == .unchecked)
        #expect(verdict("JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG", "SOL") == .unchecked)
        #expect(isInvalid("1111111111111111111111111111111", "SOL"))
        #expect(verdict("bitfinexcw21", "EOS") == .unchecked)
        #expect(isInvalid("bitfinexcw67", "EOS"))
        #expect(isInvalid("abcdefghijklmz", "EOS"))
        #expect(isInvalid("abc.", "EOS"))
        let account = String(repeating: "0123456789abcdef", count: 4)
        #expect(verdict("0:" + account, "TON") == .unchecked)
        #expect(verdict("-1:" + account, "TON") == .unchecked)
        #expect(isInvalid("7:" + account, "TON"))
        #expect(verdict("41" + account.prefix(40), "TRX") == .unchecked)
    }
}
