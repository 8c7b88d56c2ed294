import Foundation
import Exports
import UpstreamHTTP

/// Entra ID's errors as ours (`powerbi-entra.md` B6).
enum EntraFailure {
    static func error(from response: UpstreamResponse) -> ProviderError {
        let json = response.json
        let code = json?["error"]?.string ?? ""
        let number = json?["error_codes"]?.array?.first?.integer
        let upstream = UpstreamErrorInfo(
            status: response.status,
            code: number.map { "AADSTS\($0)" } ?? (code.isEmpty ? nil : code),
            message: clean(json?["error_description"]?.string),
            requestId: json?["trace_id"]?.string ?? response.headers["x-ms-request-id"]
        )
        if response.status == 429 || response.status >= 500 || code == "temporarily_unavailable" {
            return ProviderError(
                response.status == 429 ? .throttled : .transient,
                "Entra ID cannot issue a token now.",
                // 5 s where nothing is said, at most an hour (`powerbi-entra.md` B6).
                retryAfter: min(response.retryAfter ?? .seconds(5), .seconds(3600)),
                upstream: upstream
            )
        }
        guard !code.isEmpty else {
            return ProviderError(
                .permanent,
                "The token endpoint does not answer as Entra ID does (status \(response.status)): see the connection's authority.",
                upstream: upstream
            )
        }
        let hint = number.flatMap { hints[$0] } ?? "See upstream for Entra ID's own words."
        return ProviderError(
            .unauthenticated,
            "Entra ID refused the connection's credential. \(hint)",
            upstream: upstream
        )
    }

    /// Numbers are for hints only: Microsoft says that they change.
    private static let hints: [Int64: String] = [
        7_000_215: "The client secret is wrong; often its id was configured in place of its value.",
        7_000_222: "The client secret has expired.",
        7_000_218: "No client secret was sent.",
        700_016: "The client id is not known in this tenant.",
        70_001: "The application is disabled in this tenant.",
        700_011: "The application was not found in this tenant.",
        90_002: "The tenant does not exist.",
        70_011: "The scope is not valid; for an application it ends in /.default.",
        1_002_012: "The scope is not valid; for an application it ends in /.default.",
        500_011: "The service is not present in this tenant; an administrator must add its service principal.",
        50_001: "The service is not present in this tenant; an administrator must add its service principal.",
        650_052: "The tenant has no subscription to the service, or its service principal is missing.",
    ]

    /// The first sentence or two without the trace ids, and without anything that looks like a token: descriptions can
    /// echo parts of an assertion.
    static func clean(_ description: String?) -> String? {
        guard var text = description else { return nil }
        for tail in ["\r\n", "\n", " Trace ID:", " Correlation ID:", " Timestamp:"] {
            if let range = text.range(of: tail) { text = String(text[..<range.lowerBound]) }
        }
        let words = text.split(separator: " ", omittingEmptySubsequences: true)
            .map {
                $0.utf8.count > 48 || $0.contains("eyJ") ? "<redacted>" : String($0)
            }
        return String(words.joined(separator: " ").prefix(512))
    }
}
