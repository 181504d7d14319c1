/// Why a policy is refused: what is wrong, and on which line, counted from 1.
public struct PolicyError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Reason: Hashable, Sendable {
        case tooLong(maximum: Int)
        /// An octet that is neither printable ASCII, tab nor above 0x7F.
        case badOctet(UInt8)
        case unfinishedLine
        case unknownWord
        /// The line has other items than its form asks for.
        case badForm(String)
        case badKey(NoteError)
        case duplicateKey
        case duplicateName
        /// `none` cannot be defined, nor be a member.
        case reservedName
        case undefinedName
        /// A name that is a member of a group already.
        case memberTwice
        case badThreshold(members: Int)
        case secondQuorum
        case noQuorum
        case tooMany(maximum: Int)
    }

    public let line: Int
    public let reason: Reason

    public init(line: Int, reason: Reason) {
        self.line = line
        self.reason = reason
    }

    public var description: String { "line \(line): \(text)" }

    private var text: String {
        switch reason {
        case .tooLong(let maximum): "the policy is longer than \(maximum) bytes"
        case .badOctet(let octet): "octet \(octet) is not allowed; a control character but tab and line feed never is"
        case .unfinishedLine: "it does not end with a line feed"
        case .unknownWord: "it begins with none of log, witness, group, quorum"
        case .badForm(let form): "it is not `\(form)`"
        case .badKey(let error): "its key is refused: \(error)"
        case .duplicateKey: "its public key stands on an earlier line"
        case .duplicateName: "its name is defined on an earlier line"
        case .reservedName: "`none` is no name of a witness or group"
        case .undefinedName: "it names what no earlier line defines"
        case .memberTwice: "it lists a name that is a member of a group already"
        case .badThreshold(let members): "its threshold is not all, any or a number from 1 to \(members)"
        case .secondQuorum: "a second quorum"
        case .noQuorum: "the policy ends without a quorum"
        case .tooMany(let maximum): "more than \(maximum) of its kind"
        }
    }
}
