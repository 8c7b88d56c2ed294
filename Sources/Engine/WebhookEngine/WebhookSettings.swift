/// The limits and times of webhooks.
public struct WebhookSettings: Sendable, Hashable {
    /// The most webhooks of one caller.
    public var perCaller = 20
    /// The most messages that are being sent at a time.
    public var concurrency = 32
    /// The most messages that are being sent to one webhook at a time.
    public var perWebhook = 4
    /// The longest time that the sender takes for one attempt.
    public var timeout: Duration = .seconds(15)
    /// How long before their expiry `export.expiring` tells of files that were not downloaded.
    public var expiryLead: Duration = .seconds(86_400)
    /// How long messages are kept after their last attempt, and how old a change may be that still becomes a message.
    public var retention: Duration = .seconds(30 * 86_400)
    /// How long a webhook may be without a success before the gateway disables it.
    public var disableAfter: Duration = .seconds(5 * 86_400)
    /// How long the secret before the current one signs too.
    public var secretOverlap: Duration = .seconds(86_400)
    /// The most pending messages of one webhook. With more, its changes wait in the ledger.
    public var pendingLimit = 10_000
    /// The gateway's address as receivers know it, without a slash at its end; nil where it is not configured.
    public var base: String?
    /// The field `user-agent` of messages.
    public var userAgent = "export-gateway"

    /// The defaults.
    public init() {}

    /// How long a message is claimed: longer than the longest attempt with what is stored before and after it.
    var claim: Duration { timeout + .seconds(45) }
}
