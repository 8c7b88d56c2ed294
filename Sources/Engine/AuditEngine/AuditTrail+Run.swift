import Audit
import ExportLedger
import Exports
import Logging
public import ServiceLifecycle
import Synchronization

extension AuditTrail: Service, CustomStringConvertible {
    public var description: String { "audit trail" }

    /// Seals until the task is cancelled or the process shuts down gracefully. Then what is left is sealed once more, and the last head is
    /// told; so it has to end after everything that writes entries. Call it once.
    public func run() async throws {
        await cancelWhenGracefulShutdown { await self.work() }
        let (elapsed, now) = (time.elapsed(), time.now())
        denials.withLock { $0.close(at: elapsed, now, inAnyCase: true) }
        // A new task, because this one may be cancelled. It is awaited here.
        await Task { await self.round() }.value
        await Task { await self.tellHead() }.value
    }

    private func work() async {
        var (nextHead, nextCount) = (headTime(after: time.now()), time.now())
        // What was told before this process is compared before anything is added to the chain.
        if told.withLock({ $0 != nil }) { await tellHead() }
        while !Task.isCancelled {
            let (elapsed, begin) = (time.elapsed(), time.now())
            denials.withLock { $0.close(at: elapsed, begin) }
            await round()
            let now = time.now()
            if let next = nextHead, next <= now {
                await tellHead()
                nextHead = headTime(after: now)
            }
            if nextCount <= now {
                await count()
                nextCount = now + settings.backlogInterval
            }
            await wakes.wait(until: time.now() + settings.interval, of: time)
        }
    }

    private func headTime(after now: Timestamp) -> Timestamp? { settings.headInterval.map { now + $0 } }

    /// Stores the denials that wait, and seals what the ledger has. Where the first fails, the second is done nevertheless.
    private func round() async {
        var failure: (any Error)?
        do {
            try await storeDenials()
        } catch {
            failure = error
        }
        do {
            try await seal()
        } catch {
            failure = failure ?? error
        }
        guard failure == nil || !Task.isCancelled else { return }
        report(failure)
    }

    /// Logs when the trail begins to fail, and when it works again: it is tried twice in a second.
    private func report(_ error: (any Error)?) {
        let wasFailing = isFailing.withLock { isFailing in
            defer { isFailing = error != nil }
            return isFailing
        }
        switch (wasFailing, error) {
        case (false, let error?):
            logger.error("the audit trail cannot be written", metadata: ["error": "\(error)"])
        case (true, nil): logger.notice("the audit trail is written again")
        default: break
        }
    }

    private func storeDenials() async throws {
        let (items, counts) = denials.withLock { ($0.takeItems(), $0.takeCounts()) }
        metrics.leftOut(counts.leftOut)
        metrics.lost(counts.lost)
        guard !items.isEmpty else { return }
        do {
            try await store.append(items.map { writer.entry($0) })
        } catch {
            denials.withLock { $0.putBack(items) }
            throw error
        }
    }

    /// Seals until all that waits was looked at, or another process seals, and at most so many batches that the denials and the
    /// heads have their turn. The next round goes on after the last entry that was looked at: those that stay keep no others
    /// waiting.
    private func seal() async throws {
        let (keys, random, now, limit) = (keys, random, time.now(), settings.batch)
        let former = anchor.withLock { $0 }
        for _ in 0..<Self.mostBatches {
            // Until its rows are told, so that all that this process appends is told in its order.
            await turns.take()
            defer { turns.pass() }
            let after = place.withLock { $0 }
            let sealed = try await store.sealAudit(after: after, limit: limit) { ends, entries, known in
                var chain = AuditChain(
                    after: ends.head,
                    key: keys.key,
                    olderKeys: keys.others,
                    at: now,
                    random: random
                )
                return chain.seal(entries, known: known, in: ends, after: former)
            }
            if let finding = sealed?.batch.finding {
                // The entries were not looked at. The next round tries it again.
                return report(obstacle: finding)
            }
            place.withLock { $0 = sealed?.next ?? 0 }
            guard let sealed else { return }
            try await report(sealed.batch)
            guard sealed.next != nil else { return }
        }
        wakes.fire()
    }

    private static let mostBatches = 20

    /// Counts and logs once why nothing can be sealed. A key that this process does not have is no tampering.
    private func report(obstacle finding: AuditFinding) {
        let isNew = obstacle.withLock { former in
            defer { former = finding }
            return former != finding
        }
        guard isNew else { return }
        guard finding.kind != .unknownKey else {
            return logger.error(
                "nothing of the audit trail is sealed: its anchor has a key that is not in audit.otherKeys",
                metadata: finding.metadata
            )
        }
        metrics.isTampered()
        logger.error("nothing of the audit trail is sealed: its beginning was changed", metadata: finding.metadata)
    }

    /// Counts and tells what was appended to the chain.
    func report(_ batch: AuditChain.Batch) async throws {
        metrics.sealed(batch)
        // Without entries nothing was looked at.
        if !batch.fates.isEmpty { obstacle.withLock { $0 = nil } }
        if let proved = batch.anchor { anchor.withLock { $0 = proved } }
        report(waiting: batch.waiting)
        for entry in batch.rejected.prefix(Self.mostReported) {
            logger.error(
                "an entry of the audit trail is not authentic, and is not sealed",
                metadata: [
                    "entry": "\(entry.id)", "action": "\(entry.action.rawValue)", "time": "\(entry.time)",
                    "count": "\(batch.rejected.count)",
                ]
            )
        }
        guard let first = batch.rows.first, let last = batch.rows.last else { return }
        for sink in sinks { sink.take(batch.rows) }
        // Rows that were sealed here are gone, or are others now. The chain goes on nevertheless, and heads that were told show
        // it. Where this cannot be read, it is looked at after the next rows, or with the next head.
        if let former = seen.withLock({ $0 }), let finding = try await lookAt(former, before: first) {
            metrics.isTampered()
            logger.error("the end of the audit trail is missing", metadata: finding.metadata)
        }
        seen.withLock { $0 = AuditHead(last) }
    }

    /// What is wrong with the row that this process has seen as the last one, where the chain has gone on with `next`.
    private func lookAt(_ former: AuditHead, before next: AuditRow) async throws -> AuditFinding? {
        guard next.sequence > former.sequence else {
            let detail = "the chain goes on with row \(next.sequence), and this row was sealed"
            return AuditFinding(kind: .endMissing, sequence: former.sequence, detail: detail)
        }
        // The row after it names its code, so that most batches need no look at the ledger.
        guard next.sequence == former.sequence + 1 else { return try await lookAt(former) }
        guard next.previous != former.code else { return nil }
        return AuditFinding(kind: .otherHead, sequence: former.sequence, detail: "the row has another HMAC")
    }

    /// Names each key once that entries have and this process has not.
    private func report(waiting entries: [AuditEntry]) {
        for id in Set(entries.map(\.keyID)) {
            let isNew = unknownKeys.withLock { known in
                guard known.count < Self.mostReported else { return false }
                return known.insert(id).inserted
            }
            guard isNew else { continue }
            logger.error(
                "entries of the audit trail wait for a key that is not in audit.otherKeys",
                metadata: ["keyId": "\(id.prefix(64))", "count": "\(entries.count { $0.keyID == id })"]
            )
        }
    }

    /// So many entries that are not authentic are named in the log at a time, and so many keys in all.
    private static let mostReported = 10

    private func count() async {
        guard let backlog = try? await store.auditBacklog() else { return }
        metrics.waiting(backlog, at: time.now())
    }
}
