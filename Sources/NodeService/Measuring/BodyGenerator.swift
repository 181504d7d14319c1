/// Bodies for measurements: attributions of some 400 bytes, the same for the same seed on every machine.
///
/// Each has about 33 bytes that cannot be guessed (the address with its letter case left alone, a label, a report
/// number, an author and an incident), so that compression finds what it finds in real records and no more.
public struct BodyGenerator: Sendable {
    /// SplitMix64 (Steele, Lea, Flood 2014).
    private struct Random: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
    }

    private var random: Random
    private var index: UInt64 = 0
    private static let hex = [UInt8]("0123456789abcdef".utf8)
    private static let actors = ["lazarus_group", "bluenoroff", "andariel", "tornado_cash", "sinbad", "garantex"]
    private static let concepts = ["hacking", "mixing_service", "exchange", "defi_bridge", "money_laundering"]

    public init(seed: UInt64 = 1) {
        random = Random(state: seed)
    }

    /// The next body.
    public mutating func next() -> [UInt8] {
        let second = index % 60
        let minute = index / 60 % 60
        let hour = index / 3_600 % 24
        let day = index / 86_400 % 28 + 1
        index += 1
        var body: [UInt8] = []
        body.reserveCapacity(480)
        func add(_ text: String) { body += text.utf8 }
        add(#"{"v":1,"type":"attribution","time":"2026-03-"#)
        add("\(two(day))T\(two(hour)):\(two(minute)):\(two(second))Z")
        add(#"","author":"analyst"#)
        add("\(random.next() % 20)")
        add(#"","tlp":"green","incident":"heist-"#)
        add("\(random.next() % 500)")
        add(#"","subject":{"chain":"eip155:1","address":"0x"#)
        for _ in 0..<20 {
            let byte = Int(random.next() >> 56)
            body.append(BodyGenerator.hex[byte >> 4])
            body.append(BodyGenerator.hex[byte & 15])
        }
        add(#""},"asset":"ETH","label":"Deposit wallet "#)
        add("\(random.next() % 1_000_000)")
        add(#"","actor":""#)
        add(BodyGenerator.actors[Int(random.next() % 6)])
        add(#"","concepts":[""#)
        add(BodyGenerator.concepts[Int(random.next() % 5)])
        add(#""],"confidence":{"scheme":"tagpack","value":70,"level":"forensic_investigation"}"#)
        add(#","source":"https://example.org/reports/"#)
        add("\(random.next() % 1_000_000)")
        add(#""}"#)
        return body
    }

    private func two(_ value: UInt64) -> String {
        value < 10 ? "0\(value)" : "\(value)"
    }
}
