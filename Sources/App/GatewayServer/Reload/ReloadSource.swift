public import Exports
public import Telemetry

/// Where a running gateway reads its configuration again, and what belongs to it outside of the gateway.
public struct ReloadSource: Sendable {
    let read: @Sendable () throws(StartupError) -> GatewayConfiguration
    let logLevel: LogLevel?

    /// Makes a source.
    ///
    /// - Parameters:
    ///   - logLevel: The level that the gateway's logger follows; nil where `log.level` changes nothing.
    ///   - read: Reads the configuration as the start did. Throws `StartupError` naming the key that is wrong. May block for as long as
    ///     it takes to read some small files.
    public init(
        logLevel: LogLevel?,
        read: @escaping @Sendable () throws(StartupError) -> GatewayConfiguration
    ) {
        (self.logLevel, self.read) = (logLevel, read)
    }
}
