import Cryptography
public import Home
package import LogStore
public import Records
public import TransparencyLog

/// The mirror keys that a node has had, as far as records in its own logs lead from the one that is known: each checks
/// what was signed while it was in use.
public struct MirrorKeys: Sendable, Hashable {
    struct Term: Sendable, Hashable {
        let key: VerifierKey
        /// The last moment that it signs at, Unix seconds; `nil` for the newest.
        let until: UInt64?
    }

    /// The key of the card.
    let anchor: VerifierKey
    /// The logs that lead on from it; `nil` for all of the node's. Any of its logs leads back.
    let origins: Set<String>?
    /// The oldest first.
    private(set) var terms: [Term]
    /// What contradicts itself.
    private(set) var alarms: [String] = []

    public init(_ anchor: VerifierKey, origins: Set<String>? = nil) {
        self.anchor = anchor
        self.origins = origins
        terms = [Term(key: anchor, until: nil)]
    }

    /// The same, led on by records of that node's logs, in the order of each log.
    package func led(by published: [(origin: String, key: PublishedKey)]) -> MirrorKeys {
        let links = published.compactMap { Link($0.origin, $0.key, node: anchor.name) }
        var result = MirrorKeys(anchor, origins: origins)
        var used: Set<VerifierKey> = [anchor]
        var chain: [Link] = []
        var first = anchor
        while let link = links.first(where: { $0.new == first && !used.contains($0.old) }) {
            used.insert(link.old)
            chain.insert(link, at: 0)
            first = link.old
        }
        var last = anchor
        while let link = links.first(where: { $0.old == last && !used.contains($0.new) && leadsOn($0) }) {
            used.insert(link.new)
            chain.append(link)
            last = link.new
        }
        result.terms = [Term(key: last, until: nil)]
        // After a theft no key before signs longer than the stolen one, whatever was said when it was replaced.
        for link in chain.reversed() {
            let end = result.terms.first?.until ?? .max
            result.terms.insert(Term(key: link.old, until: min(link.until, end)), at: 0)
        }
        result.alarms = links.filter { link in
            leadsOn(link) && chain.contains { $0.old == link.old && $0.new != link.new }
        }.map {
            "\($0.place) names another mirror key of \(anchor.name) than is known here; the one known before is used: ask "
                + anchor.name
        }
        return result
    }

    private func leadsOn(_ link: Link) -> Bool { origins?.contains(link.origin) ?? true }

    /// Whether every key of the other is one of these.
    func contains(_ other: MirrorKeys) -> Bool {
        other.terms.allSatisfy { term in terms.contains { $0.key == term.key } }
    }

    /// All of them, the oldest first.
    package var all: [VerifierKey] { terms.map(\.key) }

    var newest: VerifierKey { terms.last?.key ?? anchor }

    /// Whether the key that a cosignature names is one of these, whatever its date.
    func knows(_ cosignature: Cosignature) -> Bool { terms.contains { $0.key.keyID == cosignature.keyID } }

    /// The key that checks a cosignature: the one that it names, if that was in use then.
    package func key(for cosignature: Cosignature) -> VerifierKey? {
        terms.first { $0.key.keyID == cosignature.keyID && cosignature.time <= $0.until ?? .max }?.key
    }

    /// What a signature in the node's name is worth.
    enum Standing: Sendable, Hashable {
        /// A key that was in use then has signed.
        case signed
        /// Nothing that is known here leads to the key that it names, so nobody here can check it.
        case unknownKey
        /// A key that is known has signed, and had been replaced by then.
        case replacedKey
    }

    /// Judges a signature. Throws where it is not by the key of this node that it names, or was by one that it does not
    /// name any more.
    func standing(
        of cosignature: Cosignature, verify: (Cosignature, VerifierKey) throws -> Void
    ) throws -> Standing {
        if let key = key(for: cosignature) {
            try verify(cosignature, key)
            return .signed
        }
        if let term = terms.first(where: { $0.key.keyID == cosignature.keyID }) {
            try verify(cosignature, term.key)
            return .replacedKey
        }
        for term in terms {
            let named = try Cosignature(
                name: cosignature.name, keyID: term.key.keyID, time: cosignature.time, signature: cosignature.signature)
            guard (try? verify(named, term.key)) == nil else {
                throw NoteError.badSignature(name: cosignature.name, keyID: cosignature.keyID)
            }
        }
        return .unknownKey
    }

    /// One key in the place of another, as a record says.
    private struct Link {
        let origin: String
        let place: String
        let old: VerifierKey
        let new: VerifierKey
        let until: UInt64

        /// `nil` for what is no such record, or leaves open until when the old key signs.
        init?(_ origin: String, _ key: PublishedKey, node: String) {
            guard key.role == .mirror, key.action == .replaces, let until = key.validUntil, until >= 0,
                let old = key.previousKey.flatMap({ try? VerifierKey(parsing: $0) }),
                let new = key.publicKey.flatMap({ try? VerifierKey(parsing: $0) }),
                old.algorithm == .cosignature, new.algorithm == .cosignature, old.name == node, new.name == node,
                key.previousKeyID == SHA256.hash(old.publicKey.bytes)
            else { return nil }
            self.origin = origin
            self.old = old
            self.new = new
            self.until = UInt64(until)
            place = "\(origin)#\(key.entry)"
        }
    }
}

/// A new mirror key, and which logs say so.
public struct MirrorKeyRotation: Sendable {
    public let key: VerifierKey
    /// `nil` where only what was begun before was completed.
    public let previous: VerifierKey?
    public let published: [String]
    public let waiting: [String]
    /// Whether no record leads partners to it: nobody knows which key was before it, or no log takes entries.
    public let needsCard: Bool

    /// Whether only what was begun before was completed.
    public var isResumed: Bool { previous == nil && !needsCard }
}

extension SQLiteLogStore {
    /// What partners' logs say of mirror keys, by node.
    func mirrorRecords() throws -> [String: [(origin: String, key: PublishedKey)]] {
        Dictionary(grouping: try partnerKeys(role: .mirror, withEarlier: true), by: \.node)
            .mapValues { $0.map { ($0.origin, $0.key) } }
    }
}

extension Node {
    /// Seconds for which a key that was replaced still signs, so that processes that have taken it may end.
    static let mirrorOverlap: Int64 = 3_600

    /// The keys that check cosignatures, by node; this node's own among them.
    public var mirrorKeys: [String: MirrorKeys] {
        var keys: [String: MirrorKeys] = [:]
        let records = (try? store.mirrorRecords()) ?? [:]
        for card in cards {
            guard let anchor = try? VerifierKey(parsing: card.mirrorKey.text) else { continue }
            keys[card.node] = MirrorKeys(anchor, origins: Set(card.logs.map(\.origin))).led(
                by: records[card.node] ?? [])
        }
        if let own = try? isNextMirrorKeyInUse() ? VerifierKey(parsing: mirrorCardKey().text) : knownMirrorKey() {
            let said = (try? store.publishedKeys(role: .mirror)) ?? []
            // As for partners: what a log that was given up says leads back, and contradicts nothing.
            let current = Set(configuration.communities.map { origin(of: $0.name) })
            keys[name] = MirrorKeys(own, origins: current).led(
                by: said.filter { $0.node == name }.map { ($0.origin, $0.key) })
        }
        return keys
    }

    /// Whether the own logs name the key that lies beside the one in use.
    private func isNextMirrorKeyPublished() throws -> Bool {
        guard let next = try keystore.nextMirrorCardKey() else { return false }
        return try ownStatements(.mirror).contains { $0.publicKey == next.text }
    }

    /// The mirror key in use: of the files in keys/ the one that the own logs name, or the only one.
    func isNextMirrorKeyInUse() throws -> Bool {
        try isNextMirrorKeyPublished() || (!keystore.hasMirrorKey && keystore.nextMirrorCardKey() != nil)
    }

    /// The public mirror key in use. Where its file is lost it is not: whoever makes a card has to make another first.
    public func mirrorCardKey() throws -> CardKey {
        if try isNextMirrorKeyInUse(), let next = try keystore.nextMirrorCardKey() { return next }
        return try keystore.mirrorCardKey()
    }

    package func cosigner() throws -> Cosigner {
        if try isNextMirrorKeyInUse(), let next = try keystore.nextMirrorKey() {
            return try Cosigner(name: name, privateKey: next)
        }
        let cosigner = try Cosigner(name: name, privateKey: keystore.mirrorKey())
        // It may be lost one day. Nobody should be kept from signing by a note.
        try? home.noteMirrorKey(cosigner.verifierKey.text)
        return cosigner
    }

    /// Replaces the mirror key. Broken off at any point and called again, it completes what was begun; where the key is
    /// stolen it makes another behind that, since what was begun may be, too.
    public func rotateMirrorKey(isStolen: Bool = false, author: String, time: Timestamp) throws -> MirrorKeyRotation {
        try replacing(.mirror(isStolen: isStolen)) {
            try rotateOwnMirrorKey(isStolen: isStolen, author: author, time: time)
        }
    }

    private func rotateOwnMirrorKey(isStolen: Bool, author: String, time: Timestamp) throws -> MirrorKeyRotation {
        try keystore.whileRotating {
            if let made = try makeUntoldMirrorKey(isStolen: isStolen) { return made }
            try ownLogsToTell()
            let hasKey = try keystore.hasMirrorKey
            if hasKey, !isStolen { try requireNewestMirrorKey() }
            let isBegun = try isNextMirrorKeyPublished() || (hasKey && !logsWithoutStatements(.mirror).isEmpty)
            if isStolen {
                if isBegun { try completeMirrorRotation([], author: author, time: time) }
                // Nobody knows this one, but for who has it from here.
                try keystore.removeNextMirrorKey()
            }
            let makes = !isBegun || isStolen
            let previous = try !makes ? nil : keystore.hasMirrorKey ? newestMirrorKey() : knownMirrorKey()
            var records: [KeyRecord] = []
            if makes {
                let new = try VerifierKey(
                    name: name, algorithm: .cosignature, publicKey: keystore.makeNextMirrorKey().publicKey)
                records = [mirrorRecord(from: previous, to: new, isStolen: isStolen, time: time)]
            }
            try completeMirrorRotation(records, author: author, time: time)
            NodeBell.ring(home)
            let logs = try ownLogs()
            return MirrorKeyRotation(
                key: try VerifierKey(parsing: keystore.mirrorCardKey().text), previous: previous,
                published: logs.open.map(\.origin), waiting: logs.waiting, needsCard: makes && previous == nil)
        }
    }

    /// What the logs say first, and what stands behind it; then the key that they name takes its place.
    private func completeMirrorRotation(_ records: [KeyRecord], author: String, time: Timestamp) throws {
        try publish(records, .mirror, author: author, time: time)
        if try isNextMirrorKeyInUse() { try keystore.promoteNextMirrorKey() }
    }

    func mirrorKeyAlarms() throws -> [String] {
        var alarms: [String] = []
        if let replaced = try replacedMirrorKeyAlarm() {
            alarms.append(replaced)
        } else if try keystore.nextMirrorCardKey() != nil || !logsWithoutStatements(.mirror).isEmpty {
            alarms.append(
                "a rotation of the mirror key was broken off; run `entente key rotate mirror` to complete it, or `entente key "
                    + "stolen mirror` again if that was it")
        }
        let keys = mirrorKeys
        alarms += keys.sorted { $0.key < $1.key }.flatMap(\.value.alarms)
        let now = Clock.now()
        alarms += try store.foreignCosigners().filter { foreign in
            now < foreign.time + Node.foreignKeyAlarmSeconds
                && !(keys[foreign.node]?.terms.contains { $0.key.keyID == foreign.keyID } ?? true)
        }.map {
            "a cosignature of \($0.node) on \($0.origin) is by a mirror key that its card and logs do not lead to: it was "
                + "refused; if that stays so after a sync, ask \($0.node)"
        }
        return alarms
    }
}
