import Exports
import UpstreamHTTP

/// Microsoft's `deviceManagementReportStatus` in our words, by its lower-case spelling (`Upstream-Intune, Status`).
enum IntuneStatus: StatusTable {
    static let table: [String: ExportStatus] = [
        "unknown": .unknown,
        "notstarted": .notStarted,
        "inprogress": .running,
        "completed": .succeeded,
        "failed": .failed,
    ]
}

extension IntuneJob {
    /// What this answer tells of the job.
    ///
    /// - Parameter now: The upstream's time, which its expiry is compared with.
    func observation(
        of reference: UpstreamReference,
        settings: IntuneSettings,
        at now: Timestamp,
        retryAfter: Duration?
    ) -> Observation {
        var observation = Observation(IntuneStatus.status(status ?? ""), upstreamStatus: status ?? "")
        let replacement = JobReplacement(age: settings.stuckAfter, mostJobs: settings.maximumJobs)
        switch observation.status {
        case .succeeded:
            guard url != nil else {
                // A later poll of the same job will have the link (`Upstream-Intune, Status`), so the job is not replaced.
                observation.status = .running
                observation.pollAfter = retryAfter
                return observation
            }
            observation.files = [file(of: reference)]
            observation.expiresAt = expirationDateTime
            if let expirationDateTime, expirationDateTime <= now { observation.status = .expired }
        case .failed:
            observation.replacement = replacement
            observation.failure = ExportFailure(
                .exportFailed,
                "Intune ended the job as failed and gives no reason. Look whether the report has data in the admin center with "
                    + "the same filter."
            )
        case .unknown:
            observation.pollAfter = retryAfter
        default:
            observation.replacement = replacement
            observation.pollAfter = retryAfter
        }
        return observation
    }

    /// A job has one file: a zip archive under its own name (`Upstream-Intune, Content`).
    private func file(of reference: UpstreamReference) -> ExportFile {
        ExportFile(
            id: "1",
            name: UpstreamText.fileName(reference.id, suffix: ".zip"),
            contentType: "application/zip"
        )
    }
}
