import Records
import Testing

@Suite("Doubles")
struct DoubleKeyTests {
    private func key(_ text: String) throws -> [UInt8] {
        DoubleKey.canonicalBytes(of: try JSONScanner.scan(text: text))
    }

    @Test("order of members, white space, escapes and the spelling of numbers make no difference")
    func same() throws {
        let plain = try key(#"{"a":1,"b":{"c":[100,"é"],"d":0.5}}"#)
        for text in [
            #"{"b":{"d":0.5,"c":[100,"é"]},"a":1}"#, #" { "a" : 1 , "b" : { "c" : [ 100 , "\u00e9" ] , "d" : 0.5 } } "#,
            #"{"a":1.0,"b":{"c":[1e2,"é"],"d":5E-1}}"#, #"{"a":10e-1,"b":{"c":[100.000,"é"],"d":0.50}}"#,
            #"{"\u0061":1,"b":{"c":[1.00e+2,"é"],"d":0.05e1}}"#,
        ] {
            #expect(try key(text) == plain, "\(text)")
        }
        #expect(try key(#"{"a":-0}"#) == key(#"{"a":0.00e5}"#))
        #expect(try key(#"{"a":0e999999999999}"#) == key(#"{"a":0}"#))
    }

    @Test("time, author and provenance are left out at the top, and only there")
    func leftOut() throws {
        #expect(
            try key(#"{"a":1,"time":"x","author":"y","provenance":{"file":"z"}}"#) == key(#"{"time":"t","a":1}"#))
        #expect(try key(#"{"a":{"time":"x"}}"#) != key(#"{"a":{"time":"y"}}"#))
        let later = Example.attribution.replacing("2026-03-01T12:00:00Z", with: "2026-04-01T12:00:00Z")
        #expect(try key(later) == key(Example.attribution))
    }

    @Test("everything else makes a difference")
    func different() throws {
        let texts = [
            #"{"a":1}"#, #"{"a":2}"#, #"{"a":-1}"#, #"{"a":10}"#, #"{"a":0.1}"#, #"{"a":"1"}"#, #"{"a":"1e0"}"#,
            #"{"a":[1]}"#,
            #"{"a":[1,2]}"#, #"{"a":[2,1]}"#, #"{"a":[[1],2]}"#, #"{"a":null}"#, #"{"a":"null"}"#, #"{"a":{}}"#,
            #"{"a":[]}"#, #"{"b":1}"#,
            #"{"a":1,"b":1}"#, #"{"a":"x\",\"b\":\"y"}"#, #"{"a":"x","b":"y"}"#, #"{"a":"é"}"#, "{\"a\":\"e\u{301}\"}",
            #"{"a":true}"#,
            #"{"a":1e-400}"#, #"{"a":1.5}"#, #"{"a":15}"#, #"{"a":1e-99999999999999999999}"#, "[]", "{}", "1",
        ]
        #expect(Set(try texts.map(key)).count == texts.count)
    }
}
