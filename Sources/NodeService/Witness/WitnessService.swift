import Cryptography
package import Home
package import LogStore
package import Logging
public import MutualTLS
public import TransparencyLog

/// The node as a witness: cosigns checkpoints of logs outside its communities, each of which has shown that it extends
/// the one cosigned before (c2sp.org/tlog-witness).
///
/// What it goes by is read again whenever the configuration may have changed: see ``obey(_:)``.
public final class WitnessService: Sendable {
    private struct State: Sendable {
        var configuration: WitnessConfiguration?
        /// By the bytes of the origin: texts that look alike are different logs.
        var logs: [[UInt8]: WitnessedLog] = [:]
        var cosigner: Cosigner?
        /// Which file of the key it is from.
        var keyVersion: [Int]?
        var problem: String?
    }

    private let store: SQLiteLogStore
    private let evidenceFile: @Sendable (_ origin: String) -> String
    private let now: @Sendable () -> UInt64
    private let logger: Logger
    private let state = Guarded(State())
    /// Certificate and key, as they are now.
    public let tls: @Sendable () -> TLSContext

    convenience init(_ node: Node, tls: @escaping @Sendable () -> TLSContext, logger: Logger) {
        self.init(
            store: node.store, evidenceFile: { [home = node.home] in home.witnessEvidenceFile(of: $0) }, tls: tls,
            now: Clock.now, logger: logger)
    }

    package init(
        store: SQLiteLogStore, evidenceFile: @escaping @Sendable (_ origin: String) -> String,
        tls: @escaping @Sendable () -> TLSContext, now: @escaping @Sendable () -> UInt64, logger: Logger
    ) {
        self.store = store
        self.evidenceFile = evidenceFile
        self.tls = tls
        self.now = now
        self.logger = logger
    }

    /// Where logs reach it; `nil` where this node witnesses nothing.
    public var address: @Sendable () -> Endpoint? {
        { [state] in
            state.value.configuration.map { Endpoint(host: $0.listen.host, port: Int($0.listen.port)) }
        }
    }

    // MARK: Configuration

    /// Takes over what the node is to witness, and its key, which is made where there is none. What stops that is said
    /// once, and then nothing is cosigned.
    func obey(_ node: Node) {
        let configuration = node.configuration.witness
        do {
            let version = try configuration == nil ? nil : node.keystore.witnessKeyVersion()
            let known = state.value
            if known.configuration == configuration, known.keyVersion == version, known.problem == nil { return }
            let cosigner = try configuration == nil ? nil : node.witnessCosigner()
            try take(configuration, cosigner: cosigner, keyVersion: node.keystore.witnessKeyVersion())
        } catch {
            if state.value.problem != "\(error)" {
                logger.error("the witness key cannot be used", metadata: ["error": "\(error)"])
            }
            state.update {
                $0.problem = "\(error)"
                $0.cosigner = nil
                $0.configuration = configuration
                $0.logs = WitnessService.logs(configuration)
            }
        }
    }

    /// Goes by this from now on.
    package func take(_ configuration: WitnessConfiguration?, cosigner: Cosigner?, keyVersion: [Int]? = nil) {
        state.value = State(
            configuration: configuration, logs: WitnessService.logs(configuration), cosigner: cosigner,
            keyVersion: configuration == nil ? nil : keyVersion)
    }

    private static func logs(_ configuration: WitnessConfiguration?) -> [[UInt8]: WitnessedLog] {
        guard let configuration else { return [:] }
        return Dictionary(
            configuration.origins.compactMap { origin in
                configuration.log(origin).map { (Array(origin.utf8), $0) }
            }, uniquingKeysWith: { first, _ in first })
    }

    // MARK: Answers

    /// Answers a request. What it cosigns is durable by then.
    ///
    /// Blocks on the disk.
    public func answer(_ body: [UInt8]) -> AddCheckpointAnswer {
        do {
            return try judged(AddCheckpointRequest(parsing: body))
        } catch let error as AddCheckpointError {
            return .malformed(reason: "\(error)")
        } catch {
            logger.error("a witness request cannot be answered", metadata: ["error": "\(error)"])
            return .failed(status: 503, reason: "this witness cannot answer now")
        }
    }

    private func judged(_ request: AddCheckpointRequest) throws -> AddCheckpointAnswer {
        let state = state.value
        let admitted: AdmittedCheckpoint
        switch WitnessedLog.admit(request, log: { state.logs[Array($0.utf8)] }) {
        case .refused(let answer): return answer
        case .admitted(let checkpoint): admitted = checkpoint
        }
        let origin = admitted.checkpoint.origin
        guard let cosigner = state.cosigner, let log = state.logs[Array(origin.utf8)] else {
            return .failed(status: 503, reason: "this witness cannot use its key now")
        }
        // It may be held here too, and known better.
        guard try store.log(origin)?.frozen == nil else {
            return .unproved(reason: "this log has signed two histories; it is not cosigned any more")
        }
        let outcome = try store.witness(admitted, key: cosigner.verifierKey.publicKey, time: now()) { last in
            WitnessService.evidence(log, last, admitted.note)
        }
        switch outcome {
        case .cosigned(let time):
            return .cosigned([try cosigner.cosign(admitted.checkpoint, time: time).noteSignature])
        case .refused(let answer): return answer
        case .forked(let answer, let isNews):
            if isNews { tell(origin) }
            return answer
        case .clockBehind:
            logger.error("nothing is cosigned: the clock is behind", metadata: ["log": "\(origin)"])
            return .failed(status: 503, reason: "the clock of this witness is behind its last cosignature")
        case .unknownKey:
            logger.error("nothing is cosigned: the marks of the witness key are lost", metadata: ["log": "\(origin)"])
            return .failed(status: 503, reason: "this witness cannot use its key now")
        }
    }

    /// The proof of a fork. Both checkpoints as they are, where no key that the log has now has signed the two.
    private static func evidence(_ log: WitnessedLog, _ last: SignedNote, _ note: SignedNote) -> [UInt8] {
        for key in log.keys {
            guard
                let evidence = try? ForkEvidence(
                    key: key, origin: log.origin, last.signedOnly(by: [key]), note.signedOnly(by: [key]), prefix: [],
                    difference: nil)
            else { continue }
            return Array(evidence.serialized.utf8)
        }
        return Array("\(last.serialized)\n\(note.serialized)".utf8)
    }

    /// A crash here, or a full disk, leaves no file: `status` writes it from what is stored.
    private func tell(_ origin: String) {
        logger.critical("a witnessed log has forked", metadata: ["log": "\(origin)"])
        do {
            guard let evidence = try store.witnessed().first(where: { $0.origin == origin })?.evidence else { return }
            try AtomicFile.write(evidence, to: evidenceFile(origin))
        } catch {
            logger.error("the evidence is not in a file yet", metadata: ["error": "\(error)"])
        }
    }
}
