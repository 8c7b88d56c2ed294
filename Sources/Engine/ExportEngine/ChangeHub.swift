import ExportLedger
import Exports
import Synchronization

/// Tells those who wait for an export that its record was written, and how it is now.
final class ChangeHub: Sendable {
    private struct Watcher {
        /// Told of a write; with nil, that there will be none any more.
        var tell: @Sendable (Export?) -> Void
        /// What the watcher knows: it is told of another revision only, and of the end. Nil is told of every write.
        var revision: Int64?
        /// Whether it is told no more than once.
        var isTransient = false

        func wants(_ export: Export) -> Bool {
            guard let revision, !export.isFinal else { return true }
            // A commit may be told of late; whoever is told once must not be told of that one.
            return isTransient ? export.revision > revision : export.revision != revision
        }
    }

    private struct Topic {
        var watchers: [UInt64: Watcher] = [:]
        /// The newest record that was told of since somebody watches, and its place among all changes.
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
        let key = state.withLock { $0.add(Watcher(tell: { _ in signal.fire() }, revision: revision), to: id) }
        defer { end(key, of: id) }
        return try await body(signal)
    }

    /// Tells `then` once: of a write of this export's record that shows another revision, or that it has ended; nil when the hub
    /// is closed.
    func watch(_ id: ExportID, beyond revision: Int64, then: @escaping @Sendable (Export?) -> Void) -> HubWatch {
        let key = state.withLock { state in
            state.isClosed ? nil : state.add(Watcher(tell: then, revision: revision, isTransient: true), to: id)
        }
        if key == nil { then(nil) }
        return HubWatch(key: key ?? 0, of: id, in: self)
    }

    /// Tells one watcher, if it was not told yet.
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

    /// The newest record that was told of since somebody watches the export; nil where none was.
    func latest(of id: ExportID) -> (record: LedgerRecord, order: UInt64)? { state.withLock { $0.topics[id]?.latest } }

    /// A record was written. `order` is its place among all changes: one that comes late is not taken for the newest.
    func wrote(_ record: LedgerRecord, order: UInt64) {
        let export = record.export
        let told = state.withLock { state -> [Watcher] in
            guard let topic = state.topics[export.id] else { return [] }
            if topic.latest.map({ $0.order < order }) ?? true { state.topics[export.id]?.latest = (record, order) }
            let told = topic.watchers.filter { $0.value.wants(export) }
            for (key, watcher) in told where watcher.isTransient { state.topics[export.id]?.watchers[key] = nil }
            if state.topics[export.id]?.watchers.isEmpty == true { state.topics[export.id] = nil }
            return Array(told.values)
        }
        for watcher in told { watcher.tell(export) }
    }

    /// Lets everybody go who waits, now and later.
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

/// Somebody who is told once.
struct HubWatch: ExportWatch {
    fileprivate let key: UInt64
    fileprivate let id: ExportID
    fileprivate let hub: ChangeHub

    fileprivate init(key: UInt64, of id: ExportID, in hub: ChangeHub) {
        (self.key, self.id, self.hub) = (key, id, hub)
    }

    /// Tells it, if it was not told yet.
    func tell(_ export: Export) { hub.tell(key, of: id, export) }

    func cancel() { hub.end(key, of: id) }
}
