import Cryptography
import Dispatch
import Glibc
import LogStore
import Synchronization
import Testing

@Suite("The index")
struct IndexTests {
    private final class Indexed {
        let folder: StoreFolder
        let store: SQLiteLogStore
        var index: RecordIndex

        init(_ bodies: [[UInt8]] = []) throws {
            folder = try StoreFolder()
            store = try folder.open()
            try store.createOwn()
            if !bodies.isEmpty { try store.append(bodies) }
            index = try RecordIndex(path: folder.index, store: store)
        }

        /// The indices found, in order.
        func find(_ change: (inout RecordQuery) -> Void) throws -> [UInt64] {
            var query = RecordQuery()
            change(&query)
            return try index.search(query).found.map(\.index)
        }
    }

    private static let evm = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    private static let bech32 = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"
    private static let base58 = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"
    private static let tron = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"

    @Test("An address is found without its chain: EVM and bech32 in any case, base58 in its own only")
    func addresses() throws {
        let it = try Indexed([
            RecordBodies.attribution(address: Self.evm),
            RecordBodies.attribution(chain: "bip122:000000000019d6689c085ae165831e93", address: Self.bech32),
            RecordBodies.attribution(chain: "bip122:000000000019d6689c085ae165831e93", address: Self.base58),
            RecordBodies.attribution(chain: "tron:0x2b6653dc", address: Self.tron),
            RecordBodies.attribution(chain: "eip155:56", address: Self.evm.lowercased()),
            RecordBodies.attribution(chain: "unknown:chain", address: "An address of a chain nobody knows"),
        ])
        for spelling in [Self.evm, Self.evm.lowercased(), "0x" + Self.evm.dropFirst(2).uppercased()] {
            #expect(try it.find { $0.address = spelling }.sorted() == [0, 4], "\(spelling)")
        }
        for spelling in [Self.bech32, Self.bech32.uppercased()] {
            #expect(try it.find { $0.address = spelling } == [1], "\(spelling)")
        }
        #expect(try it.find { $0.address = Self.base58 } == [2])
        #expect(try it.find { $0.address = Self.base58.lowercased() } == [])
        #expect(try it.find { $0.address = Self.tron } == [3])
        #expect(try it.find { $0.address = Self.tron.uppercased() } == [])
        #expect(try it.find { $0.address = "An address of a chain nobody knows" } == [5])
        #expect(try it.find { $0.address = "" } == [])
        #expect(try it.find { $0.address = "0x00000000000000000000000000000000deadbeef" } == [])
    }

    @Test("The ends of a transfer are found as addresses, once each")
    func transfers() throws {
        let transfer = [UInt8](
            (#"{"v":1,"type":"transfer","incident":"big-heist","from":[{"chain":"eip155:1","address":"\#(Self.evm)"}],"#
                + #""to":[{"chain":"tron:0x2b6653dc","address":"\#(Self.tron)"},"#
                + #"{"chain":"eip155:1","address":"\#(Self.evm)"}]}"#).utf8)
        let it = try Indexed([transfer])
        #expect(try it.find { $0.address = Self.evm.lowercased() } == [0])
        #expect(try it.find { $0.address = Self.tron } == [0])
        #expect(try it.find { $0.incident = "big-heist" } == [0])
    }

    @Test("Transaction, actor, incident, type and community each narrow the search, and all must hold")
    func fields() throws {
        let hash = "0x" + String(repeating: "aB", count: 32)
        let it = try Indexed([
            [UInt8](
                #"{"v":1,"type":"attribution","subject":{"chain":"eip155:1","tx_hash":"\#(hash)"},"label":"x"}"#.utf8),
            RecordBodies.attribution(address: Self.evm, more: #","actor":"lazarus_group","incident":"heist-1""#),
            [UInt8](#"{"v":1,"type":"actor","slug":"lazarus_group","label":"Lazarus Group"}"#.utf8),
            [UInt8](#"{"v":1,"type":"incident","slug":"heist-1","name":"The heist"}"#.utf8),
        ])
        #expect(try it.find { $0.transaction = hash.lowercased() } == [0])
        #expect(try it.find { $0.transaction = hash.uppercased() } == [0])
        #expect(try it.find { $0.actor = "lazarus_group" }.sorted() == [1, 2])
        #expect(try it.find { $0.actor = "lazarus" } == [])
        #expect(try it.find { $0.incident = "heist-1" }.sorted() == [1, 3])
        #expect(try it.find { $0.type = "actor" } == [2])
        #expect(
            try it.find {
                $0.type = "attribution"; $0.actor = "lazarus_group"
            } == [1])
        #expect(
            try it.find {
                $0.actor = "lazarus_group"; $0.incident = "none"
            } == [])
        #expect(try it.find { $0.community = "krus" }.count == 4)
        #expect(try it.find { $0.community = "other" } == [])
    }

    @Test("Words are found by their beginnings, in any case and with or without accents; all must be there")
    func words() throws {
        let it = try Indexed([
            RecordBodies.attribution(
                address: Self.evm, label: "Deposit wallet 4711", more: #","actor":"lazarus_group""#),
            RecordBodies.attribution(
                address: Self.tron, label: "Börse Zürich", more: #","concepts":["mixing_service"]"#),
            RecordBodies.attribution(address: Self.base58, label: "거래소 지갑"),
        ])
        #expect(try it.find { $0.text = "deposit" } == [0])
        #expect(try it.find { $0.text = "DEP wal" } == [0])
        #expect(try it.find { $0.text = "47" } == [0])
        #expect(try it.find { $0.text = "posit" } == [])
        #expect(try it.find { $0.text = "deposit zürich" } == [])
        #expect(try it.find { $0.text = "zurich" } == [1])
        #expect(try it.find { $0.text = "BÖRSE" } == [1])
        #expect(try it.find { $0.text = "mixing" } == [1])
        #expect(try it.find { $0.text = "service" } == [1])
        #expect(try it.find { $0.text = "lazarus_group" } == [0])
        #expect(try it.find { $0.text = "group" } == [0])
        #expect(try it.find { $0.text = "거래" } == [2])
    }

    @Test("Whatever is asked for, the answer is no error")
    func hostileText() throws {
        let it = try Indexed([RecordBodies.attribution(address: Self.evm, label: "AND OR NOT NEAR label")])
        let texts = [
            "\"", "\"\"\"", "'", "' OR 1=1 --", "*", "^", "a*b", "NEAR(", "NOT", "AND", "OR OR OR", "-", "text:", "(",
            ")",
            "{text}", "a + b", "\0", "a\0b", "\u{200d}", "a\u{200d}b", "e\u{301}\u{301}\u{301}", "🇩🇪👨‍👩‍👧", "½ ² Ⅷ",
            "\u{fffd}",
            "\u{10ffff}", "𒀀", "ﬁ", "a\u{0300}\u{200c}c", "%", "_", "\\", String(repeating: "a", count: 1_000_000),
            String(repeating: "word ", count: 100_000), String(repeating: "\"", count: 100_000),
            (0..<5_000).map { "w\($0)" }.joined(separator: " "),
        ]
        for text in texts {
            for change in [
                { $0.text = text }, { $0.address = text }, { $0.transaction = text }, { $0.actor = text },
                { $0.incident = text }, { $0.type = text }, { $0.community = text },
            ] as [(inout RecordQuery) -> Void] {
                #expect(throws: Never.self, "\(text.prefix(20))") { try it.find(change) }
            }
        }
        #expect(try it.find { $0.text = "NOT near" } == [0])
        #expect(try it.find { $0.text = "\"label\"" } == [0])
        #expect(try it.find { $0.text = "***" } == [])
        #expect(try it.find { $0.text = " " } == [0])
        for limit in [0, -1, .min] { #expect(try it.find { $0.limit = limit } == []) }
        #expect(try it.find { $0.limit = .max } == [0])
    }

    @Test("The newest come first, as many as asked for; what has no time comes last")
    func order() throws {
        let times = ["2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-01T00:00:00Z", "never"]
        let it = try Indexed(times.map { RecordBodies.attribution(address: Self.evm, time: $0) })
        #expect(try it.find { $0.address = Self.evm } == [1, 0, 2, 3])
        #expect(
            try it.find {
                $0.text = "label"; $0.limit = 2
            } == [1, 0])
        #expect(try it.find { $0.limit = 3 } == [1, 0, 2])
        try it.store.append([RecordBodies.attribution(address: Self.evm, time: "2026-01-02T12:00:00Z")])
        #expect(try it.find { $0.address = Self.evm } == [1, 4, 0, 2, 3])
    }

    @Test("What is withdrawn or superseded is hidden unless asked for, and counted; what is disputed is shown so")
    func effects() throws {
        let it = try Indexed(
            (0..<4).map { RecordBodies.attribution(address: Self.evm, time: "2026-01-0\($0 + 1)T00:00:00Z") } + [
                RecordBodies.withdrawal(of: "us.example/krus#0"),
                RecordBodies.withdrawal(of: "us.example/krus#1", supersedes: true, replacement: "us.example/krus#2"),
                RecordBodies.assessment(of: "us.example/krus#2"),
                RecordBodies.assessment(of: "us.example/krus#3", disputes: false),
            ])
        var query = RecordQuery()
        query.address = Self.evm
        var answer = try it.index.search(query)
        #expect(answer.found.map(\.index) == [3, 2] && answer.hidden == 2)
        #expect(answer.found.map(\.state) == [.current, .disputed])
        query.includesWithdrawn = true
        answer = try it.index.search(query)
        #expect(answer.found.map(\.state) == [.current, .disputed, .superseded, .withdrawn] && answer.hidden == 0)
        let said = try it.index.standing(of: origin, at: 1)
        #expect(said.standing.state == .superseded)
        #expect(
            said.opinions.map(\.effect) == [.superseded] && said.opinions.map(\.index) == [5])
        #expect(said.opinions.map(\.replacement) == ["us.example/krus#2"])
        #expect(try it.index.standing(of: origin, at: 3).standing.state == .current)
        #expect(try it.index.standing(of: origin, at: 3).opinions.map(\.effect) == [.corroborated])
    }

    @Test("However many are withdrawn, what is current behind them is found and all hidden ones are counted")
    func manyWithdrawn() throws {
        let count = 700
        let it = try Indexed(
            [RecordBodies.attribution(address: Self.evm, time: "2020-01-01T00:00:00Z")]
                + (1...count).map { _ in RecordBodies.attribution(address: Self.evm) }
                + (1...count).map { RecordBodies.withdrawal(of: "us.example/krus#\($0)") })
        for limit in [1, 100] {
            var query = RecordQuery()
            query.address = Self.evm
            query.limit = limit
            let answer = try it.index.search(query)
            #expect(answer.found.map(\.index) == [0] && answer.hidden == count)
        }
    }

    @Test("A withdrawal in another log has no effect; a dispute from there is shown")
    func otherLogs() throws {
        let it = try Indexed([RecordBodies.attribution(address: Self.evm)])
        try it.store.createOwn("kr.example/krus")
        try it.store.append(
            [
                RecordBodies.withdrawal(of: "us.example/krus#0"),
                RecordBodies.withdrawal(of: "us.example/krus#0", supersedes: true),
            ], to: "kr.example/krus")
        #expect(try it.find { $0.address = Self.evm } == [0])
        #expect(try it.index.standing(of: origin, at: 0).opinions.isEmpty)
        try it.store.append([RecordBodies.assessment(of: "us.example/krus#0")], to: "kr.example/krus")
        let said = try it.index.standing(of: origin, at: 0)
        #expect(said.standing.state == .disputed && said.opinions.map(\.origin) == ["kr.example/krus"])
    }

    @Test("A search finds what was appended just before, batch after batch, and after opening again")
    func fillsFirst() throws {
        let it = try Indexed()
        #expect(try it.find { $0.address = Self.evm } == [])
        var count: UInt64 = 0
        for step in [1, 1, 254, 1, 300, 5] as [UInt64] {
            let bodies = (0..<step).map { RecordBodies.attribution(address: Self.evm, label: "number \(count + $0)") }
            try it.store.append(bodies)
            count += step
            #expect(
                try it.find {
                    $0.address = Self.evm; $0.limit = 10_000
                }.sorted() == Array(0..<count))
            #expect(
                try it.find {
                    $0.text = "number"; $0.limit = 10_000
                }.count == Int(count))
        }
        it.index = try RecordIndex(path: it.folder.index, store: it.store)
        var calls = 0
        try it.index.update { _, _ in calls += 1 }
        #expect(calls == 0)
        #expect(try it.find { $0.text = "number 555" } == [555])
    }

    @Test("An index that was deleted, or written by an older release, is filled again and answers the same")
    func rebuilt() throws {
        let it = try Indexed((0..<600).map { RecordBodies.attribution(address: Self.evm, label: "n\($0)") })
        let before = try it.find {
            $0.address = Self.evm; $0.limit = 1_000
        }
        #expect(before.count == 600)
        for suffix in ["", "-wal", "-shm"] { unlink(it.folder.index + suffix) }
        it.index = try RecordIndex(path: it.folder.index, store: it.store)
        #expect(
            try it.find {
                $0.address = Self.evm; $0.limit = 1_000
            } == before)
    }

    @Test("Bodies that are no records are in the index as unreadable, and harm nothing")
    func unreadable() throws {
        let it = try Indexed([
            [0xff, 0xfe], [UInt8]("[]".utf8), [UInt8](#"{"v":1,"type":"attribution","type":"attribution"}"#.utf8),
            [UInt8](#"{"v":1,"type":"attribution","subject":[],"label":5,"time":{},"actor":[],"incident":7}"#.utf8),
            RecordBodies.attribution(address: Self.evm),
        ])
        #expect(try it.find { $0.address = Self.evm } == [4])
        #expect(try it.find { $0.type = "unreadable" }.sorted() == [0, 1, 2])
        #expect(try it.find { _ in }.count == 5)
    }

    @Test("Two processes that fill the index at once agree, and no record is there twice")
    func atOnce() throws {
        let it = try Indexed(
            (0..<20_000).map {
                RecordBodies.attribution(
                    address: "0x" + String(repeating: "0", count: 36) + String(1_000 + $0 % 9_000), label: "w\($0)")
            })
        let indexes = [it.index, try RecordIndex(path: it.folder.index, store: it.folder.open())]
        let failures = Mutex<[String]>([])
        DispatchQueue.concurrentPerform(iterations: 2) { which in
            do { try indexes[which].update() } catch { failures.withLock { $0.append("\(error)") } }
        }
        #expect(failures.withLock { $0 } == [])
        for index in indexes {
            var query = RecordQuery()
            query.limit = 100_000
            let found = try index.search(query).found.map(\.index)
            #expect(found.count == 20_000 && Set(found).count == 20_000)
            query.text = "w19999"
            #expect(try index.search(query).found.map(\.index) == [19_999])
            query.text = nil
            query.address = "0x" + String(repeating: "0", count: 36) + "1500"
            #expect(try index.search(query).found.map(\.index).sorted() == [500, 9_500, 18_500])
        }
    }
}
