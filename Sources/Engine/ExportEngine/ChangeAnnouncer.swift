import ExportLedger
import Exports
import Logging

/// Notifies everything that follows changes: the snapshots, the watchers, the clock's own work, metrics and log.
final class ChangeAnnouncer: Sendable {
    private let snapshots: Snapshots
    private let changes: ChangeHub
    private let news: ChangeNews
    private let callerTokens: CallerTokens
    /// Fired when the time of the next expiry may have changed.
    private let expiries: Signal
    /// Fired when files may be due for measuring.
    private let measurements: Signal
    private let metrics: EngineMetrics
    private let logger: Logger

    init(
        snapshots: Snapshots,
        changes: ChangeHub,
        news: ChangeNews,
        callerTokens: CallerTokens,
        expiries: Signal,
        measurements: Signal,
        metrics: EngineMetrics,
        logger: Logger
    ) {
        self.snapshots = snapshots
        self.changes = changes
        self.news = news
        self.callerTokens = callerTokens
        self.expiries = expiries
        self.measurements = measurements
        self.metrics = metrics
        self.logger = logger
    }

    /// The place of a change among all changes, to be taken while the ledger makes it.
    func newOrder() -> ChangeOrder { ChangeOrder(of: snapshots.orders) }

    /// Notifies everything that follows changes that one was made. `order` was taken while the ledger made it.
    func announce(_ after: LedgerRecord, since before: LedgerRecord, _ order: ChangeOrder) {
        let export = after.export
        // Before the watchers are notified, because they read the snapshot.
        snapshots.wrote(export, order: order.number)
        changes.wrote(after, order: order.number)
        if export.revision != before.export.revision { news.tell() }
        if export.isFinal, !before.export.isFinal { metrics.finished(export.provider, export.status) }
        let isSettledNow = after.phase == .settled && before.phase != .settled
        // A success without files is not settled, because its files are polled for. But it can expire.
        if export.status.hasResult, !before.export.status.hasResult { expiries.fire() }
        if isSettledNow, export.status.hasResult { measurements.fire() }
        log(after, since: before)
        let isExpiredNow = export.status == .expired && before.export.status != .expired
        if isExpiredNow || (isSettledNow && !export.status.hasResult) { callerTokens.remove(export.id) }
    }

    /// Notifies everything that follows changes that exports were purged here, or elsewhere. Whoever waits for a change of one of them
    /// has waited for its end, and knows it.
    func purged(_ ids: [ExportID]) {
        guard !ids.isEmpty else { return }
        snapshots.purged(ids)
        for id in ids { callerTokens.remove(id) }
        news.tell()
    }

    /// Notifies everything that follows changes that another replica has made one. `record` was read after that.
    func learned(_ record: LedgerRecord) {
        snapshots.saw(record.export)
        changes.wrote(record, order: snapshots.orders.next())
        if record.export.status.hasResult {
            expiries.fire()
            measurements.fire()
        }
        if record.phase == .settled, !record.export.status.hasResult { callerTokens.remove(record.export.id) }
    }

    private func log(_ after: LedgerRecord, since before: LedgerRecord) {
        let export = after.export
        if after.phase != before.phase || export.status != before.export.status {
            logger.info(
                "export changed",
                metadata: [
                    "export": "\(export.id)",
                    "provider": "\(export.provider)",
                    "connection": "\(export.connection)",
                    "phase": "\(after.phase.rawValue)",
                    "status": "\(export.status.rawValue)",
                    "code": "\(export.error?.code.rawValue ?? export.notice?.code.rawValue ?? "-")",
                    "upstream-request-id": "\(export.error?.upstream?.requestId ?? "-")",
                ]
            )
        }
        if after.progress.resubmissions > before.progress.resubmissions {
            logger.notice(
                "the job is given up, and a new one will be started",
                metadata: [
                    "export": "\(export.id)",
                    "connection": "\(export.connection)",
                    // If the answer to a start already gives the job up, only the reason names the job.
                    "upstream-id": "\(before.reference?.id ?? "-")",
                    "reason": "\(export.notice?.detail ?? "-")",
                ]
            )
        }
    }
}
