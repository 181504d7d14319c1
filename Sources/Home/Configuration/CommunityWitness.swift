public import Cryptography
public import TransparencyLog

/// A witness that is asked to cosign this node's log of a community.
public struct CommunityWitness: Sendable, Hashable {
    /// Where it answers: `https://`, a host and perhaps a port and path.
    public let url: String
    /// Of the type that cosigns.
    public let key: VerifierKey
    /// SHA-256 of its server's public key. Without one the server is believed by the system's authorities.
    public let pin: SHA256Digest?

    public init(url: String, key: VerifierKey, pin: SHA256Digest? = nil) {
        self.url = url
        self.key = key
        self.pin = pin
    }

    /// What pins begin with.
    public static let pinPrefix = "sha256:"

    /// A pin as cards write it, or its digits alone.
    public static func pin(parsing text: String) -> SHA256Digest? {
        SHA256Digest(hex: text.hasPrefix(pinPrefix) ? String(text.dropFirst(pinPrefix.count)) : text)
    }

    /// A key in the text of a file or command. Throws what is wrong with it as `configuration`.
    public static func key(parsing text: String) throws -> VerifierKey {
        do {
            let key = try VerifierKey(parsing: text)
            guard key.algorithm == .cosignature else { throw NoteError.wrongKeyType }
            return key
        } catch let error as NoteError {
            throw HomeError(.configuration, "the vkey of a witness is refused: \(error)")
        }
    }
}

extension CommunityWitness {
    init(parsing value: YAMLValue, of source: YAMLSource) throws {
        var mapping = try YAMLMapping(value, of: source, what: "a witness")
        url = try mapping.text(mapping.require("url"), "url")
        let keyValue = try mapping.require("vkey")
        do {
            key = try CommunityWitness.key(parsing: mapping.text(keyValue, "vkey"))
        } catch let error as HomeError where error.line == nil {
            throw source.error(error.message, line: keyValue.line)
        }
        if let value = mapping.take("pin") {
            pin = try CommunityWitness.pin(parsing: mapping.text(value, "pin"))
            guard pin != nil else {
                throw source.error("a pin must read sha256: and 64 hexadecimal digits", line: value.line)
            }
        } else {
            pin = nil
        }
        try mapping.finish()
    }

    func lines(indentation: String) -> [String] {
        ["\(indentation)- url: \(PlainScalar.write(url))", "\(indentation)  vkey: \(PlainScalar.write(key.text))"]
            + (pin.map { ["\(indentation)  pin: \(CommunityWitness.pinPrefix)\($0.hex)"] } ?? [])
    }
}

extension CommunityConfiguration {
    /// The most witnesses that are asked.
    public static let maximumWitnessCount = 16

    /// How many of the witnesses are to have cosigned: all of them unless said.
    public var neededWitnesses: Int { quorum ?? witnesses.count }

    /// What is wrong with the witnesses, and with which, `nil` for what concerns all.
    func witnessProblem() -> (position: Int?, message: String)? {
        guard witnesses.count <= CommunityConfiguration.maximumWitnessCount else {
            return (nil, "at most \(CommunityConfiguration.maximumWitnessCount) witnesses are asked")
        }
        var keys: Set<[UInt8]> = []
        var urls: Set<String> = []
        for (position, witness) in witnesses.enumerated() {
            guard witness.url.hasPrefix("https://") else {
                return (position, "the url of a witness is https://HOST[:PORT][/PATH]")
            }
            guard urls.insert(witness.url).inserted, keys.insert(witness.key.publicKey.bytes).inserted else {
                return (position, "the witness \(witness.key.name) stands twice; remove one")
            }
        }
        if let quorum, !(1...max(1, witnesses.count)).contains(quorum) || witnesses.isEmpty {
            return (
                nil,
                witnesses.isEmpty
                    ? "quorum needs witnesses" : "quorum must be from 1 to \(witnesses.count), the number of witnesses"
            )
        }
        return nil
    }
}
