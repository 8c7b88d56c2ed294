import Audit
import Exports
import GatewayAPI
import Logging
import Metrics
import ServiceLifecycle
import UnixSignals

/// Reads the configuration again when it is asked to, by SIGHUP or by `/reload`, and puts it in force as a whole or not at all. One
/// reload at a time.
///
/// A reload reads everything as the start does, and compares: where a change needs a restart, nothing is applied. Then it checks what
/// the start checks, and applies all changes, by code that does not fail and does not wait.
final class ConfigurationReloads: Service, CustomStringConvertible {
    private let source: ReloadSource
    private let requests: ReloadRequests
    private let parts: ReloadedParts
    private let audit: (any AuditService)?
    private let hangups: UnixSignalsSequence
    private let time: any TimeSource
    private let logger: Logger
    private let metrics: ReloadMetrics

    /// - Parameters:
    ///   - hangups: Has an element for each SIGHUP.
    ///   - audit: Gets a row of each reload; nil: no audit trail is kept.
    init(
        _ source: ReloadSource,
        _ requests: ReloadRequests,
        _ hangups: UnixSignalsSequence,
        of parts: ReloadedParts,
        audit: (any AuditService)?,
        time: any TimeSource,
        logger: Logger,
        metrics: any MetricsFactory
    ) {
        self.source = source
        self.requests = requests
        self.hangups = hangups
        self.parts = parts
        self.audit = audit
        self.time = time
        self.logger = logger
        self.metrics = ReloadMetrics(since: time.now(), factory: metrics)
    }

    var description: String { "reloads of the configuration" }

    /// Reloads until the gateway begins to stop. A reload under way is carried out before.
    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask {
                    for await _ in self.hangups { self.requests.request() }
                }
                while let due = await self.requests.next() {
                    let outcome = await self.carryOut()
                    await self.record(outcome, by: due.origin)
                    for continuation in due.waiting { continuation.resume(returning: outcome) }
                }
                group.cancelAll()
            }
        }
        requests.close()
    }

    private func carryOut() async -> ReloadOutcome {
        let outcome = await outcome()
        metrics.ended(outcome, at: time.now())
        report(outcome)
        return outcome
    }

    private func outcome() async -> ReloadOutcome {
        do throws(StartupError) {
            let new = try source.read()
            let former = parts.current.value
            let changes = ConfigurationChange.all(from: former.keys, to: new.keys)
            let obstacles = ReloadObstacles(former: former, new: new).among(changes)
            // Before keys are opened: another PIN of a hardware module must not be tried in vain.
            guard obstacles.isEmpty else { return .restartNeeded(obstacles) }
            try await new.check(time: time, logger: logger)
            _ = try new.checkTLS(at: time.now())
            if !changes.isEmpty { parts.apply(new, changes) }
            return .applied(changed: changes.map(\.key))
        } catch {
            return .invalid([ConfigurationFault(key: error.key, detail: error.detail)])
        }
    }

    /// Stores a row of the audit trail. The reload has happened: where the row cannot be stored, the log says so.
    private func record(_ outcome: ReloadOutcome, by origin: AuditOrigin?) async {
        guard let audit, let row = outcome.audited else { return }
        do throws(GatewayError) {
            try await audit.record(
                .reload,
                row.outcome,
                by: origin ?? AuditOrigin(caller: nil),
                of: nil,
                ["askedBy": origin == nil ? "signal" : "request", row.name: row.keys.joined(separator: " ")]
            )
        } catch {
            logger.error(
                "A reload of the configuration is missing in the audit trail",
                metadata: ["error": .string("\(error)")]
            )
        }
    }

    private func report(_ outcome: ReloadOutcome) {
        switch outcome {
        case .applied(let changed):
            logger.notice(
                "The configuration was reloaded",
                metadata: ["changed": .string(changed.joined(separator: " "))]
            )
        case .invalid(let faults), .restartNeeded(let faults):
            for fault in faults {
                logger.error(
                    "The configuration was not reloaded, and nothing has changed",
                    metadata: ["key": .string(fault.key), "reason": .string(fault.detail)]
                )
            }
        case .notNow: break
        }
    }
}

extension ReloadOutcome {
    /// What the audit trail tells of it; nil where the configuration was not read.
    fileprivate var audited: (outcome: AuditOutcome, name: String, keys: [String])? {
        switch self {
        case .applied(let changed): (.succeeded, "changed", changed)
        case .invalid(let faults): (.failed, "invalid", faults.map(\.key))
        case .restartNeeded(let faults): (.refused, "restartNeeded", faults.map(\.key))
        case .notNow: nil
        }
    }
}

extension GatewayConfiguration {
    /// Checks what can be checked without a call, beyond the reading, as each start does. Throws `StartupError` naming the key that is
    /// wrong.
    func check(time: any TimeSource, logger: Logger) async throws(StartupError) {
        for connection in connections { try connection.checkCredential(now: false, time: time, logger: logger) }
        try await checkSourceAddresses()
    }
}
