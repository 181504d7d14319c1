package import LogStore
package import TransparencyLog

/// One checkpoint on its way to one witness: what is sent, what the answers come to. No sockets, no clock, no database.
package struct WitnessExchange: Sendable {
    /// What an answer comes to.
    package enum Step: Sendable {
        /// The witness has cosigned.
        case cosigned(Cosignature)
        /// It is to be asked again, once, with a proof from this size.
        case again(oldSize: UInt64)
        case failed(WitnessFailure)
    }

    package let key: VerifierKey
    package let checkpoint: Checkpoint
    /// What the witness is believed to have cosigned last.
    package private(set) var oldSize: UInt64
    private var wasTold = false

    package init(key: VerifierKey, checkpoint: Checkpoint, oldSize: UInt64) {
        self.key = key
        self.checkpoint = checkpoint
        // What is not larger than the checkpoint is all that it can be asked from.
        self.oldSize = min(oldSize, checkpoint.size)
    }

    /// Judges an answer. `now` is in Unix seconds.
    package mutating func take(_ answer: AddCheckpointAnswer, now: UInt64) -> Step {
        switch answer {
        case .cosigned: return judge(answer, now)
        case .conflict(let size):
            guard size <= checkpoint.size else {
                return .failed(WitnessFailure(.isAhead(size: size, held: checkpoint.size)))
            }
            guard !wasTold, size != oldSize else { return .failed(WitnessFailure(.conflictsAgain(size: size))) }
            wasTold = true
            oldSize = size
            return .again(oldSize: size)
        case .unproved(let reason): return .failed(WitnessFailure(.unproved(reason)))
        case .malformed(let reason): return .failed(WitnessFailure(.malformed(reason)))
        case .notSigned(let reason): return .failed(WitnessFailure(.keyRefused(reason)))
        case .unknownLog(let reason): return .failed(WitnessFailure(.unknownLog(reason)))
        case .failed(let status, let reason): return .failed(WitnessFailure(.status(status, reason)))
        }
    }

    private func judge(_ answer: AddCheckpointAnswer, _ now: UInt64) -> Step {
        do {
            guard let cosignature = try answer.cosignature(by: key, on: checkpoint) else {
                return .failed(WitnessFailure(.otherKey))
            }
            guard cosignature.time <= now + SyncContext.clockTolerance else {
                return .failed(WitnessFailure(.dated(ahead: cosignature.time - now)))
            }
            return .cosigned(cosignature)
        } catch {
            return .failed(WitnessFailure(.badSignature))
        }
    }
}

/// Why a witness has not cosigned.
package struct WitnessFailure: Error, Sendable, Hashable {
    package enum Reason: Sendable, Hashable {
        /// It has cosigned more than is here.
        case isAhead(size: UInt64, held: UInt64)
        /// The proof does not lead on from what it has cosigned.
        case unproved(String)
        case conflictsAgain(size: UInt64)
        case malformed(String)
        case keyRefused(String)
        case unknownLog(String)
        case status(Int, String)
        /// Its answer is none of the protocol.
        case badAnswer(String)
        /// No line of the answer is by the key that stands in node.yaml.
        case otherKey
        /// A line by that key does not verify.
        case badSignature
        /// Seconds.
        case dated(ahead: UInt64)
        case unreachable(String)
    }

    package let reason: Reason

    package init(_ reason: Reason) {
        self.reason = reason
    }

    package var failure: AskedWitness.Failure {
        switch reason {
        case .isAhead, .unproved: .contradicts
        case .conflictsAgain, .status, .unreachable: .unavailable
        case .malformed, .keyRefused, .unknownLog, .badAnswer, .otherKey, .badSignature, .dated: .refused
        }
    }

    /// For people, without the name of the witness.
    package func text(origin: String) -> String {
        switch reason {
        case .isAhead(let size, let held):
            "it has cosigned \(size) entries of \(origin), and \(held) are here: this database is an older copy, or "
                + "somebody else signs this log; see docs/recovery.md and ask partners for their copy before you append"
        case .unproved(let text):
            "it says that \(origin) here does not continue what it has cosigned\(WitnessFailure.quoted(text)): this "
                + "database is an older copy that went on, or the log forked; compare with partners before you append"
        case .conflictsAgain(let size):
            "asked from the size that it told, it told another: \(size)"
        case .malformed(let text): "it calls the request malformed\(WitnessFailure.quoted(text))"
        case .keyRefused(let text):
            "it has another key for \(origin)\(WitnessFailure.quoted(text)): give its operator the log's vkey "
                + "(`entente log show \(origin)`)"
        case .unknownLog(let text):
            "it does not know \(origin)\(WitnessFailure.quoted(text)): ask its operator to add it, with its vkey "
                + "(`entente log show \(origin)`)"
        case .status(let status, let text) where (300..<400).contains(status):
            "its server sends elsewhere (\(status)), which is not followed\(WitnessFailure.quoted(text))"
        case .status(let status, let text): "its server answered \(status)\(WitnessFailure.quoted(text))"
        case .badAnswer(let text): "its answer is none of a witness: \(text)"
        case .otherKey: "it has answered without a cosignature by the key that stands in node.yaml"
        case .badSignature: "its cosignature does not verify by the key that stands in node.yaml"
        case .dated(let seconds):
            "its cosignature is dated \(Duration.words(seconds)) ahead; one of the clocks is wrong"
        case .unreachable(let text): text
        }
    }

    private static func quoted(_ text: String) -> String { text.isEmpty ? "" : " (“\(text)”)" }
}
