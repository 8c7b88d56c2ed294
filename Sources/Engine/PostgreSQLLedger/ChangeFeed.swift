import ExportLedger
import Exports
import PostgreSQL
import Synchronization

/// The notifications of other replicas: of visible changes, and messages.
final class ChangeFeed: Sendable {
    /// The channel of publications. The payload is the number of the last change.
    static let changes = "export_gateway"
    /// The channel of messages between replicas.
    static let messages = "gateway_message"

    private struct State {
        var listener: PostgreSQLListener?
        var isClosed = false
        var isListening = false
        /// A loss that nobody was told of yet.
        var loss: PostgreSQLError?
        /// The number of the last publication that was notified.
        var last: Int64 = 0
        var lastWaiter: UInt64 = 0
        /// Those that wait for a notification, or until it is listened.
        var waiters: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        var handler: (@Sendable (ReplicaMessage) -> Void)?
    }

    private let settings: PostgreSQLSettings
    private let randomness: Randomness
    private let time: any TimeSource
    private let registration: Registration
    private let state = Mutex(State())

    init(_ settings: PostgreSQLSettings, randomness: Randomness, time: any TimeSource, registration: Registration) {
        var listening = settings
        // So that an operator can tell the connection that is always idle.
        listening.applicationName += "-notifications"
        self.settings = listening
        (self.randomness, self.time, self.registration) = (randomness, time, registration)
    }

    func close() async {
        let listener = state.withLock { state in
            state.isClosed = true
            return state.listener
        }
        await listener?.close()
        handle(.lost(PostgreSQLError(.closed, message: "the ledger is closed")))
    }

    // MARK: Notifications

    func receive(_ handler: @escaping @Sendable (ReplicaMessage) -> Void) throws {
        state.withLock { $0.handler = handler }
        try listen()
    }

    /// Begins to listen, if nobody has yet.
    private func listen() throws {
        try state.withLock { state in
            guard state.listener == nil, !state.isClosed else { return }
            do throws(PostgreSQLError) {
                state.listener = try PostgreSQLListener(
                    settings,
                    channels: [Self.changes, Self.messages],
                    randomness: randomness
                ) { [weak self] in self?.handle($0) }
            } catch {
                throw LedgerError(error, isWriting: false)
            }
        }
    }

    private func handle(_ event: PostgreSQLListener.Event) {
        switch event {
        case .listening:
            wakeAll { $0.isListening = true }
        case .lost(let error):
            let waiting = state.withLock { state in
                defer { state.waiters = [:] }
                state.isListening = false
                state.loss = state.waiters.isEmpty ? error : nil
                return state.waiters.values.map(\.self)
            }
            for waiter in waiting { waiter.resume(throwing: LedgerError(error, isWriting: false)) }
        case .notified(let notification) where notification.channel == Self.changes:
            wakeAll { $0.last = max($0.last, Int64(notification.payload) ?? .max) }
        case .notified(let notification):
            guard let message = ReplicaMessage(payload: notification.payload) else { return }
            let own = registration.id
            guard message.from != own, message.to == nil || message.to == own else { return }
            state.withLock { $0.handler }?(message)
        }
    }

    private func wakeAll(_ change: (inout State) -> Void) {
        let waiting = state.withLock { state in
            defer { state.waiters = [:] }
            change(&state)
            return state.waiters.values.map(\.self)
        }
        for waiter in waiting { waiter.resume() }
    }

    /// Returns when it is listened. From then on `wait` returns for each publication. Throws where a loss was not told yet, and where
    /// it is not listened within `patience`.
    func listening(within patience: Duration) async throws {
        try listen()
        let end = time.elapsed() + patience
        while true {
            let isListening = try state.withLock { state in
                if let loss = state.loss {
                    state.loss = nil
                    throw LedgerError(loss, isWriting: false)
                }
                if state.isClosed { throw LedgerError(.unavailable, "the ledger is closed") }
                return state.isListening
            }
            if isListening { return }
            guard time.elapsed() < end else { throw LedgerError(.unavailable, "notifications are not received") }
            try await wait(end - time.elapsed()) { !$0.isListening && $0.loss == nil }
        }
    }

    /// Returns when a later change than `sequence` was published, or when `patience` has passed. Throws when notifications can be lost.
    func wait(after sequence: Int64, for patience: Duration) async throws {
        try await wait(patience) { $0.isListening && $0.last <= sequence }
    }

    private func wait(_ patience: Duration, while isExpected: @escaping @Sendable (borrowing State) -> Bool)
        async throws
    {
        let time = time
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.wait(while: isExpected) }
            group.addTask { try await time.deadline(after: max(patience, .zero)) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func wait(while isExpected: @escaping @Sendable (borrowing State) -> Bool) async throws {
        let number = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isWaiting = state.withLock { state in
                    guard isExpected(state) else { return false }
                    state.waiters[number] = continuation
                    return true
                }
                if !isWaiting { continuation.resume() }
                if Task.isCancelled { cancel(number) }
            }
        } onCancel: {
            cancel(number)
        }
    }

    private func cancel(_ number: UInt64) {
        state.withLock { $0.waiters.removeValue(forKey: number) }?.resume(throwing: CancellationError())
    }
}

extension ReplicaMessage {
    /// The message in a notification: three lines, and the body.
    init?(payload: String) {
        let parts = payload.split(separator: "\n", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 4 else { return nil }
        self.init(from: parts[0], to: parts[1].isEmpty ? nil : parts[1], topic: parts[2], body: parts[3])
    }

    var payload: String { "\(from)\n\(to ?? "")\n\(topic)\n\(body)" }
}
