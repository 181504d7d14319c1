public import Cryptography

/// A field in clear: before sealing, or after opening. Its value never leaves guarded memory here.
public struct SealedField: Sendable {
    /// The field's path in the record, for example `note` or `confidence.level`; it stands in clear in the body.
    public let name: String
    /// The value's JSON text, so that a text, a number, `null` and an empty list stay apart after opening.
    public let value: SecretBytes

    public init(name: String, value: SecretBytes) {
        self.name = name
        self.value = value
    }
}
