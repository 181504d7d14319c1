/// Signatures that an audit counts for nothing, and that are no fault of the log: nobody who reads it can check them, or
/// the key had been replaced by their date.
struct UncountedSignatures: Sendable {
    private struct Kind: Hashable {
        let name: String
        let standing: MirrorKeys.Standing
    }

    private var counts: [Kind: Int] = [:]

    /// Takes in one that does not count.
    mutating func add(_ standing: MirrorKeys.Standing, of name: String) {
        counts[Kind(name: name, standing: standing), default: 0] += 1
    }

    mutating func add(_ other: UncountedSignatures) { counts.merge(other.counts, uniquingKeysWith: +) }

    /// A line for each node and reason.
    func texts(_ origin: String, _ one: String, _ many: String) -> [String] {
        counts.map { kind, count in
            let which = "\(origin): \(counted(count, one, many)) of \(kind.name)"
            return switch kind.standing {
            case .replacedKey:
                "\(which) \(count == 1 ? "is" : "are") dated after the mirror key that signed had been replaced, and "
                    + "\(count == 1 ? "was" : "were") not counted"
            case .unknownKey, .signed:
                "\(which) \(count == 1 ? "is" : "are") by a mirror key that nothing known here leads to, and "
                    + "\(count == 1 ? "was" : "were") not counted"
            }
        }.sorted()
    }
}
