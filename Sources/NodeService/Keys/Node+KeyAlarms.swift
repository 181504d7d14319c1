import Cryptography
public import Home
public import LogStore
import TransparencyLog

extension Node {
    /// What the operator has to know of keys: rotations that were broken off, keys that contradict each other, and such
    /// as no chain of records leads to.
    public func keyAlarms(_ logs: [StoredLog]) throws -> [String] {
        var alarms = try protectionAlarms() + sealingKeyBook().conflicts
        alarms += try sealingKeyAlarms() + tlsKeyAlarms() + mirrorKeyAlarms() + pinBook(withEarlier: true).alarms
        alarms += try lostKeyAlarms()
        let now = Clock.now()
        for log in logs {
            alarms += try store.foreignKeys(of: log).filter { now < $0.time + Node.foreignKeyAlarmSeconds }.map { key in
                "\(key.peer) passed on a checkpoint of \(log.origin) for size \(key.size) by the key "
                    + "\(hex(key.keyID)), which the records of that log do not lead to: it was refused; ask "
                    + "\(log.node) (docs/keys.md says what to do when a key is stolen)"
            }
            if log.isOwn { alarms += try ownKeyAlarms(log) }
        }
        for card in cards {
            alarms += try logsWithOtherKeys(card, among: logs).map { origin in
                "the card of \(card.node) names a key for \(origin) that the records of that log, as far as they are here, do "
                    + "not lead to; if it stays so after a sync, ask \(card.node)"
            }
        }
        return alarms
    }

    /// The logs for which a card names a key that what is here of them does not lead to.
    public func logsWithOtherKeys(_ card: PeerCard) throws -> [String] {
        try logsWithOtherKeys(card, among: store.logs())
    }

    private func logsWithOtherKeys(_ card: PeerCard, among logs: [StoredLog]) throws -> [String] {
        let held = Dictionary(logs.map { ($0.origin, $0) }, uniquingKeysWith: { first, _ in first })
        return try card.logs.filter { each in
            try held[each.origin].map { try !$0.keys.keys.contains { $0.text == each.key.text } } ?? false
        }.map(\.origin)
    }

    /// How long a key that nothing leads to is told of after it was seen last.
    static let foreignKeyAlarmSeconds: UInt64 = 30 * 86_400

    private func ownKeyAlarms(_ log: StoredLog) throws -> [String] {
        guard log.origin == origin(of: log.community), log.frozen == nil, log.recovering == nil else { return [] }
        // Another alarm says so.
        guard try lostLogKey(community: log.community) == nil else { return [] }
        let inPlace = try logPublicKeyInPlace(community: log.community)
        let next = try keystore.nextLogPublicKey(
            community: log.community, generation: generation(of: log.community))
        let current = try log.keys.current.publicKey
        if inPlace != current, next != current {
            return try [
                isKeyReplaced(of: log)
                    ? replacedLogKey(log.origin, log.community).description
                    : "the key of \(log.origin) in keys/ is not the one that the log has: nothing can be appended"
            ]
        }
        guard next != nil else { return [] }
        return ["a rotation of the key of \(log.origin) was broken off; run `entente key rotate log` to complete it"]
    }

    private func hex(_ keyID: UInt32) -> String {
        let digits = String(keyID, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
