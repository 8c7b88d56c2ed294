/// Opens connections.
protocol SyslogConnector: Sendable {
    /// Returns when the other end is known to be the collector: after the TLS handshake. Throws any error where that does not come about
    /// within `limit`, and at once where the task is cancelled.
    ///
    /// - Parameter onEnd: Called once when the connection has ended, whoever has ended it; perhaps also where there was none.
    func connect(within limit: Duration, onEnd: @escaping @Sendable () -> Void) async throws -> any SyslogConnection
}

/// An open connection. It is used by one task.
protocol SyslogConnection: Sendable {
    /// Why it has ended; nil while it is open.
    var end: (any Error)? { get }

    /// Returns when the bytes were given to the system. Throws any error where that does not come about within `limit`, and at once where
    /// the task is cancelled; the connection has ended then.
    func send(_ bytes: [UInt8], within limit: Duration) async throws

    /// Ends it. Returns when that is done, after `limit` at the latest.
    func close(within limit: Duration) async
}

/// Why a connection has ended, where the system and TLS do not say it.
enum SyslogFailure: Error, Hashable, CustomStringConvertible {
    case timeout
    case closed

    var description: String {
        switch self {
        case .timeout: "the collector takes too long"
        case .closed: "the collector has closed the connection"
        }
    }
}
