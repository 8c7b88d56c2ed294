/// Fetches the public documents of an authority: its metadata and its keys.
public protocol AuthorityDocuments: Sendable {
    /// The body of the 200 answer at an https address of the authority, at most 256 KiB.
    ///
    /// Throws where there is none. It must have its own time limit. Only the type of the error is logged.
    func document(at address: String) async throws -> [UInt8]
}

/// Who issues the access tokens that let callers in, and for whom (`Upstream-EntraID, Access tokens`).
public struct TokenAuthority: Sendable {
    /// The login host's root, such as `https://login.microsoftonline.com`, without a slash at its end.
    public var url: String
    /// The tenants whose tokens are accepted, as lower-case UUIDs.
    public var tenantIDs: [String]
    /// The accepted values of `aud`: the gateway's own application id, and its id URIs.
    public var audiences: [String]
    /// How much the authority's clock may differ from ours.
    public var clockSkew: Duration
    /// The shortest time between two fetches of a tenant's keys, whatever callers send.
    public var keyRefreshInterval: Duration
    /// The source of keys and metadata.
    public var documents: any AuthorityDocuments

    /// Names an authority.
    public init(
        url: String,
        tenantIDs: [String],
        audiences: [String],
        clockSkew: Duration = .seconds(60),
        keyRefreshInterval: Duration = .seconds(60),
        documents: any AuthorityDocuments
    ) {
        self.url = url
        self.tenantIDs = tenantIDs
        self.audiences = audiences
        self.clockSkew = clockSkew
        self.keyRefreshInterval = keyRefreshInterval
        self.documents = documents
    }

    /// The issuer of a tenant's v2 tokens.
    func issuer(of tenantID: String) -> String { "\(url)/\(tenantID)/v2.0" }

    /// The issuer of a tenant's v1 tokens: this host in the global cloud, whatever the login host.
    func formerIssuer(of tenantID: String) -> String { "https://sts.windows.net/\(tenantID)/" }
}
