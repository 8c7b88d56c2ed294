import Exports

@testable import GatewayServer

let uuid = "22222222-2222-2222-2222-222222222222"
let registration = "tenantId: contoso.example, clientId: \(uuid)"

/// The connection of a configuration with one; `credential` is the value of that key, `more` stands beside it.
func connection(
    _ credential: String,
    _ more: String = "",
    provider: String = "power-bi",
    variables: [String: String] = [:]
) throws -> ConnectionConfiguration {
    let yaml = """
        ledger: { path: /tmp/ledger.sqlite }
        connections:
          - name: it
            provider: \(provider)
            credential: \(credential)
            \(more)
        """
    return try GatewayConfiguration(yaml: yaml, environment: variables).connections[0]
}

/// The application that is the credential of such a connection.
func application(_ credential: String, _ more: String = "", variables: [String: String] = [:]) throws
    -> ApplicationConfiguration
{
    guard case .application(let application) = try connection(credential, more, variables: variables).credential
    else { throw StartupError("credential", "is no application") }
    return application
}
