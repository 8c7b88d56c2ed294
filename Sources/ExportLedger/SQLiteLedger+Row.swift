import Exports
import GRDB

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension LedgerRecord {
    /// The record as its row: every column, `id` first.
    var columns: [(name: String, value: (any DatabaseValueConvertible)?)] {
        get throws {
            [
                ("id", export.id.description),
                ("provider", export.provider.rawValue),
                ("connection", export.connection),
                ("name", export.name),
                ("status", export.status.rawValue),
                ("percent_complete", export.percentComplete),
                ("created_at", export.createdAt.milliseconds),
                ("updated_at", export.updatedAt.milliseconds),
                ("completed_at", export.completedAt?.milliseconds),
                ("expires_at", export.expiresAt?.milliseconds),
                ("observed_at", export.observedAt?.milliseconds),
                ("stale", export.stale),
                ("created_by", export.createdBy),
                ("source", try JSONText.write(export.source)),
                ("files", try JSONText.write(export.files)),
                ("destination", export.destination),
                ("cancellation", export.cancellation?.rawValue),
                ("error", try export.error.map(JSONText.write)),
                ("notice", try export.notice.map(JSONText.write)),
                ("upstream", try export.upstream.map(JSONText.write)),
                ("revision", export.revision),
                ("plan", try JSONText.write(plan)),
                ("phase", phase.rawValue),
                ("reference", try reference.map(JSONText.write)),
                ("next_action_at", nextActionAt?.milliseconds),
                ("scheduled_at", scheduledAt?.milliseconds),
                ("submitting_since", submittingSince?.milliseconds),
                ("upstream_submitting_since", upstreamSubmittingSince?.milliseconds),
                ("cancel_wished", cancelWished),
                ("fence", fence),
                ("lease_owner", leaseOwner),
                ("submission_attempts", progress.submissionAttempts),
                ("resubmissions", progress.resubmissions),
                ("reconcile_misses", progress.reconcileMisses),
                ("polls", progress.polls),
                ("failures", progress.failures),
                ("missing_since", progress.missingSince?.milliseconds),
                ("start_is_accepted", progress.startIsAccepted),
                ("decision", progress.decision),
                ("file_lag_attempts", progress.fileLagAttempts),
                ("cancel_attempts", progress.cancelAttempts),
                ("observe_before_cancel", progress.observeBeforeCancel),
                ("cancel_refusal", try progress.cancelRefusal.map(JSONText.write)),
                ("awaits_authorization", progress.awaitsAuthorization),
                ("accepted_since", progress.acceptedSince.milliseconds),
                ("recovering_since", progress.recoveringSince?.milliseconds),
                ("tracking_since", progress.trackingSince?.milliseconds),
                ("unknown_since", progress.unknownSince?.milliseconds),
                ("readings", readings.isEmpty ? nil : try JSONText.write(readings)),
                ("files_pending_since", progress.filesPendingSince?.milliseconds),
                ("files_missing_since", progress.filesMissingSince?.milliseconds),
            ]
        }
    }

    /// Reads a whole row. Throws `LedgerError` (`corrupt`) for values that no version ever wrote.
    init(_ row: Row) throws {
        self.init(
            export: try Export(row),
            plan: try JSONText.read(row["plan"], "plan")
        )
        phase = try Phase(row)
        reference = try JSONText.readOptional(row["reference"], "reference")
        nextActionAt = row.time("next_action_at")
        scheduledAt = row.time("scheduled_at")
        submittingSince = row.time("submitting_since")
        upstreamSubmittingSince = row.time("upstream_submitting_since")
        cancelWished = row["cancel_wished"]
        fence = row["fence"]
        leaseOwner = row["lease_owner"]
        progress = ExportProgress(acceptedSince: Timestamp(milliseconds: row["accepted_since"]))
        progress.submissionAttempts = row["submission_attempts"]
        progress.resubmissions = row["resubmissions"]
        progress.reconcileMisses = row["reconcile_misses"]
        progress.polls = row["polls"]
        progress.failures = row["failures"]
        progress.missingSince = row.time("missing_since")
        progress.startIsAccepted = row["start_is_accepted"]
        progress.decision = row["decision"]
        progress.fileLagAttempts = row["file_lag_attempts"]
        progress.cancelAttempts = row["cancel_attempts"]
        progress.observeBeforeCancel = row["observe_before_cancel"]
        progress.cancelRefusal = try JSONText.readOptional(row["cancel_refusal"], "cancel_refusal")
        progress.awaitsAuthorization = row["awaits_authorization"]
        progress.recoveringSince = row.time("recovering_since")
        progress.trackingSince = row.time("tracking_since")
        progress.unknownSince = row.time("unknown_since")
        readings = try JSONText.readOptional(row["readings"], "readings") ?? []
        progress.filesPendingSince = row.time("files_pending_since")
        progress.filesMissingSince = row.time("files_missing_since")
        export.tracking = tracking
    }
}

extension LedgerRecord.Phase {
    fileprivate init(_ row: Row) throws {
        guard let phase = Self(rawValue: row["phase"]) else { throw JSONText.unreadable("phase") }
        self = phase
    }
}

extension Export {
    init(_ row: Row) throws {
        guard let id = ExportID(row["id"] as String) else { throw JSONText.unreadable("id") }
        guard let status = ExportStatus(rawValue: row["status"]) else { throw JSONText.unreadable("status") }
        self.init(
            id: id,
            provider: ProviderID(row["provider"]),
            connection: row["connection"],
            name: row["name"],
            createdAt: Timestamp(milliseconds: row["created_at"]),
            createdBy: row["created_by"],
            source: try JSONText.read(row["source"], "source")
        )
        self.status = status
        percentComplete = row["percent_complete"]
        updatedAt = Timestamp(milliseconds: row["updated_at"])
        completedAt = row.time("completed_at")
        expiresAt = row.time("expires_at")
        observedAt = row.time("observed_at")
        stale = row["stale"]
        files = try JSONText.read(row["files"], "files")
        destination = row["destination"]
        cancellation = (row["cancellation"] as String?).flatMap(Cancellation.init(rawValue:))
        error = try JSONText.readOptional(row["error"], "error")
        notice = try JSONText.readOptional(row["notice"], "notice")
        upstream = try JSONText.readOptional(row["upstream"], "upstream")
        revision = row["revision"]
        tracking = Tracking(
            phase: try LedgerRecord.Phase(row),
            awaitsAuthorization: row["awaits_authorization"]
        )
    }
}

extension Row {
    func time(_ column: String) -> Timestamp? {
        (self[column] as Int64?).map(Timestamp.init(milliseconds:))
    }
}

/// Structured values in text columns.
enum JSONText {
    static func write(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    static func read<T: Decodable>(_ text: String, _ column: String) throws -> T {
        do {
            return try JSONDecoder().decode(T.self, from: Data(text.utf8))
        } catch {
            throw unreadable(column, cause: error)
        }
    }

    static func readOptional<T: Decodable>(_ text: String?, _ column: String) throws -> T? {
        try text.map { try read($0, column) }
    }

    static func unreadable(_ column: String, cause: (any Error)? = nil) -> LedgerError {
        var error = LedgerError(.corrupt, "column \(column) cannot be read", cause: cause)
        error.column = column
        return error
    }
}
