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

    /// The same as what an answer of `verify` does not prove.
    func unprovedOwnerText(_ index: UInt64) -> String? {
        beyondOwnerText(index).map { "that \(node) wrote this: \($0)" }
    }

    /// The log as a home has it, for who checks with keys of their own and needs no home: `nil` where none is there, or
    /// it cannot be opened.
    static func ifHere(_ origin: String, home: String?) -> StoredLog? {
        (try? Node.open(home)).flatMap { try? $0.store.log(origin) }
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

extension StoredLog {
    /// How the log stands, with where its owner's part ends if it was given up.
    var stateAndEndText: String {
        guard let givenUpAt else { return stateText }
        return stateText + (stateText == "given up" ? "" : ", given up") + " at \(grouped(givenUpAt))"
    }

    /// How many entries the owner had written when it gave the log up.
    var endMember: JSONMember {
        JSONMember("given_up_at", givenUpAt.map { .integer(Int64(clamping: $0)) } ?? .null)
    }
}

extension FoundRecord {
    /// How it stands, for people.
    var stateText: String {
        if isBeyondOwner { return "\(state.rawValue), \(notOwners)" }
        return isStateBeyondOwner ? "\(state.rawValue) by an entry \(notOwners)" : state.rawValue
    }
}

extension Delivery.Entry {
    /// Its reference, with what is to be known of it.
    var text: String { reference + beyondOwnerMark(isBeyondOwner) }
}

/// What stands beside an entry that is not its owner's.
let notOwners = "NOT ITS OWNER'S"

/// What stands behind the reference of an entry that acts on another one; nothing where it is its owner's.
func beyondOwnerMark(_ isBeyondOwner: Bool) -> String {
    isBeyondOwner ? Style.red("  \(notOwners): its owner had given that log up") : ""
}
