/// The construction `entente-seal/1`: its name, lengths and limits.
public enum SealingSuite {
    /// What the first item of a blob, and `suite` in a signed body, must say.
    public static let name = "entente-seal/1"

    public static let saltByteCount = 16
    public static let keyIDByteCount = 32
    public static let commitmentByteCount = 32
    /// A data key of 32 bytes in a sealed box, which adds 48.
    public static let boxByteCount = 80

    public static let maximumRecipientCount = 64
    public static let maximumFieldCount = 64
    /// 1 MiB.
    public static let maximumBlobByteCount = 1_048_576

    static let dataKeyByteCount = 32
    static let nodeByteCounts = 1...253
    static let fieldNameByteCounts = 1...256
    static let originByteCounts = 1...512
    static let recordTypeByteCounts = 1...64

    /// Names are printable ASCII without spaces: Swift finds texts equal that differ in their bytes, and two programs
    /// must never disagree on which names are the same.
    static func isName(_ bytes: some Collection<UInt8>, _ counts: ClosedRange<Int>) -> Bool {
        counts.contains(bytes.count) && bytes.allSatisfy { (0x21...0x7e).contains($0) }
    }
}
