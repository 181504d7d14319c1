import Foundation
import Glibc
import Testing

/// Keys that the system does not let be locked in memory: the node works, and says so.
@Suite struct MemoryLockTests {
    private let place: Place
    private let phrase: String

    init() throws {
        place = try Place()
        phrase = try place.file("phrase.txt", "the old passphrase\n")
        try place.found("us", under: phrase)
    }

    /// Runs what follows with so many KiB that may be locked. Root is not bound by that, unless it gives up the right.
    private static func limited(to kibibytes: Int) -> String? {
        guard geteuid() == 0 else { return "bash -c 'ulimit -l \(kibibytes); exec \"$@\"' bash" }
        guard access("/usr/bin/setpriv", X_OK) == 0 else { return nil }
        return
            "setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock bash -c 'ulimit -l \(kibibytes); exec \"$@\"' bash"
    }

    private func warnings() throws -> [String] {
        try #require(place.must("us", "status", "--json").objects.first?["warnings"] as? [String])
    }

    @Test(.enabled(if: limited(to: 1) != nil, "needs setpriv in /usr/bin, run by root"))
    func theRunningNodeSaysOnceThatItsKeysMayBeSwappedOut() throws {
        #expect(try warnings() == [])
        let log = try place.file("run.log", "")
        let node = try place.serve(
            "us", under: phrase, before: #require(Self.limited(to: 8)),
            errors: try FileHandle(forWritingTo: URL(fileURLWithPath: log)))
        let said = try warnings()
        #expect(said.count == 1 && said.first?.contains("ulimit -l") == true, "\(said)")
        #expect(try place.must("us", "status").output.contains("WARNING  keys could not be locked"))
        // It is no alarm: everything works.
        #expect(try place.run("us", "status", "--check").status == 0)
        #expect(try place.detached("us", ["key", "rotate", "mirror"]).status == 0)
        sleep(3)
        let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n")
        #expect(lines.filter { $0.contains("could not be locked") }.count == 1, "\(lines)")
        node.terminate()
        node.waitUntilExit()
        try place.serve("us", under: phrase)
        #expect(try warnings() == [])
    }
}
