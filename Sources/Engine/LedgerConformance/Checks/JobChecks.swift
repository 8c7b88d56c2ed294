import ExportLedger
import Exports

extension LedgerCase {
    private static func record(
        _ phase: LedgerRecord.Phase,
        job: String? = nil,
        connection: String = "main",
        provider: String = "power-bi",
        unconfirmed: Bool = false
    ) -> LedgerRecord {
        var record = Sample.record(provider: provider, connection: connection)
        record.phase = phase
        record.reference = job.map { UpstreamReference(id: $0, context: ["case": "c"]) }
        if unconfirmed { record.progress.recoveringSince = Sample.epoch }
        return record
    }

    static let jobs = [
        LedgerCase("a job is bound to one export") { examination in
            let ledger = examination.ledger
            let first = try await ledger.id(of: record(.tracking, job: "job"))
            let second = record(.submitting)
            let id = try await ledger.id(of: second)
            let taken = try await ledger.update(id, fence: 1) {
                $0.phase = .tracking
                $0.reference = UpstreamReference(id: "job")
            }
            examination.expect(taken == .jobTaken(by: first), "the other export is named")
            examination.expect(try await ledger.record(id) == second, "nothing was changed")
            let again = try await ledger.update(first, fence: 1) { $0.export.percentComplete = 1 }
            examination.expect(again != .jobTaken(by: first), "its owner may write on")
        },
        LedgerCase("another connection's job is another job") { examination in
            let ledger = examination.ledger
            _ = try await ledger.add(record(.tracking, job: "job"))
            for other in [record(.submitting, connection: "other"), record(.submitting, provider: "viva-goals")] {
                let id = try await ledger.id(of: other)
                let outcome = try await ledger.update(id, fence: 1) { $0.reference = UpstreamReference(id: "job") }
                if case .written = outcome { continue }
                examination.report("the same id elsewhere can be bound")
            }
        },
        LedgerCase("a stale owner is not told of jobs") { examination in
            let ledger = examination.ledger
            _ = try await ledger.add(record(.tracking, job: "job"))
            let id = try await ledger.id(of: record(.submitting))
            let outcome = try await ledger.update(id, fence: 7) { $0.reference = UpstreamReference(id: "job") }
            examination.expect(outcome == .stale, "the fence comes first")
        },
        LedgerCase("bound jobs are told") { examination in
            let (ledger, own) = (examination.ledger, record(.submitting, job: "own"))
            for record in [
                own, record(.tracking, job: "bound"), record(.settled, job: "over"),
                record(.tracking, job: "elsewhere", connection: "other"),
            ] { _ = try await ledger.add(record) }
            let claims = try await ledger.claims(
                on: ["own", "bound", "over", "elsewhere", "nobodys"],
                of: own.export.provider,
                connection: "main",
                except: own.export.id
            )
            examination.expect(
                claims.boundIDs == ["bound", "over"],
                "those of others on the connection, ended ones too"
            )
        },
        LedgerCase("unconfirmed starts are told") { examination in
            let (ledger, own) = (examination.ledger, record(.submitting))
            let rivals = [
                record(.submitting), record(.submitting, unconfirmed: true), record(.settled, unconfirmed: true),
                record(.accepted, unconfirmed: true),
            ]
            let others = [
                own, record(.submitting, connection: "other"), record(.accepted), record(.tracking, job: "x"),
                record(.submitting, provider: "viva-goals"),
            ]
            for record in rivals + others { _ = try await ledger.add(record) }
            let claims = try await ledger.claims(
                on: [],
                of: own.export.provider,
                connection: "main",
                except: own.export.id
            )
            let wanted = rivals.map { OtherExports.Unconfirmed($0) }
            examination.expect(Set(claims.unconfirmed) == Set(wanted), "each that may have an unknown job is told")
            examination.expect(claims.unconfirmed.count == wanted.count, "each is told once")
        },
    ]
}
