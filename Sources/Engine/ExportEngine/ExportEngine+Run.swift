import ExportLedger
import Exports
import Logging
public import ServiceLifecycle

extension ExportEngine: Service, CustomStringConvertible {
    public var description: String { "ExportEngine" }

    /// Works until the task is cancelled or the process shuts down gracefully. Call it once for each engine.
    ///
    /// Takes over what former engines left unfinished, page by page. The first page comes before anything else, the others
    /// beside all work, so that start-up costs the same for any number of exports. At a graceful shutdown nothing new is begun,
    /// polls are cancelled, and starts under way are awaited and their outcomes stored. When the task is cancelled, starts are
    /// cancelled too. An answer that the upstream has already given is still stored, and the rest is found again at the next
    /// start. Throws `LedgerError` when the ledger cannot be used at the beginning.
    ///
    /// Where several replicas share the ledger, the engine works on what its leases give it, and takes that over whenever it gets
    /// a lease; call `join()` before.
    public func run() async throws {
        if let replica { return await run(as: replica) }
        let second: ExportID?
        do {
            second = try await takeOverPage(after: nil)
        } catch is CancellationError {
            // Cancelled before it began. The next start takes everything over.
            return stop()
        }
        try await withTaskCancellationOrGracefulShutdownHandler {
            try await withThrowingDiscardingTaskGroup { group in
                for worker in workers.values { group.addTask { await worker.run() } }
                group.addTask { try await self.takeOverRest(after: second) }
                group.addTask { await self.runMaintenance() }
                group.addTask { await self.runRetention() }
            }
        } onCancelOrGracefulShutdown: {
            self.stop()
        }
    }

    private func run(as replica: Replica) async {
        for worker in workers.values { worker.endTakeOver() }
        await withTaskCancellationOrGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.runReplica(replica) }
                group.addTask { await self.followChanges(of: replica) }
                group.addTask { await self.refreshForOthers(replica) }
                group.addTask { await self.giveBackPlaces(of: replica) }
                await withDiscardingTaskGroup { work in
                    for worker in workers.values { work.addTask { await worker.run() } }
                    work.addTask { await self.runMaintenance() }
                    work.addTask { await self.runRetention() }
                }
                // The registration is renewed until the starts under way have ended.
                replica.end()
                group.cancelAll()
            }
        } onCancelOrGracefulShutdown: {
            self.stop()
        }
    }

    private func stop() {
        changes.close()
        expiries.fire()
        stops.fire()
        retentionStops.fire()
        for worker in workers.values { worker.stop() }
    }

    /// Lets successes expire at their time, and prunes old idempotency keys.
    private func runMaintenance() async {
        while !Task.isCancelled, !changes.isClosed {
            var next = time.now() + .seconds(3600)
            var isHeldBack = false
            do {
                let now = time.now()
                await pruneClaims(at: now)
                for id in try await ledger.expired(at: now, limit: 100) {
                    do {
                        guard let record = try await ledger.record(id) else { continue }
                        guard hasPassed(record.export.expiresAt, record.export) else {
                            isHeldBack = true
                            continue
                        }
                        _ = try await transitions.apply(.filesGone, to: id, fence: nil, life(of: record.export))
                    } catch let error as LedgerError where error.isAboutOneExport {
                        // The row cannot be read. The ledger has set it aside, so it is not due any more.
                        continue
                    }
                }
                if let expiry = try await ledger.nextExpiry() { next = min(next, expiry) }
            } catch {
                if Task.isCancelled { return }
                logger.error("a ledger operation failed", metadata: ["error": "\(error)"])
                next = time.now() + .seconds(60)
            }
            // Files that have not expired yet by the upstream's clock are checked again.
            if isHeldBack { next = max(next, time.now() + .seconds(1)) }
            await expiries.wait(until: next, of: time)
        }
    }

    /// Old keys count as deleted in any case, so that it can wait until the next time.
    private func pruneClaims(at now: Timestamp) async {
        do {
            try await ledger.pruneClaims(before: now + (.zero - settings.idempotencyLifetime))
        } catch {
            if !Task.isCancelled { logger.error("a ledger operation failed", metadata: ["error": "\(error)"]) }
        }
    }

    /// Whether a time that the upstream named has passed, by its own clock where that is known: a clock of ours that runs ahead
    /// must not end an export.
    private func hasPassed(_ expiry: Timestamp?, _ export: Export) -> Bool {
        guard let expiry, let now = worker(of: export)?.connection.provider.upstreamTime(at: time.now()) else {
            return true
        }
        return expiry <= now + .seconds(2)
    }
}
