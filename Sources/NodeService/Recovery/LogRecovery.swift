import Home
public import LogStore
import Records

/// How the recovery of one own log stands.
public struct LogRecovery: Sendable {
    public let log: StoredLog
    /// `nil` where there is nothing to recover.
    public let state: RecoveryState?
    /// Members that have to answer and have not.
    public let missing: [String]
    /// Members without a card here, which cannot be asked.
    public let withoutCard: [String]
    /// Sealed parts of its records that have not come back.
    public let wantedBlobs: Int
    /// The log that partners hold in the place of this one, which takes nothing more.
    public let laterLog: LaterLog?

    /// All have answered, and still something is missing that was signed: nobody has it.
    public var hasLostEntries: Bool {
        guard let state else { return false }
        return missing.isEmpty && !state.isWhole
    }
}

extension Node {
    /// Makes ready what can be recovered: own logs that have a key and are not there, and, where the whole home is
    /// known to be an older copy, all that are.
    ///
    /// - Parameter isRestored: nothing here shows that entries are missing, but the operator knows; what members have
    ///   answered before does not count.
    public func beginRecovery(isRestored: Bool) throws {
        for key in try keystore.logGenerations() where configuration.community(key.community) != nil {
            // A successor with a key and nothing more: the command that has begun it completes that.
            let isBegun = try generation(of: key.community) == key.generation && isSuccessorBegun(in: key.community)
            guard !isBegun else { continue }
            try Self.makeLostLog(key, keystore, node: name, store)
        }
        guard isRestored else { return }
        // What was cosigned last as a witness is not known any more, and no partner knows it.
        try store.forgetWitnessKeys()
        for log in try store.logs() where log.isOwn && log.frozen == nil {
            let mark = try store.signedMark(of: log.id)?.size ?? 0
            try store.beginRecovery(of: log.id, signed: max(mark, log.head?.size ?? 0), again: true)
        }
        try store.forgetRemadeMarks()
    }

    /// How all own logs stand.
    public func recoveries() throws -> [LogRecovery] {
        try store.logs().filter(\.isOwn).map { log in
            // A forked log never grows again: there is nothing to recover it for.
            let state = log.frozen == nil ? try store.recovery(of: log.id) : nil
            let members = try members(of: log)
            return LogRecovery(
                log: log, state: state, missing: state?.missing(of: members.asked) ?? [],
                withoutCard: members.withoutCard,
                wantedBlobs: try store.wantedBlobs(of: log.id).count,
                laterLog: log.origin == origin(of: log.community) ? try laterLog(in: log.community) : nil)
        }
    }

    /// Who may hold a log, by node.yaml and by the newest `members` record that is here: those with a card, which have
    /// to answer, and the others.
    private func members(of log: StoredLog) throws -> (asked: [String], withoutCard: [String]) {
        let published = try store.membership(of: log.id)?.members ?? []
        let all = Set(published + (configuration.community(log.community)?.members ?? [])).subtracting([name])
        let known = Set(cards.map(\.node))
        return (all.intersection(known).sorted(), all.subtracting(known).sorted())
    }

    /// Ends the recovery of every own log for which nothing is missing. Answers which those are.
    @discardableResult
    public func settleRecoveries() throws -> [StoredLog] {
        var settled: [StoredLog] = []
        guard try home.hasDerivedMembers || store.logs().contains(where: { $0.recovering != nil }) else { return [] }
        for recovery in try recoveries() {
            guard let state = recovery.state, state.isWhole, recovery.missing.isEmpty else { continue }
            let asked = try members(of: recovery.log).asked
            // Where there are members and none can be asked, nobody has answered.
            guard !asked.isEmpty || recovery.withoutCard.isEmpty else { continue }
            try restoreDoublesKey()
            try DoubleRestorer(node: self, log: recovery.log).restore()
            if try store.finishRecovery(of: recovery.log.id, members: asked, time: Clock.now()) {
                settled.append(recovery.log)
            }
        }
        try adoptMembers()
        let now = try home.configuration()
        for log in settled {
            // What node.yaml adds to the newest record is published. What it lacks may be missing because it is an
            // older copy itself: nobody is excluded by that, and `status` says how the two differ.
            let listed = now.community(log.community)?.members ?? []
            guard try store.membership(of: log.id)?.members.allSatisfy(listed.contains) ?? true else { continue }
            try publishMembers(of: log.community, author: Clock.user, time: Clock.timestamp)
        }
        return settled
    }

    /// After node.yaml was lost: takes the members from the newest record of each own log that is back.
    private func adoptMembers() throws {
        guard home.hasDerivedMembers else { return }
        let own = try store.logs().filter { $0.isOwn && $0.frozen == nil }
        var known: [String: Membership] = [:]
        for log in own where log.recovering == nil {
            // Of several logs in a community the last one says.
            if let membership = try store.membership(of: log.id) { known[log.community] = membership }
        }
        try home.updateConfiguration { configuration in
            for index in configuration.communities.indices {
                guard let membership = known[configuration.communities[index].name] else { continue }
                configuration.communities[index].members = [name] + membership.members.filter { $0 != name }
                configuration.communities[index].carrySealed = membership.membersCarrySealed ? .members : .recipients
            }
        }
        if own.allSatisfy({ $0.recovering == nil }) { try home.setDerivedMembers(false) }
    }
}
