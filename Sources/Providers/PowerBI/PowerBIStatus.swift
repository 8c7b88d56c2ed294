import Exports
import UpstreamHTTP

/// Microsoft's `ExportState` in our words, by its lower-case spelling (`Upstream-PowerBI, Status`).
enum PowerBIStatus: StatusTable {
    static let table: [String: ExportStatus] = [
        "notstarted": .notStarted,
        "running": .running,
        "succeeded": .succeeded,
        "failed": .failed,
        "undefined": .unknown,
    ]
}

extension PowerBIExport {
    /// What this answer tells of the job. `retryAfter` comes with a job under way, or with one that failed because
    /// Power BI was busy and is to be started again.
    func observation(of reference: UpstreamReference, retryAfter: Duration?) -> Observation {
        var observation = Observation(PowerBIStatus.status(status ?? ""), upstreamStatus: status ?? "")
        observation.percentComplete = percentComplete
        observation.expiresAt = expirationTime
        switch observation.status {
        case .succeeded:
            observation.completedAt = lastActionDateTime
            observation.files = [file(format: reference.context["format"])]
        case .failed:
            observation.completedAt = lastActionDateTime
            observation.resubmitAfter = retryAfter
            observation.failure = failure(isBusy: retryAfter != nil)
        default:
            observation.pollAfter = retryAfter
        }
        return observation
    }

    /// A job has one file; several pages as PNG come in one zip archive.
    private func file(format: String?) -> ExportFile {
        let told = resourceFileExtension.map { "." + $0.drop { $0 == "." } }
        let suffix = told == "." ? nil : told
        let ending = suffix ?? format.flatMap { PowerBIFormat.named($0)?.fileExtension } ?? ""
        return ExportFile(
            id: "1",
            name: UpstreamText.fileName(reportName ?? "report", suffix: ending),
            contentType: PowerBIFileType.contentTypes[ending.lowercased()]
        )
    }

    private func failure(isBusy: Bool) -> ExportFailure {
        let upstream = errorMessage.map { UpstreamErrorInfo(message: $0) }
        if isBusy {
            return ExportFailure(
                .upstreamBusy,
                "Power BI was too busy to run the export and asks to start it again later.",
                upstream: upstream
            )
        }
        return ExportFailure(
            .exportFailed,
            errorMessage == nil
                ? "Power BI ended the export as failed and gives no reason. Look whether the report renders in the "
                    + "service with the same pages, filters, parameters and identity."
                : "Power BI ended the export as failed; upstream.message has its reason.",
            upstream: upstream
        )
    }
}
