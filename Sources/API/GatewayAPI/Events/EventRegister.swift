import Exports

/// The open streams, and what was told to them: the decisions of `EventHub`, without its lock, its ledger and its clock.
struct EventRegister<Stream: Sendable> {
    private struct Entry {
        var stream: Stream
        var scope: EventScope
        var nextBeat: Duration
        var endsAt: Duration
    }

    /// What is due for a stream.
    enum Due: Hashable {
        case beat, end
    }

    let settings: EventSettings
    private var entries: [UInt64: Entry] = [:]
    /// The streams about one export.
    private var topics: [ExportID: Set<UInt64>] = [:]
    /// The streams about the exports that a filter takes.
    private var filtered: Set<UInt64> = []
    private var lastKey: UInt64 = 0
    /// Everything up to this position was read; nil while nobody follows the changes.
    private(set) var position: Int64?
    /// Counts how often somebody has begun to follow: a page that was asked for before belongs to another reading.
    private var reading = 0
    /// Everything up to this position was added to the streams.
    private(set) var told: Int64 = 0
    private var places = 0
    private var placesOfCallers: [String: Int] = [:]

    init(settings: EventSettings) { self.settings = settings }

    var count: Int { entries.count }

    // MARK: Places

    /// Takes a place for a stream of a caller. Throws where there is none.
    mutating func takePlace(of caller: String) throws(GatewayError) {
        guard placesOfCallers[caller, default: 0] < settings.streamsPerCaller else {
            throw GatewayError(
                .tooManyRequests,
                "This caller has \(settings.streamsPerCaller) event streams, as many as one caller may. End one first.",
                retryAfter: settings.heartbeat
            )
        }
        guard places < settings.maximumStreams else {
            throw GatewayError(
                .unavailable,
                "The gateway has as many event streams as it may. Try again, or ask with Prefer: wait.",
                retryAfter: settings.heartbeat
            )
        }
        places += 1
        placesOfCallers[caller, default: 0] += 1
    }

    mutating func giveBackPlace(of caller: String) {
        places -= 1
        let rest = placesOfCallers[caller, default: 1] - 1
        placesOfCallers[caller] = rest > 0 ? rest : nil
    }

    // MARK: Streams

    /// Adds a stream, which is told of every change after the position that is returned. `last` is the position of a change that
    /// was committed before.
    mutating func add(
        _ stream: Stream,
        _ scope: EventScope,
        last: Int64,
        at now: Duration
    ) -> (key: UInt64, position: Int64) {
        lastKey += 1
        entries[lastKey] = Entry(
            stream: stream,
            scope: scope,
            nextBeat: now + settings.heartbeat,
            endsAt: now + settings.longestStream
        )
        switch scope {
        case .export(let id): topics[id, default: []].insert(lastKey)
        case .exports: filtered.insert(lastKey)
        }
        let begun = position ?? last
        if position == nil {
            (position, told) = (last, last)
            reading += 1
        }
        return (lastKey, begun)
    }

    mutating func remove(_ key: UInt64) {
        guard let entry = entries.removeValue(forKey: key) else { return }
        switch entry.scope {
        case .export(let id):
            topics[id]?.remove(key)
            if topics[id]?.isEmpty == true { topics[id] = nil }
        case .exports: filtered.remove(key)
        }
        if entries.isEmpty { position = nil }
    }

    // MARK: Changes

    /// Where the next page begins, and for which reading; nil while nobody follows the changes.
    var next: (position: Int64, reading: Int)? { position.map { ($0, reading) } }

    /// A page was read. Returns who may have to be told of each change; nil for a page of an earlier reading. Who comes later begins
    /// after this page.
    mutating func read(_ page: ChangePage, of reading: Int) -> [(change: ExportChange, streams: [Stream])]? {
        guard position != nil, reading == self.reading else { return nil }
        position = page.through
        return page.changes.compactMap { change in
            let keys = Array(topics[change.exportID] ?? []) + filtered
            let streams = keys.compactMap { entries[$0] }.filter { $0.scope.mayTake(change) }
            return streams.isEmpty ? nil : (change, streams.map(\.stream))
        }
    }

    /// The changes up to a position were added to the streams.
    mutating func told(through position: Int64, of reading: Int) {
        if reading == self.reading { told = max(told, position) }
    }

    var streams: [Stream] { entries.values.map(\.stream) }

    // MARK: Time

    /// What is due at a time.
    mutating func due(at now: Duration) -> [(Stream, Due)] {
        var due: [(Stream, Due)] = []
        for (key, entry) in entries {
            if entry.endsAt <= now {
                due.append((entry.stream, .end))
            } else if entry.nextBeat <= now {
                entries[key]?.nextBeat = now + settings.heartbeat
                due.append((entry.stream, .beat))
            }
        }
        return due
    }
}
