import Foundation
import Testing

/// us with three records that kr and jp hold, a copy of all that it has in the hands of a thief, and a successor.
struct LogTheft {
    static let log = "us.example/krus"

    let place: Place
    /// How many entries us had written.
    let size: Int
    /// A record with a sealed part for jp.
    let sealed: String

    static let secret = "Sky Mavis, Incheon branch"

    /// - Parameters:
    ///   - partners: who holds the records when the home is copied.
    ///   - unseen: a record that us writes behind those, which nobody else has got.
    ///   - copiesUnseen: whether the thief has it, too; otherwise what the thief writes is another history.
    ///   - isNoticed: whether us gives the log up.
    init(
        partners: [String] = ["kr", "jp"], unseen: String? = nil, copiesUnseen: Bool = true, isNoticed: Bool = true
    ) throws {
        let place = try Place()
        self.place = place
        try place.federate("us", "kr", "jp")
        for label in ["one", "two", "three"] { try place.submit("us", label) }
        sealed = try LogTheft.seal(at: place)
        try place.serve("us")
        for node in partners { try place.must(node, "sync", "us.example") }
        place.stop("us")
        try? FileManager.default.removeItem(atPath: "\(place.path)/us/node.sock")
        if let unseen, copiesUnseen { try place.submit("us", unseen) }
        try FileManager.default.copyItem(atPath: "\(place.path)/us", toPath: "\(place.path)/thief")
        if let unseen, !copiesUnseen { try place.submit("us", unseen) }
        size = try place.size(of: LogTheft.log, at: "us")
        if isNoticed { try place.must("us", "key", "stolen", "log", "--yes") }
    }

    private static func seal(at place: Place) throws -> String {
        let file = try place.file("victim.txt", secret)
        let outcome = try place.must(
            "us", "submit", "attribution", "--field", "chain=BTC", "--field",
            "address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "--field", "label=x", "--field", "victim=@\(file)", "--to",
            "jp.example", "--json")
        return try #require(outcome.objects.first?["ref"] as? String)
    }

    /// The thief writes, and a node that knows no better takes it.
    func deceive(_ node: String, _ labels: String...) throws {
        for label in labels { try place.submit("thief", label) }
        try place.serve(node)
        try place.must("thief", "sync", "\(node).example")
        place.stop(node)
    }

    func takeCard(_ node: String) throws {
        let card = try place.file("us-new.yaml", try place.must("us", "identity").output)
        try place.must(node, "peer", "add", card, "--replace")
    }
}
