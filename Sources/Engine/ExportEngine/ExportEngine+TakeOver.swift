import ExportLedger
import Exports
import Logging
import Synchronization

extension ExportEngine {
    /// How many exports are taken over in one transaction while callers read lists. On a machine with one core, they wait for the
    /// end of it: Linux lets a thread go on for some 3 ms, and a page takes less than one.
    static let takeOverPageSize = 5

    /// How many are taken over in one transaction otherwise. Their polls wait for it: the sooner it is done, the better.
    private static let largeTakeOverPageSize = 25

    /// For how long after a list the pages are small.
    private static let listingPeriod = Duration.seconds(1)

    /// How long the taking over rests after a small page, as a multiple of the time that the page took: three quarters of a core
    /// are left to callers.
    private static let takeOverRest = 3

    /// Takes over what comes after `last`, until there is nothing more or the engine stops. Retries when the ledger fails.
    func takeOverRest(after last: ExportID?) async throws {
        var next = last
        while let place = next, !Task.isCancelled, !changes.isClosed {
            do {
                let start = time.elapsed()
                guard lastList.withLock({ $0 }).map({ start - $0 < Self.listingPeriod }) ?? false else {
                    next = try await takeOverPage(after: place, limit: Self.largeTakeOverPageSize)
                    continue
                }
                next = try await takeOverPage(after: place)
                let rest = (time.elapsed() - start) * Self.takeOverRest
                if next != nil, rest > .zero { await stops.wait(until: time.now() + rest, of: time) }
            } catch is CancellationError {
                return
            } catch let error as LedgerError {
                logger.error("a ledger operation failed", metadata: ["error": "\(error)"])
                await stops.wait(until: time.now() + .seconds(5), of: time)
            }
        }
        guard next == nil else { return }
        for worker in workers.values { worker.endTakeOver() }
        onTakenOver()
    }

    /// Takes over one page of what former engines left unfinished. Returns where the next page begins; nil after the last.
    func takeOverPage(after last: ExportID?, limit: Int = takeOverPageSize) async throws -> ExportID? {
        guard let owner = ownership.own else { return nil }
        // One order for the whole page, because it is one transaction.
        let order = announcer.newOrder()
        let page = try await ledger.takeOver(by: owner, after: last, limit: limit, resumption(order))
        await adopt(page, after: last, order)
        return page.next
    }

    /// The change of an export that is taken over: an export that is tracked goes on as it is, a start gets the event `resumed`.
    func resumption(_ order: ChangeOrder) -> @Sendable (inout LedgerRecord) -> Void {
        let now = time.now()
        return { record in
            let jitter = self.random.jitter()
            if self.worker(of: record.export) == nil {
                self.life(of: record.export).apply(.connectionMissing, to: &record, at: now, jitter: jitter)
            } else if record.phase != .tracking {
                self.life(of: record.export).apply(.resumed, to: &record, at: now, jitter: jitter)
            }
            order.take()
        }
    }

    /// Adopts what was taken over after `last`.
    func adopt(_ page: TakeOverPage, after last: ExportID?, _ order: ChangeOrder, renewsTokens: Bool = true) async {
        for item in page.items { announcer.announce(item.after, since: item.before, order) }
        if renewsTokens { await renewTokens(of: page, after: last) }
        for record in page.items.map(\.after) {
            guard let worker = worker(of: record.export) else {
                logger.warning(
                    "the connection of an unfinished export is not configured",
                    metadata: ["export": "\(record.export.id)", "connection": "\(record.export.connection)"]
                )
                continue
            }
            if record.phase != .settled { worker.adopt(record) }
        }
    }

    /// Renews the tokens of a page. The page belongs to this engine now and is not read again: whatever fails here, its exports
    /// go on.
    private func renewTokens(of page: TakeOverPage, after last: ExportID?) async {
        do {
            try await refreshTokens.renew(
                for: Dictionary(uniqueKeysWithValues: page.items.map { ($0.before.export.id, $0.before.export) }),
                after: last,
                through: page.next
            ) { worker(of: $0)?.connection.keepsRefreshTokens ?? true }
        } catch {
            logger.error(
                "refresh tokens could not be encrypted with the current key; this is tried again at the next start",
                metadata: ["error": "\(type(of: error))"]
            )
        }
    }
}
