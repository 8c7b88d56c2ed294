import Exports
import UpstreamHTTP

/// Microsoft's `longRunningOperationStatus` in our words, by its lower-case spelling (`Upstream-VivaGoals, Job`).
enum VivaGoalsStatus: StatusTable {
    static let table: [String: ExportStatus] = [
        "notstarted": .notStarted,
        "running": .running,
        "succeeded": .succeeded,
        "failed": .failed,
        // Named in the text of an SDK, but in no enum: what became of the job is not said anywhere.
        "skipped": .unknown,
        "unknownfuturevalue": .unknown,
    ]
}

extension VivaGoalsJob {
    /// What this answer tells of the job.
    func observation(of reference: UpstreamReference, retryAfter: Duration?) -> Observation {
        var observation = Observation(VivaGoalsStatus.status(status ?? ""), upstreamStatus: status ?? "")
        observation.expiresAt = expirationDateTime
        switch observation.status {
        case .succeeded:
            observation.completedAt = lastActionDateTime
            observation.files = [file(name: reference.context["name"])]
        case .failed:
            observation.completedAt = lastActionDateTime
            observation.failure = ExportFailure(
                .exportFailed,
                statusDetail == nil
                    ? "Viva Goals ended the export as failed and gives no reason."
                    : "Viva Goals ended the export as failed; upstream.message has its reason.",
                upstream: statusDetail.map { UpstreamErrorInfo(message: $0) }
            )
        default:
            observation.pollAfter = retryAfter
        }
        return observation
    }

    /// A job has one file, and no name for it.
    private func file(name: String?) -> ExportFile {
        let name = name ?? "viva-goals-export"
        return ExportFile(
            id: "1",
            name: name.lowercased().hasSuffix(".csv")
                ? UpstreamText.wholeFileName(name) : UpstreamText.fileName(name, suffix: ".csv"),
            contentType: "text/csv"
        )
    }
}
