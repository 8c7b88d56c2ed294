import ExportLedger
import Exports
import Synchronization

/// Notifies the watchers of an export when its record was written, with the new state.
final class ChangeHub: Sendable {
    private struct Watcher {
        /// Called with the export after a write, or with nil when no more writes will come.
        var tell: @Sendable (Export?) -> Void
        /// The revision that the watcher knows: it is notified only of another revision, and of the end. With nil, of every
        /// write.
        var revision: Int64?
        /// Whether it is notified only once.
        var isTransient = false

        func wants(_ export: Export) -> Bool {
            guard let revision, !export.isFinal else { return true }
            // The notification of a commit may come late. A watcher that is notified only once must not get an older state.
            return isTransient ? export.revision > revision : export.revision != revision
        }
    }

    private struct Topic {
        var watchers: [UInt64: Watcher] = [:]
        /// The newest record since the first watcher came, and its place among all changes.
        var latest: (record: LedgerRecord, order: UInt64)?
    }

    private struct State {
        var topics: [ExportID: Topic] = [:]
        var isClosed = false
        var lastKey: UInt64 = 0

        mutating func add(_ watcher: Watcher, to id: ExportID) -> UInt64 {
            lastKey += 1
            topics[id, default: Topic()].watchers[lastKey] = watcher
            return lastKey
        }
    }

    private let state = Mutex(State())

    /// Whether nothing will change any more, because the engine has stopped.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Calls `body` with a signal that is fired after each write of this export's record. With `revision`, it is fired only where
    /// the record has another revision, or the export has ended.
    func watching<T: Sendable>(
        _ id: ExportID,
        beyond revision: Int64? = nil,
        _ body: (Signal) async throws -> T
    ) async rethrows -> T {
        let signal = Signal()
        let key = state.withLock { $0.add(Watcher(tell: { _ in signal.fire() }, revision: revision), to: id) }
        defer { end(key, of: id) }
        return try await body(signal)
    }

    /// Calls `then` once: with the export after a write that gives it another revision or ends it, or with nil when the hub is
    /// closed.
    func watch(_ id: ExportID, beyond revision: Int64, then: @escaping @Sendable (Export?) -> Void) -> HubWatch {
        let key = state.withLock { state in
            state.isClosed ? nil : state.add(Watcher(tell: then, revision: revision, isTransient: true), to: id)
        }
        if key == nil { then(nil) }
        return HubWatch(key: key ?? 0, of: id, in: self)
    }

    /// Notifies one watcher, if it was not notified yet.
    fileprivate func tell(_ key: UInt64, of id: ExportID, _ export: Export) {
        remove(key, of: id)?.tell(export)
    }

    fileprivate func end(_ key: UInt64, of id: ExportID) { _ = remove(key, of: id) }

    private func remove(_ key: UInt64, of id: ExportID) -> Watcher? {
        state.withLock { state in
            let watcher = state.topics[id]?.watchers.removeValue(forKey: key)
            if state.topics[id]?.watchers.isEmpty == true { state.topics[id] = nil }
            return watcher
        }
    }

    /// The newest record since the first watcher of the export came; nil where there was no write.
    func latest(of id: ExportID) -> (record: LedgerRecord, order: UInt64)? { state.withLock { $0.topics[id]?.latest } }

    /// Whether anybody waits for a change of this export.
    func isWatched(_ id: ExportID) -> Bool { state.withLock { $0.topics[id] != nil } }

    /// A record was written. `order` is its place among all changes: one that comes late does not count as the newest.
    func wrote(_ record: LedgerRecord, order: UInt64) {
        let export = record.export
        let told = state.withLock { state -> [Watcher] in
            guard let topic = state.topics[export.id] else { return [] }
            // A commit of another replica was read, so that its order only counts among records of one revision.
            let isNewest =
                topic.latest.map { ($0.record.export.revision, $0.order) < (export.revision, order) } ?? true
            if isNewest { state.topics[export.id]?.latest = (record, order) }
            let told = topic.watchers.filter { $0.value.wants(export) }
            for (key, watcher) in told where watcher.isTransient { state.topics[export.id]?.watchers[key] = nil }
            if state.topics[export.id]?.watchers.isEmpty == true { state.topics[export.id] = nil }
            return Array(told.values)
        }
        for watcher in told { watcher.tell(export) }
    }

    /// Ends all present and future watches.
    func close() {
        let watchers = state.withLock { state in
            state.isClosed = true
            let watchers = state.topics.values.flatMap(\.watchers.values)
            state.topics = state.topics.compactMapValues { topic in
                var kept = topic
                kept.watchers = topic.watchers.filter { !$0.value.isTransient }
                return kept.watchers.isEmpty ? nil : kept
            }
            return watchers
        }
        for watcher in watchers { watcher.tell(nil) }
    }
}

/// A watcher that is notified once.
struct HubWatch: ExportWatch {
    fileprivate let key: UInt64
    fileprivate let id: ExportID
    fileprivate let hub: ChangeHub

    fileprivate init(key: UInt64, of id: ExportID, in hub: ChangeHub) {
        (self.key, self.id, self.hub) = (key, id, hub)
    }

    /// Notifies it, if it was not notified yet.
    func tell(_ export: Export) { hub.tell(key, of: id, export) }

    func cancel() { hub.end(key, of: id) }
}
