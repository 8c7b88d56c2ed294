import Exports
import JSON
import UpstreamHTTP

/// Intune's errors in our words (`Upstream-Intune, Errors`). Its codes say little more than the status: what a message says is
/// told besides, and decides one thing only, which a status cannot: that Intune asks to wait with a 500.
enum IntuneFailure {
    /// The error that an answer other than 2xx, or a download other than 200, stands for.
    static func error(
        _ response: UpstreamResponse,
        during step: UpstreamStep,
        trustsWords: Bool = false
    ) -> ProviderError {
        AnswerTable.error(response, during: step, service: "Intune", trustsWords: trustsWords) { body in
            let code = meaning(of: response, body, during: step)
            var error = ProviderError(code, detail(of: code, response.status, step))
            if step == .start, code == .invalid { explain(&error, body) }
            if error.isRetryable { error.retryAfter = innerWait(response) }
            return error
        }
    }

    /// A file whose time is over.
    static func expired(upstream: UpstreamErrorInfo?) -> ProviderError {
        ProviderError(.gone, "The link to the file has expired, and Intune gives no other.", upstream: upstream)
    }

    private static func meaning(
        of response: UpstreamResponse,
        _ body: UpstreamErrorBody,
        during step: UpstreamStep
    ) -> ProviderError.Code {
        if response.status == 500, step != .storage, asksToWait(body) { return .throttled }
        // This is Intune's answer for something that does not exist.
        if response.status == 400, step == .read, body.has("ResourceNotFound") { return .notFound }
        return AnswerTable.meaning(of: response, during: step)
    }

    /// Whether a 500 is Intune's limit on queries, which refuses a call before anything is done.
    private static func asksToWait(_ body: UpstreamErrorBody) -> Bool {
        body.message?.lowercased().contains("too many requests to query broker") ?? false
    }

    /// The wait that a message which is itself JSON asks for.
    private static func innerWait(_ response: UpstreamResponse) -> Duration? {
        guard let text = response.json?.member("error")?.text("message"), text.hasPrefix("{"),
            let inner = try? JSONParser.parse(text, .lenient), let wait = inner.member("RetryAfter")
        else { return nil }
        let words = wait.string ?? wait.integer.map { String($0) }
        return words.flatMap { $0.isEmpty ? nil : RetryAfter.parse($0, at: response.receivedAt) }
    }

    /// Names the field that a refusal means, where its words say so.
    private static func explain(_ error: inout ProviderError, _ body: UpstreamErrorBody) {
        let words = (body.message ?? "").lowercased()
        if words.contains("not supported for reporttype") {
            error.detail = "Intune has no report of this name that can be exported: check reportName, letter by letter."
            error.faults = [FieldFault("/reportName", "is not a report that Intune exports")]
        } else if words.contains("required filters are not set") {
            error.detail = "Intune exports this report with a filter only: give filter, for the policy, app or device."
            error.faults = [FieldFault("/filter", "is required by Intune for this report")]
        }
    }

    /// Any one of these starts exports (`Upstream-Intune, Permissions`).
    private static let permissions =
        "DeviceManagementConfiguration, DeviceManagementApps or DeviceManagementManagedDevices, each as ReadWrite.All"

    private static func detail(of code: ProviderError.Code, _ status: Int, _ step: UpstreamStep) -> String {
        switch (code, step) {
        case (.throttled, .storage): "The storage of the file asks to wait."
        case (.transient, .storage): "The storage of the file cannot send it now (status \(status))."
        case (.gone, .storage): "The file is no longer in Intune's storage."
        case (.unauthenticated, .storage), (.forbidden, .storage): "The storage refuses the link to the file."
        case (_, .storage): "The storage of the file answered with status \(status), which is not expected here."
        case (.throttled, _): "Intune asks to wait before the next call."
        case (.gone, _): "Intune no longer knows the export job."
        case (.transient, _) where status < 500: "Intune cannot answer now."
        case (.transient, _): "Intune failed."
        case (.ambiguous, _): "Intune failed in the middle of the start: the job may have been started."
        case (.conflict, _): "Intune refuses the call because of another one under way."
        case (.notFound, .start):
            "Graph does not know Intune's export jobs here. Perhaps the tenant has no Intune licence, or the cloud no such API."
        case (.notFound, _): "Intune knows no such export job."
        case (.unauthenticated, _): "Graph refused the token. Perhaps it has expired."
        case (.forbidden, _):
            "Graph forbids this. Perhaps the permission is missing: one of \(permissions). A user also needs the Intune role to "
                + "read what the report shows."
        case (.invalid, _):
            "Intune refused the export as invalid. Perhaps a column in select is none of this report's, or one that cannot be "
                + "named; or the filter does not fit the report."
        default: AnswerTable.unexpected(from: "Graph", status)
        }
    }
}
