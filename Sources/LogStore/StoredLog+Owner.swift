extension StoredLog {
    /// Whether the entry at this index stands behind what the log's owner wrote: the owner had given the log up by then,
    /// so somebody else has signed it. All that shows, proves or hands on an entry asks here.
    public func isBeyondOwner(_ index: UInt64) -> Bool { givenUpAt.map { index >= $0 } ?? false }
}
