import Exports
import GatewayAPI
import UpstreamHTTP
import Yams

extension GatewayConfiguration.Server {
    /// Reads `server.console`: whether there is one.
    static func hasConsole(
        _ node: Node?,
        default fallback: Bool,
        _ environment: OperatorEnvironment
    ) throws(StartupError) -> Bool {
        var section = try ConfigurationSection(node, path: "server.console", environment: environment)
        let isEnabled = try section.bool("enabled", default: fallback)
        try section.finish()
        return isEnabled
    }

    /// What the API has to know of the console; nil where there is none.
    var consoleSettings: ConsoleSettings? {
        guard hasConsole else { return nil }
        return ConsoleSettings(entra: entra?.consoleSignIn)
    }
}

extension GatewayConfiguration.TokenIssuer {
    /// How people sign in to the console; nil where they cannot.
    fileprivate var consoleSignIn: ConsoleSettings.EntraSignIn? {
        consoleClientID.map { clientID in
            ConsoleSettings.EntraSignIn(
                authority: authority.origin,
                // With several tenants, the sign-in page finds out whose user it is; others are refused by their tokens.
                tenant: tenantIDs.count == 1 ? tenantIDs[0] : "organizations",
                clientID: clientID,
                // All scopes of the gateway's application that are granted to the page's.
                scope: audiences[0] + "/.default"
            )
        }
    }
}
