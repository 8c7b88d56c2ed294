import CallerIdentity
import Exports
import ExportEngine
import GatewayAPI
import Logging
import Telemetry
import UpstreamHTTP

/// The parts of a running gateway that a reload changes.
struct ReloadedParts: Sendable {
    let current: CurrentConfiguration
    let api: GatewayAPI
    let engine: ExportEngine
    let budgets: SharedBudgets
    let connections: Connections
    /// By the names of the connections.
    let tokens: [String: ReplaceableTokenSource]
    let logLevel: LogLevel?
    let documents: @Sendable (UpstreamURL) -> any AuthorityDocuments
    let logger: Logger

    /// Puts a configuration in force that differs from the current one in these changes, none of which needs a restart. It neither fails
    /// nor waits. Calls and requests under way go on as they began.
    func apply(_ new: GatewayConfiguration, _ changes: [ConfigurationChange]) {
        let hadCallers = current.value.server.hasCallers
        current.replace(by: new)
        logLevel?.change(to: new.log.level)
        budgets.resize(to: new.connections)
        let haveOtherCredentials = Set(
            changes.filter { $0.pattern.hasPrefix("connections[].credential.") }.compactMap(\.element)
        )
        for connection in new.connections where haveOtherCredentials.contains(connection.name) {
            tokens[connection.name]?.replace(by: connections.tokens(connection))
        }
        engine.takeWeights(new.server.weights)
        api.takeCallers(of: new.apiSettings(documents))
        if hadCallers { new.warnOfOpenAccess(logger) }
    }
}
