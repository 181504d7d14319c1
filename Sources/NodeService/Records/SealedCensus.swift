import Cryptography
public import LogStore
import Records

/// How all that is sealed to this node stands.
public struct SealedCensus: Sendable {
    /// Why a sealed part is not known to be what its record promises.
    public enum Reason: String, Sendable, CaseIterable {
        case notHere = "not_here_yet"
        /// Its bytes here, or the record's, are not those that were signed.
        case damaged
        /// It is sealed to a key of this node that is not in this keystore.
        case keyMissing = "key_missing"
        /// It is sealed to a key of this node that was destroyed, as its own log says.
        case keyDestroyed = "key_destroyed"
        /// It was opened, and is not what the signed record promises.
        case refused
        /// This release does not know what such a record says.
        case unknownType = "unknown_type"
    }

    /// Records of one log with one reason.
    public struct Group: Sendable, Hashable {
        public let origin: String
        public let reason: Reason
        public internal(set) var entries: [UInt64]
    }

    /// Parts that were opened, now or for a search before, and are what their records promise.
    public internal(set) var opened = 0
    /// The others, by log and reason.
    public var unopened: [Group] {
        groups.values.sorted { ($0.origin, $0.reason.rawValue) < ($1.origin, $1.reason.rawValue) }
    }

    private struct Kind: Hashable {
        let origin: String
        let reason: Reason
    }

    private var groups: [Kind: Group] = [:]

    mutating func add(_ reason: Reason, _ origin: String, _ index: UInt64) {
        groups[Kind(origin: origin, reason: reason), default: Group(origin: origin, reason: reason, entries: [])]
            .entries.append(index)
    }
}

extension SealedIndex {
    /// Looks again at all that records of these logs have sealed to this node. Opens nothing, and needs no private key:
    /// what ``update(progress:)`` has opened before, and did not refuse, is as it was promised.
    public func census(of logs: [StoredLog]) throws -> SealedCensus {
        let origins = Dictionary(logs.map { ($0.id, $0.origin) }, uniquingKeysWith: { first, _ in first })
        let refused = Set(refusals.map(\.record))
        let retired = try opener.destroyedKeys()
        var census = SealedCensus()
        var last: Int64 = 0
        while true {
            let rows = try store.blobs(after: last, limit: SealedIndex.batch)
            guard let end = rows.last else { return census }
            last = end.number
            let positions = rows.map { RecordPosition(log: $0.reference.log, index: $0.reference.index) }
                .filter { origins[$0.log] != nil }
            let standings = try mapCandidates(at: positions) { candidates in
                try candidates.map { try standing(of: $0, retired: retired) }
            }
            for (position, standing) in zip(positions, standings) {
                guard let origin = origins[position.log] else { continue }
                switch standing {
                case .notForThisNode: break
                case _ where refused.contains(position): census.add(.refused, origin, position.index)
                case .opened: census.opened += 1
                case .unopened(let reason): census.add(reason, origin, position.index)
                }
            }
        }
    }

    private enum Standing: Sendable {
        case notForThisNode
        case opened
        case unopened(SealedCensus.Reason)
    }

    private func standing(of candidate: Candidate, retired: [SHA256Digest: UInt32?]) throws -> Standing {
        switch candidate {
        case .settled(.waiting): return .unopened(.notHere)
        case .settled(.damaged), .settled(.unreadable): return .unopened(.damaged)
        case .settled: return .notForThisNode
        case .sealed(let place, let boxes):
            guard boxes.isEmpty else {
                return RecordSchema.of(place.record.type) == nil ? .unopened(.unknownType) : .opened
            }
            if case .destroyed = try place.sealed(opener).lostKeys(retired: retired) { return .unopened(.keyDestroyed) }
            return .unopened(.keyMissing)
        }
    }
}
