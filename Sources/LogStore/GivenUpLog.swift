public import Cryptography
public import Records

/// A log whose owner goes on in a successor, and how many entries the owner had written in it. Whoever has its key can
/// still sign what stands behind them, and nobody takes that any more.
public struct GivenUpLog: Sendable, Hashable {
    public let origin: LogOrigin
    public let size: UInt64
    /// The root of the owner's entries; `nil` where an earlier release has opened the successor.
    public let root: SHA256Digest?
}
