import ExportLedger
import Exports
import JSON

/// Values to write into a ledger.
enum Sample {
    static let epoch = Timestamp(milliseconds: 1_780_000_000_000)
    static let since = epoch + .seconds(-86_400)

    static func time(_ seconds: Int) -> Timestamp { epoch + .seconds(seconds) }

    static func id(_ seconds: Int = 0) -> ExportID {
        var generator = SystemRandomNumberGenerator()
        return ExportID(at: time(seconds), random: &generator)
    }

    static func record(
        _ seconds: Int = 0,
        provider: String = "power-bi",
        connection: String = "main",
        by caller: String = "alice"
    ) -> LedgerRecord {
        LedgerRecord(
            export: Export(
                id: id(seconds),
                provider: ProviderID(provider),
                connection: connection,
                name: "Quarter ☃ \"a\\b\"",
                createdAt: time(seconds),
                createdBy: caller,
                source: ["format": "PDF", "pages": [1, .number(2.5), true, .null], "note": "a/b\n"]
            ),
            plan: ExportPlan(source: ["format": "PDF"], suggestedName: "Report")
        )
    }

    /// A record whose job is polled.
    static func tracked(_ seconds: Int = 0, job: String? = "job") -> LedgerRecord {
        var record = record(seconds)
        record.phase = .tracking
        record.export.status = .running
        record.export.observedAt = time(seconds)
        record.reference = job.map { UpstreamReference(id: $0) }
        record.nextActionAt = time(seconds + 60)
        record.progress.trackingSince = time(seconds)
        record.export.tracking = record.tracking
        return record
    }

    /// A record in which every field differs from `record`, except the id and the request.
    static func changed(_ record: LedgerRecord) -> LedgerRecord {
        var changed = full(record.export.id)
        changed.export.source = record.export.source
        changed.plan = record.plan
        return changed
    }

    /// A record in which every field differs from a new one.
    static func full(_ id: ExportID) -> LedgerRecord {
        var record = record()
        record.export.id = id
        record.export.provider = ProviderID("viva-goals")
        record.export.connection = "other"
        record.export.name = "Other"
        record.export.createdBy = "bob"
        record.export.status = .partiallySucceeded
        record.export.percentComplete = 99
        record.export.updatedAt = time(1)
        record.export.completedAt = time(2)
        record.export.expiresAt = time(3)
        record.export.observedAt = time(4)
        record.export.stale = true
        record.export.source = [:]
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
        record.export.notice = ExportNotice(.queued, "Wait.", upstream: UpstreamErrorInfo(status: 429))
        record.export.notice?.position = 3
        record.export.notice?.estimatedStart = time(90)
        record.export.upstream = UpstreamState(id: "u", status: "Succeeded")
        record.export.retainedAt = time(16)
        record.export.revision = 7
        record.plan = ExportPlan(source: .null, suggestedName: "n", destination: "d", needsSecrets: true)
        record.phase = .tracking
        record.reference = UpstreamReference(id: "u", context: ["case": "c"])
        record.nextActionAt = time(5)
        record.scheduledAt = time(11)
        record.submittingSince = time(6)
        record.upstreamSubmittingSince = time(12)
        record.cancelWished = true
        record.fence = 9
        record.leaseOwner = "engine"
        record.leaseEpoch = 3
        record.readings = [
            KeptReading(fileID: "1", delivery: Sample.id(), size: 3, sha256: "ab"),
            KeptReading(fileID: "2", delivery: Sample.id(), size: nil, sha256: nil),
        ]
        var progress = ExportProgress(acceptedSince: time(7))
        (progress.submissionAttempts, progress.resubmissions, progress.reconcileMisses) = (1, 2, 3)
        (progress.polls, progress.failures, progress.fileLagAttempts, progress.cancelAttempts) = (4, 5, 7, 8)
        progress.startIsAccepted = true
        progress.decision = "abandoned"
        progress.missingSince = time(13)
        progress.observeBeforeCancel = true
        progress.cancelRefusal = ExportFailure(.upstreamConflict, "No.")
        progress.awaitsAuthorization = true
        progress.recoveringSince = time(8)
        progress.trackingSince = time(9)
        progress.unknownSince = time(10)
        progress.filesPendingSince = time(14)
        progress.filesMissingSince = time(15)
        (progress.heldSeconds, progress.heldSecondsSinceAnswer) = (900, 60)
        record.progress = progress
        record.export.tracking = record.tracking
        return record
    }

    static func delivery(of export: ExportID, _ seconds: Int = 0, request: String = "request-1") -> Delivery {
        Delivery(
            id: id(seconds),
            exportID: export,
            fileID: "1",
            caller: "alice",
            requestID: request,
            startedAt: time(seconds),
            endedAt: time(seconds + 1),
            coding: "identity",
            outcome: .whole
        )
    }

    /// The same delivery, as it is stored when it begins.
    static func begun(_ delivery: Delivery) -> Delivery {
        var begun = delivery
        begun.endedAt = nil
        begun.outcome = .underWay
        return begun
    }
}

extension ExportLedger {
    func add(_ record: LedgerRecord, _ key: Idempotency? = nil) async throws -> InsertOutcome {
        try await insert(record, idempotency: key, claimsSince: Sample.since)
    }

    /// Stores a record without a task; nil where the ledger has no such insertion.
    func addWithoutATask(_ record: LedgerRecord, _ key: Idempotency? = nil) async throws -> InsertOutcome? {
        let (outcomes, answer) = AsyncStream.makeStream(of: Result<InsertOutcome, any Error>.self)
        let isBegun = insert(record, idempotency: key, claimsSince: Sample.since, limit: nil) { outcome in
            answer.yield(outcome)
            answer.finish()
        }
        guard isBegun else { return nil }
        for await outcome in outcomes { return try outcome.get() }
        return nil
    }

    /// Stores a record and returns its id.
    func id(of record: LedgerRecord) async throws -> ExportID {
        _ = try await add(record)
        return record.export.id
    }

    func all(_ filter: ExportFilter = ExportFilter()) async throws -> [Export] {
        try await exports(matching: filter, before: nil, limit: 100).exports
    }

    func deliveries(of id: ExportID) async throws -> [Delivery]? {
        try await deliveries(of: id, requestID: nil, after: nil, limit: 100)?.deliveries
    }
}
