/// What the `scope` parameter asks for: one resource's permissions (`Upstream-EntraID, Token endpoint` and
/// `Upstream-EntraID, On behalf of`).
struct RequestedScope {
    var audience: TokenBook.Audience
    /// The permissions without their resource; empty for an application's token, which carries what it was assigned.
    var names: [String]
    var wantsRefreshToken: Bool

    /// For the application itself: one resource with `/.default`.
    init(application scope: String) throws(EntraProblem) {
        guard scope.hasSuffix("/.default") else {
            throw EntraProblem(
                error: "invalid_scope",
                code: 1_002_012,
                text: "The provided value for scope \(scope) is not valid. Client credential flows must have a "
                    + "scope value with /.default suffixed to the resource identifier (application ID URI)."
            )
        }
        guard let audience = TokenBook.Audience(known: String(scope.dropLast("/.default".count))) else {
            throw .invalidScope(scope)
        }
        self.audience = audience
        names = []
        wantsRefreshToken = false
    }

    /// For a user: permissions of one resource, or its `/.default`, and OpenID Connect's own words among them.
    init(user scope: String) throws(EntraProblem) {
        var found: TokenBook.Audience?
        var names: [String] = []
        wantsRefreshToken = false
        for part in scope.split(separator: " ") {
            if part == "offline_access" { wantsRefreshToken = true }
            if ["offline_access", "openid", "profile", "email"].contains(part) { continue }
            guard let slash = part.lastIndex(of: "/"),
                let audience = TokenBook.Audience(known: String(part[..<slash])),
                found == nil || found == audience
            else { throw .invalidScope(scope) }
            found = audience
            let name = String(part[part.index(after: slash)...])
            names += name == ".default" ? audience.consentedScopes : [name]
        }
        guard let audience = found else { throw .invalidScope(scope) }
        // Without consent to all of these permissions, the request is refused.
        guard names.allSatisfy(audience.consentedScopes.contains) else { throw .consentRequired }
        self.audience = audience
        self.names = names
    }
}
