import Foundation
import Testing

/// Nobody confirms by an import what an erased record said, or one whose key was destroyed, with the real program.
@Suite(.serialized) struct ErasedDoubleCommandTests {
    private static func line(_ victim: String) -> String {
        #"{"type":"attribution","subject":{"chain":"eip155:1","#
            + #""address":"0x098b716b8aaf21512996dc57eb0615e2383e2f96"},"label":"x","victim":"\#(victim)"}"# + "\n"
    }

    private func counts(_ place: Place, _ file: String, _ more: String...) throws -> [Int?] {
        let outcome = try Entente.run(["--home", "\(place.path)/us", "import", file, "--json"] + more)
        let report = try #require(outcome.objects.last, "\(outcome.errors)")
        return [report["imported"] as? Int, report["duplicates"] as? Int]
    }

    @Test func anErasedRecordIsNotKnownAsADouble() throws {
        let place = try Place()
        try place.found("us")
        let erased = try place.file("a.jsonl", Self.line("Alice Erased"))
        let kept = try place.file("b.jsonl", Self.line("Bob Kept"))
        for file in [erased, kept] {
            #expect(try counts(place, file) == [1, 0])
            #expect(try counts(place, file, "--dry-run") == [0, 1])
        }
        let outcome = try place.must("us", "erase", "us.example/krus#1", "--yes")
        #expect(outcome.errors.contains("its source, imported again, would write it anew"), "\(outcome.errors)")
        #expect(try counts(place, erased, "--dry-run") == [1, 0])
        #expect(try counts(place, kept, "--dry-run") == [0, 1])
        // As the page says, the source writes it again, and then it is known.
        #expect(try counts(place, erased) == [1, 0])
        #expect(try counts(place, erased) == [0, 1])
        try place.expectSound("us")
    }

    /// As an earlier release left it; what keeps the hash from being removed is said, and keeps nobody from working.
    @Test func aHashThatCannotBeRemovedIsToldOf() throws {
        let place = try Place()
        try place.found("us")
        let erased = try place.file("a.jsonl", Self.line("Alice Erased"))
        #expect(try counts(place, erased) == [1, 0])
        try place.must("us", "erase", "us.example/krus#1", "--yes")
        let database = try DatabaseFile("\(place.path)/us/node.sqlite")
        try database.execute(
            "UPDATE double_hash SET hashes = CAST(substr(hashes, 1, 8) || x'0101010101010101' || substr(hashes, 17) AS BLOB);"
                + "CREATE TRIGGER held BEFORE UPDATE ON blob_erasure BEGIN SELECT RAISE(ABORT, 'held'); END")
        let told = try place.must("us", "status")
        #expect(told.errors.contains("known as doubles could not be removed, which is tried again"), "\(told.errors)")
        told.expectOneLine()
        try database.execute("DROP TRIGGER held")
        #expect(try place.must("us", "status").errors == "")
        #expect(try counts(place, erased, "--dry-run") == [1, 0])
        try place.expectSound("us")
    }

    @Test func aRecordWhoseKeyWasDestroyedIsNotKnownAsADouble() throws {
        let place = try Place()
        try place.found("us")
        let old = try place.file("a.jsonl", Self.line("Alice Old"))
        let new = try place.file("b.jsonl", Self.line("Bob New"))
        #expect(try counts(place, old) == [1, 0])
        try place.must("us", "key", "rotate", "sealing")
        #expect(try counts(place, new) == [1, 0])
        #expect(try counts(place, old, "--dry-run") == [0, 1])
        try place.must("us", "key", "destroy", "1", "--yes")
        #expect(try counts(place, old, "--dry-run") == [1, 0])
        #expect(try counts(place, new, "--dry-run") == [0, 1])
    }
}
