import Exports
import Logging
import Metrics
import UpstreamHTTP

/// Requests a token on each connection of a configuration. `export-gateway check` shows the result.
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
        let ways = WaysOut(configuration, base: UpstreamTransport(authorities: configuration.authorities))
        let logger = Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }
        let connections = Connections(
            ways: ways,
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
            switch connection.credential {
            case .passThrough:
                findings.append(.passThrough(connection))
            case .application(let application) where application.onBehalfOf:
                let source = connections.ownTokens(of: application, connection)
                for scope in connection.adapter.scopes {
                    let outcome = await outcome(of: source, scope.ofTheApplication)
                    findings.append(.onBehalfOf(connection, application, scope.ofTheApplication, outcome))
                }
            case .application, .managedIdentity:
                let source = connections.tokens(connection)
                for scope in connection.adapter.scopes {
                    findings.append(.token(connection, scope, await outcome(of: source, scope)))
                }
            }
        }
        try await ways.shutdown()
        return findings
    }

    /// Nil when there was a token.
    private static func outcome(of source: any AccessTokenSource, _ scope: TokenScope) async -> ProviderError? {
        do throws(ProviderError) {
            _ = try await source.accessToken(for: scope, context: CallContext(requestID: "check"), replacing: nil)
            return nil
        } catch {
            return error
        }
    }
}

extension ConnectionCheck.Finding {
    fileprivate static func token(
        _ connection: ConnectionConfiguration,
        _ scope: TokenScope,
        _ error: ProviderError?
    ) -> Self {
        Self(
            connection: connection.name,
            isGood: error == nil,
            detail: error.map { "no token for \(scope): \($0.inFull)" } ?? "token for \(scope)"
        )
    }

    /// There is nothing to check. The finding says which tokens callers have to send.
    fileprivate static func passThrough(_ connection: ConnectionConfiguration) -> Self {
        var tokens = "callers bring their own token for \(connection.adapter.scopes[0]) in Upstream-Authorization"
        if let scope = connection.adapter.downloadScope {
            tokens += ", and with each download a second one, for \(scope), in Upstream-Download-Authorization"
        }
        return Self(connection: connection.name, isGood: true, detail: "\(tokens); nothing here to check")
    }

    /// There is no user's token to exchange, but the application can request a token of its own. Entra ID checks the application's
    /// credential first, by the same rules as in an exchange, whether or not it has permissions. Entra ID issues such tokens even
    /// without permissions, unless the service requires that applications are assigned to it.
    fileprivate static func onBehalfOf(
        _ connection: ConnectionConfiguration,
        _ application: ApplicationConfiguration,
        _ scope: TokenScope,
        _ error: ProviderError?
    ) -> Self {
        if let error, !error.isAboutPermissionsOnly { return token(connection, scope, error) }
        let outcome = error.map { "it may have none of its own for \(scope): \($0.inFull)" } ?? "token for \(scope)"
        let kept =
            application.keepsRefreshTokens ? " Refresh tokens are kept, sealed, as long as their export runs." : ""
        return Self(
            connection: connection.name,
            isGood: true,
            detail: "the application's own credential is good (\(outcome)). "
                + "Not checked, because there is no user: the exchange of callers' tokens, and users' permissions.\(kept)"
        )
    }
}

extension TokenScope {
    /// The scope for the application's own token, where users' scopes may name permissions: everything of the same resource.
    var ofTheApplication: TokenScope {
        guard let name = rawValue.split(separator: " ").first(where: { $0.contains("/") }),
            let slash = name.lastIndex(of: "/")
        else { return self }
        return TokenScope(name[..<slash] + "/.default")
    }
}

extension ProviderError {
    /// The detail, followed by the authority's own message.
    fileprivate var inFull: String { detail + (upstream?.message.map { " (\($0))" } ?? "") }

    /// Whether the authority accepted the credential, but issued no token for the application: consent is missing, the service requires
    /// an assignment, or a policy forbids it.
    fileprivate var isAboutPermissionsOnly: Bool {
        problem == .upstreamConsentRequired
            || ["AADSTS50105", "AADSTS501051", "AADSTS53003"].contains(upstream?.code)
    }
}
