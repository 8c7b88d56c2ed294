import Exports
import Foundation
import UpstreamHTTP

/// Power BI's errors in our words (`powerbi-entra.md` A6).
///
/// Here 401 and 403 are the wrong way round: no token or a bad one gives 403, a good one without access 401. So the
/// header `x-powerbi-error-info` and the code in the body come before the status.
enum PowerBIFailure {
    /// Which call failed: what a status means depends on it.
    enum Step {
        case start
        case status
        /// The file of an export that is known to have succeeded.
        case file
    }

    /// Whether a new token is worth one more try: it was refused, or a 403 says nothing at all.
    static func rejectsToken(_ response: UpstreamResponse) -> Bool {
        let body = PowerBIErrorBody(response)
        switch response.status {
        case 401: return asksForClaims(response)
        case 403:
            let word = response.headers["x-powerbi-error-info"] ?? body.code
            return word.map(isTokenWord) ?? (body.message == nil)
        default: return false
        }
    }

    /// The error that an answer other than 2xx, or a download other than 200, stands for.
    static func error(_ response: UpstreamResponse, during step: Step) -> ProviderError {
        let body = PowerBIErrorBody(response)
        var error = byWord(response, body, step) ?? byStatus(response, step)
        error.upstream = info(response)
        if error.isRetryable { error.retryAfter = response.retryAfter }
        return error
    }

    /// What the upstream said, for a support case.
    static func info(_ response: UpstreamResponse) -> UpstreamErrorInfo {
        let body = PowerBIErrorBody(response)
        return UpstreamErrorInfo(
            status: response.status,
            code: body.code ?? response.headers["x-powerbi-error-info"],
            message: body.message,
            requestId: response.headers["requestid"]
        )
    }

    static func isHTML(_ contentType: String?) -> Bool {
        let type = contentType?.prefix { $0 != ";" }.lowercased() ?? ""
        return type.hasPrefix("text/html") || type.hasPrefix("application/xhtml")
    }

    /// A 403 for the file of an export that is known to have succeeded.
    static func forbiddenFile(upstream: UpstreamErrorInfo?) -> ProviderError {
        ProviderError(
            .forbidden,
            "Power BI refuses the file: the identity of the connection may have lost permission on the report or its "
                + "workspace.",
            upstream: upstream
        )
    }

    /// A web page where the file should be.
    static func webPage(_ response: UpstreamResponse) -> ProviderError {
        ProviderError(
            .permanent,
            "Power BI sent a web page instead of the file, most likely a sign-in page.",
            upstream: UpstreamErrorInfo(status: response.status, requestId: response.headers["requestid"])
        )
    }

    private static func isTokenWord(_ word: String) -> Bool {
        ["invalidtoken", "tokenexpired"].contains(word.lowercased())
    }

    /// Continuous access evaluation refuses a token with the claims that a new one needs.
    private static func asksForClaims(_ response: UpstreamResponse) -> Bool {
        response.headers.all("www-authenticate")?.lowercased().contains("insufficient_claims") ?? false
    }

    private static func byWord(_ response: UpstreamResponse, _ body: PowerBIErrorBody, _ step: Step) -> ProviderError? {
        let words = [response.headers["x-powerbi-error-info"], body.code].compactMap { $0?.lowercased() }
        if words.contains(where: isTokenWord) {
            return ProviderError(.unauthenticated, "Power BI refused the token as invalid or expired.")
        }
        if asksForClaims(response) {
            return ProviderError(
                .unauthenticated,
                "Power BI wants a token that satisfies a Conditional Access policy; the policy must allow this application."
            )
        }
        if words.contains("groupnotaccessible") || words.contains("powerbinotauthorizedexception") {
            return ProviderError(
                .forbidden,
                "The identity of the connection has no access to the workspace: make it a Member of the workspace "
                    + "(Contributor for an export with identities), and name the workspace in groupId, because a "
                    + "service principal has no My workspace."
            )
        }
        if words.contains("featurenotavailableerror") {
            return ProviderError(
                .forbidden,
                "The export is not available for this report: its workspace and every semantic model that it uses must "
                    + "be on a Premium, Embedded or Fabric capacity, and the tenant must allow the format."
            )
        }
        if body.message?.lowercased().contains("not accessible for application") == true {
            return ProviderError(
                .forbidden,
                "The tenant does not let service principals use this API: the tenant switch \"Service principals can "
                    + "call Fabric public APIs\" is off for this application."
            )
        }
        if words.contains("invalidrequest"), step == .start {
            return ProviderError(
                .invalid,
                "Power BI refused the export as invalid. Power BI reports can be exported as "
                    + "\(PowerBIFormat.names(for: .powerBIReport).joined(separator: ", ")), paginated reports as "
                    + "\(PowerBIFormat.names(for: .paginatedReport).joined(separator: ", ")); PNG needs the tenant "
                    + "switch \"Export reports as image files\"."
            )
        }
        return nil
    }

    private static func byStatus(_ response: UpstreamResponse, _ step: Step) -> ProviderError {
        switch (response.status, step) {
        case (429, _),
            (503, .start) where response.retryAfter != nil:
            ProviderError(.throttled, "Power BI asks to wait before the next call.")
        case (404, .file), (410, .file), (403, .file):
            ProviderError(.gone, "Power BI no longer keeps the file: it is there for about 24 hours. Export again.")
        case (202, .file), (409, .file):
            ProviderError(.transient, "Power BI does not have the file ready yet.")
        case (404, _):
            ProviderError(
                .notFound,
                step == .start
                    ? "Power BI knows no such report, or the identity of the connection may not use it or its semantic model."
                    : "Power BI knows no such export, or the identity of the connection may no longer see its report."
            )
        case (410, _):
            ProviderError(.gone, "Power BI no longer knows the export.")
        case (401, _):
            ProviderError(
                .unauthenticated,
                "Power BI refused the call: the token is not good for it, or the identity has no access to the workspace."
            )
        case (402, _), (403, _):
            ProviderError(
                .forbidden,
                "Power BI forbids this: the workspace may not be on a capacity, or the identity of the connection lacks "
                    + "permission on the report, its workspace or its semantic model."
            )
        case (400, .start), (413, .start), (422, .start):
            ProviderError(.invalid, "Power BI refused the export as invalid.")
        case (408, _), (423, _), (425, _):
            ProviderError(.transient, "Power BI cannot answer now.")
        case (500..., .start):
            ProviderError(.ambiguous, "Power BI failed in the middle of the start: the export may have been started.")
        case (500..., _):
            ProviderError(.transient, "Power BI failed.")
        case (300..<400, _):
            ProviderError(.permanent, "Power BI answered with a redirection, which is not followed.")
        default:
            ProviderError(.permanent, "Power BI gave an answer that cannot be used.")
        }
    }
}

/// The five shapes of an error in one: what code and what text it has, wherever they are.
struct PowerBIErrorBody {
    var code: String?
    /// Microsoft's words, the longest story first.
    var message: String?

    init(_ response: UpstreamResponse) {
        let header = response.headers["x-powerbi-error-details"].flatMap { try? JSONValue(parsing: .init($0.utf8)) }
        guard let json = response.json ?? header else { return }
        let error = json.member("error")
        let inner = error?.member("pbi.error")
        code = error?.text("code") ?? inner?.text("code") ?? json.text("code")
        let details = (inner?.member("details")?.array ?? []).compactMap { $0.member("detail")?.text("value") }
        let others = (error?.member("details")?.array ?? []).compactMap { $0.text("message") }
        let texts = [error?.text("message") ?? json.text("message")].compactMap { $0 } + details + others
        message = texts.isEmpty ? nil : texts.joined(separator: "; ")
    }
}
