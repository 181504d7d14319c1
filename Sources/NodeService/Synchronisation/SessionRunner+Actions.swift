import Dispatch
import LogStore
import Logging
import NIOCore
import Reconciliation

/// What the session wants done.
extension SessionRunner {
    /// Carries out one action; answers with the end of the session if that is what it is.
    func perform(
        _ action: SessionAction, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws -> SessionEnd? {
        switch action {
        case .send(.blobRequest(let key)): try await request(key, outbound)
        case .send(let message):
            if case .unknown(let logs) = message { refusals.refused(logs: logs) }
            if case .blobRefusal(let key) = message { refusals.refused(key) }
            try await write(message, outbound)
        case .offer(let id, let fromSize, let pushing):
            try await send(offer: id, fromSize: fromSize, pushing: pushing, outbound)
        case .offerStone(let id, let fromSize, let size):
            try await send(offer: id, fromSize: fromSize, pushing: false, upTo: size, outbound)
        case .noteForeignKeys(let id, let keyIDs, let size): noteForeignKeys(keyIDs, of: id, size: size)
        case .serveStones(let id): requestFeed.yield(.stones(id))
        case .storeStones(let id, let notes): storeStones(notes, of: id)
        case .pin(let head, let note): pin(head, note: note)
        case .assign(let id, let limit):
            let ranges = context.transfers.transfer(of: id)?.assign(state.value.id, ranges: limit) ?? []
            feed.yield(.assigned(id, ranges))
        case .giveBack(let range):
            context.transfers.transfer(of: range.log)?.giveBack(range.start..<range.end, by: state.value.id)
        case .commit(let entries): await commit(entries)
        case .repair(let entries): repair(entries)
        case .serve(let request): requestFeed.yield(.entries(request))
        case .serveBlob(let key): requestFeed.yield(.blob(key))
        case .storeBlob(let key, let bytes): storeBlob(key, bytes)
        case .storeReceipts(let id, let lines): storeReceipts(id, lines)
        case .comparePages(let id): requestFeed.yield(.pages(id))
        case .sendPages(let id, let theirs): requestFeed.yield(.receipts(id, against: theirs))
        case .reload(let id): reloadReceipts(of: id)
        case .storeCosignatures(let id, let lines):
            context.arrivingLines.add(
                ArrivingLines(log: id, lines: lines, session: state.value.id, context: context) { [self] result in
                    do {
                        if let lie = try result.get() { note(lie) }
                    } catch {
                        log.warning("cosignatures could not be stored", metadata: ["error": "\(error)"])
                    }
                    reload(id) { .cosignaturesStored($0) }
                })
        case .remember(let memory, let since, let changed):
            context.transfers.storing.async { [self] in
                // What was left out under other cards or members is not to be left out next time.
                guard context.federation.value == federation else { return }
                do {
                    try context.remember(configuration.peer, memory, since: since, changed: changed)
                } catch {
                    log.warning("what was agreed on could not be kept", metadata: ["error": "\(error)"])
                }
            }
        case .freeze, .judgeEvidence, .sendEvidence, .readNodes: try await performInquiry(action, outbound)
        case .servePrefix(let request): requestFeed.yield(.prefix(request))
        case .serveNodes(let request): requestFeed.yield(.nodes(request))
        case .beginRecovery(let id, let size): beginRecovery(id, size: size)
        case .noteAnswer(let id, let head): noteAnswer(id, head)
        case .lacks(let logs): lookForSuccessors(among: logs)
        case .report(let finding): note(finding)
        case .close(let end):
            return end
        }
        return nil
    }

    func performInquiry(
        _ action: SessionAction, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws {
        let storing = context.transfers.storing
        switch action {
        case .freeze(let id, let proof):
            // What follows tells the peer of it.
            await onQueue(storing) { [context, log] in
                do {
                    try context.freeze(id, proof)
                } catch {
                    log.error("evidence of a fork cannot be kept", metadata: ["error": "\(error)"])
                }
            }
        case .judgeEvidence(let id, let bytes):
            storing.async { [self] in
                do {
                    feed.yield(.evidenceJudged(id, try context.judge(bytes, against: id)))
                } catch {
                    log.error("evidence of a fork cannot be kept", metadata: ["error": "\(error)"])
                    feed.yield(.evidenceJudged(id, .failed("\(error)")))
                }
            }
        case .sendEvidence(let id):
            let evidence = try await onQueue(storing) { [context, configuration] in
                try context.log(id, readableBy: configuration.peer).flatMap {
                    try context.store.fork(of: $0.id)?.evidence
                }
            }
            if let evidence { try await write(.fork(id, evidence: evidence), outbound) }
        case .readNodes(let id, let nodes):
            reading.async { [self] in
                feed.yield(.nodes(id, (try? context.store.hashes(of: id, at: nodes)) ?? []))
            }
        default: break
        }
    }

    var participant: TransferParticipant {
        TransferParticipant(
            session: state.value.id, feed: { [feed] in feed.yield($0) },
            committed: { [self] log, count in
                state.update { $0.report.received += count }
                progress?(.committed(origin: log.origin, held: log.size))
                reload(log.id) { .committed($0) }
            },
            overtaken: { [self] id in
                reload(id) { .pinDeferred($0) }
                reload(id) { .changed([$0]) }
            })
    }

    func pin(_ head: Head, note: String) {
        let request = Transfers.JoinRequest(
            head: head, note: note, chunk: configuration.requestSize, participant: participant
        ) { [self] result in
            switch result {
            case .success(.joined(let log)):
                progress?(.began(origin: log.origin, held: log.size, target: head.size))
                reload(head.log) { .pinned($0) }
            case .success(.deferred):
                reload(head.log) { .pinDeferred($0) }
                if context.transfers.transfer(of: head.log) == nil { reload(head.log) { .changed([$0]) } }
            case .failure(StoreError.contradictsHeld(_, _)): freeze(head.log, contradictedBy: note)
            case .failure(let error): feed.yield(.failed(head.log, reason: "\(error)"))
            }
        }
        context.transfers.join(request)
    }

    private func freeze(_ id: LogID, contradictedBy note: String) {
        do {
            try context.freeze(id, contradictedBy: note)
        } catch {
            feed.yield(.failed(id, reason: "\(error)"))
        }
    }

    /// Feeds an event with the log as it is now, or that the peer may no longer see it.
    func reload(_ id: LogID, _ event: (LocalLog) -> SessionEvent) {
        do {
            if let log = try context.localLog(id, visibleTo: configuration.peer) {
                feed.yield(event(log))
            } else if try context.store.log(id: id)?.frozen == nil {
                feed.yield(.hidden(id))
            }
        } catch {
            feed.yield(.failed(id, reason: "\(error)"))
        }
    }

    func commit(_ entries: EntryRange) async {
        let bytes = entries.bundles.reduce(0) { $0 + $1.data.count }
        guard let transfer = context.transfers.transfer(of: entries.range.log) else { return }
        await credit.take(bytes)
        transfer.arrived(
            TransferFrame(entries: entries, owner: participant, byteCount: bytes) { [credit] in credit.give(bytes) })
    }

    /// Puts right what is damaged here with what the peer has sent.
    func repair(_ entries: EntryRange) {
        let id = entries.range.log
        context.transfers.storing.async { [self] in
            do {
                let mended = try context.store.repair(ArrivingRange(entries), treeSize: entries.range.treeSize)
                state.update { $0.report.repaired += mended.filter(\.isOfLog).count }
                if !mended.isEmpty { try context.mended(id, except: state.value.id) }
                feed.yield(.repaired(id, try context.localLog(id, visibleTo: configuration.peer)))
            } catch let error as StoreError where error.convictsSender {
                feed.yield(.repairRejected(id, reason: "\(error)"))
            } catch {
                log.warning("not mended", metadata: ["peer": "\(configuration.peer)", "error": "\(error)"])
                feed.yield(.repairFailed(id))
            }
        }
    }
}
