import LogStore
import NodeService
import Records

// What commands say of entries that stand behind the end of a log which its owner has given up. They are in the log, and
// proofs of that hold; they are not the owner's word.

extension StoredLog {
    /// What is said of one entry; `nil` where it is the owner's.
    func beyondOwnerText(_ index: UInt64) -> String? {
        guard let end = givenUpAt, isBeyondOwner(index) else { return nil }
        return "\(node) says that it did not write this: it had given \(origin) up at "
            + "\(counted(end, "entry", "entries")) by then, as when its key is stolen; do not rely on it"
    }

    /// What is said of the log where it goes on behind that end.
    var beyondOwnerText: String? {
        guard let end = givenUpAt, reachesBeyondOwner else { return nil }
        let rest = counted(size - end, "entry", "entries")
        return
            "\(origin) has \(rest) here from #\(end) on that \(node) says it did not write: it had given the log up by "
            + "then, as when its key is stolen; do not rely on them, and tell \(node)"
    }

    /// Says so on standard error.
    func noteBeyondOwner(_ index: UInt64) {
        if let text = beyondOwnerText(index) { Output.note("entente: \(origin)#\(index): \(text)") }
    }
}

extension FoundRecord {
    /// How it stands, for people.
    var stateText: String { isBeyondOwner ? "\(state.rawValue), \(notOwners)" : state.rawValue }
}

/// What stands beside an entry that is not its owner's.
let notOwners = "NOT ITS OWNER'S"
