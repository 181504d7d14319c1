import LogStore

extension AuditReport {
    /// Opens the sealed parts for this node in the logs of the report, and names those that are not what their records
    /// promise: their authors signed one thing and sealed another. Those that were opened for a search before, and were in
    /// order, are not opened again; their bytes are those that the record names, as the audit itself says.
    public mutating func addRefusals(
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
    }
}
