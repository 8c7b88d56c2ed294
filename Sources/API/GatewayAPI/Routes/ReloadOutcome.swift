public import Exports

/// What became of a reload of the configuration.
public enum ReloadOutcome: Sendable, Hashable {
    /// The configuration is in force: every change of it. These keys had changed, none where it was in force already.
    case applied(changed: [String])
    /// The configuration is not valid, and nothing has changed.
    case invalid([ConfigurationFault])
    /// Changes of these keys need a restart, and nothing has changed, of other keys neither.
    case restartNeeded([ConfigurationFault])
    /// The gateway starts or stops, and nothing has changed.
    case notNow
}
