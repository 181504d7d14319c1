/// Which logs are known, which witnesses count, and how many of them make a quorum (c2sp.org/tlog-policy).
///
/// A checkpoint is valid under a policy if one of its logs has signed it, and witnesses have cosigned it as the quorum
/// asks. Names have no meaning outside of the policy and are compared as octets.
public struct WitnessPolicy: Sendable, Hashable {
    /// The longest policy, in bytes.
    public static let maximumByteCount = 1 << 20
    /// The most logs, witnesses or groups.
    public static let maximumCount = 1_024

    public struct Log: Sendable, Hashable {
        public let key: VerifierKey
        public let url: String?
    }

    public struct Witness: Sendable, Hashable {
        /// The octets of the name, as text where they are any.
        public let name: String
        public let key: VerifierKey
        public let url: String?
    }

    /// A group has witnessed what at least `threshold` of its members have.
    public struct Group: Sendable, Hashable {
        public let name: String
        public let threshold: Int
        public let members: [Member]
    }

    /// A witness or group, by its position in ``witnesses`` or ``groups``.
    public enum Member: Sendable, Hashable {
        case witness(Int)
        case group(Int)
    }

    public private(set) var logs: [Log] = []
    public private(set) var witnesses: [Witness] = []
    public private(set) var groups: [Group] = []
    /// Who must have cosigned; `nil` where nobody must.
    public private(set) var quorum: Member?

    /// A policy from its bytes. Throws ``PolicyError`` for the first line that is malformed.
    public init(parsing bytes: [UInt8]) throws {
        guard bytes.count <= WitnessPolicy.maximumByteCount else {
            throw PolicyError(line: 1, reason: .tooLong(maximum: WitnessPolicy.maximumByteCount))
        }
        var reader = Reader()
        var number = 0
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            // What follows the last line feed is no line.
            if line.endIndex == bytes.endIndex {
                guard line.isEmpty else { throw PolicyError(line: number, reason: .unfinishedLine) }
                break
            }
            do {
                try read(line, &reader)
            } catch let reason as Reader.Failure {
                throw PolicyError(line: number, reason: reason.reason)
            }
        }
        guard reader.hasQuorum else { throw PolicyError(line: max(1, number), reason: .noQuorum) }
    }
}

// MARK: - Reading

extension WitnessPolicy {
    /// What is known of the lines read so far.
    private struct Reader {
        struct Failure: Error {
            let reason: PolicyError.Reason
        }

        var names: [[UInt8]: Member] = [:]
        var members: Set<Member> = []
        var hasQuorum = false
    }

    private mutating func read(_ line: ArraySlice<UInt8>, _ reader: inout Reader) throws {
        for octet in line where octet < 0x20 && octet != 0x09 || octet == 0x7F {
            throw Reader.Failure(reason: .badOctet(octet))
        }
        let items = line.split { $0 == UInt8(ascii: " ") || $0 == 0x09 }.map(Array.init)
        guard let word = items.first, word.first != UInt8(ascii: "#") else { return }
        let rest = Array(items.dropFirst())
        switch String(decoding: word, as: UTF8.self) {
        case "log": try readLog(rest)
        case "witness": try readWitness(rest, &reader)
        case "group": try readGroup(rest, &reader)
        case "quorum": try readQuorum(rest, &reader)
        default: throw Reader.Failure(reason: .unknownWord)
        }
    }

    private mutating func readLog(_ items: [[UInt8]]) throws {
        guard (1...2).contains(items.count) else { throw Reader.Failure(reason: .badForm("log VKEY [URL]")) }
        let key = try WitnessPolicy.key(items[0], .ed25519)
        guard !logs.contains(where: { $0.key.publicKey == key.publicKey }) else {
            throw Reader.Failure(reason: .duplicateKey)
        }
        logs.append(Log(key: key, url: items.count > 1 ? WitnessPolicy.text(items[1]) : nil))
        try checkCount(logs.count)
    }

    private mutating func readWitness(_ items: [[UInt8]], _ reader: inout Reader) throws {
        guard (2...3).contains(items.count) else { throw Reader.Failure(reason: .badForm("witness NAME VKEY [URL]")) }
        let key = try WitnessPolicy.key(items[1], .cosignature)
        guard !witnesses.contains(where: { $0.key.publicKey == key.publicKey }) else {
            throw Reader.Failure(reason: .duplicateKey)
        }
        try WitnessPolicy.define(items[0], .witness(witnesses.count), &reader)
        witnesses.append(
            Witness(
                name: WitnessPolicy.text(items[0]), key: key, url: items.count > 2 ? WitnessPolicy.text(items[2]) : nil)
        )
        try checkCount(witnesses.count)
    }

    private mutating func readGroup(_ items: [[UInt8]], _ reader: inout Reader) throws {
        guard items.count >= 3 else { throw Reader.Failure(reason: .badForm("group NAME all|any|K MEMBER…")) }
        let names = items.dropFirst(2)
        let threshold =
            switch WitnessPolicy.text(items[1]) {
            case "all": names.count
            case "any": 1
            default: Decimal.parse(items[1]).flatMap { Int(exactly: $0) } ?? 0
            }
        guard (1...names.count).contains(threshold) else {
            throw Reader.Failure(reason: .badThreshold(members: names.count))
        }
        var members: [Member] = []
        for name in names {
            guard name != WitnessPolicy.none else { throw Reader.Failure(reason: .reservedName) }
            guard let member = reader.names[name] else { throw Reader.Failure(reason: .undefinedName) }
            // A witness contributes in one way only.
            guard reader.members.insert(member).inserted else { throw Reader.Failure(reason: .memberTwice) }
            members.append(member)
        }
        try WitnessPolicy.define(items[0], .group(groups.count), &reader)
        groups.append(Group(name: WitnessPolicy.text(items[0]), threshold: threshold, members: members))
        try checkCount(groups.count)
    }

    private mutating func readQuorum(_ items: [[UInt8]], _ reader: inout Reader) throws {
        guard items.count == 1 else { throw Reader.Failure(reason: .badForm("quorum NAME")) }
        guard !reader.hasQuorum else { throw Reader.Failure(reason: .secondQuorum) }
        reader.hasQuorum = true
        guard items[0] != WitnessPolicy.none else { return }
        guard let member = reader.names[items[0]] else { throw Reader.Failure(reason: .undefinedName) }
        quorum = member
    }

    private static let none = [UInt8]("none".utf8)

    private static func define(_ name: [UInt8], _ member: Member, _ reader: inout Reader) throws {
        guard name != none else { throw Reader.Failure(reason: .reservedName) }
        guard reader.names[name] == nil else { throw Reader.Failure(reason: .duplicateName) }
        reader.names[name] = member
    }

    private func checkCount(_ count: Int) throws {
        guard count <= WitnessPolicy.maximumCount else {
            throw Reader.Failure(reason: .tooMany(maximum: WitnessPolicy.maximumCount))
        }
    }

    private static func key(_ item: [UInt8], _ algorithm: VerifierKey.Algorithm) throws -> VerifierKey {
        guard let text = String(validating: item, as: UTF8.self) else {
            throw Reader.Failure(reason: .badKey(.notUTF8))
        }
        do {
            let key = try VerifierKey(parsing: text)
            guard key.algorithm == algorithm else { throw NoteError.wrongKeyType }
            return key
        } catch let error as NoteError {
            throw Reader.Failure(reason: .badKey(error))
        }
    }

    /// Octets as they can be shown.
    private static func text(_ octets: [UInt8]) -> String { String(decoding: octets, as: UTF8.self) }
}
