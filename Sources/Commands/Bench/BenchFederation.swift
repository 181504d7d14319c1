import Cryptography
import Glibc
import LogStore
import Logging
import MutualTLS
import NodeService
import TransparencyLog

/// The nodes of a measurement, us.example and others: keys, certificates and stores in one folder, so that several
/// processes are the same nodes. Keys of a measurement are not secret: they follow from names.
struct BenchFederation {
    let folder: String
    static let logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
    static let nodes = ["us", "kr", "jp"]
    /// The origin of the log that most measurements use.
    static let origin = "us.example/bench"

    /// The origins that us.example writes; a line each in a file.
    var origins: [String] {
        get throws {
            let text = String(decoding: try InputFile.read("\(folder)/origins"), as: UTF8.self)
            return text.split(separator: "\n").map(String.init)
        }
    }

    func write(origins: [String]) throws {
        try write(Array(origins.joined(separator: "\n").utf8), to: "origins")
    }

    func store(_ name: String) throws -> SQLiteLogStore {
        try SQLiteLogStore(
            path: "\(folder)/\(name).sqlite", signedPath: "\(folder)/\(name)-signed.sqlite", node: "\(name).example")
    }

    func context(_ name: String) throws -> SyncContext {
        let store = try store(name)
        if name != "us" {
            for origin in try origins where try store.log(origin) == nil {
                try store.createLog(
                    origin: origin, node: "us.example", community: "bench", isOwn: false,
                    verifierKey: BenchFederation.logKey(origin).verifierKey.text)
            }
        }
        let keys = try BenchFederation.nodes.map { try BenchFederation.cosigner($0).verifierKey }
        return SyncContext(
            store: store,
            federation: Federation(
                node: "\(name).example", members: ["bench": BenchFederation.nodes.map { "\($0).example" }],
                mirrorKeys: Dictionary(keys.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })),
            cosigner: try BenchFederation.cosigner(name), now: Clock.now)
    }

    private static func seed(_ name: String) throws -> SecretBytes {
        var bytes = SHA256.hash("bench key \(name)").bytes
        return try SecretBytes(wiping: &bytes)
    }

    private static func cosigner(_ name: String) throws -> Cosigner {
        try Cosigner(name: "\(name).example", privateKey: Ed25519.PrivateKey(seed: seed(name)))
    }

    static func logKey(_ origin: String) throws -> NoteSigner {
        try NoteSigner(name: origin, privateKey: Ed25519.PrivateKey(seed: seed(origin)))
    }

    static func options(_ origin: String) throws -> AppendOptions {
        let key = try logKey(origin)
        return AppendOptions { size, root in
            try Checkpoint(origin: origin, size: size, root: root).sign(with: key).serialized
        }
    }

    // MARK: Certificates

    func writeIdentities() throws {
        let now = Int64(Clock.now())
        for name in BenchFederation.nodes {
            let made = try TLSIdentity.selfSigned(
                dns: "\(name).example", validFrom: now - 86_400, validUntil: now + 86_400)
            try write(made.certificatePEM, to: "\(name).pem")
            try write(made.privateKeyPEM, to: "\(name).key")
        }
    }

    private func write(_ bytes: [UInt8], to name: String) throws {
        let descriptor = open("\(folder)/\(name)", O_CREAT | O_WRONLY | O_TRUNC, 0o600)
        guard descriptor >= 0, Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw CommandFailure(.io, "\(folder) cannot be written")
        }
        close(descriptor)
    }

    private func identity(_ name: String) throws -> TLSIdentity {
        try TLSIdentity(
            certificatePEM: InputFile.read("\(folder)/\(name).pem"),
            privateKeyPEM: InputFile.read("\(folder)/\(name).key"))
    }

    /// Certificate and key of one node, and the pins of all others.
    func tls(_ name: String) throws -> TLSContext {
        var trust = PeerTrust()
        for other in BenchFederation.nodes where other != name {
            if let pin = Pin(try identity(other).subjectPublicKeyInfoPin) { trust.pins[pin] = "\(other).example" }
        }
        return try TLSContext(
            TLSConfiguration(
                identity: identity(name), trust: trust, applicationProtocols: [PeerClient.applicationProtocol]))
    }
}
