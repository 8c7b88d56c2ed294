import ExportLedger
import Exports
import Testing

/// Whose an upstream job is.
@Suite struct JobTests {
    private let ledger: SQLiteLedger

    init() throws { ledger = try SQLiteLedger.inMemory() }

    private func record(
        _ phase: LedgerRecord.Phase,
        job: String? = nil,
        connection: String = "main",
        unconfirmed: Bool = false,
        givenUp: Bool = false
    ) async throws -> LedgerRecord {
        var record = Fixture.record(connection: connection)
        record.phase = phase
        record.reference = job.map { UpstreamReference(id: $0, context: ["case": "c"]) }
        if unconfirmed { record.progress.recoveringSince = Fixture.epoch }
        if givenUp { record.export.completedAt = Fixture.epoch }
        _ = try await ledger.insert(record)
        return record
    }

    private func claims(on ids: [String], except record: LedgerRecord) async throws -> OtherExports.Claims {
        try await ledger.claims(
            on: ids,
            of: record.export.provider,
            connection: record.export.connection,
            except: record.export.id
        )
    }

    @Test func othersOfTheConnectionAreTold() async throws {
        let own = try await record(.submitting, job: "own")
        _ = try await record(.tracking, job: "bound")
        _ = try await record(.settled, job: "over")
        _ = try await record(.tracking, job: "elsewhere", connection: "other")
        _ = try await record(.submitting, connection: "other")
        _ = try await record(.accepted)
        let rivals = [
            try await record(.submitting),
            try await record(.submitting, unconfirmed: true, givenUp: true),
            try await record(.settled, unconfirmed: true, givenUp: true),
            // To be started again.
            try await record(.accepted, unconfirmed: true),
        ]
        let claims = try await claims(on: ["own", "bound", "over", "elsewhere", "nobodys"], except: own)
        #expect(claims.boundIDs == ["bound", "over"])
        for rival in rivals { #expect(rival.mayHaveUnknownJob) }
        #expect(Set(claims.unconfirmed) == Set(rivals.map { OtherExports.Unconfirmed($0) }))
        #expect(claims.unconfirmed.count == rivals.count)
    }

    @Test func aJobIsBoundToOneExportOnly() async throws {
        let first = try await record(.tracking, job: "job")
        let second = try await record(.submitting)
        let taken = try await ledger.update(second.export.id, fence: 1) {
            $0.phase = .tracking
            $0.reference = UpstreamReference(id: "job")
        }
        #expect(taken == .jobTaken(by: first.export.id))
        #expect(try await ledger.record(second.export.id) == second)
        // Its owner may write it again, and so may another connection.
        let again = try await ledger.update(first.export.id, fence: 1) { $0.progress.polls += 1 }
        #expect(again != .jobTaken(by: first.export.id))
        let elsewhere = try await record(.submitting, connection: "other")
        let other = try await ledger.update(elsewhere.export.id, fence: 1) {
            $0.reference = UpstreamReference(id: "job")
        }
        guard case .written = other else {
            Issue.record("\(other)")
            return
        }
    }

    @Test func everyRowKeepsItsOwner() async throws {
        let record = try await record(.tracking, job: "job")
        #expect(
            try await ledger.update(record.export.id, fence: 7) { $0.reference = UpstreamReference(id: "x") } == .stale
        )
    }
}
