import ExportLedger
import Exports
import Logging
import Synchronization

extension ExportEngine {
    /// Marks every unfinished export as one of a restored backup, in one transaction: what is not known to be started is held until an
    /// operator has decided. Call it before `join()` and `run()`; no other engine may work on the ledger.
    ///
    /// The mark is in the ledger, so that it holds for every later start and for all replicas. What is held stays so, and what was
    /// created or decided since is held too: each call is about everything that the ledger has now. Returns how many exports are held.
    /// Throws `LedgerError` where the ledger cannot be written; nothing is marked then.
    ///
    /// This engine applies no rules of the retention: who has retained an export since the backup has to do it again first.
    public func holdRestored() async throws -> Int {
        isRestored.store(true, ordering: .releasing)
        let now = time.now()
        let count = try await ledger.changeUnfinished { record in
            self.life(of: record.export).apply(.restored, to: &record, at: now, jitter: 0)
            return record.isHeld
        }
        logger.warning(
            "the ledger was restored from a backup: exports that may have been started since are held",
            metadata: ["count": "\(count)"]
        )
        if settings.retention.isActive {
            logger.warning("the rules of the retention are not applied before the next start, without --restored")
        }
        return count
    }
}
