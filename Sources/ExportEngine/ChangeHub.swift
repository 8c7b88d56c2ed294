import ExportLedger
import Exports
import Synchronization

/// Tells those who wait for an export that its record was written, and how it is now.
final class ChangeHub: Sendable {
    private struct Watcher {
        var signal: Signal
        /// What the watcher knows: it is told of another revision only, and of the end. Nil is told of every write.
        var revision: Int64?
    }

    private struct Topic {
        var watchers: [ObjectIdentifier: Watcher] = [:]
        /// The newest record that was told of since somebody watches, and its place among all changes.
        var latest: (record: LedgerRecord, order: UInt64)?
    }

    private struct State {
        var topics: [ExportID: Topic] = [:]
        var isClosed = false
    }

    private let state = Mutex(State())

    /// Whether nothing is going to change any more, because the engine has stopped.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Gives `body` a signal that is fired after each write of this export's record; with `revision`, only where the record
    /// shows another revision or the export has ended.
    func watching<T: Sendable>(
        _ id: ExportID,
        beyond revision: Int64? = nil,
        _ body: (Signal) async throws -> T
    ) async rethrows -> T {
        let signal = Signal()
        let key = ObjectIdentifier(signal)
        state.withLock { $0.topics[id, default: Topic()].watchers[key] = Watcher(signal: signal, revision: revision) }
        defer {
            state.withLock { state in
                state.topics[id]?.watchers[key] = nil
                if state.topics[id]?.watchers.isEmpty == true { state.topics[id] = nil }
            }
        }
        return try await body(signal)
    }

    /// The newest record that was told of since somebody watches the export; nil where none was.
    func latest(of id: ExportID) -> (record: LedgerRecord, order: UInt64)? { state.withLock { $0.topics[id]?.latest } }

    /// A record was written. `order` is its place among all changes: one that comes late is not taken for the newest.
    func wrote(_ record: LedgerRecord, order: UInt64) {
        let export = record.export
        let signals = state.withLock { state -> [Signal] in
            guard let topic = state.topics[export.id] else { return [] }
            if topic.latest.map({ $0.order < order }) ?? true { state.topics[export.id]?.latest = (record, order) }
            return topic.watchers.values
                .filter { $0.revision.map { export.revision != $0 || export.isFinal } ?? true }
                .map(\.signal)
        }
        for signal in signals { signal.fire() }
    }

    /// Lets everybody go who waits, now and later.
    func close() {
        let signals = state.withLock { state in
            state.isClosed = true
            return state.topics.values.flatMap(\.watchers.values).map(\.signal)
        }
        for signal in signals { signal.fire() }
    }
}
