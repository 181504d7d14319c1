import Records
import Testing

@Suite("EVM addresses")
struct EVMAddressTests {
    static let checksummed = [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ]

    @Test("EIP-55's examples are valid", arguments: checksummed)
    func examples(address: String) {
        for chain in ["ETH", "BSC", "ARB", "MATIC", "RBTC"] {
            #expect(verdict(address, chain) == .valid)
        }
    }

    @Test(
        "letters of one case carry no checksum",
        arguments: [
            "0x52908400098527886E0F7030069857D2E4169EE7", "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
            "0xde709f2102306220921060314715629080e2fb77", "0x27b1fdb04752bbc536007a920d24acb045561c26",
            "0x0000000000000000000000000000000000000000",
        ])
    func oneCase(address: String) {
        #expect(verdict(address, "ETH") == .unchecked)
    }

    @Test("turning the case of any one letter is noticed", arguments: checksummed)
    func turnedCase(address: String) {
        let characters = Array(address.utf8)
        for index in 2..<characters.count where characters[index] >= 0x41 {
            var changed = characters
            changed[index] ^= 0x20
            let text = String(decoding: changed, as: UTF8.self)
            #expect(verdict(text, "ETH") == .invalid(reason: "EIP-55 letter case does not match"))
        }
    }

    @Test("what is not 0x and 40 digits is invalid")
    func forms() {
        for text in [
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAedd", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg",
        ] {
            #expect(verdict(text, "ETH") == .invalid(reason: "not 0x and 40 hexadecimal digits"))
        }
    }

    @Test("Rootstock's letter case of EIP-1191 is valid there only")
    func rootstock() {
        for address in [
            "0x5aaEB6053f3e94c9b9a09f33669435E7ef1bEAeD", "0xFb6916095cA1Df60bb79ce92cE3EA74c37c5d359",
        ] {
            #expect(verdict(address, "RBTC") == .valid)
            #expect(isInvalid(address, "BSC"))
        }
    }

    @Test("XDC addresses may begin with xdc")
    func xdc() {
        #expect(verdict("xdc5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "XDC") == .valid)
        #expect(verdict("xdcde709f2102306220921060314715629080e2fb77", "XDC") == .unchecked)
        #expect(isInvalid("xdc5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "ETH"))
    }
}
