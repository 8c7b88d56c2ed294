import CallerIdentity
import Exports
import Logging
import Metrics
import UpstreamHTTP

/// Fetches the keys of the authority of callers' tokens. `export-gateway check` shows the result, besides those of the connections.
public enum CallerCheck {
    /// One finding for each tenant of `server.entra`.
    public static func run(
        _ configuration: GatewayConfiguration,
        time: any TimeSource = SystemTime()
    ) async throws -> [ConnectionCheck.Finding] {
        guard let issuer = configuration.server.entra else { return [] }
        let ways = WaysOut(configuration, base: UpstreamTransport(authorities: configuration.authorities))
        let client = AuthorityClient(
            authority: issuer.authority,
            transport: ways.callers,
            time: time,
            logger: Logger(label: "check") { _ in SwiftLogNoOpLogHandler() },
            metrics: NOOPMetricsHandler.instance
        )
        let authority = issuer.tokenAuthority(client)
        var findings: [ConnectionCheck.Finding] = []
        for tenantID in issuer.tenantIDs {
            let (isGood, detail): (Bool, String)
            do {
                let count = try await authority.keyCount(of: tenantID)
                (isGood, detail) = (true, "\(count) key(s) of tenant \(tenantID)")
            } catch {
                let words =
                    (error as? ProviderError)?.detail
                    ?? "\(issuer.authority) does not answer as Entra ID does for a tenant that it has."
                (isGood, detail) = (false, "no keys of tenant \(tenantID): \(words)")
            }
            findings.append(.init(connection: "server.entra", isGood: isGood, detail: detail))
        }
        try await ways.shutdown()
        return findings
    }
}
