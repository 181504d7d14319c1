import Records
import Testing

@Suite("The JSON scanner")
struct JSONScannerTests {
    static let accepted: [String] = [
        "null", "true", "false", "0", "-0", "1", "-1", "9007199254740991", "-9007199254740991", "0.0", "-0.5", "1.25",
        "1e3", "1E3", "1e+3", "1e-3", "1.5e300", "123456789.123456789", "0e0", "0E-0", "-0e1", "1e-400",
        "\"\"", "\"a\"", "\"aé\"", "\"日本語\"", "\"😀\"", "\"\\u0061\"", "\"\\u00e9\"", "\"\\uD83D\\uDE00\"",
        "\"\\ud83d\\ude00\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\u{7F}\"", "\"\u{80}\"", "\"\u{7FF}\"",
        "\"\u{800}\"", "\"\u{D7FF}\"", "\"\u{E000}\"", "\"\u{FFFD}\"", "\"\u{10000}\"", "\"\u{10FFFD}\"",
        "\"\\u0001\"", "\"\\u007F\"", "\"\u{2028}\u{2029}\"", "[]", "[ ]", "[1]", "[1,2]", "[ 1 , 2 ]", "[[],[]]",
        "[null,true,\"x\",{}]", "{}", "{ }", "{\"\":1}", "{\"a\":1}", "{\"a\":1,\"b\":2}", "{\"a\":{\"a\":1}}",
        "[{\"a\":1},{\"a\":1}]", "{ \"a\" : [ 1 , { \"b\" : null } ] }", " \t\r\n1 \t\r\n", "{\"a\":1,\"A\":2}",
        "{\"e\\u0301\":1,\"\\u00e9\":2}", "\"12345678\"", "\"1234567\\n12345678é12345678\"", "\"1234567é\"",
        "{\"a/b\":\"\\/\"}", "\"\\uFFFC\"", "\"\u{FDCF}\u{FDF0}\"", "[0.1,0.2,1e1]", "\"/*no comment*/\"",
    ]

    @Test("accepts I-JSON", arguments: accepted)
    func accepts(text: String) throws {
        let value = try JSONScanner.scan(Array(text.utf8))
        let written = JSONWriter.write(value)
        #expect(try JSONScanner.scan(written) == value)
        #expect(JSONWriter.write(try JSONScanner.scan(written)) == written)
    }

    /// Text, offset of the first wrong byte, a word of the reason.
    static let refused: [(text: String, offset: Int, reason: String)] = [
        ("", 0, "nothing"), (" ", 1, "ends"), ("\u{FEFF}1", 0, "byte order"), ("nul", 0, "expected a value"),
        ("nulL", 0, "expected a value"), ("True", 0, "expected a value"), ("nan", 0, "expected a value"),
        ("NaN", 0, "expected a value"), ("Infinity", 0, "expected a value"), ("-Infinity", 1, "digit"),
        ("undefined", 0, "expected a value"), ("'a'", 0, "expected a value"), ("a", 0, "expected a value"),
        ("//x\n1", 0, "expected a value"), ("1//x", 1, "follows"), ("1 2", 2, "follows"), ("{}{}", 2, "follows"),
        ("[]]", 2, "follows"), ("nulll", 4, "follows"), ("\"a\"b", 3, "follows"), ("1\u{0}", 1, "follows"),
        ("01", 0, "leading zero"), ("-01", 0, "leading zero"), ("00", 0, "leading zero"), ("+1", 0, "expected a value"),
        (".5", 0, "expected a value"), ("5.", 2, "digit"), ("-", 1, "digit"), ("1e", 2, "digit"), ("1e+", 3, "digit"),
        ("1.e1", 2, "digit"), ("0x10", 1, "follows"), ("1_000", 1, "follows"), ("--1", 1, "digit"),
        ("1.2.3", 3, "follows"),
        ("9007199254740992", 0, "2^53"), ("-9007199254740992", 0, "2^53"),
        ("[1,99999999999999999999999999]", 3, "2^53"),
        ("18446744073709551616", 0, "2^53"), ("1e309", 0, "double"), ("-1e999999999999", 0, "double"),
        ("1.0e400", 0, "double"), ("\"", 1, "ends inside a text"), ("\"a", 2, "ends inside a text"),
        ("\"\\", 1, "ends inside a text"), ("\"\\\"", 3, "ends inside a text"), ("\"\\x\"", 1, "unknown escape"),
        ("\"\\a\"", 1, "unknown escape"), ("\"\\U0041\"", 1, "unknown escape"), ("\"\\u12zz\"", 1, "four hexadecimal"),
        ("\"\\u", 3, "ends inside an escape"), ("\"\\u00g0\"", 1, "four hexadecimal"),
        ("\"\\u+123\"", 1, "four hexadecimal"),
        ("\"\\u0000\"", 1, "NUL"), ("{\"a\\u0000\":1}", 3, "NUL"), ("\"a\u{0}\"", 2, "control"),
        ("\"\n\"", 1, "control"),
        ("\"\t\"", 1, "control"), ("\"1234567\u{1F}\"", 8, "control"), ("\"12345678\u{1}\"", 9, "control"),
        ("\"\\ud800\"", 1, "lone surrogate"), ("\"\\udc00\"", 1, "lone surrogate"),
        ("\"\\ud83dx\"", 1, "lone surrogate"),
        ("\"\\ud83d\\n\"", 1, "lone surrogate"), ("\"\\ud83d\\ud83d\"", 1, "lone surrogate"),
        ("\"\\ude00\\ud83d\"", 1, "lone surrogate"), ("\"\\ud83d\\u0041\"", 1, "lone surrogate"),
        ("{\"\\ud800\":1}", 2, "lone surrogate"), ("\"\\uffff\"", 1, "noncharacter"),
        ("\"\\ufdd0\"", 1, "noncharacter"),
        ("\"\\ud83f\\udfff\"", 1, "noncharacter"), ("\"\u{FFFE}\"", 1, "noncharacter"),
        ("\"\u{10FFFF}\"", 1, "noncharacter"),
        ("[", 1, "ends"), ("[1", 2, "ends inside an array"), ("[1,", 3, "ends"), ("[1,]", 3, "expected a value"),
        ("[,1]", 1, "expected a value"), ("[1 2]", 3, "comma"), ("[1}", 2, "comma"), ("{", 1, "name"),
        ("{\"a\"", 4, "colon"),
        ("{\"a\":", 5, "ends"), ("{\"a\":1", 6, "ends inside an object"), ("{\"a\":1,", 7, "name"),
        ("{\"a\":1,}", 7, "name"),
        ("{a:1}", 1, "name"), ("{1:1}", 1, "name"), ("{\"a\" 1}", 5, "colon"), ("{\"a\":1 \"b\":2}", 7, "comma"),
        ("{\"a\"}", 4, "colon"), ("{,}", 1, "name"), ("{null:1}", 1, "name"), ("]", 0, "expected a value"),
        ("{\"a\":1,\"a\":2}", 7, "twice"), ("{\"a\":1,\"b\":2,\"a\":1}", 13, "twice"),
        ("{\"a\":1,\"\\u0061\":2}", 7, "twice"),
        ("{\"\":1,\"\":1}", 6, "twice"), ("[{\"x\":{\"é\":1,\"\\u00e9\":1}}]", 14, "twice"),
        ("{\"abcdefghijklmnop\":1,\"abcdefghijklmnop\":1}", 22, "twice"), ("\u{A0}1", 0, "expected a value"),
        ("1\u{C}", 1, "follows"),
    ]

    @Test("refuses everything else, with place and reason", arguments: refused)
    func refuses(text: String, offset: Int, reason: String) {
        let error = #expect(throws: JSONError.self) { try JSONScanner.scan(Array(text.utf8)) }
        #expect(error?.offset == offset)
        #expect(error?.reason.contains(reason) == true, "\(error?.reason ?? "")")
    }

    @Test(
        "refuses bytes that are not UTF-8",
        arguments: [
            [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xC3, 0x28], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF],
            [0xE2, 0x82], [0xE2, 0x28, 0xA1], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF0, 0x80, 0x80, 0x80],
            [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x9F, 0x98], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE],
            [0xFF],
        ] as [[UInt8]])
    func refusesInvalidUTF8(bytes: [UInt8]) {
        for padding in [0, 3, 7, 8, 13] {
            let head = [0x22] + [UInt8](repeating: 0x61, count: padding)
            let error = #expect(throws: JSONError.self) { try JSONScanner.scan(head + bytes + [0x22]) }
            #expect(error?.offset == head.count)
            #expect(error?.reason.contains("invalid UTF-8") == true)
            // A cut sequence at the very end must not be read past.
            #expect(throws: JSONError.self) { try JSONScanner.scan(head + bytes) }
            #expect(throws: JSONError.self) { try JSONScanner.scan([0x7B, 0x22] + bytes + Array("\":1}".utf8)) }
        }
    }

    @Test("goes 32 levels deep and no further")
    func depth() throws {
        func nested(_ depth: Int) -> [UInt8] {
            Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
        }
        _ = try JSONScanner.scan(nested(32))
        let error = #expect(throws: JSONError.self) { try JSONScanner.scan(nested(33)) }
        #expect(error?.offset == 32)
        #expect(throws: JSONError.self) { try JSONScanner.scan([UInt8](repeating: 0x5B, count: 1_000_000)) }
        let objects = String(repeating: "{\"a\":", count: 33) + "1" + String(repeating: "}", count: 33)
        #expect(throws: JSONError.self) { try JSONScanner.scan(Array(objects.utf8)) }
        // Siblings are no levels.
        _ = try JSONScanner.scan(
            Array(("[" + Array(repeating: "[[]]", count: 1_000).joined(separator: ",") + "]").utf8))
    }

    @Test("finds a double among thousands of names")
    func manyNames() throws {
        let names = (0..<3_000).map { "\"n\($0)\":0" }
        let value = try JSONScanner.scan(Array("{\(names.joined(separator: ","))}".utf8))
        #expect(value.object?.count == 3_000)
        for double in [0, 47, 48, 1_500, 2_999] {
            let text = "{\(names.joined(separator: ",")),\"\\u006e\(double)\":0}"
            #expect(throws: JSONError.self) { try JSONScanner.scan(Array(text.utf8)) }
        }
    }

    @Test("keeps order, literals and texts as they are")
    func values() throws {
        let text = #"{"b":1,"a":[1.50,-0,1E2,"\u00e9\n",null,true],"":{}}"#
        let value = try JSONScanner.scan(text: text)
        #expect(
            value
                == .object([
                    JSONMember("b", .integer(1)),
                    JSONMember(
                        "a", .array([.number("1.50"), .integer(0), .number("1E2"), .string("é\n"), .null, .bool(true)])),
                    JSONMember("", .object([])),
                ]))
        #expect(JSONWriter.text(value) == #"{"b":1,"a":[1.50,0,1E2,"é\n",null,true],"":{}}"#)
        #expect(value["a"]?.array?.count == 6)
        #expect(value["b"]?.integer == 1)
        #expect(value["c"] == nil)
    }

    @Test("tells texts apart that only normalisation makes equal")
    func normalisation() throws {
        let composed = try JSONScanner.scan(text: "{\"é\":\"é\"}")
        let decomposed = try JSONScanner.scan(text: "{\"e\u{301}\":\"e\u{301}\"}")
        #expect(composed != decomposed)
        #expect(composed["e\u{301}"] == nil)
    }

    @Test("writes what a reader needs escaped, and nothing more")
    func escapes() {
        let text = JSONWriter.text(.string("\"\\/\u{8}\u{9}\u{A}\u{C}\u{D}\u{1}\u{1F}\u{7F}é😀"))
        #expect(text == "\"\\\"\\\\/\\b\\t\\n\\f\\r\\u0001\\u001f\u{7F}é😀\"")
    }

    @Test("writes indented text that reads back the same")
    func indented() throws {
        let value = try JSONScanner.scan(text: #"{"a":[1,2],"b":{"c":[{"d":[]}],"e":{}}}"#)
        let text = JSONWriter.indentedText(value)
        #expect(try JSONScanner.scan(text: text) == value)
        #expect(text.hasPrefix("{\n  \"a\": [1, 2],\n"))
    }
}
