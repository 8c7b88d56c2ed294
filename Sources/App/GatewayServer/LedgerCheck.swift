import Exports
import PostgreSQL

/// Connects to the database of a configuration, and changes nothing in it. `export-gateway check` shows the result.
public enum LedgerCheck {
    /// The finding; none for a ledger in a file, which belongs to the gateway that runs. Returns after 10 s at the latest.
    public static func run(_ configuration: GatewayConfiguration) async -> [ConnectionCheck.Finding] {
        guard case .postgresql(let settings, _) = configuration.ledger else { return [] }
        var limits = PostgreSQLPool.Limits()
        limits.connections = 1
        let pool = PostgreSQLPool(settings, limits: limits, randomness: Randomness { .random(in: .min ... .max) })
        let finding: ConnectionCheck.Finding
        do {
            let version = try await pool.run { $0.serverVersion }
            finding = .init(
                connection: "ledger.url",
                isGood: true,
                detail: "PostgreSQL \(version / 10_000), sslmode=\(settings.sslMode)"
            )
        } catch {
            finding = .init(connection: "ledger.url", isGood: false, detail: "\(error)")
        }
        await pool.close()
        return [finding]
    }
}
