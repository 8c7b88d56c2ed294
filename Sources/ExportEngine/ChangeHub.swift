import Exports
import Synchronization

/// Tells those who wait for an export that its record was written. A hint: the ledger has the truth.
final class ChangeHub: Sendable {
    private struct State {
        var signals: [ExportID: [ObjectIdentifier: Signal]] = [:]
        var isClosed = false
    }

    private let state = Mutex(State())

    /// Whether nothing is going to change any more, because the engine has stopped.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Gives `body` a signal that is fired after each write of this export's record.
    func watching<T: Sendable>(_ id: ExportID, _ body: (Signal) async throws -> T) async rethrows -> T {
        let signal = Signal()
        let key = ObjectIdentifier(signal)
        state.withLock { $0.signals[id, default: [:]][key] = signal }
        defer {
            state.withLock { state in
                state.signals[id]?[key] = nil
                if state.signals[id]?.isEmpty == true { state.signals[id] = nil }
            }
        }
        return try await body(signal)
    }

    func wrote(_ id: ExportID) {
        let signals = state.withLock { $0.signals[id].map { Array($0.values) } ?? [] }
        for signal in signals { signal.fire() }
    }

    /// Lets everybody go who waits, now and later.
    func close() {
        let signals = state.withLock { state in
            state.isClosed = true
            return state.signals.values.flatMap(\.values)
        }
        for signal in signals { signal.fire() }
    }
}
