import Home
public import LogStore

extension Node {
    /// What the operator has to know of keys: rotations that were broken off, keys that contradict each other, and such
    /// as no chain of records leads to.
    public func keyAlarms(_ logs: [StoredLog]) throws -> [String] {
        var alarms = try sealingKeyBook().conflicts
        alarms += try logsWithoutNewestSealingKey().map {
            "the newest sealing key is not published in \($0); run `entente key rotate sealing` to complete that"
        }
        return alarms
    }
}
