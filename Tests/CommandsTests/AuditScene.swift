import Foundation
import Testing

/// Two nodes that hold each other's logs, for an auditor to look at.
struct AuditScene {
    static let origin = "us.example/krus"
    let place: Place
    /// Entries in us.example/krus.
    let size: Int
    let logKey: String
    let ownCosignerKey: String
    let cosignerKey: String
    let partnerLogKey: String

    /// Some 700 entries of us.example under several checkpoints, one with a sealed part, at both nodes and cosigned.
    init() throws {
        place = try Place()
        try place.federate("us", "kr")
        try place.must("us", "import", "\(Place.examples)/bybit-fbi-2025-02.csv")
        _ = try place.fill("us", records: 600)
        try place.must(
            "us", "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=a", "--field",
            "victim=b", "--to", "kr.example")
        try place.serve("us")
        try place.must("kr", "sync")
        place.stop()
        size = try place.size(of: Self.origin, at: "us")
        func key(_ pattern: String, _ node: String, in place: Place) throws -> String {
            let card = try String(contentsOfFile: "\(place.path)/\(node).yaml", encoding: .utf8)
            let line = try #require(card.split(separator: "\n").first { $0.contains(pattern) })
            return String(try #require(line.split(separator: " ").last))
        }
        logKey = try key(" vkey: ", "us", in: place)
        ownCosignerKey = try key("mirror_key: ", "us", in: place)
        cosignerKey = try key("mirror_key: ", "kr", in: place)
        partnerLogKey = try key(" vkey: ", "kr", in: place)
    }

    /// All keys that an auditor has been told.
    var keys: [String] { [logKey, ownCosignerKey, cosignerKey, partnerLogKey].flatMap { ["--vkey", $0] } }

    /// A copy of a home's database, alone in a folder; its path.
    func copy(of node: String, named name: String) throws -> String {
        let folder = "\(place.path)/\(name)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let file = "\(folder)/node.sqlite"
        try DatabaseFile("\(place.path)/\(node)/node.sqlite").execute("VACUUM INTO '\(file)'")
        return file
    }

    /// Runs `verify` for somebody without a home.
    func verify(_ path: String, _ options: [String] = []) throws -> Entente.Outcome {
        try Entente.run(["--home", "\(place.path)/nobody", "verify", path, "--json"] + options)
    }

    static func log(_ outcome: Entente.Outcome, _ origin: String = AuditScene.origin) -> [String: Any]? {
        (outcome.objects.first?["logs"] as? [[String: Any]])?.first { $0["origin"] as? String == origin }
    }

    static func problems(_ outcome: Entente.Outcome) -> [String] {
        (outcome.objects.first?["problems"] as? [[String: Any]] ?? []).map {
            "\($0["origin"] ?? "")" + ($0["entry"].map { "#\($0)" } ?? "") + ": \($0["text"] ?? "")"
        }
    }

    static func unproved(_ outcome: Entente.Outcome) -> [String] {
        outcome.objects.first?["unproved"] as? [String] ?? []
    }
}
