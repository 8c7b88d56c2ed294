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

    /// Stores the denials that wait, and seals what the ledger has.
    private func round() async {
        do {
            try await storeDenials()
            try await seal()
            report(nil)
        } catch {
            guard !Task.isCancelled else { return }
            report(error)
        }
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

    /// Seals until nothing waits, or another process seals.
    private func seal() async throws {
        let (keys, random, now, limit) = (keys, random, time.now(), settings.batch)
        var isMore = true
        while isMore {
            let batch = try await store.sealAudit(limit: limit) { head, entries, known in
                var chain = AuditChain(after: head, key: keys.key, olderKeys: keys.others, at: now, random: random)
                return chain.seal(entries, known: known)
            }
            guard let batch else { return }
            report(batch)
            isMore = batch.rows.count + batch.rejected.count >= limit
        }
    }

    private func report(_ batch: AuditChain.Batch) {
        metrics.sealed(batch)
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
            metrics.endIsMissing()
            logger.error(
                "the end of the audit trail is missing",
                metadata: ["seen": "\(former.sequence)", "next": "\(first.sequence)"]
            )
        }
        for sink in sinks { sink.take(batch.rows) }
    }

    /// So many entries that are not authentic are named in the log at a time.
    private static let mostReported = 10

    /// Tells the end of the chain, where it is another one than was told last.
    func tellHead() async {
        let head: AuditHead?
        do {
            head = try await store.auditHead()
        } catch {
            metrics.told(.failed)
            logger.error("the end of the audit trail cannot be read", metadata: ["error": "\(error)"])
            return
        }
        guard let head, told.withLock({ $0.map { ($0.sequence, $0.code) != (head.sequence, head.code) } ?? true })
        else { return }
        let now = AuditHead(sequence: head.sequence, code: head.code, keyID: head.keyID, time: time.now())
        logger.notice("audit head", metadata: now.metadata)
        for sink in sinks { sink.take(now) }
        guard headFile?.append(now) ?? true else {
            metrics.told(.failed)
            // Told again at the next interval.
            return logger.error("a head of the audit trail could not be appended to audit.heads.file")
        }
        told.withLock { $0 = now }
        metrics.told(.told)
    }

    private func count() async {
        guard let backlog = try? await store.auditBacklog() else { return }
        metrics.waiting(backlog, at: time.now())
    }
}

extension AuditHead {
    /// The names are those of its line, so that a head can be taken from a log.
    fileprivate var metadata: Logger.Metadata {
        ["sequence": "\(sequence)", "keyId": "\(keyID)", "hmac": "\(codeText)"]
    }
}
