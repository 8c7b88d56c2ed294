import Exports
import HTTPTypes
import Hummingbird
import JSON

/// `POST /{tenant}/oauth2/v2.0/token` (`Upstream-EntraID, Token endpoint`): tokens for the application itself, and for it on
/// behalf of a user. What is checked comes in Entra's order: tenant, request, client, assertion, scope.
struct TokenEndpoint {
    let world: World
    let call: Call
    let form: QueryText

    init(world: World, call: Call) {
        self.world = world
        self.call = call
        form = QueryText(String(decoding: call.body.readableBytesView, as: UTF8.self))
    }

    private enum Grant: String {
        case clientCredentials = "client_credentials"
        case onBehalfOf = "urn:ietf:params:oauth:grant-type:jwt-bearer"
        case refreshToken = "refresh_token"
    }

    func answer() -> Response {
        let answers = EntraAnswer(world: world, call: call)
        do throws(EntraProblem) {
            try checkTenant()
            let grant = try checkRequest()
            let proof = try ClientAuthentication(world: world, call: call, form: form).proof()
            return answers.json(.ok, try tokens(for: grant, by: proof))
        } catch {
            return answers.error(error)
        }
    }

    /// What a rule's `match` can tell requests apart by.
    var subjects: [String] { ["grant_type", "requested_token_use", "scope"].compactMap { form[$0] } }

    // MARK: The request

    private func checkTenant() throws(EntraProblem) {
        let tenant = call["tenant"]
        if tenant.lowercased() == SandboxSeed.tenantID { return }
        let isAlias = ["common", "consumers", "organizations"].contains(tenant.lowercased())
        throw isAlias
            ? EntraProblem(
                error: "invalid_request",
                code: 9_001_023,
                text: "The grant type is not supported over the /common or /consumers endpoints. "
                    + "Please use the /organizations or tenant-specific endpoint."
            )
            : EntraProblem(
                error: "invalid_request",
                code: 90_002,
                text: "Tenant '\(tenant)' not found. Check to make sure you have the correct tenant ID."
            )
    }

    private func checkRequest() throws(EntraProblem) -> Grant {
        if form["resource"] != nil {
            throw EntraProblem(
                error: "invalid_request",
                code: 901_002,
                text: "The 'resource' request parameter is not supported."
            )
        }
        guard let name = form["grant_type"] else { throw .missing("grant_type") }
        let wanted = form["requested_token_use"]
        guard let grant = Grant(rawValue: name), grant != .onBehalfOf || wanted == nil || wanted == "on_behalf_of"
        else {
            throw EntraProblem(
                error: "unsupported_grant_type",
                code: 70_003,
                text: "The app requested an unsupported grant type '\(name)'."
            )
        }
        if grant == .onBehalfOf {
            for parameter in ["requested_token_use", "assertion"] where form[parameter] == nil {
                throw .missing(parameter)
            }
        }
        if grant == .refreshToken, form["refresh_token"] == nil { throw .missing("refresh_token") }
        if form["scope"] == nil { throw .missing("scope") }
        return grant
    }

    // MARK: The answer

    private func tokens(for grant: Grant, by proof: TokenBook.Proof) throws(EntraProblem) -> JSONValue {
        let scope = form["scope"] ?? ""
        switch grant {
        case .clientCredentials:
            return .object(accessToken(for: try RequestedScope(application: scope).audience, scopes: nil, by: proof))
        case .onBehalfOf:
            try UserAssertion(world: world, at: call.now).check(form["assertion"] ?? "")
            return userTokens(for: try RequestedScope(user: scope), by: .onBehalfOf)
        case .refreshToken:
            let requested = try RequestedScope(user: scope)
            try checkRefreshToken()
            return userTokens(for: requested, by: .refreshToken)
        }
    }

    private func checkRefreshToken() throws(EntraProblem) {
        switch world.tokens.isGood(refreshToken: form["refresh_token"] ?? "") {
        case true?: break
        case false?:
            throw .invalidGrant(
                50_173,
                "The provided grant has expired due to it being revoked, a fresh auth token is needed."
            )
        case nil:
            throw .invalidGrant(70_000, "The provided value for the input parameter 'refresh_token' is not valid.")
        }
    }

    private func userTokens(for requested: RequestedScope, by proof: TokenBook.Proof) -> JSONValue {
        var members = accessToken(for: requested.audience, scopes: requested.names, by: proof)
        let names = requested.names.map { "\(requested.audience.rawValue)/\($0)" }
        members["scope"] = .string(names.joined(separator: " "))
        if requested.wantsRefreshToken {
            let token = "sbxr." + Base64Text.url(world.random(48))
            world.tokens.issue(refreshToken: token)
            members["refresh_token"] = .string(token)
        }
        return .object(members)
    }

    private func accessToken(
        for audience: TokenBook.Audience,
        scopes: [String]?,
        by proof: TokenBook.Proof
    ) -> [String: JSONValue] {
        let (token, lifetime) = world.issueToken(for: audience, scopes: scopes, by: proof, at: call.now)
        let seconds = JSONValue.integer(lifetime)
        return [
            "token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": .string(token),
        ]
    }
}

extension World {
    /// An opaque token, and for how many seconds it is said to be good.
    func issueToken(
        for audience: TokenBook.Audience,
        scopes: [String]?,
        by proof: TokenBook.Proof,
        at now: Timestamp
    ) -> (token: String, lifetime: Int64) {
        let token = "sbx." + Base64Text.url(random(48))
        let end = now + settings.tokenLifetime
        tokens.issue(token, TokenBook.Grant(audience: audience, scopes: scopes, expiresAt: end), by: proof)
        return (token, max(0, settings.tokenLifetime.milliseconds / 1000 - 1))
    }
}
