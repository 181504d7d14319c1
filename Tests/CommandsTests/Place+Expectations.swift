import Foundation
import Glibc
import Testing

extension Entente.Outcome {
    /// An error is one line, whoever reads it.
    func expectOneLine(_ comment: String = "", at location: SourceLocation = #_sourceLocation) {
        #expect(
            errors.split(separator: "\n", omittingEmptySubsequences: false).count == 2 && errors.hasSuffix("\n"),
            "\(comment): \(errors)", sourceLocation: location)
    }
}

extension Entente {
    /// Waits until something is so; false after a minute.
    static func waits(until isSo: () throws -> Bool) rethrows -> Bool {
        for _ in 0..<3_000 {
            if try isSo() { return true }
            usleep(20_000)
        }
        return false
    }
}

extension Place {
    func expectSound(_ node: String, at location: SourceLocation = #_sourceLocation) throws {
        let report = try must(node, "verify", "--json", at: location).objects.first
        #expect(report?["ok"] as? Bool == true, sourceLocation: location)
    }

    /// The verified size of a log.
    func size(of origin: String, at node: String) throws -> Int {
        try log(origin, at: node)?["size"] as? Int ?? -1
    }

    func log(_ origin: String, at node: String) throws -> [String: Any]? {
        let logs = try must(node, "status", "--json").objects.first?["logs"] as? [[String: Any]]
        return logs?.first { $0["origin"] as? String == origin }
    }

    /// What a log says of keys of a role, in its order.
    func keyRecords(_ node: String, _ role: String, in origin: String) throws -> [[String: Any]] {
        try (0..<size(of: origin, at: node)).compactMap { index in
            let shown = try must(node, "show", "\(origin)#\(index)", "--json").objects.first
            let record = shown?["record"] as? [String: Any]
            return record?["type"] as? String == "key" && record?["role"] as? String == role ? record : nil
        }
    }

    /// A transfer that broke off has left a verified prefix, and no more.
    func expectNothingHalfDone(
        _ node: String, of origin: String, below size: Int, at location: SourceLocation = #_sourceLocation
    ) throws {
        let log = try log(origin, at: node)
        let held = log?["size"] as? Int ?? -1
        #expect(held >= 0 && held < size, "\(held) of \(size)", sourceLocation: location)
        #expect(log?["state"] as? String == "receiving", sourceLocation: location)
        if held < size {
            let beyond = try run(node, "show", "\(origin)#\(size - 1)")
            #expect(beyond.status == 1, sourceLocation: location)
        }
    }

    /// Imports generated records; the size of the own log then.
    func fill(_ node: String, records: Int) throws -> Int {
        let file = try file("generated.jsonl", try Entente.run(["bench", "bodies", "--records", "\(records)"]).output)
        try must(node, "import", file)
        return try size(of: "\(node).example/krus", at: node)
    }

    /// Where a node says that it listens.
    func port(of node: String) throws -> Int {
        let card = try String(contentsOfFile: "\(path)/\(node).yaml", encoding: .utf8)
        let match = try #require(card.range(of: "127\\.0\\.0\\.1:[0-9]+", options: .regularExpression))
        return try #require(Int(card[match].split(separator: ":")[1]))
    }
}
