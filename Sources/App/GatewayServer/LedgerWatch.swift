import ExportLedger
import Exports
import Logging
import Metrics
import ServiceLifecycle
import Synchronization

/// Checks every few seconds whether the ledger can be written, so that the gateway knows it before it refuses an export, and after
/// the ledger can be written again. With every sixth check it measures the ledger.
final class LedgerWatch: Service, CustomStringConvertible {
    private static let interval = Duration.seconds(5)
    private static let checksForEachMeasurement = 6

    private let ledger: any ExportLedger
    private let time: any TimeSource
    private let logger: Logger
    private let meters: [ServiceImpediment: Meter]
    private let size: LedgerSize
    private let present = Mutex<ServiceImpediment?>(nil)

    init(ledger: any ExportLedger, time: any TimeSource, logger: Logger, metrics: any MetricsFactory) {
        self.ledger = ledger
        self.time = time
        self.logger = logger
        size = LedgerSize(metrics: metrics)
        meters = Dictionary(
            uniqueKeysWithValues: ServiceImpediment.allCases.map { impediment in
                let meter = Meter(
                    label: "export_gateway_degraded",
                    dimensions: [("reason", impediment.rawValue)],
                    factory: metrics
                )
                meter.set(0)
                return (impediment, meter)
            }
        )
    }

    var description: String { "ledger watch" }

    /// What was found at the last check.
    var impediments: [ServiceImpediment] { present.withLock { $0.map { [$0] } ?? [] } }

    func run() async throws {
        try? await cancelWhenGracefulShutdown {
            var checks = 0
            while !Task.isCancelled {
                await self.check()
                if checks % Self.checksForEachMeasurement == 0 { await self.measure() }
                checks += 1
                try await self.time.sleep(for: Self.interval)
            }
        }
    }

    private func check() async {
        do {
            report(try await ledger.impediment())
        } catch {
            // The ledger cannot even be read. `/readyz` detects that itself.
        }
    }

    private func measure() async {
        do {
            size.measured(retained: try await ledger.retainedExports(), try await ledger.usage())
        } catch {
            // The figures stay as they were.
        }
    }

    private func report(_ found: ServiceImpediment?) {
        let before = present.withLock { present in
            defer { present = found }
            return present
        }
        guard found != before else { return }
        for (impediment, meter) in meters { meter.set(impediment == found ? 1 : 0) }
        if let found {
            logger.error(
                "The ledger cannot be written: new exports are refused, reading and downloading go on",
                metadata: ["reason": "\(found.rawValue)"]
            )
        } else {
            logger.notice("The ledger can be written again")
        }
    }
}
