import LogStore

extension AuditReport {
    /// Opens the sealed parts for this node in the logs of the report, and names those that are not what their records
    /// promise: their authors signed one thing and sealed another. Those that were opened for a search before, and were in
    /// order, are not opened again; their bytes are those that the record names, as the audit itself says. What does not
    /// open is not proved.
    public mutating func addSealed(
        of node: Node, progress: ((_ done: UInt64, _ total: UInt64) -> Void)? = nil
    ) throws {
        let index = try SealedIndex(node: node)
        try index.update(progress: progress)
        let origins = Set(logs.map(\.origin))
        for (record, refusal) in index.refusals {
            guard let origin = try node.store.log(id: record.log)?.origin, origins.contains(origin) else { continue }
            problems.append(
                Problem(
                    origin: origin, entry: record.index,
                    text: "its sealed part is refused (\(refusal.check)): \(refusal.reason)"))
        }
        let census = try index.census(of: node.store.logs().filter { origins.contains($0.origin) })
        sealed = census
        unproved += census.unopened.compactMap(\.text)
    }
}

extension SealedCensus.Group {
    /// What is not proved; `nil` of what is a problem.
    fileprivate var text: String? {
        let isOne = entries.count == 1
        let why: String
        switch reason {
        case .notHere: why = isOne ? "it has not come yet" : "they have not come yet"
        case .damaged: why = isOne ? "it is damaged here" : "they are damaged here"
        case .keyMissing: why = "the key of this node to which that is sealed is not in keys/"
        case .keyDestroyed: why = "the key of this node to which that is sealed was destroyed"
        case .unknownType: why = "this release does not know such records"
        case .refused: return nil
        }
        return
            "\(origin): what is sealed to this node in \(counted(entries.count, "record", "records")), \(list): \(why)"
    }

    /// The entries, neighbours together: `#3, #5 to #9`.
    private var list: String {
        var ranges: [ClosedRange<UInt64>] = []
        for entry in entries.sorted() {
            if let last = ranges.last, last.upperBound + 1 >= entry {
                ranges[ranges.count - 1] = last.lowerBound...entry
            } else {
                ranges.append(entry...entry)
            }
        }
        let shown = ranges.prefix(20).map {
            $0.count == 1 ? "#\($0.lowerBound)" : "#\($0.lowerBound) to #\($0.upperBound)"
        }
        let rest = ranges.dropFirst(20).reduce(0) { $0 + $1.count }
        return shown.joined(separator: ", ") + (rest == 0 ? "" : " and \(rest) more")
    }
}
