import ExportEngine
import ExportLedger
import Exports
import Logging
import Metrics
import PostgreSQL
import PostgreSQLLedger
import SystemCrypto

/// The ledger of a configuration.
struct OpenedLedger: Sendable {
    let ledger: any ExportLedger
    /// The same ledger, for webhooks.
    let webhooks: any WebhookStore
    /// The same ledger, for the audit trail.
    let audit: any AuditStore
    private let closing: @Sendable () async -> Void

    /// Opens the ledger. Throws `StartupError` that names the key of the configuration.
    init(
        _ configuration: GatewayConfiguration,
        time: any TimeSource,
        logger: Logger,
        metrics: any MetricsFactory
    ) async throws {
        switch configuration.ledger {
        case .file(let path):
            let ledger = try SQLiteLedger(
                path: path,
                isReclaimable: configuration.retention.isActive,
                logger: logger,
                metrics: metrics
            )
            (self.ledger, webhooks, audit) = (ledger, ledger, ledger)
            closing = { ledger.close() }
        case .postgresql(let settings, _):
            let ledger = try await PostgreSQLLedger(
                settings,
                randomness: Randomness { .random(in: .min ... .max) },
                time: time,
                logger: logger,
                metrics: metrics
            )
            (self.ledger, webhooks, audit) = (ledger, ledger, ledger)
            closing = { await ledger.close() }
        }
    }

    /// Closes the ledger after what is under way has ended.
    func close() async { await closing() }
}

extension GatewayConfiguration {
    /// Digests of the secrets that must be the same on all replicas, by their configuration keys. They show nothing of the keys: each is
    /// an HMAC of the key's name with the key.
    var sharedSecrets: [String: String] {
        func digest(_ name: String, _ key: [UInt8]) -> String {
            Hexadecimal.encode(HMACSHA256.authenticationCode(for: Array("export-gateway \(name)".utf8), key: key))
        }
        var secrets: [String: String] = [:]
        if let key = server.cursorKey {
            secrets["server.cursorKey"] = digest("server.cursorKey", SHA256.hash(Array(key.reveal().utf8)))
        }
        for id in sealing?.ids ?? [] {
            secrets["sealing.keys.\(id)"] = sealing?.keys.digest(of: id, for: "export-gateway sealing.keys")
        }
        return secrets
    }
}
