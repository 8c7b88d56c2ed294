import Exports
import Foundation
import UpstreamHTTP

/// Power BI's errors in our words (`Upstream-PowerBI, Errors`).
///
/// Here 401 and 403 are the wrong way round: no token or a bad one gives 403, a good one without access 401. So the
/// header `x-powerbi-error-info` and the code in the body come before the status.
enum PowerBIFailure {
    /// What the words of an error depend on, besides the answer.
    struct Asked: Sendable {
        /// Whether the token is a user's, and not the application's own.
        var forUser = false
        /// Whether the export has effective identities.
        var withIdentities = false
        /// Whether the words of a refusal decide that Power BI is busy.
        var trustsWords = false

        /// Who was refused, as the subject of a sentence.
        var who: String { forUser ? "the user whose token this is" : "the identity of the connection" }
    }

    /// Whether a new token is worth one more try: it was refused, or a 403 says nothing at all.
    static func rejectsToken(_ response: UpstreamResponse) -> Bool {
        switch response.status {
        case 401: return asksForClaims(response)
        case 403:
            let body = response.errorBody
            let word = response.headers["x-powerbi-error-info"] ?? body.code
            return word.map(isTokenWord) ?? (body.message == nil)
        default: return false
        }
    }

    /// The error that an answer other than 2xx, or a download other than 200, stands for.
    static func error(
        _ response: UpstreamResponse,
        during step: UpstreamStep,
        asked: Asked = Asked()
    ) -> ProviderError {
        AnswerTable.error(response, during: step, service: "Power BI", trustsWords: asked.trustsWords) { body in
            byWord(response, body, step, asked) ?? byStatus(response, step, asked)
        }
    }

    /// A 403 for the file of an export that Power BI still reports as succeeded.
    static func forbiddenFile(upstream: UpstreamErrorInfo?) -> ProviderError {
        ProviderError(
            .forbidden,
            "Power BI keeps the export and refuses its file. Perhaps the identity of the connection has lost permission on "
                + "the report or its workspace.",
            upstream: upstream
        )
    }

    private static func isTokenWord(_ word: String) -> Bool {
        ["invalidtoken", "tokenexpired"].contains(word.lowercased())
    }

    /// Continuous access evaluation refuses a token with the claims that a new one needs.
    private static func asksForClaims(_ response: UpstreamResponse) -> Bool {
        response.headers.all("www-authenticate")?.lowercased().contains("insufficient_claims") ?? false
    }

    private static func byWord(
        _ response: UpstreamResponse,
        _ body: UpstreamErrorBody,
        _ step: UpstreamStep,
        _ asked: Asked
    ) -> ProviderError? {
        if body.has("InvalidToken") || body.has("TokenExpired") {
            return ProviderError(
                .unauthenticated,
                "Power BI refused the token as invalid or expired. Perhaps it is a token for another service."
            )
        }
        if asksForClaims(response) {
            return ProviderError(
                .unauthenticated,
                "Power BI wants a token that satisfies a Conditional Access policy; the policy must allow this application."
            )
        }
        if body.has("GroupNotAccessible") || body.has("PowerBINotAuthorizedException") {
            return ProviderError(.forbidden, noAccess(asked))
        }
        if body.has("FeatureNotAvailableError") {
            return ProviderError(
                .forbidden,
                "Power BI says that the export is not available for this report. Perhaps its workspace, or a semantic model "
                    + "that it uses, is not on a Premium, Embedded or Fabric capacity, or the tenant does not allow the format."
            )
        }
        if body.message?.lowercased().contains("not accessible for application") == true {
            return ProviderError(
                .forbidden,
                "The API is not accessible for the application. Perhaps the tenant switch \"Service principals can call Fabric "
                    + "public APIs\" is off for it."
            )
        }
        if body.has("InvalidRequest"), step == .start {
            return ProviderError(
                .invalid,
                "Power BI refused the export as invalid. Perhaps the format does not fit the report: Power BI reports can be "
                    + "exported as \(PowerBIFormat.names(for: .powerBIReport).joined(separator: ", ")), paginated reports as "
                    + "\(PowerBIFormat.names(for: .paginatedReport).joined(separator: ", ")); PNG needs the tenant "
                    + "switch \"Export reports as image files\"."
                    + (asked.withIdentities
                        ? " Or the effective identity in identities is not valid for the report." : "")
            )
        }
        return nil
    }

    private static func noAccess(_ asked: Asked) -> String {
        asked.forUser
            ? "The user whose token this is has no access to the workspace or its report: the user needs a role in the workspace "
                + "that groupId names (Contributor for an export with identities)."
            : "The identity of the connection has no access to the workspace: make it a Member of the workspace "
                + "(Contributor for an export with identities), and name the workspace in groupId, because a "
                + "service principal has no My workspace."
    }

    private static func byStatus(_ response: UpstreamResponse, _ step: UpstreamStep, _ asked: Asked) -> ProviderError {
        // The answer is the same for a forbidden file and for one that is not kept any more. The caller of this polls the
        // export to find out.
        if response.status == 403, step == .file { return ProviderError(.gone, noFile) }
        let code = AnswerTable.meaning(of: response, during: step)
        return ProviderError(code, detail(of: code, response, step, asked))
    }

    private static let noFile =
        "Power BI does not have the file. Perhaps its time is over, which is about 24 hours: then export again."

    private static func detail(
        of code: ProviderError.Code,
        _ response: UpstreamResponse,
        _ step: UpstreamStep,
        _ asked: Asked
    ) -> String {
        switch (code, step) {
        case (.throttled, _): "Power BI asks to wait before the next call."
        case (.gone, .file): noFile
        case (.gone, _): "Power BI no longer knows the export."
        case (.transient, .file) where response.status < 500: "Power BI does not have the file ready yet."
        case (.transient, _) where response.status < 500: "Power BI cannot answer now."
        case (.transient, _): "Power BI failed."
        case (.ambiguous, _): "Power BI failed in the middle of the start: the export may have been started."
        case (.notFound, .start):
            "Power BI says that something of this export does not exist. Perhaps it is the report, or \(asked.who) may not "
                + "use it or its semantic model"
                + (asked.withIdentities ? ", or the effective identity in identities is not known in the tenant." : ".")
        case (.notFound, _):
            "Power BI knows no such export. Perhaps \(asked.who) may no longer see its report."
        case (.unauthenticated, _):
            "Power BI refused the call. Perhaps the token is not good for it, or \(asked.who) has no access to the workspace."
        case (.forbidden, _):
            "Power BI forbids this. Perhaps the workspace is not on a capacity, or \(asked.who) lacks permission on the "
                + "report, its workspace or its semantic model."
        case (.conflict, _): "Power BI says that the export clashes with another one."
        case (.invalid, _): "Power BI refused the export as invalid."
        default: AnswerTable.unexpected(from: "Power BI", response.status)
        }
    }
}
