import HTTPTypes

/// Why the token endpoint refuses (`Upstream-EntraID, Errors`).
struct EntraProblem: Error {
    var status: HTTPResponse.Status = .badRequest
    /// OAuth's word for it.
    var error: String
    /// The digits behind `AADSTS`.
    var code: Int
    var text: String
    var suberror: String?
    /// A claims challenge: a JSON text.
    var claims: String?
}

extension EntraProblem {
    static func missing(_ name: String) -> EntraProblem {
        EntraProblem(
            error: "invalid_request",
            code: 900_144,
            text: "The request body must contain the following parameter: '\(name)'."
        )
    }

    /// The application did not prove who it is.
    static func invalidClient(_ code: Int, _ text: String) -> EntraProblem {
        EntraProblem(status: .unauthorized, error: "invalid_client", code: code, text: text)
    }

    /// A token that is presented as a proof is none.
    static func malformedToken(_ text: String) -> EntraProblem {
        EntraProblem(error: "invalid_request", code: 50_027, text: "Invalid JWT token. \(text)")
    }

    static func invalidGrant(_ code: Int, _ text: String) -> EntraProblem {
        EntraProblem(error: "invalid_grant", code: code, text: text)
    }

    static func invalidScope(_ scope: String) -> EntraProblem {
        EntraProblem(
            error: "invalid_scope",
            code: 70_011,
            text: "The provided value for the input parameter 'scope' is not valid. The scope \(scope) is not valid."
        )
    }

    static let throttled = EntraProblem(
        status: .tooManyRequests,
        error: "temporarily_unavailable",
        code: 90_055,
        text: "The server is terminating the request due to excessive request rate."
    )

    static let consentRequired = EntraProblem(
        error: "invalid_grant",
        code: 65_001,
        text: "The user or administrator has not consented to use the application with ID '\(SandboxSeed.clientID)'.",
        suberror: "consent_required"
    )

    static func interactionRequired(claims: String) -> EntraProblem {
        EntraProblem(
            error: "interaction_required",
            code: 50_079,
            text:
                "Due to a configuration change made by your administrator, or because you moved to a new location, you "
                + "must enroll in multifactor authentication to access '\(SandboxSeed.clientID)'.",
            claims: claims
        )
    }
}
