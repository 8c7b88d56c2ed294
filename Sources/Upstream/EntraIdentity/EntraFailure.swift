import Foundation
import Exports
import JSON
import UpstreamHTTP

/// Translates Entra ID's errors into `ProviderError` (`Upstream-EntraID, Errors`).
enum EntraFailure {
    /// The error of an answer to a request for a token of `scope`, by the application `clientID`.
    static func error(
        from response: UpstreamResponse,
        to kind: TokenRequestKind,
        scope: TokenScope,
        clientID: String,
        authorizationURI: String
    ) -> ProviderError {
        let json = response.json
        let body = response.errorBody
        let code = json?["error"]?.string ?? ""
        let number = number(in: json)
        let upstream = UpstreamErrorInfo(
            status: response.status,
            code: number.map { "AADSTS\($0)" } ?? (code.isEmpty ? body.code : code),
            message: clean(json?["error_description"]?.string ?? body.message),
            requestId: json?["trace_id"]?.string ?? response.headers.requestID
        )
        let passes = number.map(passingNumbers.contains) ?? false
        if response.status == 429 || response.status >= 500 || code == "temporarily_unavailable" || passes {
            // Without `Retry-After` 5 seconds, or a minute after a loop of requests. At most an hour (`Upstream-EntraID, Errors`).
            let silence = response.retryAfter ?? (number == loopDetected ? .seconds(60) : .seconds(5))
            return ProviderError(
                response.status == 429 || number == loopDetected ? .throttled : .transient,
                "Entra ID cannot issue a token now.",
                retryAfter: min(silence, .seconds(3600)),
                upstream: upstream
            )
        }
        // The answer is not from Entra ID, but perhaps from a proxy, or it is a page about an outage. So nobody has refused the
        // credential.
        guard isEntras(response) else {
            return ProviderError(
                .transient,
                "The token endpoint does not answer as Entra ID does (status \(response.status)). Perhaps a proxy answers in its place. If this persists, check the connection's authority.",
                problem: .upstreamBroken,
                retryAfter: response.retryAfter,
                upstream: upstream
            )
        }
        let hint = Self.hint(number, code)
        if json?["suberror"]?.string == "consent_required" || code == "consent_required" || number == 65_001 {
            return ProviderError(
                .forbidden,
                "The gateway's application, client id \(clientID), lacks a permission in this tenant. An administrator has to grant consent to it for the scope \(scope).",
                problem: .upstreamConsentRequired,
                upstream: upstream
            )
        }
        switch kind {
        case .clientCredentials:
            return ProviderError(
                .unauthenticated,
                "Entra ID refused the connection's credential. \(hint)",
                upstream: upstream
            )
        case .onBehalfOf where number == applicationAsUser:
            return ProviderError(
                .permanent,
                "The token in Upstream-Authorization was issued to an application, not to a user. \(hint)",
                problem: .upstreamAuthorizationRequired,
                upstream: upstream
            )
        case .onBehalfOf:
            return refusedUser(
                json,
                number == malformedToken ? "invalid_grant" : code,
                "Entra ID no longer accepts the token in Upstream-Authorization, or not for this. Sign in again and send a new one. \(hint)",
                hint,
                upstream,
                authorizationURI
            )
        case .refreshToken:
            return refusedUser(
                json,
                code,
                "Entra ID no longer accepts the refresh token that was kept for this export. Sign in again and send a new token in Upstream-Authorization. \(hint)",
                hint,
                upstream,
                authorizationURI
            )
        }
    }

    private static let loopDetected: Int64 = 50_196
    /// The value that a user sent is not a token. Entra ID's code for that is `invalid_request`.
    private static let malformedToken: Int64 = 50_027
    /// Only a user's token can be exchanged.
    private static let applicationAsUser: Int64 = 7_000_114
    /// Temporary failures of Entra ID, and a loop of requests, whatever the status and the code.
    private static let passingNumbers: Set<Int64> = [loopDetected, 90_006, 90_024, 90_033, 90_055]

    /// Tells errors that the user can fix from errors that the operator has to fix. Only the former ask for another token.
    private static func refusedUser(
        _ json: JSONValue?,
        _ code: String,
        _ words: String,
        _ hint: String,
        _ upstream: UpstreamErrorInfo,
        _ authorizationURI: String
    ) -> ProviderError {
        // The code of Conditional Access is interaction_required or invalid_grant, with claims (`Upstream-EntraID, On behalf of`).
        if let claims = json?["claims"]?.string, claims.utf8.count <= 4096 {
            return ProviderError(
                .unauthenticated,
                "Entra ID requires more of the user, such as a second factor. Sign in again with the claims given here, and send the new token in Upstream-Authorization.",
                problem: .upstreamClaimsRequired,
                upstream: upstream,
                challenge: ClaimsChallenge(claims: claims, authorizationURI: authorizationURI)
            )
        }
        if code == "interaction_required" || code == "invalid_grant" {
            return ProviderError(
                .unauthenticated,
                words,
                problem: .upstreamAuthorizationRequired,
                upstream: upstream
            )
        }
        return ProviderError(
            .permanent,
            "Entra ID refused the connection's credential. \(hint)",
            problem: .upstreamUnauthenticated,
            upstream: upstream
        )
    }

    /// Whether a refusal is Entra ID's own: it has one of Entra's numbers, or one of OAuth's codes (RFC 6749, 5.2).
    static func isEntras(_ response: UpstreamResponse) -> Bool {
        guard let json = response.json, let code = json["error"]?.string else { return false }
        return number(in: json) != nil || codes.contains(code)
    }

    private static let codes: Set<String> = [
        "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
        "invalid_scope", "invalid_resource", "interaction_required", "login_required", "consent_required",
        "access_denied",
        "temporarily_unavailable",
    ]

    private static func number(in json: JSONValue?) -> Int64? {
        json?["error_codes"]?.array?.first?.integer ?? number(in: json?["error_description"]?.string)
    }

    /// The number that a description begins with, for answers without `error_codes`.
    private static func number(in description: String?) -> Int64? {
        guard let description, description.hasPrefix("AADSTS") else { return nil }
        return Int64(description.dropFirst(6).prefix { $0.isASCII && $0.isNumber })
    }

    /// The first sentence or two, without the trace ids and without anything that looks like a token, because descriptions can repeat
    /// parts of an assertion.
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
