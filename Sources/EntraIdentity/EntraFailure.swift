import Foundation
import Exports
import UpstreamHTTP

/// Entra ID's errors as ours (`powerbi-entra.md` B6).
enum EntraFailure {
    static func error(
        from response: UpstreamResponse,
        to kind: TokenRequestKind = .clientCredentials,
        authorizationURI: String = ""
    ) -> ProviderError {
        let json = response.json
        let code = json?["error"]?.string ?? ""
        let number = json?["error_codes"]?.array?.first?.integer ?? self.number(in: json?["error_description"]?.string)
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
        if json?["suberror"]?.string == "consent_required" || code == "consent_required" || number == 65_001 {
            return ProviderError(
                .forbidden,
                "The gateway's application lacks a permission in this tenant. An administrator has to grant consent to it for what the connection's scope names.",
                problem: .upstreamConsentRequired,
                upstream: upstream
            )
        }
        guard case .onBehalfOf = kind else {
            return ProviderError(
                .unauthenticated,
                "Entra ID refused the connection's credential. \(hint)",
                upstream: upstream
            )
        }
        return refusedUser(json, code, hint, upstream, authorizationURI)
    }

    /// What the user can mend is told apart from what the operator has to: only the former asks for another token.
    private static func refusedUser(
        _ json: JSONValue?,
        _ code: String,
        _ hint: String,
        _ upstream: UpstreamErrorInfo,
        _ authorizationURI: String
    ) -> ProviderError {
        // Conditional access comes as interaction_required or as invalid_grant, with claims (`powerbi-entra.md` B5).
        if let claims = json?["claims"]?.string, claims.utf8.count <= 4096 {
            return ProviderError(
                .unauthenticated,
                "Entra ID wants more of the user. Sign in again with the claims given here, and send the new token in Upstream-Authorization.",
                problem: .upstreamClaimsRequired,
                upstream: upstream,
                challenge: ClaimsChallenge(claims: claims, authorizationURI: authorizationURI)
            )
        }
        if code == "interaction_required" || code == "invalid_grant" {
            return ProviderError(
                .unauthenticated,
                "Entra ID takes the token in Upstream-Authorization no longer, or not for this. Sign in again and send a new one. \(hint)",
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

    /// The number that a description begins with, for answers without `error_codes`.
    private static func number(in description: String?) -> Int64? {
        guard let description, description.hasPrefix("AADSTS") else { return nil }
        return Int64(description.dropFirst(6).prefix { $0.isASCII && $0.isNumber })
    }

    /// Numbers are for hints only: Microsoft says that they change.
    private static let hints: [Int64: String] = [
        7_000_215: "The client secret is wrong; often its id was configured in place of its value.",
        7_000_222: "The client secret has expired.",
        7_000_218: "No credential was sent, or none that the application may use.",
        700_027: "The certificate is not registered with the application, or has expired there.",
        700_024:
            "The assertion is outside of its time: see this machine's clock, or whether the federated token has expired.",
        50_012: "The assertion's signature does not fit the certificate that is registered.",
        700_025: "The application is a public client, which has no credential.",
        70_021: "No federated credential of the application has this issuer, subject and audience, letter for letter.",
        700_211: "No federated credential of the application has this issuer, letter for letter.",
        700_212: "No federated credential of the application has this audience, letter for letter.",
        700_213: "No federated credential of the application has this subject, letter for letter.",
        90_061: "Entra ID cannot read the OpenID configuration of the federated token's issuer.",
        50_013: "The token is not one for the gateway's application.",
        500_133: "The token has expired.",
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
