import Exports
import Foundation
import GRDB
import JSON
import Synchronization
import Testing
import TestSupport

@testable import ExportLedger

/// Scheduling progress that is kept in memory until there is something else to write.
@Suite struct ProgressTests {
    private let directory: TemporaryDirectory
    private let ledger: SQLiteLedger
    private let id: ExportID
    private var path: String { directory.file("ledger.sqlite") }

    /// A record that is polled: everything that a poll writes is there.
    private static func tracked(job: String = "job") -> LedgerRecord {
        var record = Fixture.record()
        record.phase = .tracking
        record.export.status = .running
        record.export.observedAt = Fixture.epoch
        record.nextActionAt = Fixture.epoch + .seconds(60)
        record.scheduledAt = Fixture.epoch
        record.reference = UpstreamReference(id: job)
        record.progress.trackingSince = Fixture.epoch
        return record
    }

    init() async throws {
        directory = try TemporaryDirectory()
        ledger = try SQLiteLedger(path: directory.file("ledger.sqlite"))
        id = try #require(try await ledger.insert(Self.tracked()).created).export.id
    }

    /// What a poll changes of which nobody sees anything.
    private static func poll(_ record: inout LedgerRecord) {
        record.export.observedAt = (record.export.observedAt ?? Fixture.epoch) + .seconds(60)
        record.scheduledAt = record.export.observedAt
        record.nextActionAt = (record.scheduledAt ?? Fixture.epoch) + .seconds(60)
        record.progress.polls += 1
        record.progress.failures = 0
        record.progress.fileLagAttempts += 1
    }

    private func log() throws -> Data { try Data(contentsOf: URL(filePath: path + "-wal")) }

    /// The record as a process finds it that starts after a kill of this one.
    private func afterKill() async throws -> LedgerRecord? {
        let copy = directory.file("\(UUID().uuidString).sqlite")
        for end in ["", "-wal"] { try FileManager.default.copyItem(atPath: path + end, toPath: copy + end) }
        return try await SQLiteLedger(path: copy).record(id)
    }

    private final class End: Sendable { let isReached = Atomic(false) }

    /// Every other poll is kept in memory, those between are written, while others are read with it: in which transaction the row
    /// is read, and what is kept then, must fit together.
    @Test func whoReadsNeverSeesAPollGoBack() async throws {
        let others = (1...60).map { Fixture.record(at: Fixture.epoch + .seconds($0)) }
        for other in others { _ = try await ledger.insert(other) }
        let (ledger, id) = (ledger, id)
        let end = End()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for other in others {
                group.addTask {
                    while !end.isReached.load(ordering: .relaxed) { _ = try await ledger.record(other.export.id) }
                }
            }
            for _ in 0..<4 {
                group.addTask {
                    var last = 0
                    while !end.isReached.load(ordering: .relaxed) {
                        let polls = try #require(try await ledger.record(id)).progress.polls
                        #expect(polls >= last)
                        last = polls
                    }
                }
            }
            for number in 0..<2000 {
                _ = try await ledger.update(id, fence: 1) { record in
                    Self.poll(&record)
                    if number % 2 == 1 { record.export.revision += 1 }
                }
            }
            end.isReached.store(true, ordering: .relaxed)
            try await group.waitForAll()
        }
        #expect(try await ledger.record(id)?.progress.polls == 2000)
    }

    @Test func aPollThatChangesNothingVisibleWritesNothing() async throws {
        let (stored, before) = (try #require(try await ledger.record(id)), try log())
        var wanted = stored
        for _ in 0..<5 {
            let former = wanted
            Self.poll(&wanted)
            let outcome = try await ledger.update(id, fence: 1) { Self.poll(&$0) }
            #expect(outcome == .written(before: former, after: wanted))
        }
        #expect(try log() == before)
        #expect(ledger.progress.count == 1)
        #expect(try await ledger.record(id) == wanted)
        let page = try await ledger.exports(matching: ExportFilter(), before: nil, limit: 9)
        #expect(page.exports == [wanted.export])
        #expect(try await afterKill() == stored)

        let taken = try await ledger.takeOver(by: "b", after: nil, limit: 9) { _ in }
        #expect(taken.items.map(\.before) == [wanted])
        wanted.fence = 2
        wanted.lease(to: "b")
        #expect(taken.items.map(\.after) == [wanted])
        #expect(ledger.progress.count == 0)
        #expect(try await afterKill() == wanted)
    }

    @Test func theNextChangeWritesIt() async throws {
        _ = try await ledger.update(id, fence: nil) { Self.poll(&$0) }
        _ = try await ledger.update(id, fence: nil) { $0.export.percentComplete = 50 }
        let record = try #require(try await ledger.record(id))
        #expect(record.progress.polls == 1 && record.export.percentComplete == 50)
        #expect(ledger.progress.count == 0)
        #expect(try await afterKill() == record)
        // And so on: what is kept now is beyond the new row.
        _ = try await ledger.update(id, fence: nil) { Self.poll(&$0) }
        #expect(try await ledger.record(id)?.progress.polls == 2)
    }

    @Test func theEndOfADeliveryWritesIt() async throws {
        _ = try await ledger.update(id, fence: nil) { Self.poll(&$0) }
        _ = try await ledger.insert(Fixture.delivery(of: id)) { $0.export.name = "other" }
        let record = try await ledger.record(id)
        #expect(record?.progress.polls == 1)
        #expect(try await afterKill() == record)
    }

    @Test func closingWritesIt() async throws {
        _ = try await ledger.update(id, fence: nil) { Self.poll(&$0) }
        let record = try await ledger.record(id)
        ledger.close()
        let copy = directory.file("copy.sqlite")
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        #expect(try await SQLiteLedger(path: copy).record(id) == record)
    }

    /// A list sees the row as it was when it began to read.
    @Test func whatAListShowsDoesNotGoBack() async throws {
        let (id, progress, database) = (id, ledger.progress, ledger.database)
        _ = try await ledger.update(id, fence: nil) { Self.poll(&$0) }
        let told = try await ledger.record(id)?.export.observedAt
        progress.beginList()
        let found = try database.read {
            try Row.fetchOne($0, sql: ExportColumn.selectOne, arguments: [id.description])
        }
        let row = UnwrittenProgress.StoredTimes(
            observedAt: found.flatMap { SQLiteRow(row: $0).time(.observedAt) },
            nextActionAt: found.flatMap { SQLiteRow(row: $0).time(.nextActionAt) },
            scheduledAt: found.flatMap { SQLiteRow(row: $0).time(.scheduledAt) }
        )
        #expect(progress.observedAt(of: id, row) == told)
        // Polled on from the same row, it is told of.
        _ = try await ledger.update(id, fence: nil) { Self.poll(&$0) }
        let later = try await ledger.record(id)?.export.observedAt
        #expect(progress.observedAt(of: id, row) == later)
        // Then the row is written, and polled on again: neither is what was read here.
        _ = try await ledger.update(id, fence: nil) { $0.export.revision += 1 }
        #expect(progress.observedAt(of: id, row) == later)
        _ = try await ledger.update(id, fence: nil) { Self.poll(&$0) }
        #expect(progress.observedAt(of: id, row) == later)
        // Nothing is kept for lists when there are none.
        progress.endList()
        #expect(progress.observedAt(of: id, row) == Fixture.epoch)
        _ = try await ledger.update(id, fence: nil) { $0.export.revision += 1 }
        progress.beginList()
        #expect(progress.observedAt(of: id, row) == Fixture.epoch)
        progress.endList()
    }

    /// For how long the budget has held an export back is no reason to write for each poll, and what a kill loses is bounded.
    @Test func heldTimeIsWrittenNowAndThen() async throws {
        let most = ExportProgress.mostUnwrittenHeldSeconds
        let before = try log()
        for _ in 0..<9 {
            _ = try await ledger.update(id, fence: nil) { record in
                Self.poll(&record)
                record.progress.heldSeconds += most / 10
                record.progress.heldSecondsSinceAnswer = 7
            }
        }
        #expect(try log() == before && ledger.progress.count == 1)
        #expect(try await ledger.record(id)?.progress.heldSeconds == most / 10 * 9)
        #expect(try await afterKill()?.progress.heldSeconds == 0)
        _ = try await ledger.update(id, fence: nil) { record in
            Self.poll(&record)
            record.progress.heldSeconds += most / 10
        }
        let record = try await ledger.record(id)
        #expect(record?.progress.heldSeconds == most && ledger.progress.count == 0)
        #expect(try await afterKill() == record)
        // An end in good order loses none.
        _ = try await ledger.update(id, fence: nil) { record in
            Self.poll(&record)
            (record.progress.heldSeconds, record.progress.heldSecondsSinceAnswer) = (most + 3, 2)
        }
        let last = try await ledger.record(id)
        ledger.close()
        let copy = directory.file("copy.sqlite")
        try FileManager.default.copyItem(atPath: path, toPath: copy)
        #expect(try await SQLiteLedger(path: copy).record(id) == last)
    }

    /// The end does not wait for any number of rows.
    @Test func theLastWritesHaveALimit() async throws {
        let other = try #require(try await ledger.insert(Self.tracked(job: "other")).created).export.id
        for id in [id, other] { _ = try await ledger.update(id, fence: nil) { Self.poll(&$0) } }
        let progress = ledger.progress
        try await ledger.database.write { try progress.write(to: $0, limit: 1) }
        let polls = try await ledger.database.read { try Int.fetchAll($0, sql: "SELECT polls FROM export") }
        #expect(polls.sorted() == [0, 1])
    }

    /// Everything that something may be concluded from, and each time that would come too late after a kill.
    @Test(arguments: 0..<18) func everythingElseIsWrittenAtOnce(change: Int) async throws {
        let changes: [@Sendable (inout LedgerRecord) -> Void] = [
            { $0.export.status = .unknown }, { $0.export.stale = true }, { $0.export.revision += 1 },
            { $0.export.updatedAt = Fixture.epoch + .seconds(1) },
            { $0.export.notice = ExportNotice(.unavailable, "x") },
            { $0.export.upstream = UpstreamState(id: "job", status: "x") }, { $0.phase = .accepted },
            { $0.reference = nil }, { $0.cancelWished = true }, { $0.fence += 1 },
            { $0.progress.missingSince = Fixture.epoch }, { $0.progress.unknownSince = Fixture.epoch },
            { $0.progress.filesPendingSince = Fixture.epoch }, { $0.progress.filesMissingSince = Fixture.epoch },
            { $0.progress.submissionAttempts += 1 }, { $0.progress.awaitsAuthorization = true },
            { $0.nextActionAt = Fixture.epoch + .seconds(59) }, { $0.nextActionAt = nil },
        ]
        let change = changes[change]
        _ = try await ledger.update(id, fence: nil) { record in
            Self.poll(&record)
            change(&record)
        }
        var record = try #require(try await ledger.record(id))
        record.export.tracking = record.tracking
        #expect(ledger.progress.count == 0)
        #expect(try await afterKill() == record)
    }

    @Test func whatHadNoValueIsWrittenAtOnce() async throws {
        for change: @Sendable (inout LedgerRecord) -> Void in [
            { $0.export.observedAt = nil }, { $0.nextActionAt = nil }, { $0.scheduledAt = nil },
        ] {
            _ = try await ledger.update(id, fence: nil, change)
            let wanted = Self.tracked()
            _ = try await ledger.update(id, fence: nil) { record in
                record.export.observedAt = wanted.export.observedAt
                record.nextActionAt = wanted.nextActionAt
                record.scheduledAt = wanted.scheduledAt
                Self.poll(&record)
            }
            #expect(ledger.progress.count == 0)
            let record = try await ledger.record(id)
            #expect(try await afterKill() == record)
        }
    }

    @Test func manyAtOnceLoseNothing() async throws {
        let before = try log()
        let id = id
        let ledger = ledger
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<100 { group.addTask { _ = try await ledger.update(id, fence: nil) { Self.poll(&$0) } } }
            try await group.waitForAll()
        }
        #expect(try await ledger.record(id)?.progress.polls == 100)
        #expect(try log() == before)
    }

    @Test func whatIsUndoneIsNotKept() throws {
        let progress = UnwrittenProgress()
        let stored = Self.tracked()
        var polled = stored
        Self.poll(&polled)
        var again = polled
        Self.poll(&again)

        progress.writeBegins()
        #expect(progress.keep(polled, since: stored, row: stored))
        progress.writeBegins()
        #expect(progress.current(stored) == polled)
        #expect(progress.keep(again, since: polled, row: stored))
        progress.writeIsUndone()
        #expect(progress.current(stored) == polled)
        #expect(progress.kept(of: [stored.export.id]).adding(to: stored) == stored)
        progress.groupEnds(isCommitted: false)
        #expect(progress.current(stored) == stored)
        #expect(progress.count == 0)

        progress.writeBegins()
        #expect(progress.keep(polled, since: stored, row: stored))
        progress.groupEnds(isCommitted: true)
        #expect(progress.kept(of: [stored.export.id]).adding(to: stored) == polled)
        // A row that has other progress was written later.
        #expect(progress.kept(of: [stored.export.id]).adding(to: again) == again)
    }
}

@Suite struct JSONTextTests {
    @Test func structuredColumnsComeBackInEveryForm() throws {
        let plans = [
            ExportPlan(source: ["a": 1], suggestedName: "n"),
            ExportPlan(source: .null, suggestedName: "a \"b\"", destination: "d", needsSecrets: true),
            ExportPlan(source: [.number(2.5)], suggestedName: "", destination: "d"),
        ]
        for plan in plans { #expect(try JSONText.plan(JSONText.write(plan)) == plan) }
        for reference in [UpstreamReference(id: "i"), UpstreamReference(id: "\\", context: ["c": "d", "e": "f"])] {
            #expect(try JSONText.reference(JSONText.write(reference)) == reference)
        }
        for state in [
            UpstreamState(), UpstreamState(id: "i"), UpstreamState(status: "s"), UpstreamState(id: "i", status: "\n"),
        ] {
            #expect(try JSONText.upstream(JSONText.write(state)) == state)
        }
        // Members of a later version are passed over, as Foundation does.
        #expect(try JSONText.upstream(#"{"id":"i","later":1}"#) == UpstreamState(id: "i"))
        #expect(throws: LedgerError.self) { try JSONText.plan("{}") }
        #expect(throws: LedgerError.self) { try JSONText.reference(#"{"context":{"a":1},"id":"i"}"#) }
        #expect(throws: LedgerError.self) { try JSONText.upstream("[]") }
    }
}
