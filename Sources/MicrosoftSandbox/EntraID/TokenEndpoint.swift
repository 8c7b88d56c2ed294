import Exports
import HTTPTypes
import Hummingbird

/// `POST /{tenant}/oauth2/v2.0/token`: client credentials with a secret (`powerbi-entra.md` B1, B6).
struct TokenEndpoint {
    let world: World

    func answer(_ call: Call) -> Response {
        let form = QueryText(String(decoding: call.body.readableBytesView, as: UTF8.self))
        if let problem = tenantProblem(call) ?? requestProblem(form) { return error(problem, call) }
        let (client, secret) = credentials(form, call)
        if let problem = credentialProblem(client: client, secret: secret, form: form) { return error(problem, call) }
        switch resource(of: form["scope"] ?? "") {
        case .failure(let problem): return error(problem, call)
        case .success(let audience): return token(for: audience, call)
        }
    }

    private func token(for audience: TokenBook.Audience, _ call: Call) -> Response {
        let token = "sbx." + Base64Text.url(world.random(48))
        let lifetime = world.settings.tokenLifetime
        world.tokens.issue(token, TokenBook.Grant(audience: audience, delegated: false, expiresAt: call.now + lifetime))
        let seconds = JSONValue.integer(max(0, lifetime.milliseconds / 1000 - 1))
        return respond(
            .ok,
            ["token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": .string(token)]
        )
    }

    // MARK: Checks, in Entra's order: tenant, request, client, scope

    private struct Problem: Error {
        var status: HTTPResponse.Status = .badRequest
        var error: String
        var code: Int
        var text: String
    }

    private func tenantProblem(_ call: Call) -> Problem? {
        let tenant = call["tenant"]
        if tenant.lowercased() == SandboxSeed.tenantID { return nil }
        let isAlias = ["common", "consumers", "organizations"].contains(tenant.lowercased())
        return isAlias
            ? Problem(
                error: "invalid_request",
                code: 9_001_023,
                text: "The grant type is not supported over the /common or /consumers endpoints. "
                    + "Please use the /organizations or tenant-specific endpoint."
            )
            : Problem(
                error: "invalid_request",
                code: 90_002,
                text: "Tenant '\(tenant)' not found. Check to make sure you have the correct tenant ID."
            )
    }

    private func requestProblem(_ form: QueryText) -> Problem? {
        if form["resource"] != nil {
            return Problem(
                error: "invalid_request",
                code: 901_002,
                text: "The 'resource' request parameter is not supported."
            )
        }
        guard let grant = form["grant_type"] else { return missing("grant_type") }
        guard grant == "client_credentials" else {
            return Problem(
                error: "unsupported_grant_type",
                code: 70_003,
                text: "The app requested an unsupported grant type '\(grant)'."
            )
        }
        return form["scope"] == nil ? missing("scope") : nil
    }

    private func missing(_ name: String) -> Problem {
        Problem(
            error: "invalid_request",
            code: 900_144,
            text: "The request body must contain the following parameter: '\(name)'."
        )
    }

    /// From the body, or from HTTP Basic with form-encoded halves (RFC 6749, 2.3.1).
    private func credentials(_ form: QueryText, _ call: Call) -> (client: String?, secret: String?) {
        guard form["client_id"] == nil || form["client_secret"] == nil,
            let header = call.headers[.authorization], header.lowercased().hasPrefix("basic "),
            let bytes = Base64Text.decode(String(header.dropFirst(6)))
        else { return (form["client_id"], form["client_secret"]) }
        let halves = String(decoding: bytes, as: UTF8.self)
            .split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            .map { PercentEncoding.decode($0, plusIsSpace: true) }
        return (halves.first, halves.count == 2 ? halves[1] : nil)
    }

    private func credentialProblem(client: String?, secret: String?, form: QueryText) -> Problem? {
        guard let client else { return missing("client_id") }
        guard client.lowercased() == SandboxSeed.clientID else {
            return Problem(
                error: "unauthorized_client",
                code: 700_016,
                text: "Application with identifier '\(client)' was not found in the directory "
                    + "'\(SandboxSeed.tenantID)'. This can happen if the application has not been installed by the "
                    + "administrator of the tenant or consented to by any user in the tenant. You may have sent your "
                    + "authentication request to the wrong tenant."
            )
        }
        guard let secret else {
            let hasAssertion = form["client_assertion"] != nil
            return Problem(
                status: .unauthorized,
                error: "invalid_client",
                code: hasAssertion ? 700_027 : 7_000_218,
                text: hasAssertion
                    ? "The certificate with identifier used to sign the client assertion is not registered on "
                        + "application. [Reason - The key was not found.]"
                    : "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            )
        }
        guard secret == SandboxSeed.clientSecret else {
            return Problem(
                status: .unauthorized,
                error: "invalid_client",
                code: 7_000_215,
                text: "Invalid client secret is provided."
            )
        }
        return nil
    }

    private func resource(of scope: String) -> Result<TokenBook.Audience, Problem> {
        guard scope.hasSuffix("/.default") else {
            return .failure(
                Problem(
                    error: "invalid_scope",
                    code: 1_002_012,
                    text: "The provided value for scope \(scope) is not valid. Client credential flows must have a "
                        + "scope value with /.default suffixed to the resource identifier (application ID URI)."
                )
            )
        }
        guard let audience = TokenBook.Audience(rawValue: String(scope.dropLast("/.default".count))) else {
            return .failure(
                Problem(
                    error: "invalid_scope",
                    code: 70_011,
                    text: "The provided value for the input parameter 'scope' is not valid. The scope \(scope) is not "
                        + "valid."
                )
            )
        }
        return .success(audience)
    }

    // MARK: Answers

    private func error(_ problem: Problem, _ call: Call) -> Response {
        let (trace, correlation) = (world.uuid(), call.headers[.clientRequestID] ?? world.uuid())
        let time = UpstreamTime.tokenErrorTime(call.now)
        return respond(
            problem.status,
            [
                "error": .string(problem.error),
                "error_description": .string(
                    "AADSTS\(problem.code): \(problem.text)\r\nTrace ID: \(trace)\r\nCorrelation ID: \(correlation)"
                        + "\r\nTimestamp: \(time)"
                ),
                "error_codes": [.integer(Int64(problem.code))],
                "timestamp": .string(time),
                "trace_id": .string(trace),
                "correlation_id": .string(correlation),
                "error_uri": .string("https://login.microsoftonline.com/error?code=\(problem.code)"),
            ]
        )
    }

    /// 429 as the token endpoint sends it.
    func throttled(_ call: Call) -> Response {
        error(
            Problem(
                status: .tooManyRequests,
                error: "temporarily_unavailable",
                code: 90_055,
                text: "The server is terminating the request due to excessive request rate."
            ),
            call
        )
    }

    private func respond(_ status: HTTPResponse.Status, _ value: JSONValue) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = "application/json; charset=utf-8"
        headers[.cacheControl] = "no-store, no-cache"
        headers[.pragma] = "no-cache"
        headers[.expires] = "-1"
        headers[.xMSRequestID] = world.uuid()
        return .json(status, value, headers: headers)
    }
}
