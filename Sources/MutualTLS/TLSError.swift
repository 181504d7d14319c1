/// Why a TLS connection, an identity or a trust setting was refused: a code for programs, one line for administrators.
///
/// The line says what, where and what to do, and holds no byte of a key or of what was sent.
public struct TLSError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of failure it was.
    public let code: Code
    /// One line for an administrator.
    public let description: String

    /// Whose certificate it is about, where a pin says so. Whoever showed it may not have its key.
    public let node: String?

    package init(_ code: Code, _ description: String, node: String? = nil) {
        self.code = code
        self.description = description
        self.node = node
    }

    /// The name adds nothing to what the line says.
    public static func == (left: TLSError, right: TLSError) -> Bool {
        left.code == right.code && left.description == right.description
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(code)
        hasher.combine(description)
    }

    /// The kinds of failure. A struct, so that new kinds break no caller.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        public let description: String

        private init(_ name: String) { description = name }

        // What the peer's certificate was refused for.
        public static let noCertificate = Code("noCertificate")
        public static let notPinned = Code("notPinned")
        public static let wrongPeer = Code("wrongPeer")
        public static let wrongName = Code("wrongName")
        public static let certificateExpired = Code("certificateExpired")
        public static let certificateNotYetValid = Code("certificateNotYetValid")
        public static let untrustedIssuer = Code("untrustedIssuer")
        public static let revoked = Code("revoked")
        public static let revocationListUnusable = Code("revocationListUnusable")
        public static let certificateUnacceptable = Code("certificateUnacceptable")

        // What else stopped a handshake or a connection.
        public static let unreachable = Code("unreachable")
        public static let notTLS = Code("notTLS")
        public static let otherProtocolVersion = Code("otherProtocolVersion")
        public static let noApplicationProtocol = Code("noApplicationProtocol")
        public static let handshakeTimeout = Code("handshakeTimeout")
        public static let closedDuringHandshake = Code("closedDuringHandshake")
        public static let refusedByPeer = Code("refusedByPeer")
        public static let truncated = Code("truncated")
        public static let closed = Code("closed")
        public static let protocolViolation = Code("protocolViolation")
        public static let tooManyControlMessages = Code("tooManyControlMessages")
        public static let tooMuchQueued = Code("tooMuchQueued")

        // What is wrong on this side.
        public static let badIdentity = Code("badIdentity")
        /// The private key is not the one of the certificate.
        public static let mismatchedKey = Code("mismatchedKey")
        public static let badTrust = Code("badTrust")
        public static let badConfiguration = Code("badConfiguration")
        public static let addressInUse = Code("addressInUse")
        public static let library = Code("library")
    }
}

/// A day as `2026-05-01` (UTC) of a Unix time, by the civil-from-days rule of the proleptic Gregorian calendar.
package func civilDay(_ unix: Int64) -> String {
    let bounded = min(max(unix, -62_135_596_800), 253_402_300_799)
    let days = (bounded >= 0 ? bounded : bounded - 86_399) / 86_400 + 719_468
    let era = days / 146_097
    let dayOfEra = days - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
}

/// Text that a peer chose, made safe for a log line: printable ASCII, at most `limit` characters.
func printable(_ bytes: some Sequence<UInt8>, limit: Int = 80) -> String {
    var text = ""
    var count = 0
    for byte in bytes {
        guard count < limit else { return text + "…" }
        text.unicodeScalars.append((0x20...0x7E).contains(byte) ? Unicode.Scalar(byte) : "?")
        count += 1
    }
    return text
}
