import Foundation
import Glibc
import Testing

/// A theft while another replacement of the key is under way, with the real program: what a rotation had begun may be
/// stolen, too, so the key that is in use afterwards was not there before.
@Suite(.serialized) struct KeyTheftTests {
    private static let hasTracer = access("/usr/bin/strace", X_OK) == 0

    private static func keyFiles(_ place: Place, _ node: String) throws -> Set<String> {
        let folder = "\(place.path)/\(node)/keys"
        return Set(
            try FileManager.default.contentsOfDirectory(atPath: folder).map {
                try String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8)
            })
    }

    private static func listed(_ place: Place, _ role: String, _ state: String? = nil) throws -> [String] {
        try place.must("us", "key", "list", "--json").objects.filter {
            $0["role"] as? String == role && (state == nil || $0["state"] as? String == state)
        }.compactMap { $0["key_id"] as? String }
    }

    /// Calls that a theft is called behind, and the file whose key is in use then.
    enum Role: String, CaseIterable {
        case sealing, mirror, tls

        /// What may be broken off: each that makes or replaces a key.
        var broken: [[String]] {
            switch self {
            case .sealing, .mirror: [["rotate", rawValue], ["stolen", rawValue]]
            case .tls: [["rotate", "tls", "--finish"]]
            }
        }

        func inUse(in folder: String) throws -> String {
            var name = "\(rawValue).key"
            if self == .sealing {
                let names = try FileManager.default.contentsOfDirectory(atPath: folder)
                name = names.filter { $0.hasPrefix("sealing-") }.max() ?? ""
            }
            return try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
        }
    }

    @Test(.enabled(if: hasTracer, "needs strace in /usr/bin"), arguments: Role.allCases)
    func whateverWasBrokenOffATheftMakesAKeyThatWasNotThereBefore(_ role: Role) throws {
        let place = try Place()
        try place.federate("us", "kr")
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/before")
        var killed = 0
        for command in role.broken {
            for call in ["rename", "unlink"] {
                for number in 1...8 {
                    try FileManager.default.removeItem(atPath: "\(place.path)/us")
                    try FileManager.default.copyItem(atPath: "\(place.path)/before", toPath: "\(place.path)/us")
                    let ended = try place.detached(
                        "us", ["key"] + command,
                        below: [
                            "/usr/bin/strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(call)", "-e",
                            "inject=\(call):signal=SIGKILL:when=\(number)",
                        ])
                    guard ended.status != 0 else { break }
                    killed += 1
                    let stolen = try Self.keyFiles(place, "us")
                    let known = Set(try Self.listed(place, role.rawValue))
                    let done = try #require(place.must("us", "key", "stolen", role.rawValue, "--json").objects.first)
                    let now = try role.inUse(in: "\(place.path)/us/keys")
                    #expect(!stolen.contains(now), "\(command), \(call) \(number)")
                    let keyID = try #require(done["key_id"] as? String)
                    #expect(!known.contains(keyID), "\(command), \(call) \(number)")
                    #expect(done["resumed"] as? Bool ?? false == false)
                    #expect(try Self.listed(place, role.rawValue, "current") == [keyID])
                    #expect(try place.alarms("us") == [], "\(command), \(call) \(number)")
                }
            }
        }
        #expect(killed >= 4, "\(killed)")
        try place.expectSound("us")
    }

    /// One of two logs takes no entries while keys are rotated, and does again by the time of the theft.
    @Test(arguments: [Role.sealing, .mirror])
    func whatWaitsForALogIsNotTakenForTheNewKey(_ role: Role) throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.must("us", "community", "add", "asia")
        let database = try DatabaseFile("\(place.path)/us/node.sqlite")
        try database.execute("UPDATE log SET recovering = 1 WHERE origin = 'us.example/asia'")
        let rotated = try place.must("us", "key", "rotate", role.rawValue, "--json")
        #expect(rotated.objects.first?["waiting"] as? [String] == ["us.example/asia"])
        #expect(rotated.errors.contains("`entente key rotate \(role.rawValue)` after"), "\(rotated.errors)")
        try database.execute("UPDATE log SET recovering = 0 WHERE origin = 'us.example/asia'")
        let before = try #require(rotated.objects.first?["key_id"] as? String)
        let done = try #require(place.must("us", "key", "stolen", role.rawValue, "--json").objects.first)
        #expect(done["key_id"] as? String != before && done["resumed"] as? Bool == false)
        #expect(done["published"] as? [String] == ["us.example/asia", "us.example/krus"])
        #expect(try place.alarms("us") == [])
        // Both logs say the same: the key that waited and, behind it, the new one.
        for log in ["krus", "asia"] {
            let said = try place.keyRecords("us", role.rawValue, in: "us.example/\(log)")
            #expect(
                said.suffix(2).compactMap { $0["key_id"] as? String } == [before, done["key_id"] as? String], "\(said)")
        }
        try place.expectSound("us")
    }

    /// While no log could tell, the key was replaced; then it is stolen again.
    @Test func aSecondTLSTheftAfterTheLogIsBackMakesAnotherKey() throws {
        let place = try Place()
        try place.federate("us", "kr")
        try place.serve("us")
        try place.must("kr", "sync", "us.example")
        place.stop()
        for name in ["node.sqlite", "node.sqlite-wal", "node.sqlite-shm"] {
            try? FileManager.default.removeItem(atPath: "\(place.path)/us/\(name)")
        }
        let first = try #require(place.must("us", "key", "stolen", "tls", "--json").objects.first?["key_id"] as? String)
        let card = try place.file("us-new.yaml", place.must("us", "identity").output)
        try place.must("kr", "peer", "add", card, "--replace")
        try place.serve("kr")
        #expect(try Entente.waits { try place.run("us", "recover").status == 0 })
        #expect(FileManager.default.fileExists(atPath: "\(place.path)/us/certs/tls.replaced"))
        try? FileManager.default.removeItem(atPath: "\(place.path)/us/node.sock")
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/thief")
        try place.serve("us")
        try place.submit("us", "after")
        #expect(
            try Entente.waits {
                try place.size(of: "us.example/krus", at: "kr") == place.size(of: "us.example/krus", at: "us")
            })
        let second = try #require(place.must("us", "key", "stolen", "tls", "--json").objects.first)
        #expect(second["key_id"] as? String != first && second["previous_key_id"] as? String == first)
        #expect(second["missing"] as? [String] == [])
        #expect(!FileManager.default.fileExists(atPath: "\(place.path)/us/certs/tls.replaced"))
        #expect(try Self.listed(place, "tls") == [second["key_id"] as? String])
        // By the log alone.
        #expect(try Entente.waits { try place.run("thief", "sync", "kr.example").status == 77 })
        #expect(try Entente.waits { try place.run("us", "sync", "kr.example").status == 0 })
        #expect(try place.alarms("us") == [])
        place.stop()
    }

    /// The running node has the keys, and does the same.
    @Test(arguments: Role.allCases) func theRunningNodeMakesAnotherKeyToo(_ role: Role) throws {
        let place = try Place()
        let phrase = try place.file("phrase.txt", "a passphrase for this test\n")
        try place.found("us", under: phrase)
        let home = "\(place.path)/us"
        // As a crash leaves it behind the making of a key: it is there, and no log says so.
        try FileManager.default.copyItem(atPath: home, toPath: "\(place.path)/copy")
        let begun = try place.detached("copy", ["key", "rotate", role.rawValue, "--json"], phrase: phrase)
        #expect(begun.status == 0, "\(begun.errors)")
        let (made, there) =
            role == .sealing
            ? ("sealing-2.key", "sealing-2.key") : ("\(role.rawValue).key", "\(role.rawValue).next.key")
        let hasNext = FileManager.default.fileExists(atPath: "\(place.path)/copy/keys/\(there)")
        try FileManager.default.copyItem(
            atPath: "\(place.path)/copy/keys/\(hasNext ? there : made)", toPath: "\(home)/keys/\(there)")
        try place.serve("us", under: phrase)
        let done = try #require(place.must("us", "key", "stolen", role.rawValue, "--json").objects.first)
        #expect(done["resumed"] as? Bool ?? false == false)
        let keyID = try #require(done["key_id"] as? String)
        #expect(keyID != begun.objects.first?["key_id"] as? String)
        #expect(try Self.listed(place, role.rawValue, "current") == [keyID])
        #expect(try place.isEncrypted("us"))
        #expect(try place.alarms("us") == [])
        place.stop()
    }

    private static func pins(_ place: Place) throws -> [String: String] {
        let keys = try place.must("us", "key", "list", "--json").objects.filter { $0["role"] as? String == "tls" }
        return Dictionary(
            keys.compactMap { key in (key["key_id"] as? String).map { ($0, key["state"] as? String ?? "") } },
            uniquingKeysWith: { first, _ in first })
    }

    @Test func whatWasAnnouncedIsNotUsedWhereTheKeyAndItsCertificateAreGone() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let announced = try place.must("us", "key", "rotate", "tls", "--json").objects.first?["key_id"] as? String
        for file in ["keys/tls.key", "certs/tls.pem"] {
            try FileManager.default.removeItem(atPath: "\(place.path)/us/\(file)")
        }
        let stolen = try place.must("us", "key", "stolen", "tls", "--json").objects.first
        let new = try #require(stolen?["key_id"] as? String)
        #expect(new != announced)
        #expect(try Self.pins(place) == [new: "current"])
        #expect(!FileManager.default.fileExists(atPath: "\(place.path)/us/keys/tls.next.key"))
        #expect(try place.alarms("us") == [])
    }

    @Test func anAnnouncedKeyThatIsLostTakesNobodysPlace() throws {
        let place = try Place()
        try place.federate("us", "kr")
        let rotation = try place.must("us", "key", "rotate", "tls", "--json").objects.first
        let (announced, current) = (rotation?["key_id"] as? String, rotation?["previous_key_id"] as? String)
        try FileManager.default.removeItem(atPath: "\(place.path)/us/keys/tls.next.key")
        try place.serve("kr")
        try place.must("us", "sync")
        try place.must("us", "key", "rotate", "tls")
        let pins = try Self.pins(place)
        let (kept, gone) = (try #require(current), try #require(announced))
        #expect(pins[kept] == "current" && pins[gone] == nil, "\(pins)")
        try place.must("us", "sync")
        #expect(try place.alarms("us") == [])
    }
}
