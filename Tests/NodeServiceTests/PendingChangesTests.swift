import Cryptography
import NodeService
import Testing

@Suite("What changes while a session is busy") struct PendingChangesTests {
    private let logs = (0..<3).map { SHA256.hash("\($0)") }

    @Test("Changes add up to one event, each log once, and none is lost")
    func addUp() {
        let changes = PendingChanges()
        #expect(changes.add([logs[0]]))
        #expect(changes.take() == [logs[0]])
        // The session has not dealt with that yet.
        for _ in 0..<1_000 { #expect(!changes.add([logs[1], logs[2]])) }
        #expect(!changes.add([logs[0]]))
        #expect(changes.dealtWith())
        #expect(changes.take() == Set(logs))
        #expect(!changes.dealtWith())
        #expect(changes.add([logs[1]]))
    }
}
