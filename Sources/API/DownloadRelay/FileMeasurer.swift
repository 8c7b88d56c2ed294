public import Exports
public import Logging
import Synchronization

/// Reads files of finished exports once, in the background, so that their length and digest are known before the first
/// caller asks for them.
///
/// The ledger knows what is to be read, so that a restart loses nothing. The number at once, the size and the bandwidth are
/// limited (see ``MeasurementSettings``), and callers' downloads come first.
public final class FileMeasurer: Sendable {
    private let service: any MeasurementService
    private let relay: DownloadRelay
    private let settings: MeasurementSettings
    private let pace: ReadingPace
    private let logger: Logger

    /// Makes a measurer. Nothing is read before `run()`.
    public init(
        service: any MeasurementService,
        relay: DownloadRelay,
        settings: MeasurementSettings,
        time: any TimeSource,
        logger: Logger
    ) {
        self.service = service
        self.relay = relay
        self.settings = settings
        pace = ReadingPace(rate: settings.rate, time: time)
        self.logger = logger
    }

    /// Measures what is due until the task is cancelled. Measurements under way are then given up, and their claims are
    /// returned to the ledger before this returns.
    public func run() async {
        await withTaskGroup(of: ExportID?.self) { group in
            var running: Set<ExportID> = []
            var isWaiting = false
            while !Task.isCancelled {
                while running.count < settings.atOnce,
                    let claim = await service.claimMeasurement(besides: running, lease: settings.lease)
                {
                    running.insert(claim.export.id)
                    group.addTask {
                        await self.measure(claim)
                        return claim.export.id
                    }
                }
                if !isWaiting, running.count < settings.atOnce {
                    isWaiting = true
                    let besides = running
                    group.addTask {
                        await self.service.waitForMeasurement(besides: besides)
                        return nil
                    }
                }
                switch await group.next() {
                case .some(.some(let ended)): running.remove(ended)
                case .some(.none): isWaiting = false
                case .none: return
                }
            }
            group.cancelAll()
        }
    }

    private func measure(_ claim: MeasurementClaim) async {
        let export = claim.export
        var outcomes: [MeasurementOutcome] = []
        // How long until the request budget has a place for a file that it sent back.
        let comeBackIn = Mutex<Duration?>(nil)
        // A claim counts when it is made. So an export whose measurement kills the process is not measured without end.
        for file in settings.files(of: export) where claim.attempts <= settings.attempts {
            let (service, id) = (service, file.id)
            let outcome = await relay.measure(
                file,
                of: export,
                largest: settings.largest,
                pace: pace,
                record: { await service.record($0) },
                open: { range async throws(GatewayError) in
                    do throws(GatewayError) {
                        return try await service.openForMeasurement(id, of: export.id, range: range)
                    } catch {
                        if error.code == .queued { comeBackIn.withLock { $0 = error.retryAfter } }
                        throw error
                    }
                }
            )
            outcomes.append(outcome)
            if [.preempted, .queued, .cancelled].contains(outcome) { break }
        }
        let next = settings.next(
            after: outcomes,
            attempts: claim.attempts,
            comeBackIn: comeBackIn.withLock { $0 }
        )
        if next == nil, outcomes.contains(.broken) || claim.attempts > settings.attempts {
            logger.notice(
                "files of an export are not measured: every attempt failed",
                metadata: ["export": "\(export.id)", "attempts": "\(claim.attempts)"]
            )
        }
        await service.endMeasurement(claim, next: next)
    }
}
