import Home
import Interchange
import LogStore
import MutualTLS
import NodeService
import Reconciliation
import Records
import Sealing
import TransparencyLog

extension CommandFailure {
    /// The line and the exit status for any error that a command meets.
    init(_ error: any Error) {
        switch error {
        case let failure as CommandFailure: self = failure
        case let home as HomeError: self.init(ExitStatus(home.category), home.description)
        case let store as StoreError: self.init(ExitStatus(store), store.description)
        case let problems as RecordProblems: self.init(.badInput, problems.description)
        case let problem as RecordProblem: self.init(.badInput, problem.description)
        case let session as SessionFailure: self.init(ExitStatus(session.kind), session.description)
        case let tls as TLSError: self.init(ExitStatus(tls.code), tls.description)
        case let violation as ProtocolViolation: self.init(.violation, violation.description)
        case let file as ImportError: self.init(.badInput, file.description)
        case let writer as RecordWriterError: self.init(.configuration, writer.description)
        case let refusal as SealingRefusal: self.init(.notPermitted, refusal.description)
        case let sealing as SealingError: self.init(.badInput, sealing.description)
        case let note as NoteError: self.init(.badInput, note.description)
        case let proof as ProofError: self.init(.badInput, proof.description)
        case let evidence as EvidenceError: self.init(.badInput, evidence.description)
        case let fork as ForkError: self.init(.badInput, fork.description)
        default: self.init(.internal, "\(error)")
        }
    }
}

extension ExitStatus {
    init(_ category: HomeError.Category) {
        switch category {
        case .usage: self = .usage
        case .badInput: self = .badInput
        case .noInput: self = .noInput
        case .exists: self = .exists
        case .io: self = .io
        case .busy: self = .busy
        case .notPermitted: self = .notPermitted
        case .configuration: self = .configuration
        }
    }

    init(_ error: StoreError) {
        switch error {
        case .busy, .keyReplaced: self = .busy
        case .full, .readOnly, .io, .damaged, .damagedEntries, .damagedEntry: self = .io
        case .cannotOpen, .newerVersion: self = .configuration
        case .rolledBack, .recovering, .contradictsSigned, .frozen, .givenUp, .laterLog, .cosignedBeyond:
            self = .notPermitted
        case .unknownLog: self = .noInput
        case .notOwn: self = .notPermitted
        case .bodySize: self = .badInput
        default: self = .violation
        }
    }

    init(_ kind: SessionFailure.Kind) {
        switch kind {
        case .unreachable: self = .unreachable
        case .violation: self = .violation
        case .fork: self = .answerIsNo
        case .store: self = .io
        case .notPermitted: self = .notPermitted
        case .interrupted: self = .interrupted
        }
    }

    init(_ code: TLSError.Code) {
        switch code {
        case .badIdentity, .mismatchedKey, .badTrust, .badConfiguration: self = .configuration
        case .addressInUse: self = .busy
        default: self.init(SessionFailure.Kind(code))
        }
    }
}
