/// The settings of the console, the page for people at `/console`.
public struct ConsoleSettings: Sendable, Hashable {
    /// How people sign in at Entra ID; nil where they cannot.
    public var entra: EntraSignIn?

    /// An application of Entra ID in whose name the page signs people in: authorization code with PKCE (RFC 7636).
    public struct EntraSignIn: Sendable, Hashable {
        /// The authority's origin, such as `https://login.microsoftonline.com`.
        public var authority: String
        /// Whose people sign in: a tenant's id, or `organizations`.
        public var tenant: String
        /// The id of the page's application, which has the page's address as a redirect URI of the kind "single-page application".
        public var clientID: String
        /// What the token is asked for.
        public var scope: String

        /// Makes the settings.
        public init(authority: String, tenant: String, clientID: String, scope: String) {
            (self.authority, self.tenant, self.clientID, self.scope) = (authority, tenant, clientID, scope)
        }
    }

    /// Makes settings.
    public init(entra: EntraSignIn? = nil) {
        self.entra = entra
    }
}
