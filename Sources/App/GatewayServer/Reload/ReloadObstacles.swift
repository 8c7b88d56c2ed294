import EntraIdentity
import Exports
import GatewayAPI
import SystemCrypto

/// Why the changes between two configurations cannot be applied while the gateway runs.
struct ReloadObstacles {
    let former: GatewayConfiguration
    let new: GatewayConfiguration

    /// One for each change that needs a restart, in the order of the changes.
    func among(_ changes: [ConfigurationChange]) -> [ConfigurationFault] {
        changes.compactMap { change in
            reason(change).map { ConfigurationFault(key: change.key, detail: $0) }
        }
    }

    /// Nil for a change that can be applied.
    private func reason(_ change: ConfigurationChange) -> String? {
        switch (change.effect, change.whole) {
        case (.applied, _): nil
        case (.restart, .added): "was added, which needs a restart"
        case (.restart, .removed): "was removed, which needs a restart"
        case (.restart, nil): "was changed, which needs a restart"
        case (.depends, _): dependentReason(change)
        }
    }

    private func dependentReason(_ change: ConfigurationChange) -> String? {
        let (before, after) = (connection(change, in: former), connection(change, in: new))
        guard let before, let after else { return "was changed, which needs a restart" }
        switch change.pattern {
        case "connections[].credential.type":
            guard before.credential.isOfAnApplication, after.credential.isOfAnApplication else {
                return "was changed, which needs a restart, unless it stays the credential of an application"
            }
            return nil
        case "connections[].credential.passphrase":
            // What opens modules keeps a PIN for good, and modules lock after some wrong ones.
            guard !before.credential.isInModule, !after.credential.isInModule else {
                return "was changed, and is the PIN of a hardware module, which needs a restart"
            }
            return nil
        case "connections[].requestsPerMinute":
            // Calls without a limit are not counted, so that a limit cannot begin with what was used.
            guard isLimited(before, in: former) == isLimited(after, in: new) else {
                return "was changed between a limit and none, which needs a restart"
            }
            return nil
        default:
            return "was changed, which needs a restart"
        }
    }

    private func connection(
        _ change: ConfigurationChange,
        in configuration: GatewayConfiguration
    ) -> ConnectionConfiguration? {
        configuration.connections.first { $0.name == change.element }
    }

    private func isLimited(_ connection: ConnectionConfiguration, in configuration: GatewayConfiguration) -> Bool {
        SharedBudgets.smallest(of: connection, among: configuration.connections) != nil
    }
}

extension CredentialConfiguration {
    /// Whether an application of Entra ID signs in, however it proves who it is.
    fileprivate var isOfAnApplication: Bool { if case .application = self { true } else { false } }

    /// Whether its key is in a hardware module.
    fileprivate var isInModule: Bool {
        guard case .application(let application) = self, case .certificate(let settings, _) = application.proof else {
            return false
        }
        return KeyMaterial.isInModule(settings.key)
    }
}
