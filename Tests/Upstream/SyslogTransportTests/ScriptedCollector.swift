import Exports
import Synchronization
import TestSupport

@testable import SyslogTransport

/// A collector that does with each connection what a test says.
final class ScriptedCollector: SyslogConnector {
    enum Habit: Sendable {
        case takes
        case refuses
        /// No message can be sent.
        case breaks
        /// One message can be sent, and then it closes the connection.
        case closes
        /// Opening a connection takes three seconds, and then nothing is read of it.
        case neverReads
    }

    let received = Events<[UInt8]>()
    /// Whether each attempt to connect has succeeded.
    let attempts = Events<Bool>()
    /// How long each step was allowed to take.
    let limits = Events<Duration>()
    let connections = Events<ScriptedConnection>()
    private let habits: [Habit]
    private let time: any TimeSource

    /// - Parameters:
    ///   - habits: Of the connections in their order; the last one goes on.
    ///   - time: Passes while a step takes its time.
    init(_ habits: [Habit] = [.takes], time: any TimeSource) { (self.habits, self.time) = (habits, time) }

    func connect(within limit: Duration, onEnd: @escaping @Sendable () -> Void) async throws -> any SyslogConnection {
        limits.add(limit)
        let habit = habits[min(attempts.all.count, habits.count - 1)]
        if habit == .neverReads { try await time.deadline(after: .seconds(3)) }
        attempts.add(habit != .refuses)
        if habit == .refuses { throw SyslogFailure.closed }
        let connection = ScriptedConnection(collector: self, habit: habit, time: time, ending: SyslogEnd(onEnd))
        connections.add(connection)
        return connection
    }
}

struct ScriptedConnection: SyslogConnection {
    let collector: ScriptedCollector
    let habit: ScriptedCollector.Habit
    let time: any TimeSource
    let ending: SyslogEnd

    var end: (any Error)? { ending.error }

    func send(_ bytes: [UInt8], within limit: Duration) async throws {
        collector.limits.add(limit)
        switch habit {
        case .takes, .refuses: collector.received.add(bytes)
        case .breaks:
            ending.set(SyslogFailure.closed)
            throw SyslogFailure.closed
        case .closes:
            collector.received.add(bytes)
            ending.set(SyslogFailure.closed)
        case .neverReads:
            try await time.deadline(after: limit)
            ending.set(SyslogFailure.timeout)
            throw SyslogFailure.timeout
        }
    }

    func close(within limit: Duration) async {
        collector.limits.add(limit)
        ending.set(SyslogFailure.closed)
    }
}
