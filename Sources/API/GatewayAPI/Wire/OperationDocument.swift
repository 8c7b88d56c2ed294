import Exports
import JSON

/// An export as a long-running operation of Azure's kind: the schema `ExportOperation` of `openapi.yaml`.
///
/// Azure's clients stop at three statuses only, and treat all others as "not yet"
/// (https://github.com/microsoft/api-guidelines/blob/vNext/azure/Guidelines.md#long-running-operations--jobs). So every end of an
/// export is one of these three. There is no `resourceLocation`: they would fetch it and read it as JSON.
enum OperationDocument {
    /// The statuses that Azure's clients know.
    enum Status: String, CaseIterable {
        case notStarted = "NotStarted"
        case running = "Running"
        case succeeded = "Succeeded"
        case failed = "Failed"
        case canceled = "Canceled"
    }

    /// The status of an export for these clients.
    ///
    /// A partial success is a success: there are files, and the export itself says what is missing. An expired export has failed, because
    /// there is nothing to download any more, and so has one that was given up as `unknown`.
    static func status(of export: Export) -> Status {
        switch export.status {
        case .notStarted: .notStarted
        case .running: .running
        case .unknown: export.isFinal ? .failed : .running
        case .succeeded, .partiallySucceeded: .succeeded
        case .failed, .expired: .failed
        case .canceled: .canceled
        }
    }

    /// The text.
    static func bytes(of export: Export) -> [UInt8] {
        let status = status(of: export)
        return JSONWriter.object { writer in
            writer.member("id", export.id.description)
            writer.member("status", status.rawValue)
            guard status == .failed || status == .canceled else { return }
            // Every such export has an error. The fallback is for clients that require one.
            let error = export.error ?? ExportFailure(.exportFailed, "The export ended without a result.")
            writer.member(
                "error",
                object: { writer in
                    writer.member("code", error.code.rawValue)
                    writer.member("message", error.detail)
                }
            )
        }
    }
}
