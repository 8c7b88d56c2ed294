import Exports
import Testing

@testable import ExportLedger

@Suite struct RecentRecordsTests {
    private static func tracked(_ second: Int = 0) throws -> (LedgerRecord, UnwrittenProgress.Values) {
        var record = Fixture.record(at: Fixture.epoch + .seconds(second))
        record.phase = .tracking
        record.export.observedAt = Fixture.epoch
        record.nextActionAt = Fixture.epoch + .seconds(60)
        record.scheduledAt = Fixture.epoch
        return (record, try #require(UnwrittenProgress.Values(record)))
    }

    @Test func whatIsKeptIsTakenOnce() throws {
        var recent = RecentRecords()
        let (record, values) = try Self.tracked()
        let mark = try #require(recent.mark(of: record.export.id))
        recent.keep(record, stored: values, since: mark)
        let found = try #require(recent.find(record.export.id))
        #expect(found.record == record)
        let taken = [recent.take(found), recent.take(found)]
        #expect(taken == [true, false])
        #expect(recent.find(record.export.id) == nil)
        // Whoever has read the record before it was taken has the state before the update.
        recent.keep(record, stored: values, since: mark)
        #expect(recent.find(record.export.id) == nil)
    }

    /// Each moment at which a write may come, seen from a read that keeps what it has read.
    @Test(arguments: ["before", "between", "after", "across", "within"]) func aWriteIsNeverOverlooked(when: String)
        throws
    {
        var recent = RecentRecords()
        let (record, values) = try Self.tracked()
        let id = record.export.id
        if when == "before" || when == "across" || when == "within" { recent.willWrite(id) }
        if when == "before" { recent.groupEnds() }
        let mark = recent.mark(of: id)
        #expect((mark == nil) == (when == "across" || when == "within"))
        if when == "between" || when == "after" { recent.willWrite(id) }
        if when == "between" || when == "across" { recent.groupEnds() }
        if let mark { recent.keep(record, stored: values, since: mark) }
        #expect((recent.find(id) != nil) == (when == "before"))
    }

    @Test func aWriteDropsWhatIsKept() throws {
        var recent = RecentRecords()
        let (record, values) = try Self.tracked()
        recent.keep(record, stored: values, since: try #require(recent.mark(of: record.export.id)))
        let found = try #require(recent.find(record.export.id))
        recent.willWrite(record.export.id)
        let isTaken = recent.take(found)
        #expect(!isTaken)
        #expect(recent.find(record.export.id) == nil)
    }

    @Test func theOldestIsDropped() throws {
        var recent = RecentRecords()
        let records = try (0...RecentRecords.limit).map { try Self.tracked($0) }
        for (record, values) in records {
            recent.keep(record, stored: values, since: try #require(recent.mark(of: record.export.id)))
        }
        #expect(recent.find(records[0].0.export.id) == nil)
        #expect(recent.find(records[1].0.export.id) != nil)
        // One that is kept again is as new as the last one.
        let (again, values) = records[1]
        recent.keep(again, stored: values, since: try #require(recent.mark(of: again.export.id)))
        for (record, values) in try (2000..<2000 + RecentRecords.limit - 1).map({ try Self.tracked($0) }) {
            recent.keep(record, stored: values, since: try #require(recent.mark(of: record.export.id)))
        }
        #expect(recent.find(again.export.id) != nil)
    }
}
