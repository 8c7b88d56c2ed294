/// Who asks for something about exports, whose exports it may see, and the upstream tokens that its request brings.
///
/// Where a connection runs on callers' own tokens, only the export's owner acts with the owner's token. A token that another
/// caller brings is used for that one call, and kept nowhere.
public struct Viewer: Sendable, Hashable {
    /// Who asks.
    public enum Identity: Sendable, Hashable {
        /// An authenticated caller, by its id. It sees the exports of all callers, or only its own.
        case caller(String, seesAll: Bool)
        /// Callers are not authenticated: all count as one, to whom every export belongs.
        case anonymous
        /// The gateway itself. It sees every export and owns none.
        case gateway
    }

    public var identity: Identity
    /// The caller's own upstream token, if the request has one.
    public var token: Secret?
    /// The caller's own token for the hosts that serve files, where they need another token than the API. It is used for this
    /// one call, whoever sends it.
    public var downloadToken: Secret?
    /// The id of the request, by which calls upstream that are made for it can be found again.
    public var requestID: String?
    /// The address of the client, as the trusted proxy tells it; nil where nobody asks for it.
    public var address: String?
    /// How many exports it may create in any 24 hours; nil where that is not limited. Looked at only where it creates one.
    public var createsPerDay: Int?

    /// Makes the viewer of one request.
    public init(
        _ identity: Identity,
        token: Secret?,
        downloadToken: Secret?,
        requestID: String? = nil,
        address: String? = nil
    ) {
        self.identity = identity
        self.token = token
        self.downloadToken = downloadToken
        self.requestID = requestID
        self.address = address
    }

    /// The gateway itself, which brings no tokens.
    public static let gateway = Viewer(.gateway, token: nil, downloadToken: nil)

    /// The id of callers that are not authenticated.
    public static let anonymousID = "anonymous"

    /// The id that is `createdBy` of what the viewer creates.
    public var id: String { callerID ?? Self.anonymousID }

    /// The id that tells the viewer from others; nil where callers are not authenticated.
    public var callerID: String? {
        switch identity {
        case .caller(let id, _): id
        case .anonymous: nil
        case .gateway: Delivery.gatewayItself
        }
    }

    /// Whether it sees the exports of all callers.
    public var seesAll: Bool {
        switch identity {
        case .caller(_, let seesAll): seesAll
        case .anonymous, .gateway: true
        }
    }

    /// Whether it may see the exports of a caller; nil is an owner that is not known.
    public func maySeeExports(of owner: String?) -> Bool { seesAll || owner == callerID }

    /// Whether it may see the export.
    public func maySee(_ export: Export) -> Bool { maySeeExports(of: export.createdBy) }

    /// Whether the export is its own.
    public func owns(_ export: Export) -> Bool {
        switch identity {
        case .caller(let id, _): id == export.createdBy
        case .anonymous: true
        case .gateway: false
        }
    }

    /// The filter with the viewer's own exports only, where it may not see others.
    public func narrowed(_ filter: ExportFilter) -> ExportFilter {
        guard !seesAll else { return filter }
        var narrowed = filter
        narrowed.createdBy = id
        return narrowed
    }
}
