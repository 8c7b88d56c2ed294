public import ArgumentParser
import GatewayServer

/// A duration on the command line, written as in the configuration: `500ms`, `2s`, `1h`.
public struct DurationArgument: ExpressibleByArgument, Sendable {
    public let duration: Duration

    /// Wraps a default value.
    public init(_ duration: Duration) {
        self.duration = duration
    }

    public init?(argument: String) {
        guard let duration = Duration(configurationText: argument) else { return nil }
        self.duration = duration
    }

    public var defaultValueDescription: String { "\(duration.components.seconds)s" }
}
