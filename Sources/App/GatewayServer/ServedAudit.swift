import Audit
import AuditEngine
import ExportEngine
import ExportLedger
import Exports
import Foundation
import Logging
import Metrics
import ServiceLifecycle
import SyslogTransport
import SystemCrypto

/// The audit trail of a configuration.
///
/// Whatever else than the engine and the API does something that belongs into the trail, calls `service` (`AuditService.record`).
struct ServedAudit: Sendable {
    /// Nil where no audit trail is kept.
    let service: (any AuditService)?
    /// What the engine stores with its changes.
    let engine: EngineAudit?
    /// What seals and sends. They have to end after everything that writes entries.
    let services: [any Service]

    /// Throws `StartupError` where heads cannot be stored, or certificates cannot be used.
    init(
        _ audit: GatewayConfiguration.Audit?,
        store: any AuditStore,
        time: any TimeSource,
        logger: Logger,
        metrics: any MetricsFactory
    ) throws(StartupError) {
        guard let audit else {
            (service, engine, services) = (nil, nil, [])
            return
        }
        let random: @Sendable () -> UInt64 = {
            var random = SystemRandom()
            return random.next()
        }
        var sender: SyslogSender?
        if let syslog = audit.syslog {
            sender = try SyslogSender(
                syslog,
                process: String(ProcessInfo.processInfo.processIdentifier),
                time: time,
                random: random,
                logger: logger,
                metrics: metrics
            )
        }
        var file: HeadFile?
        if let path = audit.headFile { file = try HeadFile(path: path) }
        let trail = AuditTrail(
            store: store,
            keys: audit.keys,
            settings: audit.settings,
            headFile: file,
            told: audit.headFile.flatMap { HeadFile.last(in: $0) },
            sinks: sender.map { [$0] } ?? [],
            time: time,
            random: random,
            logger: logger,
            metrics: metrics
        )
        service = trail
        engine = EngineAudit(writer: trail.writer) { time, limit in try await trail.trim(before: time, limit: limit) }
        services = (sender.map { [SyslogService(sender: $0)] } ?? []) + [trail]
    }
}

/// Sends to syslog until everything that seals has ended, and then what is left.
private struct SyslogService: Service, CustomStringConvertible {
    let sender: SyslogSender

    var description: String { "syslog" }

    func run() async throws {
        await cancelWhenGracefulShutdown { await sender.run() }
        await sender.finish()
    }
}
