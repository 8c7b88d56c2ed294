import ExportLedger
import Exports
import Logging

extension ExportEngine {
    /// How many exports of a lease are taken over in one transaction.
    private static let leasePageSize = 100

    /// Takes over every unfinished export of a lease that this replica does not work on yet.
    func takeOver(_ lease: HeldLease, of replica: Replica) async {
        guard replica.beginTakeOver(lease) else { return }
        let workers = workers(of: lease)
        for worker in workers { worker.beginTakeOver() }
        var isComplete = false
        var place: ExportID?
        do {
            while !Task.isCancelled, ownership.isMine(lease.token) {
                place = try await takeOverPage(of: lease, after: place, replica)
                guard place != nil else {
                    isComplete = true
                    break
                }
            }
        } catch {
            if !Task.isCancelled {
                logger.error(
                    "the exports of a lease could not be taken over: it is given back and claimed again",
                    metadata: ["lease": "\(lease.name)", "error": "\(error)"]
                )
            }
        }
        for worker in workers { worker.endTakeOver() }
        if replica.endTakeOver(lease, isComplete: isComplete) { onTakenOver() }
        if !isComplete, !Task.isCancelled, ownership.isMine(lease.token) { await giveBack(lease, of: replica) }
    }

    /// Takes over exports that were stored while their lease was gained. What fails comes with the next sweep.
    func takeOverCreated(_ replica: Replica) async {
        let ids = replica.takeCreated()
        guard !ids.isEmpty else { return }
        do {
            for lease in replica.held where lease.name != Replica.unconfigured {
                try await takeOver(ids, of: lease, replica)
            }
        } catch {
            logger.error("new exports could not be taken over", metadata: ["error": "\(error)"])
        }
    }

    /// Takes over these exports of a lease, which another replica has created or left.
    func takeOver(_ ids: [ExportID], of lease: HeldLease, _ replica: Replica) async throws {
        _ = try await takeOverPage(of: lease, only: ids, after: nil, replica)
    }

    private func takeOverPage(
        of lease: HeldLease,
        only ids: [ExportID]? = nil,
        after last: ExportID?,
        _ replica: Replica
    ) async throws -> ExportID? {
        let order = announcer.newOrder()
        let resume = resumption(order)
        let page =
            lease.name == Replica.unconfigured
            ? try await replica.ledger.takeOverUnconfigured(
                for: lease,
                after: last,
                limit: Self.leasePageSize,
                resume
            )
            : try await replica.ledger.takeOver(
                for: lease,
                only: ids,
                after: last,
                limit: ids.map(\.count) ?? Self.leasePageSize,
                resume
            )
        // An export of `ids` is new: its token was encrypted with the current key a moment ago.
        await adopt(page, after: last, order, renewsTokens: ids == nil)
        return page.next
    }
}
