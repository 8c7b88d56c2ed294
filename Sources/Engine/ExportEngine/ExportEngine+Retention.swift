import Audit
import ExportLedger
public import Exports
import Logging
import Synchronization

// Purging: what the rules say, and what callers ask for.
extension ExportEngine {
    /// How often the rules are applied at most.
    private static let longestRound = Duration.seconds(60)
    /// So many changes or tombstones are deleted, and pages given back, in one step.
    static let rows = 500
    /// How often an export is looked at again that another transaction works on, and the pause before.
    static let busyAttempts = 10
    private static let busyPause = Duration.milliseconds(100)

    // MARK: Callers

    public func setRetained(
        _ isRetained: Bool,
        _ id: ExportID,
        for viewer: Viewer
    ) async throws(GatewayError) -> Export {
        let record = try await knownRecord(id, for: viewer)
        guard (record.export.retainedAt != nil) != isRetained else { return record.export }
        let life = life(of: record.export)
        let after = try await asking {
            try await self.transitions.apply(
                .retained(isRetained),
                to: id,
                fence: nil,
                life,
                audit: self.audit?.changed(isRetained ? .retain : .release, by: viewer)
            )
        }
        guard let after else {
            // It was purged meanwhile. Where it was not, an answer must not say that it is kept.
            let present = try await knownRecord(id, for: viewer).export
            guard (present.retainedAt != nil) == isRetained else { throw Self.notChanged }
            return present
        }
        logger.notice(
            isRetained ? "an export is retained" : "an export is not retained any more",
            metadata: ["export": "\(id)", "caller": "\(viewer.callerID ?? "-")"]
        )
        return after.export
    }

    private static let notChanged = GatewayError(
        .unavailable,
        "The export is being changed at this moment, and this change was not made.",
        retryAfter: .seconds(1)
    )

    public func purge(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) {
        _ = try await knownRecord(id, for: viewer)
        for attempt in 1...Self.busyAttempts {
            let now = time.now()
            let (ledger, claimsSince) = (ledger, self.claimsSince(now))
            let audit = audit?.purged(by: AuditOrigin(viewer))
            // A new task, because that does not inherit the cancellation: what was purged must be announced.
            let purging = Task { try await ledger.purge(id, at: now, claimsSince: claimsSince, audit: audit) }
            switch try await asking({ try await purging.value }) {
            case .purged(let tombstone):
                arePurged([tombstone], by: viewer.callerID ?? "-")
                return
            case .gone(let tombstone):
                throw .purged(tombstone)
            case .notFound:
                throw try await absence(of: id, for: viewer)
            case .kept(.busy) where attempt < Self.busyAttempts:
                try? await time.sleep(for: Self.busyPause)
            case .kept(let obstacle):
                throw Self.notPurgeable(obstacle)
            }
        }
    }

    private static func notPurgeable(_ obstacle: PurgeObstacle) -> GatewayError {
        let (detail, retryAfter): (String, Duration?) =
            switch obstacle {
            case .unfinished: ("It has not ended, or its files are still polled for. Cancel it first, or wait.", nil)
            case .retained: ("It is retained. DELETE /exports/{id}/retain releases it.", nil)
            case .unconfirmedStart:
                ("It is not known whether it was started. Decide that first: PUT /exports/{id}/submission.", nil)
            case .deliveryUnderWay: ("A file of it is being downloaded or measured.", .seconds(30))
            case .webhooksBehind: ("A webhook was not told of all its changes yet.", .seconds(30))
            case .idempotencyKey:
                (
                    "A request with its Idempotency-Key is answered with it for a day after it was created.",
                    .seconds(3600)
                )
            case .unreadable: ("Its row in the ledger cannot be read. The operator has to repair it.", nil)
            case .busy: ("It is being changed at this moment.", .seconds(1))
            case .olderReplica: ("A replica of an older version of the gateway is still running.", .seconds(30))
            }
        return GatewayError(
            .notPurgeable,
            "The export cannot be purged now, and nothing was deleted. " + detail,
            retryAfter: retryAfter,
            members: .obstacle(obstacle)
        )
    }

    private func arePurged(_ tombstones: [ExportTombstone], by who: String) {
        announcer.purged(tombstones.map(\.id))
        for tombstone in tombstones {
            retentionMetrics.purged(tombstone)
            logger.info(
                "export purged",
                metadata: [
                    "export": "\(tombstone.id)", "provider": "\(tombstone.provider)",
                    "connection": "\(tombstone.connection)", "status": "\(tombstone.status.rawValue)", "by": "\(who)",
                ]
            )
        }
    }

    // MARK: Rules

    /// Applies the rules until the engine stops. Returns at once where there are none, and after ``holdRestored()``.
    ///
    /// Of several replicas that share the ledger, one applies them: the one that holds the lease of what no replica is configured for.
    func runRetention() async {
        guard let shortest = settings.retention.shortest, !isRestored.load(ordering: .acquiring) else { return }
        var (clock, pace) = (SteadyClock(), RetentionPace())
        let round = shortest.clamped(.seconds(1)...Self.longestRound)
        while isRetaining {
            do {
                if mayGoOn(&clock, at: time.now()) { try await applyRules(&clock, &pace) }
            } catch is CancellationError {
                return
            } catch {
                logger.error("a ledger operation failed", metadata: ["error": "\(error)"])
            }
            guard isRetaining else { return }
            await retentionStops.wait(until: time.now() + round, of: time)
        }
    }

    private var isRetaining: Bool { !Task.isCancelled && !changes.isClosed }

    private var isRetentionMine: Bool {
        guard let replica else { return true }
        return replica.held.contains { $0.name == Replica.unconfigured }
    }

    /// Applies all rules. What fails keeps nothing else waiting; the first failure is thrown in the end.
    private func applyRules(_ clock: inout SteadyClock, _ pace: inout RetentionPace) async throws {
        var held: [PurgeObstacle: Int] = [:]
        var failure: (any Error)?
        for provider in providers.map(\.descriptor.id) {
            for status in RetentionSettings.statuses {
                guard let age = settings.retention.age(of: provider, status) else { continue }
                try await attempt(&failure) {
                    try await purge(provider, status, after: age, &clock, &pace, &held)
                }
            }
        }
        retentionMetrics.held(held)
        if let age = settings.retention.changes {
            try await attempt(&failure) {
                try await repeatedly(&clock) { now in
                    let count = try await ledger.pruneChanges(before: now + (.zero - age), limit: Self.rows)
                    retentionMetrics.deletedChanges(count)
                    return count
                }
            }
        }
        if let age = settings.retention.tombstones {
            try await attempt(&failure) {
                try await repeatedly(&clock) { now in
                    let count = try await ledger.pruneTombstones(before: now + (.zero - age), limit: Self.rows)
                    retentionMetrics.deletedTombstones(count)
                    return count
                }
            }
        }
        if let age = settings.retention.audit, let audit {
            try await attempt(&failure) { try await trim(audit, after: age, &clock) }
        }
        try await attempt(&failure) {
            try await repeatedly(&clock) { _ in try await ledger.reclaim(limit: Self.rows) }
        }
        if let failure { throw failure }
    }

    /// Runs a step, and keeps its error where it is the first one.
    private func attempt(_ failure: inout (any Error)?, _ step: () async throws -> Void) async throws {
        do {
            try await step()
        } catch let error as CancellationError {
            throw error
        } catch {
            failure = failure ?? error
        }
    }

    /// Purges exports of a provider and a status, batch by batch, until there are no more.
    private func purge(
        _ provider: ProviderID,
        _ status: ExportStatus,
        after age: Duration,
        _ clock: inout SteadyClock,
        _ pace: inout RetentionPace,
        _ held: inout [PurgeObstacle: Int]
    ) async throws {
        var place: EndedExports.Place?
        repeat {
            let now = time.now()
            guard mayGoOn(&clock, at: now) else { return }
            let exports = EndedExports(provider: provider, status: status, before: now + (.zero - age))
            let (ledger, claimsSince, after, limit) = (ledger, self.claimsSince(now), place, pace.limit)
            let audit = audit?.purged(by: .retention)
            let start = time.elapsed()
            // A new task, because that does not inherit the cancellation: what was purged must be announced.
            let purging = Task {
                try await ledger.purge(
                    exports,
                    at: now,
                    claimsSince: claimsSince,
                    after: after,
                    limit: limit,
                    audit: audit
                )
            }
            let page: PurgePage
            do {
                page = try await purging.value
            } catch {
                pace.failed()
                throw error
            }
            let rest = pace.took(time.elapsed() - start)
            arePurged(page.purged, by: "retention")
            held.merge(page.kept, uniquingKeysWith: +)
            place = page.next
            // Most rounds find nothing, and need no rest.
            if place != nil || !page.purged.isEmpty { await pause(rest) }
        } while place != nil
    }

    /// Calls `step` until it has less to do than it may, with a rest after each call.
    func repeatedly(_ clock: inout SteadyClock, _ step: (Timestamp) async throws -> Int) async throws {
        while mayGoOn(&clock, at: time.now()) {
            let start = time.elapsed()
            guard try await step(time.now()) >= Self.rows else { return }
            // As long as four such steps took.
            await pause(((time.elapsed() - start) * 4).clamped(RetentionPace.rests))
        }
    }

    /// Whether the round goes on: the engine works, this replica still has to do it, and nobody has set the clock.
    private func mayGoOn(_ clock: inout SteadyClock, at now: Timestamp) -> Bool {
        clock.see(now, elapsed: time.elapsed())
        guard let shortest = settings.retention.shortest else { return false }
        return isRetaining && isRetentionMine && clock.steadyFor >= min(shortest, SteadyClock.longest)
    }

    private func pause(_ rest: Duration) async {
        await retentionStops.wait(until: time.now() + rest, of: time)
    }
}
