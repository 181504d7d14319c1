import Cryptography
import Home
import LogStore
public import Records
import TransparencyLog

// A log that forked, or cannot be recovered, is never written again; its owner goes on in a successor.
extension Node {
    /// Opens the successor of the own log of a community: a log of its own, with a key of its own, whose first record
    /// names what became of the one before. Done twice, or broken off and done again, it makes one.
    ///
    /// Throws `notPermitted` unless the log forked, or `abandoning` one that is being recovered or whose key is gone, or
    /// its key is `stolen`; and where it has to be said how much of a log whose key is stolen is this node's, and `written`
    /// does not.
    public func openSuccessor(
        of community: String, abandoning: Bool, stolen: Bool = false, written: UInt64? = nil, author: String,
        time: Timestamp
    ) throws -> Node {
        _ = try self.community(community)
        return try keystore.whileRotating {
            guard try refreshed().generation(of: community) == generation(of: community) else {
                throw HomeError(
                    .busy, "\(origin(of: community)) was given up by another command meanwhile; see `entente status`")
            }
            return try openOwnSuccessor(
                of: community, abandoning: abandoning, stolen: stolen, written: written, author: author, time: time)
        }
    }

    private func openOwnSuccessor(
        of community: String, abandoning: Bool, stolen: Bool, written: UInt64?, author: String, time: Timestamp
    ) throws -> Node {
        // Nothing is looked at, and the operator told of it, that could not be done then.
        try checkKeys()
        var node = self
        let log = try store.log(origin(of: community))
        // A successor that is not written yet was broken off here before. One that has a key and is not in the database
        // may have been written, and partners may hold it: that is for `recover` to find out.
        let lostKey = try lostLogKey(community: community)
        let current = LogOrigin(origin(of: community))
        if stolen, lostKey == nil, let current, try store.isBegun(current), try !store.isGivingUp(for: current) {
            // Whoever has the key before may have this one, too. Nothing was signed with it.
            try keystore.destroyLogKey(community: community, generation: current.generation)
            return try refreshed().openOwnSuccessor(
                of: community, abandoning: abandoning, stolen: stolen, written: written, author: author, time: time)
        }
        let isEmpty = log?.size == 0 && log?.recovering == nil
        let isBegun =
            try generation(of: community) > 1 && lostKey == nil && (isEmpty || isSuccessorBegun(in: community))
        if !isBegun {
            let isForked = try log.flatMap { try store.fork(of: $0.id) } != nil
            let isRolledBack = try isRolledBack(origin(of: community))
            let isBehind = log == nil || log?.recovering != nil || isRolledBack
            let later = try laterLog(in: community)
            guard isForked || stolen || ((isBehind || lostKey != nil || later != nil) && abandoning) else {
                if let lostKey { throw lostKey }
                try store.checkNoLaterLog(after: origin(of: community))
                throw HomeError(
                    .notPermitted,
                    isBehind
                        ? "\(origin(of: community)) is to be recovered; run `entente recover`, or give it up with "
                            + "--abandon if no partner has it any more"
                        : "\(origin(of: community)) did not fork; it goes on as it is")
            }
            if stolen, let current {
                try checkWritten(written, of: current)
                // If partners have a later log it says where this one ends, and maybe more than is known here.
                if later == nil || written != nil { try store.beginGivingUp(current, at: written) }
            }
            let last = later.flatMap { LogOrigin($0.origin) } ?? current
            guard let next = last?.successor else { throw StoreError.unknownLog(origin(of: community)) }
            try store.noteBegun(next)
            try privateKeys.makeLogKey(community: community, generation: next.generation)
            // From here on this is the log to write.
            node = try refreshed()
        }
        try node.createOwnLog(community)
        if let made = LogOrigin(node.origin(of: community)) { try store.forgetBegun(made) }
        try node.publishMembers(of: community, isStolen: stolen, author: author, time: time)
        try node.publishKeys(in: community, author: author, time: time)
        let ended = isBegun ? LogOrigin(node.origin(of: community))?.predecessor : current
        if stolen, let ended, try node.isEndUnknown(of: ended) { try store.noteOpenEnd(of: ended) }
        return node
    }

    /// Whether it is known how many entries of an own log this node has written, or the operator says so.
    public func checkWritten(_ written: UInt64?, of origin: LogOrigin) throws {
        guard let log = try store.log(origin.text) else {
            if written != nil { throw HomeError(.usage, "nothing of \(origin) is here, so no size of it can be said") }
            return
        }
        guard log.givenUpAt == nil else {
            guard let written, written != log.givenUpAt else { return }
            throw HomeError(
                .usage,
                "\(origin) was given up at \(counted(log.givenUpAt ?? 0, "entry", "entries")), which is never changed")
        }
        let marked = try store.writtenHere(origin.text)?.size
        if let written {
            guard written > log.size, written != marked else { return }
            throw HomeError(
                .usage, "only \(counted(log.size, "entry", "entries")) of \(origin) are here, not \(written)")
        }
        if let later = try store.laterLog(after: origin.text) {
            throw HomeError(
                .notPermitted,
                "\(later.holders.joined(separator: ", ")) \(later.holders.count == 1 ? "says" : "say") that \(later.origin) came "
                    + "after \(origin), and it is not here: if that is so, put back keys/ as it was last and run `entente "
                    + "recover`; if not, or if there is no such backup, say how many entries of \(origin) are this node's: "
                    + "`--size \(log.size)` if all that are here are")
        }
        // A recovery raises the mark to what it brings, which may be a thief's.
        let isWhole = log.recovering == nil && log.frozen == nil && log.size > 0
        let known = marked ?? (isWhole ? log.size : 0)
        if isWhole, try store.marksRemade() != nil {
            throw HomeError(
                .notPermitted,
                "the marks of what this node has signed were lost, so nobody knows how many entries of \(origin) are its own: "
                    + "look at the newest (`entente log show \(origin)`), and say it: `--size \(log.size)` if all that are "
                    + "here are, less if a thief has written the last ones")
        }
        guard let recovered = try store.recoveredFrom(origin.text), recovered.size < known else { return }
        throw HomeError(
            .notPermitted,
            "a recovery on \(Clock.moment(recovered.time)) brought entries of \(origin) from #\(recovered.size) "
                + "on that this node had no mark of: look whether a thief wrote any of them (`entente show "
                + "\(origin)#\(recovered.size)`; there may be others since), and say how many entries are this node's: `--size "
                + "\(known)` if all are, `--size \(recovered.size)` if none of those, or the number of the first that is not"
        )
    }

    /// Whether no successor says how many entries this node had written in an own log.
    private func isEndUnknown(of log: LogOrigin) throws -> Bool {
        let id = SHA256.hash(log.text)
        return try !store.givenUpLogs().contains { $0.log == id }
    }

    /// What `status` says of logs whose key is stolen and of which no successor says where they end.
    public func openEndWarnings() throws -> [String] {
        try store.logsWithOpenEnd().map { origin in
            "\(origin), whose key is stolen, was given up without its successor saying where it ends: partners go on taking "
                + "what the thief signs there for this node's; tell them which entries are (docs/keys.md)"
        }
    }

    /// The own log whose successor has a key and nothing more: giving it up was broken off.
    public func logBeingGivenUp(in community: String) throws -> String? {
        try isSuccessorBegun(in: community) ? LogOrigin(origin(of: community))?.predecessor?.text : nil
    }

    /// Whether the newest log of a community has a key and nothing more: the making of that successor was broken off.
    func isSuccessorBegun(in community: String) throws -> Bool {
        guard let successor = LogOrigin(origin(of: community)), successor.generation > 1 else { return false }
        return try store.isGivingUp(for: successor) || store.isBegun(successor)
    }

    /// The log of this node in a community that partners hold after the newest one that is known here.
    func laterLog(in community: String) throws -> LaterLog? {
        try store.laterLog(after: origin(of: community))
    }

    /// What there is to say where partners hold later logs of this node than this one has.
    public func laterLogAlarms() throws -> [String] {
        try configuration.communities.compactMap { community in
            guard let later = try laterLog(in: community.name) else { return nil }
            return StoreError.laterLog(
                origin: origin(of: community.name), later: later.origin, holders: later.holders
            ).description
        }
    }

    private func isRolledBack(_ origin: String) throws -> Bool {
        try store.rollbacks().contains { problem in
            switch problem {
            case .rolledBack(let other, _, _), .contradictsSigned(let other, _): other == origin
            default: false
            }
        }
    }

    /// What the first record of a successor says of the log before it; `nil` for any other record.
    ///
    /// It says how many entries this node had written in that where it knows. Of a log that is being recovered it knows that
    /// only where its key `isStolen`: what partners have beyond is the thief's.
    func predecessor(of community: String, isStolen: Bool) throws -> JSONValue? {
        let generation = generation(of: community)
        guard generation > 1, try store.log(origin(of: community))?.size ?? 0 == 0 else { return nil }
        let before = generation == 2 ? "\(name)/\(community)" : "\(name)/\(community)/\(generation - 1)"
        var members = [JSONMember("origin", .string(before))]
        if let fork = try store.fork(of: SHA256.hash(before)), let evidence = try? ForkEvidence(parsing: fork.evidence)
        {
            let notes = [evidence.smaller, evidence.larger].map { JSONValue.string(SHA256.hash($0.serialized).hex) }
            members.append(JSONMember("evidence", .array(notes)))
            if let finding = try? evidence.verify() { members.append(JSONMember("reason", .string(finding.text))) }
        }
        let givenUp = try store.log(before)
        let isWhole = givenUp?.recovering == nil
        // Whose the entries are that a recovery brought only the operator knows.
        let isCertain = try (isWhole || isStolen) && store.recoveredFrom(before) == nil
        let known = try givenUp?.givenUpAt ?? (isCertain ? store.sizeWrittenHere(before) : nil)
        if let size = known {
            members.append(JSONMember("size", .integer(Int64(clamping: size))))
            if let root = try store.rootWrittenHere(before) {
                members.append(JSONMember("root", .string(root.hex)))
            }
        }
        let earlier = try earlierEnds(before: before)
        if !earlier.isEmpty { members.append(JSONMember("earlier", .array(earlier))) }
        return .object(members)
    }

    /// Where the logs before the last that was given up end, as far as that is known: whoever has no card of that one never
    /// gets its first record.
    private func earlierEnds(before last: String) throws -> [JSONValue] {
        guard let last = LogOrigin(last) else { return [] }
        return try sequence(first: last) { $0.predecessor }.dropFirst().prefix(64).compactMap { origin in
            guard let size = try store.log(origin.text)?.givenUpAt else { return nil }
            var members = [
                JSONMember("origin", .string(origin.text)), JSONMember("size", .integer(Int64(clamping: size))),
            ]
            if let root = try store.rootWrittenHere(origin.text) {
                members.append(JSONMember("root", .string(root.hex)))
            }
            return .object(members)
        }
    }
}

extension Node {
    /// The entries of the own log of a community that no partner has, by the cosignatures that are here; empty where some
    /// partner has them all.
    public func entriesNobodyElseHas(community: String) throws -> Range<UInt64> {
        guard let log = try store.log(origin(of: community)) else { return 0..<0 }
        let held =
            try store.newestCosignatures(of: log.id, by: CosignerKeys(self)).filter { $0.cosigner != name }
            .map(\.size).max() ?? 0
        return min(held, log.size)..<log.size
    }
}
