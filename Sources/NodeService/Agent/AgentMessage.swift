package import Cryptography
package import Home
package import Records
import Sealing

/// What a command asks of the running node: one message, on a connection of its own.
///
///     version (1 byte) | kind (1 byte) | what the kind says
///
/// There is one form for each request; anything else is no request, and ends its connection.
package enum AgentRequest: Sendable, Hashable {
    /// Something was appended, or configuration has changed. Not answered.
    case ring
    /// Whether this node can use its keys.
    case check
    /// Sign a checkpoint's text, with the log key that this public key belongs to.
    case sign(checkpoint: String, publicKey: [UInt8])
    /// Open boxes: a key id and a box each.
    case open([AgentBox])
    case doublesKey
    case blindIndexKey
    /// Make the key for doubles again, whose file is gone.
    case makeDoublesKey
    case makeLogKey(community: String, generation: UInt64)
    case makeWitnessKey
    /// Synchronise with this partner once. Answered by ``SessionNews``.
    case synchronise(String)
    /// Replace a key. Answered by a text: what came of it.
    case replaceKey(KeyReplacement)
    /// What is wrong with the node while it runs and stands in none of its files. Answered by a text.
    case warnings
    /// What is wrong with the key files, as only who has them open can see. Answered by a text.
    case keyAlarms

    package static let version: UInt8 = 1
    package static let maximumByteCount = 65_536
    package static let maximumBoxCount = 256
    static let maximumTextByteCount = 2_048

    package func encoded() -> [UInt8] {
        [AgentRequest.version, kind] + payload
    }

    private var kind: UInt8 {
        switch self {
        case .ring: 1
        case .check: 2
        case .sign: 3
        case .open: 4
        case .doublesKey: 5
        case .blindIndexKey: 6
        case .makeLogKey: 7
        case .makeWitnessKey: 8
        case .synchronise: 9
        case .replaceKey: 10
        case .warnings: 11
        case .keyAlarms: 12
        case .makeDoublesKey: 13
        }
    }

    private var payload: [UInt8] {
        switch self {
        case .ring, .check, .doublesKey, .blindIndexKey, .makeDoublesKey, .makeWitnessKey, .warnings, .keyAlarms: []
        case .sign(let checkpoint, let publicKey): publicKey + Array(checkpoint.utf8)
        case .open(let boxes): boxes.flatMap { $0.keyID + $0.box }
        case .makeLogKey(let community, let generation): BigEndian.bytes(generation) + Array(community.utf8)
        case .synchronise(let partner): Array(partner.utf8)
        case .replaceKey(let replacement): Array(replacement.text.utf8)
        }
    }

    /// `nil` for what is no request.
    package init?(_ message: some Collection<UInt8>) {
        guard message.count <= AgentRequest.maximumByteCount else { return nil }
        let bytes = Array(message)
        guard bytes.count >= 2, bytes[0] == AgentRequest.version else { return nil }
        let payload = bytes[2...]
        switch bytes[1] {
        case 1 where payload.isEmpty: self = .ring
        case 2 where payload.isEmpty: self = .check
        case 3:
            guard payload.count > Ed25519.PublicKey.byteCount,
                payload.count <= Ed25519.PublicKey.byteCount + AgentRequest.maximumTextByteCount,
                let text = String(validating: payload.dropFirst(Ed25519.PublicKey.byteCount), as: UTF8.self)
            else { return nil }
            self = .sign(checkpoint: text, publicKey: Array(payload.prefix(Ed25519.PublicKey.byteCount)))
        case 4:
            let (count, rest) = payload.count.quotientAndRemainder(dividingBy: AgentBox.byteCount)
            guard rest == 0, 1...AgentRequest.maximumBoxCount ~= count else { return nil }
            self = .open(
                (0..<count).map { position in
                    let start = payload.startIndex + position * AgentBox.byteCount
                    let middle = start + SealingSuite.keyIDByteCount
                    return AgentBox(
                        keyID: Array(payload[start..<middle]), box: Array(payload[middle..<start + AgentBox.byteCount]))
                })
        case 5 where payload.isEmpty: self = .doublesKey
        case 6 where payload.isEmpty: self = .blindIndexKey
        case 7:
            guard payload.count > 8, payload.count <= 8 + AgentRequest.maximumTextByteCount,
                let community = String(validating: payload.dropFirst(8), as: UTF8.self)
            else { return nil }
            self = .makeLogKey(community: community, generation: BigEndian.number(payload.prefix(8)))
        case 8 where payload.isEmpty: self = .makeWitnessKey
        case 9:
            guard let partner = AgentRequest.text(payload), !partner.isEmpty else { return nil }
            self = .synchronise(partner)
        case 10:
            guard let replacement = AgentRequest.text(payload).flatMap({ KeyReplacement(text: $0) }) else { return nil }
            self = .replaceKey(replacement)
        case 11 where payload.isEmpty: self = .warnings
        case 12 where payload.isEmpty: self = .keyAlarms
        case 13 where payload.isEmpty: self = .makeDoublesKey
        default: return nil
        }
    }

    private static func text(_ payload: ArraySlice<UInt8>) -> String? {
        payload.count <= maximumTextByteCount ? String(validating: payload, as: UTF8.self) : nil
    }
}

/// A data key in a box, and the id of the sealing key that opens it.
package struct AgentBox: Sendable, Hashable {
    static let byteCount = SealingSuite.keyIDByteCount + SealingSuite.boxByteCount

    package let keyID: [UInt8]
    package let box: [UInt8]

    package init(keyID: [UInt8], box: [UInt8]) {
        self.keyID = keyID
        self.box = box
    }

    /// `nil` for what has another form, and so does not open.
    init?(_ boxed: BoxedKey) {
        guard boxed.keyID.count == SealingSuite.keyIDByteCount, boxed.box.count == SealingSuite.boxByteCount else {
            return nil
        }
        self.init(keyID: boxed.keyID, box: boxed.box)
    }
}

/// What the running node answers. Some answers hold secrets: they are made and read in guarded memory.
package enum AgentAnswer: Sendable {
    case done
    /// The node cannot use its keys: they were put under a passphrase since it was started.
    case locked
    case refused(HomeError.Category, String)
    case signature([UInt8])
    case key(SecretBytes)
    /// The content of each box, `nil` where one does not open.
    case opened([SecretBytes?])
    /// What there is to say of what was done, as JSON.
    case said(JSONValue)

    private static let keyByteCount = 32
    /// A byte that says whether the box opened, and the key, or zeros.
    private static let openedByteCount = 1 + keyByteCount
    package static let maximumByteCount = 2 + AgentRequest.maximumBoxCount * openedByteCount
    /// Of an answer that is text.
    static let maximumTextByteCount = 60_000
    private static let categories: [HomeError.Category] = [
        .usage, .badInput, .noInput, .exists, .io, .busy, .notPermitted, .configuration,
    ]

    package func encoded() throws -> SecretBytes {
        switch self {
        case .done: try Self.plain(1, [])
        case .locked: try Self.plain(2, [])
        case .refused(let category, let text):
            try Self.plain(
                3, [UInt8(Self.categories.firstIndex(of: category) ?? 4)] + Array(text.utf8.prefix(4_096)))
        case .signature(let bytes): try Self.plain(4, bytes)
        case .key(let key): try Self.secret(5, [key], isMarked: false)
        case .opened(let keys): try Self.secret(6, keys, isMarked: true)
        case .said(let value):
            if let text = Self.text(value) {
                try Self.plain(7, text)
            } else {
                try AgentAnswer.refused(.io, "it was done, and there is more to say of it than fits an answer")
                    .encoded()
            }
        }
    }

    private static func text(_ value: JSONValue) -> [UInt8]? {
        let text = JSONWriter.write(value)
        return text.count <= maximumTextByteCount ? text : nil
    }

    private static func plain(_ kind: UInt8, _ payload: [UInt8]) throws -> SecretBytes {
        try SecretBytes(count: 2 + payload.count) { $0.copyBytes(from: [AgentRequest.version, kind] + payload) }
    }

    private static func secret(_ kind: UInt8, _ keys: [SecretBytes?], isMarked: Bool) throws -> SecretBytes {
        guard keys.allSatisfy({ $0 == nil || $0?.count == keyByteCount }) else {
            throw CryptographyError.wrongLength(expected: keyByteCount, actual: 0)
        }
        let step = isMarked ? openedByteCount : keyByteCount
        return try SecretBytes(count: 2 + keys.count * step) { target in
            target.initializeMemory(as: UInt8.self, repeating: 0)
            target[0] = AgentRequest.version
            target[1] = kind
            for (position, key) in keys.enumerated() {
                guard let key else { continue }
                let start = 2 + position * step
                if isMarked { target[start] = 1 }
                let place = UnsafeMutableRawBufferPointer(
                    rebasing: target[(start + step - keyByteCount)..<(start + step)])
                key.withUnsafeBytes { place.copyMemory(from: $0) }
            }
        }
    }

    /// `nil` for what is no answer.
    package init?(_ message: UnsafeRawBufferPointer) throws {
        guard message.count >= 2, message[0] == AgentRequest.version else { return nil }
        let payload = UnsafeRawBufferPointer(rebasing: message[2...])
        switch message[1] {
        case 1 where payload.isEmpty: self = .done
        case 2 where payload.isEmpty: self = .locked
        case 3:
            guard let number = payload.first, Self.categories.indices.contains(Int(number)) else { return nil }
            self = .refused(Self.categories[Int(number)], String(decoding: payload.dropFirst(), as: UTF8.self))
        case 4 where payload.count == Ed25519.signatureByteCount: self = .signature(Array(payload))
        case 5 where payload.count == Self.keyByteCount: self = .key(try Self.copy(payload, isPassing: false))
        case 6 where payload.count.isMultiple(of: Self.openedByteCount):
            var keys: [SecretBytes?] = []
            for start in stride(from: 0, to: payload.count, by: Self.openedByteCount) {
                guard payload[start] <= 1 else { return nil }
                let place = UnsafeRawBufferPointer(rebasing: payload[(start + 1)..<(start + Self.openedByteCount)])
                keys.append(payload[start] == 0 ? nil : try Self.copy(place, isPassing: true))
            }
            self = .opened(keys)
        case 7:
            guard let value = try? JSONScanner.scan(Array(payload)) else { return nil }
            self = .said(value)
        default: return nil
        }
    }

    private static func copy(_ bytes: UnsafeRawBufferPointer, isPassing: Bool) throws -> SecretBytes {
        try SecretBytes(count: bytes.count, isPassing: isPassing) { $0.copyMemory(from: bytes) }
    }
}

private enum BigEndian {
    static func bytes(_ number: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * UInt64($0))) }
    }

    static func number(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
