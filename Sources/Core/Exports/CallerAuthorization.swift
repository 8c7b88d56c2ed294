/// Who sends a request about an export, and the upstream tokens that the request brings.
///
/// Where a connection runs on callers' own tokens, only the export's owner acts with the owner's token. A token that another
/// caller brings is used for that one call, and kept nowhere.
public struct CallerAuthorization: Sendable, Hashable {
    /// The caller's id; nil where callers are not authenticated, so that all count as one.
    public var caller: String?
    /// The caller's own upstream token, if the request has one.
    public var token: Secret?
    /// The caller's own token for the hosts that serve files, where they need another token than the API. It is used for this
    /// one call, whoever sends it.
    public var downloadToken: Secret?

    /// Makes the authorization of one request.
    public init(caller: String?, token: Secret? = nil, downloadToken: Secret? = nil) {
        self.caller = caller
        self.token = token
        self.downloadToken = downloadToken
    }

    /// Whether the caller owns the export.
    public func isOwner(of export: Export) -> Bool { caller == nil || caller == export.createdBy }
}
