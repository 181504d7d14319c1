import Cryptography
public import Home
import LogStore
package import Logging
public import TransparencyLog

/// Brings a request to a witness, and its answer back.
public protocol WitnessTransport: Sendable {
    /// Returns within a bounded time, with an answer of a bounded size. Throws where there is none.
    func add(_ request: AddCheckpointRequest, to witness: CommunityWitness) async throws -> AddCheckpointAnswer
}

/// What came of asking one witness to cosign one log.
package struct WitnessOutcome: Sendable {
    /// The witness, by the name in its key.
    package let witness: String
    package let origin: String
    /// How many entries were brought to it.
    package let size: UInt64
    /// For people; `nil` where it has cosigned.
    package let problem: String?
}

/// Brings the newest checkpoints of the own logs to the witnesses that node.yaml names. Each witness is asked for
/// itself: one that hangs delays no other, and no append.
package final class WitnessAsking: Sendable {
    private struct Place: Hashable, Sendable {
        let log: SHA256Digest
        let witness: CommunityWitness
    }

    private struct State: Sendable {
        var plans: [Place: WitnessPlan] = [:]
        var underWay: Set<Place> = []
    }

    private let transport: any WitnessTransport
    private let logger: Logger
    private let state = Guarded(State())

    /// What is brought to one witness.
    private struct Errand: Sendable {
        let witness: CommunityWitness
        let log: StoredLog
        let head: SignedHead
        let node: Node

        var place: Place { Place(log: log.id, witness: witness) }
    }

    package init(transport: any WitnessTransport, logger: Logger) {
        self.transport = transport
        self.logger = logger
    }

    /// Asks whom it is time to ask, by the configuration and logs as they are now, and does not wait for them.
    func look(_ node: Node, now: UInt64 = Clock.now()) throws {
        for errand in try begin(node, now: now) {
            Task.detached { [self] in _ = await ask(errand) }
        }
    }

    /// Asks whom it is time to ask, and waits until all have answered or failed.
    package func askOnce(_ node: Node, now: UInt64 = Clock.now()) async throws -> [WitnessOutcome] {
        let errands = try begin(node, now: now)
        return await withTaskGroup(of: (Int, WitnessOutcome).self) { group in
            for (index, errand) in errands.enumerated() {
                group.addTask { [self] in (index, await ask(errand)) }
            }
            return await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    /// Whom it is time to ask; they count as asked from here on.
    private func begin(_ node: Node, now: UInt64) throws -> [Errand] {
        var errands: [Errand] = []
        for community in node.configuration.communities where !community.witnesses.isEmpty {
            guard let log = try node.store.log(node.origin(of: community.name)), let (_, head) = node.witnessed(log)
            else { continue }
            for witness in community.witnesses {
                let errand = Errand(witness: witness, log: log, head: head, node: node)
                let place = errand.place
                if state.value.plans[place] == nil {
                    let last = try node.store.witnessCosignatures(of: log.id).first { $0.key == witness.key.text }
                    let plan = last.map { WitnessPlan(cosigned: $0.size, time: $0.time) } ?? WitnessPlan()
                    state.update { $0.plans[place] = plan }
                }
                let begins = state.update { state in
                    guard !state.underWay.contains(place),
                        state.plans[place]?.isDue(size: head.size, now: now) == true
                    else { return false }
                    state.plans[place]?.begin(now: now)
                    state.underWay.insert(place)
                    return true
                }
                if begins { errands.append(errand) }
            }
        }
        return errands
    }

    private func ask(_ errand: Errand) async -> WitnessOutcome {
        let (witness, log, head) = (errand.witness, errand.log, errand.head)
        let outcome = await exchange(witness, log, head, errand.node)
        await onThread { self.note(outcome, witness, log, head, errand.node) }
        let place = errand.place
        var problem: String?
        if case .failure(let failure) = outcome { problem = failure.text(origin: log.origin) }
        state.update { state in
            var plan = state.plans[place] ?? WitnessPlan()
            if problem == nil { plan.succeeded(size: head.size) } else { plan.failed() }
            state.plans[place] = plan
            state.underWay.remove(place)
        }
        return WitnessOutcome(witness: witness.key.name, origin: log.origin, size: head.size, problem: problem)
    }

    /// Asks, and once more where the witness tells from where.
    private func exchange(
        _ witness: CommunityWitness, _ log: StoredLog, _ head: SignedHead, _ node: Node
    ) async -> Result<Cosignature, WitnessFailure> {
        do {
            let checkpoint = try Checkpoint(origin: log.origin, size: head.size, root: head.root)
            let known = try await thread { try node.store.askedWitnesses(of: log.id)[witness.key.text]?.size ?? 0 }
            var exchange = WitnessExchange(key: witness.key, checkpoint: checkpoint, oldSize: known)
            while true {
                let oldSize = exchange.oldSize
                let request = try await thread {
                    try WitnessAsking.request(for: log, head, from: oldSize, in: node.store)
                }
                let answer: AddCheckpointAnswer
                do {
                    answer = try await transport.add(request, to: witness)
                } catch let error as AddCheckpointError {
                    return .failure(WitnessFailure(.badAnswer("\(error)")))
                } catch {
                    return .failure(WitnessFailure(.unreachable("\(error)")))
                }
                switch exchange.take(answer, now: Clock.now()) {
                case .cosigned(let cosignature): return .success(cosignature)
                case .again: continue
                case .failed(let failure): return .failure(failure)
                }
            }
        } catch {
            // The own database or log: nothing that the witness has to do with.
            return .failure(WitnessFailure(.unreachable("it was not asked: \(error)")))
        }
    }

    private static func request(
        for log: StoredLog, _ head: SignedHead, from oldSize: UInt64, in store: SQLiteLogStore
    ) throws -> AddCheckpointRequest {
        // Nothing is shown of a database that is behind what was signed.
        try store.checkSigned(log.id)
        let proof =
            oldSize == 0
            ? ConsistencyProof(hashes: [])
            : try ConsistencyProof.make(
                from: oldSize, to: head.size, from: StoredNodes(store: store, log: log.id), hasher: MerkleHasher())
        return try AddCheckpointRequest(oldSize: oldSize, proof: proof, note: SignedNote(parsing: head.note))
    }

    /// Writes down what came of it. On a thread that may block.
    private func note(
        _ outcome: Result<Cosignature, WitnessFailure>, _ witness: CommunityWitness, _ log: StoredLog,
        _ head: SignedHead, _ node: Node
    ) {
        let now = Clock.now()
        let key = witness.key.text
        do {
            let before = try node.store.askedWitnesses(of: log.id)[key]
            var asked = before ?? AskedWitness(since: now, asked: now)
            asked.asked = now
            var cosignature: WitnessCosignature?
            switch outcome {
            case .success(let given):
                asked.size = head.size
                asked.problem = nil
                cosignature = WitnessCosignature(key: key, size: head.size, time: given.time, line: try given.line)
                if before?.problem != nil {
                    logger.notice(
                        "a witness cosigns again", metadata: ["witness": "\(witness.key.name)", "log": "\(log.origin)"])
                }
            case .failure(let failure):
                let text = failure.text(origin: log.origin)
                let isNews = before?.problem?.failure != failure.failure || before?.problem?.text != text
                // One kind of failure may have many texts, and is as old as the first.
                let since = before?.problem.flatMap { $0.failure == failure.failure ? $0.since : nil } ?? now
                asked.problem = AskedWitness.Problem(failure.failure, text, since: since)
                if isNews {
                    logger.log(
                        level: failure.failure == .contradicts ? .error : .warning, "a witness does not cosign",
                        metadata: [
                            "witness": "\(witness.key.name)", "log": "\(log.origin)", "reason": "\(text)",
                        ])
                }
            }
            try node.store.note(asked, key: key, cosignature: cosignature, of: log.id)
        } catch {
            logger.error("what a witness said cannot be written down", metadata: ["error": "\(error)"])
        }
    }
}

/// Runs work that blocks elsewhere than on the threads of tasks.
private func thread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    let result = Guarded<Result<Value, any Error>?>(nil)
    await onThread { result.value = Result { try work() } }
    guard let result = result.value else { throw CancellationError() }
    return try result.get()
}
