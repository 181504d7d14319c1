import Cryptography
import Home
import Records
import TransparencyLog

/// Which key is to be replaced, and how.
package enum KeyReplacement: Sendable, Hashable {
    case sealing(isStolen: Bool)
    case log(community: String)
    case mirror(isStolen: Bool)
    case tls(finish: Bool)
    case stolenTLS

    /// One word, or two.
    var text: String {
        switch self {
        case .sealing(let isStolen): isStolen ? "sealing stolen" : "sealing"
        case .log(let community): "log \(community)"
        case .mirror(let isStolen): isStolen ? "mirror stolen" : "mirror"
        case .tls(let finish): finish ? "tls finish" : "tls"
        case .stolenTLS: "tls stolen"
        }
    }

    init?(text: String) {
        switch text {
        case "sealing": self = .sealing(isStolen: false)
        case "sealing stolen": self = .sealing(isStolen: true)
        case "mirror": self = .mirror(isStolen: false)
        case "mirror stolen": self = .mirror(isStolen: true)
        case "tls": self = .tls(finish: false)
        case "tls finish": self = .tls(finish: true)
        case "tls stolen": self = .stolenTLS
        default:
            let community = String(text.dropFirst(4))
            guard text.hasPrefix("log "), Names.isCommunity(community) else { return nil }
            self = .log(community: community)
        }
    }
}

/// What came of it, as the running node tells a command.
protocol KeyReplacementResult {
    var value: JSONValue { get }
    /// `nil` for what is none.
    init?(_ value: JSONValue)
}

extension Node {
    /// Replaces a key in this process, or has the running node do it, where the keys are open there and not here: a new
    /// key is written as the others are protected.
    func replacing<Result: KeyReplacementResult>(
        _ replacement: KeyReplacement, here: () throws -> Result
    ) throws -> Result {
        guard let agent = try privateKeys as? AgentKeys else { return try here() }
        return try agent.replace(replacement)
    }

    /// Replaces a key for a command.
    func replace(_ replacement: KeyReplacement) throws -> JSONValue {
        let (author, time) = (Clock.user, Clock.timestamp)
        return switch replacement {
        case .sealing(let isStolen): try rotateSealingKey(isStolen: isStolen, author: author, time: time).value
        case .log(let community):
            try rotateLogKey(community: self.community(community).name, author: author, time: time).value
        case .mirror(let isStolen): try rotateMirrorKey(isStolen: isStolen, author: author, time: time).value
        case .tls(let finish): try rotateTLSKey(finish: finish, author: author, time: time).value
        case .stolenTLS: try replaceStolenTLSKey(author: author, time: time).value
        }
    }
}

extension JSONValue {
    fileprivate static func texts(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }

    fileprivate func texts(_ name: String) -> [String]? { self[name]?.array?.compactMap(\.string) }

    fileprivate func digest(_ name: String) -> SHA256Digest? { self[name]?.string.flatMap { SHA256Digest(hex: $0) } }

    fileprivate func key(_ name: String) -> VerifierKey? {
        self[name]?.string.flatMap { try? VerifierKey(parsing: $0) }
    }

    fileprivate func size(_ name: String) -> UInt64? { self[name]?.integer.flatMap { UInt64(exactly: $0) } }
}

extension SealingKeyRotation: KeyReplacementResult {
    var value: JSONValue {
        .object([
            JSONMember("epoch", .integer(Int64(epoch))), JSONMember("key_id", .string(keyID.hex)),
            JSONMember("resumed", .bool(isResumed)), JSONMember("published", .texts(published)),
            JSONMember("waiting", .texts(waiting)),
        ])
    }

    init?(_ value: JSONValue) {
        guard let epoch = value.size("epoch").flatMap({ UInt32(exactly: $0) }), let keyID = value.digest("key_id"),
            let isResumed = value["resumed"]?.bool, let published = value.texts("published"),
            let waiting = value.texts("waiting")
        else { return nil }
        self.init(epoch: epoch, keyID: keyID, isResumed: isResumed, published: published, waiting: waiting)
    }
}

extension LogKeyRotation: KeyReplacementResult {
    var value: JSONValue {
        .object([
            JSONMember("origin", .string(origin)), JSONMember("old", .string(old.text)),
            JSONMember("new", .string(new.text)), JSONMember("size", .integer(Int64(clamping: size))),
            JSONMember("completed", .bool(isCompleted)),
        ])
    }

    init?(_ value: JSONValue) {
        guard let origin = value["origin"]?.string, let old = value.key("old"), let new = value.key("new"),
            let size = value.size("size"), let isCompleted = value["completed"]?.bool
        else { return nil }
        self.init(origin: origin, old: old, new: new, size: size, isCompleted: isCompleted)
    }
}

extension MirrorKeyRotation: KeyReplacementResult {
    var value: JSONValue {
        .object([
            JSONMember("key", .string(key.text)), JSONMember("previous", previous.map { .string($0.text) } ?? .null),
            JSONMember("published", .texts(published)), JSONMember("waiting", .texts(waiting)),
            JSONMember("needs_card", .bool(needsCard)),
        ])
    }

    init?(_ value: JSONValue) {
        guard let key = value.key("key"), let published = value.texts("published"),
            let waiting = value.texts("waiting")
        else { return nil }
        self.init(
            key: key, previous: value.key("previous"), published: published, waiting: waiting,
            needsCard: value["needs_card"]?.bool ?? false)
    }
}

extension TLSKeyRotation: KeyReplacementResult {
    var value: JSONValue {
        .object([
            JSONMember("step", .string(step.rawValue)), JSONMember("pin", .string(pin.hex)),
            JSONMember("previous", .string(previous.hex)), JSONMember("missing", .texts(missing)),
            JSONMember("published", .texts(published)), JSONMember("waiting", .texts(waiting)),
        ])
    }

    init?(_ value: JSONValue) {
        guard let step = value["step"]?.string.flatMap({ Step(rawValue: $0) }), let pin = value.digest("pin"),
            let previous = value.digest("previous"), let missing = value.texts("missing"),
            let published = value.texts("published"), let waiting = value.texts("waiting")
        else { return nil }
        self.init(
            step: step, pin: pin, previous: previous, missing: missing, published: published, waiting: waiting)
    }
}
