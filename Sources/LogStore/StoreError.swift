import Records

/// What can go wrong between a node and its disk, told apart by what the reader can do about it.
public enum StoreError: Error, Hashable, Sendable {
    /// Another process holds the database for longer than a command waits.
    case busy(path: String)
    /// The disk or quota is full. Nothing was written.
    case full(path: String)
    /// The file or its folder cannot be written.
    case readOnly(path: String)
    case cannotOpen(path: String, reason: String)
    /// Written by a newer release of this program.
    case newerVersion(path: String, found: Int, known: Int)
    /// The file is not this kind of database, or its content contradicts itself.
    case damaged(path: String, reason: String)
    case io(path: String, reason: String)
    /// The database is older than what this node has already signed: it was restored from a copy.
    case rolledBack(origin: String, signed: UInt64, held: UInt64)
    /// This own log is being recovered from partners.
    case recovering(origin: String, signed: UInt64, held: UInt64)
    /// The database holds another history than the one this node has signed.
    case contradictsSigned(origin: String, size: UInt64)
    /// An own log's checkpoint was about to be signed by another key than the log has by now.
    case keyReplaced(origin: String)
    /// A checkpoint is signed by a key that the log itself says was replaced before.
    case retiredKey(origin: String, size: UInt64)
    case unknownLog(String)
    case notOwn(origin: String)
    case frozen(origin: String, reason: String)
    /// The log's owner had written so many entries when it went on in a successor.
    case givenUp(origin: String, size: UInt64)
    /// A checkpoint is not what the log's owner says the log was at this size when it went on in a successor.
    case notOfOwner(origin: String, size: UInt64)
    /// A checkpoint of so many entries is not of those that are here.
    case contradictsHeld(origin: String, size: UInt64)
    /// Partners hold a log of this node that comes after this one, and is not here.
    case laterLog(origin: String, later: String, holders: [String])
    /// An entry is empty or longer than a body may be.
    case bodySize(Int)
    /// A range came that does not continue what is held.
    case notContiguous(held: UInt64, start: UInt64)
    /// A bundle from a partner is not what its log can hold.
    case badBundle(number: UInt64, reason: String)
    /// A range does not belong to the pending checkpoint.
    case notProved(origin: String, start: UInt64, end: UInt64)
    case noPendingCheckpoint(origin: String)
    /// The bytes are not those that the record names.
    case wrongBlob(index: UInt64)
    /// This node is not to hold those bytes.
    case unwantedBlob(index: UInt64)
    /// The log's owner has had those bytes erased.
    case erasedBlob(index: UInt64)
    /// These entries are known to be damaged here.
    case damagedEntries(origin: String, start: UInt64, end: UInt64)
    /// This entry is not the one whose hash was kept, or cannot be read.
    case damagedEntry(reference: String)
    /// A cosignature would go back behind one already given.
    case cosignedBeyond(origin: String, size: UInt64)
}

extension StoreError {
    /// Whether what a partner sent is at fault, and not this node.
    public var convictsSender: Bool {
        switch self {
        case .badBundle, .notProved: true
        default: false
        }
    }
}

extension StoreError {
    /// What mends it: a file that SQLite cannot read any more has to be replaced, damage within it is found and mended in
    /// place.
    private static func remedy(for path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        return switch name {
        case "index.sqlite": "remove it; all that is in it is made again from the logs"
        case "signed.sqlite":
            "move it away and run `entente recover --restored`, which learns from partners what this node has signed"
        case "node.sqlite":
            "move it away, `entente restore` the newest backup if there is one, and run `entente recover`, which brings the "
                + "rest back from partners; `entente verify FILE` says what can still be read of it"
        case _ where LogOrigin(path) != nil || path == "the database":
            "run `entente scrub --repair`, and `entente verify` to see what is wrong"
        default: "take another copy of it"
        }
    }

    /// What to do where something else lies in the place of a database.
    private static func replacement(for path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        return switch name {
        case "index.sqlite": "; move it away, and the index is made again from the logs"
        case "signed.sqlite":
            "; put this node's own signed.sqlite in its place, or, where that is lost, move this away and run `entente "
                + "recover --restored`"
        case "node.sqlite":
            "; put this node's own node.sqlite in its place, or, where that is lost, move this away, `entente restore` the "
                + "newest backup and run `entente recover`"
        default: ""
        }
    }
}

extension StoreError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .busy(let path): "\(path) is in use by another process; try again when it has finished"
        case .full(let path): "no space left for \(path); nothing was written: free some and try again"
        case .readOnly(let path):
            "\(path) cannot be written; check the permissions of the file and its folder, and that the file system is not "
                + "read-only"
        case .cannotOpen(let path, let reason):
            "\(path) cannot be opened: \(reason)\(StoreError.replacement(for: path))"
        case .newerVersion(let path, let found, let known):
            "\(path) was written by a newer release (format \(found), this one knows \(known)); upgrade this program"
        case .damaged(let path, let reason): "\(path) is damaged: \(reason); \(StoreError.remedy(for: path))"
        case .io(let path, let reason):
            "\(path) cannot be read or written: \(reason)"
        case .rolledBack(let origin, let signed, let held):
            "\(origin) holds \(held) entries but \(signed) were already signed: this database was restored from an "
                + "older copy; nothing is appended or cosigned until its entries are recovered from partners: run "
                + "`entente recover`"
        case .recovering(let origin, let signed, let held):
            "\(origin) is being recovered (\(held) entries here, \(max(signed, held)) known to be signed): nothing is "
                + "appended or cosigned until every member has answered; run `entente recover`"
        case .contradictsSigned(let origin, let size):
            "\(origin) has another history at size \(size) than the one this node has signed; nothing is appended"
        case .keyReplaced(let origin):
            "\(origin) has another key by now, which was rotated meanwhile; nothing was appended: run the command again"
        case .retiredKey(let origin, let size):
            "the checkpoint of \(origin) for size \(size) is signed by a key that was replaced before: ask its owner "
                + "whether the old key was stolen"
        case .unknownLog(let origin): "no log \(origin) here"
        case .notOwn(let origin): "\(origin) is a partner's log; only its owner appends to it"
        case .frozen(let origin, let reason): "\(origin) is frozen: \(reason)"
        case .givenUp(let origin, let size):
            "\(origin) was given up by its owner at \(size) entries and takes none any more; its successor does"
        case .notOfOwner(let origin, let size):
            "\(origin) had other entries at \(size) when its owner gave it up, as its successor says"
        case .contradictsHeld(let origin, let size):
            "a checkpoint of \(origin) at \(size) entries is not of those that are here"
        case .laterLog(let origin, let later, let holders):
            "\(origin) was given up, and nothing is appended to it: this node went on in \(later), which "
                + "\(holders.joined(separator: " and ")) \(holders.count == 1 ? "holds" : "hold") and whose key is not in "
                + "keys/; put back keys/ as it was last and run `entente recover`, or, if there is no such backup, go on in a "
                + "further log with `entente community successor "
                + "\(LogOrigin(origin)?.community.text ?? "COMMUNITY") --abandon`"
        case .bodySize(let count): "a record of \(count) bytes; a body has 1 to 16,384"
        case .notContiguous(let held, let start): "a range that starts at \(start) does not continue \(held) entries"
        case .badBundle(let number, let reason): "entry bundle \(number): \(reason)"
        case .notProved(let origin, let start, let end):
            "entries \(start)..<\(end) do not belong to the signed checkpoint of \(origin)"
        case .noPendingCheckpoint(let origin): "no transfer of \(origin) is under way"
        case .wrongBlob(let index): "the sealed part of entry \(index) does not have the size and hash its record names"
        case .unwantedBlob(let index): "the sealed part of entry \(index) is not for this node"
        case .erasedBlob(let index): "the sealed part of entry \(index) was erased by its author"
        case .damagedEntries(let origin, let start, let end):
            "\(origin) is damaged here at entries \(start)..<\(end); run `entente scrub --repair`"
        case .damagedEntry(let reference):
            "\(reference) is damaged here, and is neither shown nor referred to; run `entente scrub --repair`"
        case .cosignedBeyond(let origin, let size): "\(origin) is already cosigned at \(size), or with another root"
        }
    }
}
