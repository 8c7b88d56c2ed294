import ArgumentParser
import Foundation
import GatewayServer

/// A duration on the command line, written as in the configuration: `500ms`, `2s`, `1h`.
struct DurationArgument: ExpressibleByArgument {
    let duration: Duration

    init(_ duration: Duration) {
        self.duration = duration
    }

    init?(argument: String) {
        guard let duration = Duration(configurationText: argument) else { return nil }
        self.duration = duration
    }

    var defaultValueDescription: String { "\(duration.components.seconds)s" }
}

/// Standard output for programs that read along.
enum Console {
    /// Flushes standard output, which is buffered when it is a pipe, because a reader waits for this line.
    static func flush() { fflush(nil) }
}
