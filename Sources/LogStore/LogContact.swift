/// Since when, and until when, a log's owner was heard, by itself or through others: the last stretch of time in which
/// the pauses were short.
public struct LogContact: Sendable, Hashable {
    /// When the log was first looked at so. All times are Unix seconds.
    public let known: UInt64
    /// `nil` where the owner was never heard.
    public private(set) var since: UInt64?
    public private(set) var until: UInt64?
    /// Entries held while a transfer was under way, and when there had become more.
    public private(set) var size: UInt64
    public private(set) var grown: UInt64

    public init(known: UInt64, since: UInt64? = nil, until: UInt64? = nil, size: UInt64 = 0, grown: UInt64? = nil) {
        self.known = known
        self.since = since
        self.until = until
        self.size = size
        self.grown = grown ?? known
    }

    /// The owner was heard at a moment. After a pause that was longer than `gap` a new stretch begins.
    public mutating func hear(at time: UInt64, gap: UInt64) {
        guard let until else {
            (since, self.until) = (time, time)
            return
        }
        guard time > until else { return }
        if time - until > gap { since = time }
        self.until = time
    }

    /// So many entries are held in the midst of a transfer.
    public mutating func receive(_ size: UInt64, at time: UInt64) {
        guard size != self.size else { return }
        self.size = size
        grown = time
    }
}
