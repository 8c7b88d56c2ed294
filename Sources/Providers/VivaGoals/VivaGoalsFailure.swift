import Exports
import UpstreamHTTP

/// Graph's errors on export jobs in our words (`Upstream-VivaGoals, Errors`; `Upstream-Graph, Errors`): by a code that is
/// known, never by the message.
enum VivaGoalsFailure {
    /// The error that an answer other than 2xx, or a download other than 200, stands for.
    static func error(
        _ response: UpstreamResponse,
        during step: UpstreamStep,
        trustsWords: Bool = false
    ) -> ProviderError {
        AnswerTable.error(response, during: step, service: "Viva Goals", trustsWords: trustsWords) { body in
            byCode(response, body, step) ?? byStatus(response, step)
        }
    }

    private static func byCode(
        _ response: UpstreamResponse,
        _ body: UpstreamErrorBody,
        _ step: UpstreamStep
    ) -> ProviderError? {
        if body.has("exportJobAlreadyExists") {
            let existing =
                body.target.flatMap { UpstreamText.id($0) } ?? VivaGoalsLocation.jobID(response.headers["location"])
            return ProviderError(
                .conflict,
                "Viva Goals already exports this view with the job \(existing ?? "that it does not name"): it runs one "
                    + "at a time for each view. Try again when that job has ended.",
                existing: existing
            )
        }
        if body.has("goalsOrganizationIdNotFound") {
            return ProviderError(
                .notFound,
                "Viva Goals knows no such organization: check goalsOrganizationId against the address of the view."
            )
        }
        if body.has("invalidGoalsOrganizationId") {
            return ProviderError(
                .invalid,
                "Viva Goals refused goalsOrganizationId.",
                faults: [FieldFault("/goalsOrganizationId", "is not an organization that Viva Goals accepts")]
            )
        }
        if body.has("exportJobNotFound") {
            return step == .file
                ? ProviderError(.gone, noFile) : ProviderError(.notFound, "Viva Goals knows no such export job.")
        }
        return nil
    }

    private static let noFile =
        "Viva Goals does not have the file. Perhaps its time is over, which is about 24 hours: then export again."

    private static func byStatus(_ response: UpstreamResponse, _ step: UpstreamStep) -> ProviderError {
        let code = AnswerTable.meaning(of: response, during: step)
        return ProviderError(code, detail(of: code, response.status, step))
    }

    private static func detail(of code: ProviderError.Code, _ status: Int, _ step: UpstreamStep) -> String {
        switch (code, step) {
        case (.throttled, _): "Graph asks to wait before the next call."
        case (.gone, .file): noFile
        case (.gone, _): "Viva Goals no longer knows the export job."
        case (.transient, .file) where status < 500: "Viva Goals does not have the file ready yet."
        case (.transient, _) where status < 500: "Graph cannot answer now."
        case (.transient, _): "Graph failed."
        case (.ambiguous, _): "Graph failed in the middle of the start: the export may have been started."
        case (.conflict, _): "Viva Goals refuses the call because of another one under way."
        case (.notFound, .start):
            "Graph does not know the export jobs of Viva Goals here. Perhaps because the product was retired on "
                + "\(VivaGoalsDescriptor.retiredOn)."
        case (.notFound, _):
            "Viva Goals knows no such export job. Perhaps because the product was retired on "
                + "\(VivaGoalsDescriptor.retiredOn)."
        case (.unauthenticated, _):
            "Graph refused the token. Perhaps it has expired, or is not a user's own (delegated) token."
        case (.forbidden, _):
            "Graph forbids this. Perhaps the user's token lacks the delegated permission Goals-Export.ReadWrite.All, or the "
                + "user access to the view."
        case (.invalid, _): "Viva Goals refused the export as invalid."
        default: AnswerTable.unexpected(from: "Graph", status)
        }
    }
}
