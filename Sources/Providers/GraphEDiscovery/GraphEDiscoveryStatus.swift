import Exports
import UpstreamHTTP

/// What Graph's `caseOperationStatus` (`Upstream-GraphEDiscovery, Operation`) means here.
enum GraphEDiscoveryStatus {
    struct Meaning: Sendable, Hashable {
        var status: ExportStatus
        /// Why there is an `error`, where there is one.
        var failure: ProblemCode?

        init(_ status: ExportStatus, _ failure: ProblemCode? = nil) {
            self.status = status
            self.failure = failure
        }
    }

    /// By the lower-case spelling.
    static let meanings: [String: Meaning] = [
        "notstarted": Meaning(.notStarted),
        "submissionfailed": Meaning(.failed, .submissionFailed),
        "running": Meaning(.running),
        "succeeded": Meaning(.succeeded),
        "partiallysucceeded": Meaning(.partiallySucceeded, .exportPartiallySucceeded),
        "failed": Meaning(.failed, .exportFailed),
        "unknownfuturevalue": Meaning(.unknown),
    ]

    /// The meaning of a status, whatever its case; `unknown` for any other value and for none.
    static func meaning(of status: String?) -> Meaning {
        guard let status else { return Meaning(.unknown) }
        return meanings[status.lowercased()] ?? Meaning(.unknown)
    }
}

extension CaseOperation {
    func observation(
        for reference: UpstreamReference,
        in dialect: GraphEDiscoverySettings.Dialect,
        requestID: String? = nil
    ) -> Observation {
        let meaning = GraphEDiscoveryStatus.meaning(of: status)
        var observation = Observation(meaning.status, upstreamStatus: status ?? "")
        observation.percentComplete = percentProgress.map { Int(min(max($0, 0), 100)) }
        observation.completedAt = completedDateTime
        observation.failure = meaning.failure.map { code in
            ExportFailure(
                code,
                Self.detail(of: code),
                upstream: resultInfo.map { info in
                    UpstreamErrorInfo(
                        code: info.code.map { code in info.subcode.map { "\(code)/\($0)" } ?? "\(code)" },
                        message: info.message,
                        requestId: requestID
                    )
                }
            )
        }
        guard meaning.status.hasResult, reference.container == nil else { return observation }
        switch dialect {
        case .security:
            observation.files = files
            observation.filesPending = files.isEmpty
        case .ediscovery:
            // Always one ZIP file (`Upstream-GraphEDiscovery, Files`). Its link is requested when it is opened.
            let name = outputName ?? reference.outputName ?? "export"
            let fileName =
                name.lowercased().hasSuffix(".zip")
                ? UpstreamText.wholeFileName(name) : UpstreamText.fileName(name, suffix: ".zip")
            observation.files = [ExportFile(id: "1", name: fileName, contentType: "application/zip")]
        }
        return observation
    }

    /// The files in Graph's order, numbered from 1.
    var files: [ExportFile] {
        exportFileMetadata.enumerated()
            .map { index, file in
                let name = file.fileName ?? "file-\(index + 1)"
                return ExportFile(
                    id: "\(index + 1)",
                    name: name,
                    size: file.size,
                    contentType: name.lowercased().hasSuffix(".zip") ? "application/zip" : nil
                )
            }
    }

    /// What this copy of the operation tells of `file`: by its place if the name is still right there, else by its name.
    func metadata(of file: ExportFile) -> ExportFileMetadata? {
        let now = files
        let index =
            now.firstIndex { $0.id == file.id && $0.name == file.name } ?? now.firstIndex { $0.name == file.name }
        return index.map { exportFileMetadata[$0] }
    }

    private static func detail(of code: ProblemCode) -> String {
        switch code {
        case .submissionFailed:
            "Purview could not hand the export to its workers: nothing was exported. Create it again."
        case .exportPartiallySucceeded:
            "Purview exported a part only. The files hold what could be exported; upstream says what Purview tells of the rest."
        default: "Purview ended the export without a result; upstream says what Purview tells of the reason."
        }
    }
}
