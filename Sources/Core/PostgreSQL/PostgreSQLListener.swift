public import Exports
import Synchronization

/// A connection that listens to channels on a thread of its own, and is opened again when it is lost, with the delays of a
/// ``PostgreSQLPool``.
public final class PostgreSQLListener: Sendable {
    /// What happens, in its order.
    public enum Event: Sendable, Hashable {
        /// From here on no notification is missed until `lost`. Comes before the first notification, and again after each `lost`.
        case listening
        case notified(PostgreSQLConnection.Notification)
        /// Notifications can be lost from here on. Comes once when an open connection is lost, and once when the first cannot be opened.
        case lost(PostgreSQLError)
    }

    private let listening: Listening

    /// Begins to listen.
    ///
    /// A connection that was silent for `checkInterval` is checked by a query, which has to be answered within that time, too: a server
    /// that cannot be reached any more is noticed within twice that time.
    ///
    /// - Parameters:
    ///   - channels: Their names, each as ``PostgreSQLConnection/listen(_:)`` takes it.
    ///   - handler: Called on the listener's thread, which it must not block.
    public init(
        _ settings: PostgreSQLSettings,
        channels: [String],
        checkInterval: Duration = .seconds(2),
        randomness: Randomness,
        handler: @escaping @Sendable (Event) -> Void
    ) throws(PostgreSQLError) {
        listening = Listening(
            settings: settings,
            channels: channels,
            checkInterval: checkInterval,
            backOff: BackOff(randomness: randomness),
            interrupter: try Interrupter(),
            handler: handler
        )
        guard BlockingThread.start({ [listening] in listening.run() }) else {
            throw PostgreSQLError(.other, message: "The process has no threads left.")
        }
    }

    deinit { listening.stop() }

    /// Ends the listening. Returns when the thread has ended; `handler` is not called afterwards.
    public func close() async {
        listening.stop()
        await listening.ended()
    }
}

/// What a listener's thread does.
private final class Listening: Sendable {
    private struct State {
        var isStopped = false
        var isEnded = false
        var waitingForEnd: [CheckedContinuation<Void, Never>] = []
    }

    private let settings: PostgreSQLSettings
    private let channels: [String]
    private let checkInterval: Duration
    private let backOff: BackOff
    private let interrupter: Interrupter
    private let handler: @Sendable (PostgreSQLListener.Event) -> Void
    private let state = Mutex(State())

    init(
        settings: PostgreSQLSettings,
        channels: [String],
        checkInterval: Duration,
        backOff: BackOff,
        interrupter: Interrupter,
        handler: @escaping @Sendable (PostgreSQLListener.Event) -> Void
    ) {
        (self.settings, self.channels, self.checkInterval) = (settings, channels, checkInterval)
        (self.backOff, self.interrupter, self.handler) = (backOff, interrupter, handler)
    }

    private var isStopped: Bool { state.withLock { $0.isStopped } }

    func stop() {
        state.withLock { $0.isStopped = true }
        interrupter.interrupt()
    }

    func ended() async {
        await withCheckedContinuation { continuation in
            let isEnded = state.withLock { state in
                if !state.isEnded { state.waitingForEnd.append(continuation) }
                return state.isEnded
            }
            if isEnded { continuation.resume() }
        }
    }

    func run() {
        var failures = 0
        var isFirst = true
        while !isStopped {
            do throws(PostgreSQLError) {
                let connection = try PostgreSQLConnection(settings, interrupter: interrupter)
                connection.answerTimeout = checkInterval
                for channel in channels { try connection.listen(channel) }
                failures = 0
                isFirst = true
                handler(.listening)
                try receive(on: connection)
            } catch {
                guard !isStopped else { break }
                if isFirst { handler(.lost(error)) }
                isFirst = false
                failures += 1
                _ = interrupter.wait(until: .now + backOff.delay(after: failures))
            }
        }
        let waiting = state.withLock { state in
            state.isEnded = true
            return state.waitingForEnd
        }
        for continuation in waiting { continuation.resume() }
    }

    private func receive(on connection: PostgreSQLConnection) throws(PostgreSQLError) {
        while !isStopped {
            let notifications = try connection.waitForNotifications(for: checkInterval)
            for notification in notifications { handler(.notified(notification)) }
            if notifications.isEmpty, !isStopped { _ = try connection.query(Self.check) }
        }
    }

    private static let check = SQLQuery("SELECT 1")
}
