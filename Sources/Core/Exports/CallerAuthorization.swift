/// What a request about an export brings for the upstream, and who sends it.
///
/// Where a connection runs on callers' own tokens, nobody but the export's owner acts with the owner's: what somebody else
/// brings is used in that one call, and kept nowhere.
public struct CallerAuthorization: Sendable, Hashable {
    /// The caller's id; nil where nobody has to say who they are, so that all are one.
    public var caller: String?
    /// The caller's own upstream token, where it gave one.
    public var token: Secret?
    /// The caller's own token for the hosts that files come from, where those take another one than the API. For this one
    /// call, whoever sends it.
    public var downloadToken: Secret?

    /// Says what `caller` has brought.
    public init(caller: String?, token: Secret? = nil, downloadToken: Secret? = nil) {
        self.caller = caller
        self.token = token
        self.downloadToken = downloadToken
    }

    /// Whether the export is the caller's own.
    public func isOwner(of export: Export) -> Bool { caller == nil || caller == export.createdBy }
}
