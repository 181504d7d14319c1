import Cryptography
import LogStore
import Logging
package import Reconciliation
import TransparencyLog

// Cosignatures: this node's on what it holds, and those that partners send.
extension SyncContext {
    /// Replicas have reached their checkpoints: they are cosigned before anybody hears of it. On the storing queue.
    func completed(_ logs: [StoredLog]) {
        guard !logs.isEmpty else { return }
        judgeParked()
        for (log, result) in zip(logs, cosign(logs)) {
            do {
                if try result.get() == nil, let reason = try store.clockLag(of: log.id, now: now()) {
                    logger.error("not cosigned", metadata: ["log": "\(log.origin)", "reason": "\(reason)"])
                }
            } catch {
                logger.warning("not cosigned", metadata: ["log": "\(log.origin)", "error": "\(error)"])
            }
        }
    }

    /// Cosigns the head of a log that is held completely, after recording that it will.
    func cosign(_ id: SHA256Digest) throws -> CosignatureLine? {
        guard let log = try store.log(id: id) else { return nil }
        return try cosign([log]).first?.get() ?? nil
    }

    /// The same for several logs: what is recorded of all of them is durable before any is cosigned.
    private func cosign(_ logs: [StoredLog]) -> [Result<CosignatureLine?, any Error>] {
        let wanted = logs.map { log in Result { try intent(log) } }
        let intents = wanted.compactMap { try? $0.get() }
        let marked: [Result<UInt64, any Error>]
        do {
            // Another process may have cosigned later meanwhile: times never go back.
            marked = try store.markCosigned(intents.map { ($0.head, $0.log.id, $0.time) })
        } catch {
            marked = intents.map { _ in .failure(error) }
        }
        let lines = zip(intents, marked).map { intent, time in Result { try line(of: intent, time: time.get()) } }
        let given = zip(intents, lines).compactMap { intent, line in (try? line.get()).map { ($0, intent.log.id) } }
        var kept = keep(given)[...]
        var rest = lines[...]
        return wanted.map { wanted in
            wanted.flatMap { intent in
                guard intent != nil, let line = rest.popFirst() else { return .success(nil) }
                return line.flatMap { line in (kept.popFirst() ?? .success(())).map { line } }
            }
        }
    }

    private struct Intent {
        let log: StoredLog
        let head: SignedHead
        let time: UInt64
    }

    /// What to cosign, if anything.
    private func intent(_ log: StoredLog) throws -> Intent? {
        guard let head = log.head, log.size >= head.size, log.recovering == nil, log.frozen == nil,
            !log.reachesBeyondOwner, refusal == nil, try !store.isDamaged(log.id)
        else { return nil }
        let time = max(now(), try store.lastCosigned(log.id))
        // A clock that is far behind the last cosignature is wrong: say nothing rather than something undated.
        guard time <= now() + SyncContext.clockTolerance else { return nil }
        return Intent(log: log, head: head, time: time)
    }

    private func line(of intent: Intent, time: UInt64) throws -> CosignatureLine {
        let head = intent.head
        let checkpoint = try Checkpoint(origin: intent.log.origin, size: head.size, root: head.root)
        return CosignatureLine(
            cosigner: cosigner.verifierKey.name, size: head.size, time: time,
            line: try cosigner.cosign(checkpoint, time: time).line)
    }

    private func keep(_ lines: [(line: CosignatureLine, log: LogID)]) -> [Result<Void, any Error>] {
        store.store(
            lines.map { line, log in
                (StoredCosignature(cosigner: line.cosigner, size: line.size, time: line.time, line: line.line), log)
            })
    }

    /// What came of the cosignatures in one message.
    package struct CosignatureJudgement: Sendable {
        /// Those that are news and verify.
        package var verified: [CosignatureLine] = []
        /// The first that no honest peer would have sent.
        package var lie: SessionFinding?
    }

    /// Judges each line alone.
    package func judge(_ lines: [CosignatureLine], of id: LogID) throws -> CosignatureJudgement {
        var judgement = CosignatureJudgement()
        guard let log = try store.log(id: id) else { return judgement }
        let membership = try store.membership(of: id)
        var refusals: [String] = []
        for line in lines
        where try store.cosignature(of: id, by: line.cosigner, size: line.size)?.time ?? 0 < line.time {
            guard let refusal = try refusal(of: line, log, membership, keys: keys(of: line)) else {
                judgement.verified.append(line)
                continue
            }
            refusals.append("\(line.cosigner) on \(log.origin) at \(line.size): \(refusal.text)")
            if refusal.isLie, judgement.lie == nil {
                judgement.lie = .refusedCosignature(
                    origin: log.origin, cosigner: line.cosigner, reason: refusal.text)
            }
        }
        if let first = refusals.first {
            logger.notice("cosignatures refused", metadata: ["count": "\(refusals.count)", "reason": "\(first)"])
        }
        return judgement
    }

    /// Why a cosignature is not believed.
    private struct CosignatureRefusal {
        let text: String
        /// No honest node passes it on; otherwise cards and lists of members may differ.
        var isLie = false
    }

    private func refusal(
        of line: CosignatureLine, _ log: StoredLog, _ membership: Membership?, keys: MirrorKeys?
    ) throws -> CosignatureRefusal? {
        let federation = federation.value
        guard let keys else {
            return CosignatureRefusal(text: "there is no peer card of it")
        }
        // Whoever may not hold a log has nothing to say of it.
        guard federation.admits(line.cosigner, to: log, membership: membership) else {
            return CosignatureRefusal(text: "it is no member of \(log.community)")
        }
        guard line.time <= now() + SyncContext.clockTolerance else {
            return CosignatureRefusal(text: "it is dated in the future", isLie: true)
        }
        guard let head = try store.checkpoint(of: log.id, size: line.size) else {
            return CosignatureRefusal(text: "no checkpoint of that size is kept here")
        }
        guard let cosignature = try? Cosignature(parsing: line.line), cosignature.name == line.cosigner,
            cosignature.time == line.time
        else { return CosignatureRefusal(text: "its mirror key has not signed that", isLie: true) }
        guard let key = keys.key(for: cosignature) else {
            guard !keys.knows(cosignature) else {
                // Whoever passes it on may not know of the new key yet.
                return CosignatureRefusal(text: "its mirror key had been replaced by then")
            }
            park(line, log, keyID: cosignature.keyID)
            return CosignatureRefusal(
                text: "its card and logs, as far as they are here, do not lead to that mirror key")
        }
        guard let checkpoint = try? Checkpoint(origin: log.origin, size: head.size, root: head.root),
            (try? cosignature.verify(checkpoint, by: key)) != nil
        else { return CosignatureRefusal(text: "its mirror key has not signed that", isLie: true) }
        return nil
    }

    // MARK: Keys that logs lead to

    /// The keys of a line's cosigner; where it names one that is not known, with what has come of its logs since.
    private func keys(of line: CosignatureLine) throws -> MirrorKeys? {
        guard let keys = federation.value.mirrorKeys[line.cosigner] else { return nil }
        guard let cosignature = try? Cosignature(parsing: line.line), !keys.knows(cosignature) else { return keys }
        return try ledOn(keys)
    }

    func ledOn(_ keys: MirrorKeys) throws -> MirrorKeys {
        keys.led(by: try store.mirrorRecords()[keys.anchor.name] ?? [])
    }

    private static let maximumParked = 1_024

    private func park(_ line: CosignatureLine, _ log: StoredLog, keyID: UInt32) {
        try? store.noteForeignCosigner(
            line.cosigner, keyID: keyID, origin: log.origin, size: line.size, time: now())
        parked.update { parked in
            if parked.count < Self.maximumParked { parked.append((line, log.id)) }
        }
    }

    /// Judges again what was signed by keys that were not known then. On the storing queue.
    private func judgeParked() {
        let lines = parked.update { parked in
            defer { parked = [] }
            return parked
        }
        for (log, lines) in Dictionary(grouping: lines, by: \.log) {
            guard let judgement = try? judge(lines.map(\.line), of: log), !judgement.verified.isEmpty else { continue }
            _ = keep(judgement.verified.map { ($0, log) })
            sessions.notify(.logs([log]))
        }
    }

    /// Judges what sessions have brought, and stores together what verifies. Tells the other sessions of it, then each
    /// that its lines were judged.
    fileprivate func store(_ arriving: [ArrivingLines]) {
        let judged = arriving.map { each in Result { try judge(each.lines, of: each.log) } }
        let news = zip(arriving, judged).flatMap { each, judgement in
            ((try? judgement.get().verified) ?? []).map { ($0, each.log) }
        }
        var kept = keep(news)[...]
        for (each, judgement) in zip(arriving, judged) {
            do {
                let judgement = try judgement.get()
                let count = judgement.verified.count
                let results = kept.prefix(count)
                kept = kept.dropFirst(count)
                for result in results { try result.get() }
                if count > 0 { sessions.notify(.logs([each.log]), except: each.session) }
                each.judged(.success(judgement.lie))
            } catch {
                each.judged(.failure(error))
            }
        }
    }
}

/// Cosignatures of one log that a session has brought.
struct ArrivingLines: Sendable {
    let log: LogID
    let lines: [CosignatureLine]
    let session: UInt64
    let context: SyncContext
    /// Hears, on the storing queue, that they were judged, with the first that no honest peer would have sent; or why
    /// they could not be.
    let judged: @Sendable (Result<SessionFinding?, any Error>) -> Void

    static func store(_ arriving: [ArrivingLines]) {
        arriving.first?.context.store(arriving)
    }
}
