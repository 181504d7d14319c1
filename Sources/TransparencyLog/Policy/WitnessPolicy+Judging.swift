extension WitnessPolicy {
    /// What a policy says of one checkpoint.
    public struct Verdict: Sendable, Hashable {
        /// Unix seconds of the cosignature that counts, for each of the policy's witnesses in order; `nil` without one.
        public let times: [UInt64?]
        /// Positions of witnesses under whose key a line stands that does not verify.
        public let forged: [Int]
        public let isReached: Bool
    }

    /// Cosignatures dated later than this many seconds ahead of the reader's clock do not count.
    public static let clockTolerance: UInt64 = 300

    /// Which witnesses have cosigned a checkpoint, by valid cosignatures of at most `now`, and whether that is the quorum.
    /// Whether one of the logs has signed it is another question.
    public func judge(_ checkpoint: Checkpoint, cosignatures: [NoteSignature], now: UInt64) -> Verdict {
        let text = checkpoint.text
        var times = [UInt64?](repeating: nil, count: witnesses.count)
        var forged: [Int] = []
        for (position, witness) in witnesses.enumerated() {
            let lines = cosignatures.filter { witness.key.isNamed(by: $0) }
            let valid = lines.filter { SignedNote.verifies($0, of: text, by: witness.key) }
            if valid.count < lines.count { forged.append(position) }
            times[position] = valid.compactMap { try? Cosignature($0).time }.filter { $0 <= now + Self.clockTolerance }
                .min()
        }
        return Verdict(times: times, forged: forged, isReached: quorum.map { isReached($0, times) } ?? true)
    }

    // Groups name earlier ones only, and each name is a member once: this ends, and visits each once.
    private func isReached(_ member: Member, _ times: [UInt64?]) -> Bool {
        switch member {
        case .witness(let position): times[position] != nil
        case .group(let position): count(groups[position], times) >= groups[position].threshold
        }
    }

    private func count(_ group: Group, _ times: [UInt64?]) -> Int {
        group.members.count { isReached($0, times) }
    }

    /// The verdict in words, one line a group or witness that the quorum rests on: the quorum first.
    public func explanation(of verdict: Verdict) -> [String] {
        guard let quorum else { return ["no witness is asked for"] }
        var lines: [String] = []
        explain(quorum, verdict, depth: 0, &lines)
        return lines
    }

    private func explain(_ member: Member, _ verdict: Verdict, depth: Int, _ lines: inout [String]) {
        let indent = String(repeating: "  ", count: min(depth, 32))
        switch member {
        case .witness(let position):
            let state = verdict.times[position] == nil ? "has not cosigned" : "has cosigned"
            lines.append("\(indent)\(witnesses[position].name) \(state)")
        case .group(let position):
            let group = groups[position]
            let state = isReached(member, verdict.times) ? "reached" : "not reached"
            lines.append(
                "\(indent)\(group.name) is \(state): \(count(group, verdict.times)) of \(group.members.count), "
                    + "\(group.threshold) asked for")
            for member in group.members { explain(member, verdict, depth: depth + 1, &lines) }
        }
    }
}
