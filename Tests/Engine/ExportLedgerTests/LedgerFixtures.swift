import ExportLedger
import Exports
import GRDB
import JSON

/// Ids, records and files for the tests of the ledger.
enum Fixture {
    static let epoch = Timestamp(milliseconds: 1_780_000_000_000)

    static func id(at time: Timestamp = epoch) -> ExportID {
        var generator = SystemRandomNumberGenerator()
        return ExportID(at: time, random: &generator)
    }

    static func record(
        at time: Timestamp = epoch,
        provider: String = "power-bi",
        connection: String = "main",
        by caller: String = "alice"
    ) -> LedgerRecord {
        LedgerRecord(
            export: Export(
                id: id(at: time),
                provider: ProviderID(provider),
                connection: connection,
                name: "Quarter ☃",
                createdAt: time,
                createdBy: caller,
                source: ["format": "PDF", "pages": [1, .number(2.5), true], "note": "a/b"]
            ),
            plan: ExportPlan(source: ["format": "PDF"], suggestedName: "Report")
        )
    }

    /// A record in which every field differs from what a new one has.
    static func fullRecord() -> LedgerRecord {
        var record = record()
        record.export.status = .partiallySucceeded
        record.export.percentComplete = 99
        record.export.updatedAt = epoch + .seconds(1)
        record.export.completedAt = epoch + .seconds(2)
        record.export.expiresAt = epoch + .seconds(3)
        record.export.observedAt = epoch + .seconds(4)
        record.export.stale = true
        record.export.files = [
            ExportFile(id: "1", name: "a \"b\".pdf", size: 12, contentType: "application/pdf", sha256: "00"),
            ExportFile(id: "2", name: "…"),
        ]
        record.export.destination = "https://example.blob.core.windows.net/container"
        record.export.cancellation = .requested
        record.export.error = ExportFailure(
            .exportPartiallySucceeded,
            "Half of it.",
            upstream: UpstreamErrorInfo(status: 200, code: "c", message: "m", requestId: "r")
        )
        record.export.notice = ExportNotice(.queued, "Wait.")
        record.export.notice?.position = 3
        record.export.notice?.estimatedStart = epoch + .seconds(90)
        record.export.upstream = UpstreamState(id: "u", status: "Succeeded")
        record.export.tracking = .onRequest
        record.export.revision = 7
        record.plan = ExportPlan(source: .null, suggestedName: "n", destination: "d", needsSecrets: true)
        record.phase = .tracking
        record.reference = UpstreamReference(id: "u", context: ["case": "c"])
        record.nextActionAt = epoch + .seconds(5)
        record.scheduledAt = epoch + .seconds(11)
        record.submittingSince = epoch + .seconds(6)
        record.upstreamSubmittingSince = epoch + .seconds(12)
        record.cancelWished = true
        record.fence = 9
        record.readings = [
            KeptReading(fileID: "1", delivery: id(), size: 3, sha256: "ab"),
            KeptReading(fileID: "2", delivery: id(), size: nil, sha256: nil),
        ]
        var progress = ExportProgress(acceptedSince: epoch + .seconds(7))
        progress.submissionAttempts = 1
        progress.resubmissions = 2
        progress.reconcileMisses = 3
        progress.polls = 4
        progress.failures = 5
        progress.startIsAccepted = true
        progress.decision = "abandoned"
        progress.missingSince = epoch + .seconds(13)
        progress.fileLagAttempts = 7
        progress.cancelAttempts = 8
        progress.observeBeforeCancel = true
        progress.cancelRefusal = ExportFailure(.upstreamConflict, "No.")
        progress.awaitsAuthorization = true
        progress.recoveringSince = epoch + .seconds(8)
        progress.trackingSince = epoch + .seconds(9)
        progress.unknownSince = epoch + .seconds(10)
        progress.filesPendingSince = epoch + .seconds(11)
        progress.filesMissingSince = epoch + .seconds(12)
        (progress.heldSeconds, progress.heldSecondsSinceAnswer) = (900, 60)
        record.progress = progress
        return record
    }
}

extension ExportLedger {
    func insert(_ record: LedgerRecord) async throws -> InsertOutcome {
        try await insert(record, idempotency: nil, claimsSince: Fixture.epoch)
    }

    func deliveries(of id: ExportID, after: ExportID?, limit: Int) async throws -> DeliveryPage? {
        try await deliveries(of: id, requestID: nil, after: after, limit: limit)
    }
}

extension InsertOutcome {
    var created: LedgerRecord? { if case .created(let record) = self { record } else { nil } }
    var replayed: LedgerRecord? { if case .replayed(let record) = self { record } else { nil } }
}
