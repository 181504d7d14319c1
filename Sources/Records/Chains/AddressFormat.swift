/// The ways in which addresses are written, one case a family.
enum AddressFormat: Hashable, Sendable {
    /// Base58check over one version byte and 20 bytes; with a prefix also segwit's bech32 and bech32m.
    case bitcoin(versions: [UInt8], prefix: String = "")
    /// CashAddr with this prefix, which may be left out, or Bitcoin's base58check from before the split.
    case cashAddress(prefix: String)
    /// Base58check with version 48, 50 or the old 5, segwit, and MWEB's long bech32.
    case litecoin
    /// `0x` and 40 hexadecimal digits, whose letter case may carry a checksum (EIP-55).
    case evm
    /// The same, whose letter case may also follow EIP-1191 with Rootstock's number, 30.
    case rootstock
    /// The same with `xdc` in place of `0x`, or not.
    case xdc
    case tron
    case zcash
    case ripple
    case solana
    case monero
    case cardano
    /// Bech32 over 20 or 32 bytes with the prefix of the zone.
    case cosmos(prefix: String)
    case ton
    /// SS58 with one of these network numbers.
    case substrate(networks: [UInt16])
    case stellar
    case algorand
    /// An account name of 1 to 13 characters, without a checksum.
    case antelope
    /// No check is known here.
    case other
}
