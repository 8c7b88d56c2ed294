import Exports
import UpstreamHTTP

/// Graph's errors on export jobs in our words (`graph.md` C4, D1): by the deepest code that is known, never by the
/// message.
enum VivaGoalsFailure {
    /// Which call failed: what a status means depends on it.
    enum Step {
        case start
        case list
        case status
        /// The content of a job that is known to have succeeded.
        case content
    }

    /// The error that an answer other than 2xx, or a download other than 200, stands for.
    static func error(_ response: UpstreamResponse, during step: Step) -> ProviderError {
        let body = VivaGoalsErrorBody(response.json)
        var error = byCode(response, body, step) ?? byStatus(response.status, step)
        error.upstream = info(response)
        if error.isRetryable { error.retryAfter = response.retryAfter }
        return error
    }

    /// What the upstream said, for a support case.
    static func info(_ response: UpstreamResponse) -> UpstreamErrorInfo {
        let body = VivaGoalsErrorBody(response.json)
        return UpstreamErrorInfo(
            status: response.status,
            code: body.code,
            message: body.message,
            requestId: response.headers["request-id"] ?? body.requestID
        )
    }

    /// An answer of the right status that is not what it should be.
    static func unreadable(_ response: UpstreamResponse) -> ProviderError {
        ProviderError(
            .transient,
            "Viva Goals' answer cannot be read.",
            problem: .upstreamBroken,
            retryAfter: response.retryAfter,
            upstream: info(response)
        )
    }

    static func isHTML(_ contentType: String?) -> Bool {
        let type = contentType?.prefix { $0 != ";" }.lowercased() ?? ""
        return type.hasPrefix("text/html") || type.hasPrefix("application/xhtml")
    }

    /// A web page where the file should be.
    static func webPage(_ response: UpstreamResponse) -> ProviderError {
        ProviderError(
            .permanent,
            "Viva Goals sent a web page instead of the file, most likely a sign-in page.",
            upstream: UpstreamErrorInfo(status: response.status, requestId: response.headers["request-id"])
        )
    }

    private static func byCode(
        _ response: UpstreamResponse,
        _ body: VivaGoalsErrorBody,
        _ step: Step
    ) -> ProviderError? {
        switch body.knownCode {
        case "exportjobalreadyexists":
            let existing = body.target ?? VivaGoalsLocation.jobID(response.headers["location"])
            return ProviderError(
                .conflict,
                "Viva Goals already exports this view with the job \(existing ?? "that it does not name"): it runs one "
                    + "at a time for each view. Try again when that job has ended.",
                existing: existing
            )
        case "goalsorganizationidnotfound":
            return ProviderError(
                .notFound,
                "Viva Goals knows no such organization: check goalsOrganizationId against the address of the view."
            )
        case "invalidgoalsorganizationid":
            return ProviderError(
                .invalid,
                "Viva Goals refused goalsOrganizationId.",
                faults: [FieldFault("/goalsOrganizationId", "is not an organization that Viva Goals accepts")]
            )
        case "exportjobnotfound":
            return step == .content ? gone : ProviderError(.notFound, "Viva Goals knows no such export job.")
        default: return nil
        }
    }

    private static let gone = ProviderError(
        .gone,
        "Viva Goals no longer keeps the file: it is there for about 24 hours. Export again."
    )

    private static func byStatus(_ status: Int, _ step: Step) -> ProviderError {
        switch (status, step) {
        case (429, _): ProviderError(.throttled, "Graph asks to wait before the next call.")
        case (404, .content), (410, .content): gone
        case (202, .content), (409, .content):
            ProviderError(.transient, "Viva Goals does not have the file ready yet.")
        case (409, _): ProviderError(.conflict, "Viva Goals refuses the call because of another one under way.")
        case (404, .start), (410, .start), (404, .list), (410, .list):
            ProviderError(
                .notFound,
                "Graph does not know the export jobs of Viva Goals here: the product was retired on "
                    + "\(VivaGoalsDescriptor.retiredOn)."
            )
        case (404, _): ProviderError(.notFound, "Viva Goals knows no such export job.")
        case (410, _): ProviderError(.gone, "Viva Goals no longer knows the export job.")
        case (401, _):
            ProviderError(
                .unauthenticated,
                "Graph refused the token: it must be a user's own (delegated) token, and still be valid."
            )
        case (402, _), (403, _):
            ProviderError(
                .forbidden,
                "Graph forbids this: the user's token needs the delegated permission Goals-Export.ReadWrite.All, and the "
                    + "user access to the view."
            )
        case (400, .start), (413, .start), (422, .start):
            ProviderError(.invalid, "Viva Goals refused the export as invalid.")
        case (408, _), (423, _), (425, _): ProviderError(.transient, "Graph cannot answer now.")
        case (500..., .start):
            ProviderError(.ambiguous, "Graph failed in the middle of the start: the export may have been started.")
        case (500..., _): ProviderError(.transient, "Graph failed.")
        case (300..<400, _):
            ProviderError(.permanent, "Graph answered with a redirection, which is not followed.")
        default: ProviderError(.permanent, "Graph gave an answer that cannot be used.")
        }
    }
}

/// Graph's error body: `error`, with `innerError` in any spelling, nested to any depth (`graph.md` D1).
struct VivaGoalsErrorBody {
    /// The deepest code that says something.
    var code: String?
    /// Our table's key, lower case, where the deepest code that it knows was found.
    var knownCode: String?
    var message: String?
    /// The job in the way.
    var target: String?
    var requestID: String?

    private static let known: Set = [
        "exportjobalreadyexists", "goalsorganizationidnotfound", "invalidgoalsorganizationid", "exportjobnotfound",
    ]

    init(_ json: JSONValue?) {
        guard let error = json?.member("error") else { return }
        message = error.text("message")
        target = error.text("target")
        var level: JSONValue? = error
        var depth = 0
        while let current = level, depth < 16 {
            if let text = current.text("code") {
                // Viva Goals' inner code is the word "unknown" where it has none.
                if text.lowercased() != "unknown" || code == nil { code = text }
                if Self.known.contains(text.lowercased()) { knownCode = text.lowercased() }
            }
            requestID = current.text("request-id") ?? current.text("requestId") ?? requestID
            level = current.member("innerError")
            depth += 1
        }
    }
}
