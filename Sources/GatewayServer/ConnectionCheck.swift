import Exports
import Logging
import Metrics
import UpstreamHTTP

/// Asks for a token on each connection of a configuration: what `export-gateway check` shows.
public enum ConnectionCheck {
    /// What was found for one scope of one connection; printing it is safe.
    public struct Finding: Sendable, CustomStringConvertible {
        public var connection: String
        public var isGood: Bool
        public var detail: String

        public var description: String { "\(isGood ? "ok  " : "FAIL") \(connection): \(detail)" }
    }

    /// One finding for each scope that a connection needs, in the order of the configuration.
    public static func run(
        _ configuration: GatewayConfiguration,
        time: any TimeSource = SystemTime()
    ) async throws -> [Finding] {
        let transport = UpstreamTransport(authorities: configuration.authorities)
        let logger = Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }
        let connections = Connections(
            transport: transport,
            time: time,
            logger: logger,
            metrics: NOOPMetricsHandler.instance
        )
        var findings: [Finding] = []
        for connection in configuration.connections {
            do throws(StartupError) {
                try connection.checkCredential(now: true, time: time, logger: logger)
            } catch {
                findings.append(Finding(connection: connection.name, isGood: false, detail: "\(error)"))
                continue
            }
            guard !connection.needsCallerToken else {
                findings.append(
                    Finding(
                        connection: connection.name,
                        isGood: true,
                        detail: "callers bring their own token in Upstream-Authorization"
                    )
                )
                continue
            }
            let source = connections.tokens(connection)
            for scope in connection.adapter.scopes {
                do {
                    _ = try await source.accessToken(
                        for: scope,
                        context: CallContext(requestID: "check"),
                        replacing: nil
                    )
                    findings.append(Finding(connection: connection.name, isGood: true, detail: "token for \(scope)"))
                } catch {
                    let words = error.upstream?.message.map { " (\($0))" } ?? ""
                    findings.append(
                        Finding(
                            connection: connection.name,
                            isGood: false,
                            detail: "no token for \(scope): \(error.detail)\(words)"
                        )
                    )
                }
            }
        }
        try await transport.shutdown()
        return findings
    }
}
