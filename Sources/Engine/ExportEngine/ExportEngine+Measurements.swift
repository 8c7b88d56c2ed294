import ExportLedger
public import Exports
import Logging

extension ExportEngine: MeasurementService {
    /// How long nothing is claimed after the ledger has failed.
    private static let ledgerPause = Duration.seconds(60)

    public func claimMeasurement(besides running: Set<ExportID>, lease: Duration) async -> MeasurementClaim? {
        do {
            while true {
                let now = time.now()
                let claim = try await ledger.claimMeasurement(at: now, retryAt: now + lease, besides: running)
                guard let claim else { return nil }
                if isMeasurable(claim.export, at: now) { return claim }
                try await ledger.setMeasurement(of: claim.export.id, dueAt: nil, attempts: claim.attempts)
            }
        } catch {
            await pause(after: error)
            return nil
        }
    }

    public func endMeasurement(_ claim: MeasurementClaim, next: MeasurementClaim.Next?) async {
        let (ledger, id) = (ledger, claim.export.id)
        let dueAt = next.map { time.now() + $0.wait }
        let attempts = claim.attempts - (next?.counts == false ? 1 : 0)
        // A new task, which is awaited: the claim must be given back also when this task is cancelled.
        let write = Task { try await ledger.setMeasurement(of: id, dueAt: dueAt, attempts: attempts) }
        do { try await write.value } catch { report(error) }
        measurements.fire()
    }

    public func openForMeasurement(
        _ fileID: String,
        of id: ExportID,
        range: FileRange?
    ) async throws(GatewayError) -> FileBody {
        // Without a caller, because the owner's token must not be used for measuring.
        try await open(fileID, of: id, for: .gateway, range: range)
    }

    public func waitForMeasurement(besides running: Set<ExportID>) async {
        do {
            let next = try await ledger.nextMeasurement(besides: running)
            if let next, next <= time.now() { return }
            await measurements.wait(until: next, of: time)
        } catch {
            await pause(after: error)
        }
    }

    /// Whether the gateway can read the files of an export by itself, without a caller.
    private func isMeasurable(_ export: Export, at now: Timestamp) -> Bool {
        guard export.downloadReadiness == .ready, !export.isPastExpiry(at: now), let worker = worker(of: export)
        else { return false }
        return !worker.delegation.isNeeded
    }

    private func pause(after error: any Error) async {
        report(error)
        // Ends early when the task is cancelled.
        try? await time.sleep(for: Self.ledgerPause)
    }

    private func report(_ error: any Error) {
        if error is CancellationError { return }
        logger.error("a ledger operation failed", metadata: ["error": "\(error)"])
    }
}
