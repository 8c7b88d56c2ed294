public import Exports

/// The recipient of a download, and where its outcome is recorded.
public struct Recipient: Sendable {
    /// The authenticated caller.
    public var caller: String
    /// The request's id.
    public var requestID: String
    /// Called and awaited twice for each body that is begun: before its first byte is sent, with the outcome `underWay`, and
    /// with the same id when it has ended, with any outcome. For a file that is refused because of its contents it is called
    /// once, as ended. Never called in a cancelled task.
    public var record: @Sendable (Delivery) async -> Void
    /// The use of a ticket that the download is; nil for a request with a credential.
    public var ticket: TicketUse?
    /// Called instead of `record` when a body is begun, where nothing may be sent unless this was stored: false breaks the
    /// download off.
    public var begin: (@Sendable (Delivery) async -> Bool)?
    /// How many downloads the caller may have at a time; nil: as many as every caller (`RelaySettings.perCaller`).
    public var downloads: Int?
    /// Throws where the caller may begin no download now. Called before anything is opened, for an answer with bytes of a file.
    public var mayBegin: @Sendable () throws(GatewayError) -> Void
    /// Takes a place for one more download of the caller, where other processes serve the same callers; nil where the caller has
    /// as many as the limit, over all of them.
    public var place: @Sendable (_ limit: Int) async throws(GatewayError) -> DownloadPlace?

    /// Names a recipient. Without `place`, only the downloads of this process count.
    public init(
        caller: String,
        requestID: String,
        downloads: Int? = nil,
        mayBegin: @escaping @Sendable () throws(GatewayError) -> Void = { () throws(GatewayError) in },
        place: @escaping @Sendable (_ limit: Int) async throws(GatewayError) -> DownloadPlace? = { _ in DownloadPlace()
        },
        record: @escaping @Sendable (Delivery) async -> Void
    ) {
        self.caller = caller
        self.downloads = downloads
        self.mayBegin = mayBegin
        self.place = place
        self.requestID = requestID
        self.record = record
    }
}
