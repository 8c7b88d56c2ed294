import ExportLedger
import Exports

extension LedgerCase {
    private static func settled(
        _ seconds: Int,
        _ status: ExportStatus = .succeeded,
        in ledger: any ExportLedger
    ) async throws -> ExportID {
        let id = try await ledger.id(of: Sample.record(seconds))
        _ = try await ledger.update(id, fence: nil) { record in
            record.phase = .settled
            record.export.status = status
            record.export.updatedAt = Sample.time(seconds)
        }
        return id
    }

    private static func claim(
        _ seconds: Int,
        besides running: Set<ExportID> = [],
        in ledger: any ExportLedger
    ) async throws -> MeasurementClaim? {
        try await ledger.claimMeasurement(
            at: Sample.time(seconds),
            retryAt: Sample.time(seconds + 600),
            besides: running
        )
    }

    static let measurements = [
        LedgerCase("a success is due for measuring") { examination in
            let ledger = examination.ledger
            let first = try await settled(0, in: ledger)
            let second = try await settled(1, .partiallySucceeded, in: ledger)
            for status in [ExportStatus.failed, .canceled, .unknown, .expired] {
                _ = try await settled(2, status, in: ledger)
            }
            _ = try await ledger.add(Sample.record())
            examination.expect(try await ledger.nextMeasurement(besides: []) == Sample.time(0), "the first is next")
            let other = try await ledger.nextMeasurement(besides: [first])
            examination.expect(other == Sample.time(1), "those that run do not count")
            examination.expect(try await claim(9, in: ledger)?.export.id == second, "the last that became due is taken")
            let taken = try await claim(9, in: ledger)
            examination.expect(taken?.export == (try await ledger.record(first)?.export), "then the one before")
            examination.expect(taken?.attempts == 1, "its attempts are counted")
            examination.expect(try await claim(9, in: ledger) == nil, "nothing else is due")
        },
        LedgerCase("a measurement comes again") { examination in
            let ledger = examination.ledger
            let id = try await settled(0, in: ledger)
            _ = try await claim(9, in: ledger)
            examination.expect(try await ledger.nextMeasurement(besides: []) == Sample.time(609), "at its time")
            examination.expect(try await claim(608, in: ledger) == nil, "not before")
            examination.expect(try await claim(609, besides: [id], in: ledger) == nil, "not while it runs")
            examination.expect(try await claim(609, in: ledger)?.attempts == 2, "with one attempt more")
            try await ledger.setMeasurement(of: id, dueAt: Sample.time(2000), attempts: 1)
            examination.expect(try await claim(1999, in: ledger) == nil, "it can be put off")
            try await ledger.setMeasurement(of: id, dueAt: nil, attempts: 0)
            examination.expect(try await ledger.nextMeasurement(besides: []) == nil, "it can be ended")
            try await ledger.setMeasurement(of: id, dueAt: Sample.time(0), attempts: 0)
            examination.expect(try await claim(9999, in: ledger) == nil, "what has ended cannot be put off")
        },
        LedgerCase("what expires is not measured") { examination in
            let ledger = examination.ledger
            let id = try await settled(0, in: ledger)
            _ = try await ledger.update(id, fence: nil) { $0.export.status = .expired }
            examination.expect(try await ledger.nextMeasurement(besides: []) == nil, "it is due no more")
        },
        LedgerCase("a later change does not bring a measurement back") { examination in
            let ledger = examination.ledger
            let id = try await settled(0, in: ledger)
            try await ledger.setMeasurement(of: id, dueAt: nil, attempts: 1)
            _ = try await ledger.insert(Sample.delivery(of: id)) { $0.export.revision += 1 }
            _ = try await ledger.update(id, fence: nil) { $0.export.revision += 1 }
            examination.expect(try await ledger.nextMeasurement(besides: []) == nil, "it stays ended")
        },
    ]

    static let refreshTokens = [
        LedgerCase("the last refresh token stays") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.record())
            let first = try await ledger.updateRefreshToken(of: id) { $0 = [1, 0, 255] }
            examination.expect(first, "one can be kept")
            examination.expect(try await ledger.refreshToken(of: id) == [1, 0, 255], "it comes back")
            _ = try await ledger.updateRefreshToken(of: id) { $0 = ($0 ?? []) + [2] }
            examination.expect(try await ledger.refreshToken(of: id) == [1, 0, 255, 2], "a change sees the former one")
            _ = try await ledger.updateRefreshToken(of: id) { $0 = nil }
            examination.expect(try await ledger.refreshToken(of: id) == nil, "it can be removed")
            let unknown = try await ledger.updateRefreshToken(of: Sample.id()) { $0 = [1] }
            examination.expect(!unknown, "none is kept for an unknown export")
        },
        LedgerCase("a refresh token's change that throws changes nothing") { examination in
            struct Refusal: Error {}
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.record())
            _ = try await ledger.updateRefreshToken(of: id) { $0 = [1] }
            await examination.expectError("its error is thrown", { $0 is Refusal }) {
                _ = try await ledger.updateRefreshToken(of: id) { sealed in
                    sealed = nil
                    throw Refusal()
                }
            }
            examination.expect(try await ledger.refreshToken(of: id) == [1], "the token is as it was")
        },
        LedgerCase("a settled export has no refresh token") { examination in
            let ledger = examination.ledger
            let (id, other) = (try await ledger.id(of: Sample.record()), try await ledger.id(of: Sample.record(1)))
            for id in [id, other] { _ = try await ledger.updateRefreshToken(of: id) { $0 = [1] } }
            let stale = try await ledger.update(id, fence: 99) { $0.phase = .settled }
            examination.expect(stale == .stale, "an old fence is stale")
            examination.expect(try await ledger.refreshToken(of: id) == [1], "a stale end takes nothing away")
            _ = try await ledger.update(id, fence: nil) { $0.phase = .tracking }
            examination.expect(try await ledger.refreshToken(of: id) == [1], "it stays as long as the export goes on")
            _ = try await ledger.update(id, fence: nil) { $0.phase = .settled }
            examination.expect(try await ledger.refreshToken(of: id) == nil, "it is gone with the end")
            examination.expect(try await ledger.refreshToken(of: other) == [1], "another's stays")
            let late = try await ledger.updateRefreshToken(of: id) { _ in
                examination.report("the change of a settled export's token is not called")
            }
            examination.expect(!late, "none is kept after the end")
        },
        LedgerCase("pages of refresh tokens follow the ids") { examination in
            let ledger = examination.ledger
            var all: [SealedRefreshToken] = []
            for second in 0..<5 {
                let id = try await ledger.id(of: Sample.record(second))
                all.append(SealedRefreshToken(exportID: id, sealed: [UInt8(second)]))
            }
            for token in all.shuffled() {
                _ = try await ledger.updateRefreshToken(of: token.exportID) { $0 = token.sealed }
            }
            examination.expect(try await ledger.refreshTokens(after: nil, limit: 2) == Array(all[..<2]), "a page")
            let rest = try await ledger.refreshTokens(after: all[1].exportID, limit: 9)
            examination.expect(rest == Array(all[2...]), "the rest")
        },
    ]
}
