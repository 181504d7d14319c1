import Cryptography
import Glibc
import Home
public import LogStore
public import TransparencyLog

extension Node {
    // MARK: Key

    /// The public key of this node as a witness; `nil` where none was made yet.
    public func witnessKeyInPlace() throws -> VerifierKey? {
        try keystore.witnessPublicKey().map {
            try VerifierKey(name: keystore.witnessName, algorithm: .cosignature, publicKey: $0)
        }
    }

    /// The public key of this node as a witness, which is made when it is asked for first.
    public func witnessVerifierKey() throws -> VerifierKey {
        if let key = try witnessKeyInPlace() { return key }
        do {
            try privateKeys.makeWitnessKey()
        } catch let error as HomeError where error.category == .exists {
            // Another process was first.
        }
        guard let key = try witnessKeyInPlace() else {
            throw HomeError(.noInput, "the witness key was taken away again", path: home.keysFolder)
        }
        return key
    }

    /// Destroys the witness key and makes another. What was cosigned last is known on, and counts for the new one.
    public func replaceWitnessKey() throws -> VerifierKey {
        try checkKeys()
        if try witnessKeyInPlace() != nil { try keystore.destroyWitnessKey() }
        return try witnessVerifierKey()
    }

    /// Cosigns as a witness, in this process.
    func witnessCosigner() throws -> Cosigner {
        _ = try witnessVerifierKey()
        return try Cosigner(name: keystore.witnessName, privateKey: keystore.witnessKey())
    }

    // MARK: State

    /// A log that this node witnesses, as it is known here.
    public struct Witnessed: Sendable {
        public let origin: String
        public let keys: [VerifierKey]
        /// `nil` where nothing of it was cosigned yet.
        public let head: WitnessedHead?
        /// The proof that it has signed two histories, as a file.
        public let evidenceFile: String?
    }

    /// The logs that this node witnesses, in the order of node.yaml. Evidence whose file is missing is written.
    public func witnessedLogs() throws -> [Witnessed] {
        guard let witness = configuration.witness else { return [] }
        let heads = try store.witnessed()
        return try witness.origins.map { origin in
            let head = heads.first { $0.origin.utf8.elementsEqual(origin.utf8) }
            let file = try head?.evidence.map { evidence in
                let file = home.witnessEvidenceFile(of: origin)
                if access(file, F_OK) != 0 { try AtomicFile.write(evidence, to: file) }
                return file
            }
            return Witnessed(
                origin: origin, keys: witness.log(origin)?.keys ?? [], head: head, evidenceFile: file)
        }
    }

    /// What the operator has to know of them.
    public func witnessAlarms(_ logs: [Witnessed], now: UInt64) throws -> [String] {
        guard configuration.witness != nil else { return [] }
        var alarms: [String] = []
        if let key = try keystore.witnessPublicKey(), try !store.isWitnessKeyNoted(key) {
            alarms.append(
                "signed.sqlite does not know the witness key: what was cosigned with it is lost, and nothing is cosigned "
                    + "with it again; `entente witness key --replace` makes another, for logs and their readers to take"
            )
        }
        for log in logs {
            if let file = log.evidenceFile, let head = log.head {
                alarms.append(
                    "\(log.origin), which this node witnesses, has signed two roots at size \(head.size): it is not "
                        + "cosigned any more; the evidence is \(file)")
            }
        }
        for log in logs {
            if let last = log.head?.time, now + 300 < last {
                alarms.append(
                    "the clock is \(last - now) s behind the last cosignature on \(log.origin): set it, nothing is "
                        + "cosigned there until then")
            }
        }
        return alarms
    }
}
