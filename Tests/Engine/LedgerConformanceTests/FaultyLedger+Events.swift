@testable import ExportLedger
import Exports
import GRDB
import Synchronization

extension FaultyLedger {
    func eventRange() async throws -> ChangeRange {
        var range = try await ledger.eventRange()
        if fault == .mistakesTheRangeOfEvents { range.last += 1 }
        return range
    }

    func events(after sequence: Int64, limit: Int) async throws -> [RecordedEvent] {
        var events = try await ledger.events(
            after: fault == .repeatsTheLastEvent ? sequence - 1 : sequence,
            limit: fault == .ignoresTheLimitOfEvents ? limit + 1 : limit
        )
        switch fault {
        case .losesEventsOfChanges: events.removeAll { $0.event.map { $0.revision > 1 } ?? false }
        case .tellsOfPolls: tell(of: polled.withLock { $0 }, in: &events)
        case .tellsOfRefusedChanges: tell(of: refused.withLock { $0 }, in: &events)
        case .ordersEventsByExport:
            let sorted = events.compactMap(\.event).sorted { ($0.exportID, $0.revision) < ($1.exportID, $1.revision) }
            events = zip(events, sorted)
                .map { place, event in
                    var event = event
                    event.position = place.position
                    return .change(event)
                }
        case .losesWhatEndsAnExport:
            events = events.map { event in
                guard var change = event.event else { return event }
                change.ends = nil
                return .change(change)
            }
        case .purgesWithoutWord: events.removeAll { $0.event?.isPurge ?? false }
        case .hidesMissingChanges: events.removeAll { $0.event == nil }
        case .passesOverUnreadableEvents: events.removeAll { $0.event == nil }
        case .writesEventsLater:
            events = (events + unwrittenEvents.withLock { $0 }).sorted { $0.position < $1.position }
        default: break
        }
        return events
    }

    private func tell(of records: [LedgerRecord], in events: inout [RecordedEvent]) {
        for record in records {
            events.append(.change(ExportChange(position: (events.last?.position ?? 0) + 1, record.export)))
        }
    }

    /// As if it were to be written in a transaction of its own.
    func takeAwayTheLastEvent() async throws {
        guard let last = try await ledger.events(after: 0, limit: 1_000).last else { return }
        unwrittenEvents.withLock { $0.append(last) }
        try await ledger.database.write { database in
            try database.execute(sql: "DELETE FROM export_event WHERE sequence = ?", arguments: [last.position])
        }
    }
}

extension RecordedEvent {
    fileprivate var event: ExportChange? { if case .change(let event) = self { event } else { nil } }
}
