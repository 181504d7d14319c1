import Records
import Sealing

/// A sealed part that is here, for this node, and not what the signed record promises: nothing of it is shown.
public struct SealedRefusal: Sendable, Hashable {
    /// The check that failed, by the name that docs/sealing.md has for it.
    public let check: String
    /// The same in words. Quotes no value.
    public let reason: String

    /// `nil` for what says nothing of the author: a missing key, or bytes that the disk has damaged.
    init?(_ error: any Error) {
        switch error {
        case SealingError.keyMissing, SealingError.notARecipient, SealingError.wrongHash, SealingError.wrongSize:
            return nil
        case let error as SealingError: (check, reason) = (error.checkName, error.description)
        case is JSONError: (check, reason) = ("malformed_value", "sealed field: its value is no JSON")
        default: return nil
        }
    }
}
