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
        for _ in 0..<Self.mostBatches {
            let after = place.withLock { $0 }
            let sealed = try await store.sealAudit(after: after, limit: limit) { head, anchor, entries, known in
                var chain = AuditChain(after: head, key: keys.key, olderKeys: keys.others, at: now, random: random)
                return chain.seal(entries, known: known, after: anchor)
            }
            place.withLock { $0 = sealed?.next ?? 0 }
            guard let sealed else { return }
            report(sealed.batch)
            guard sealed.next != nil else { return }
        }
        wakes.fire()
    }

    private static let mostBatches = 20

    private func report(_ batch: AuditChain.Batch) {
        metrics.sealed(batch)
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
        let former = seen.withLock { seen in
            defer { seen = AuditHead(last) }
            return seen
        }
        // Rows that were sealed here are gone. The chain goes on before them, and heads that were told show it.
        if let former, first.sequence <= former.sequence {
            metrics.isTampered()
            logger.error(
                "the end of the audit trail is missing",
                metadata: ["seen": "\(former.sequence)", "next": "\(first.sequence)"]
            )
        }
        for sink in sinks { sink.take(batch.rows) }
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
