public import Exports

/// What the HTTP API asks of the webhooks' engine: everything that a caller can do with them.
///
/// Every method throws only `GatewayError`, ready to be shown. A webhook that the viewer may not see is `notFound`, like one that does
/// not exist. A viewer sees its own webhooks, or those of all callers, as with exports. Where the gateway has no webhooks, each throws
/// `webhooksUnavailable`, with the configuration key that is missing.
public protocol WebhookService: Sendable {
    /// Stores a webhook of the viewer's, which gets the changes of exports from now on. Throws `invalidWebhook` for a URL that must not
    /// be called, and `webhookLimit` where the viewer has as many as a caller may have.
    func create(_ draft: WebhookDraft, for viewer: Viewer) async throws(GatewayError) -> NewWebhookSecret

    /// One page in the order of creation: those after `after`, at most `limit`.
    func webhooks(
        for viewer: Viewer,
        after: ExportID?,
        limit: Int
    ) async throws(GatewayError) -> [Webhook]

    /// One webhook. Throws `internalError` where the ledger cannot read it, which then can be deleted only.
    func webhook(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Webhook

    /// Changes a webhook. Enabling it removes the reason for which the gateway had disabled it. Throws `preconditionFailed` where
    /// `revision` is given and the webhook has another one, and `invalidWebhook` like `create`, and where it is to be enabled and its
    /// owner may not have it any more.
    func update(
        _ id: ExportID,
        for viewer: Viewer,
        revision: Int64?,
        _ patch: WebhookPatch
    ) async throws(GatewayError) -> Webhook

    /// Makes a new secret. The one before signs too for a configured time.
    func rotateSecret(of id: ExportID, for viewer: Viewer) async throws(GatewayError) -> NewWebhookSecret

    /// Deletes a webhook with its messages.
    func delete(_ id: ExportID, for viewer: Viewer) async throws(GatewayError)

    /// Stores a `webhook.test` message, which is sent at once, and once. Throws `webhookDisabled` for a webhook that is not enabled.
    func test(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> WebhookMessage

    /// One page of a webhook's messages, newest first: those with lower numbers than `before`, and none about an export that the viewer
    /// may not see.
    func messages(
        of id: ExportID,
        for viewer: Viewer,
        state: WebhookMessage.State?,
        before: Int64?,
        limit: Int
    ) async throws(GatewayError) -> [WebhookMessage]

    /// Sends a message again that was delivered or given up; one that is pending is left as it is. Returns it. Throws `notFound` for an
    /// unknown message, or one about an export that the viewer may not see, and `webhookDisabled`.
    func replay(
        _ messageID: String,
        of id: ExportID,
        for viewer: Viewer
    ) async throws(GatewayError) -> WebhookMessage

    /// Sends all messages again that were given up and whose events were at `since` or later. Returns how many. Throws `webhookDisabled`.
    func replayFailed(
        since: Timestamp,
        of id: ExportID,
        for viewer: Viewer
    ) async throws(GatewayError) -> Int
}

/// A webhook with the secret that was just made for it, which is shown this once.
public struct NewWebhookSecret: Sendable {
    public var webhook: Webhook
    public var secret: WebhookSecret

    /// Puts them together.
    public init(_ webhook: Webhook, _ secret: WebhookSecret) { (self.webhook, self.secret) = (webhook, secret) }
}

/// What a caller says of a new webhook.
public struct WebhookDraft: Sendable, Hashable {
    public var url: String
    public var label: String?
    public var types: Set<WebhookEventType>
    public var provider: ProviderID?
    public var connection: String?

    /// Makes a draft. It gets all events of exports, unless `types` says otherwise.
    public init(
        url: String,
        label: String? = nil,
        types: Set<WebhookEventType> = WebhookEventType.ofExports,
        provider: ProviderID? = nil,
        connection: String? = nil
    ) {
        self.url = url
        self.label = label
        self.types = types
        self.provider = provider
        self.connection = connection
    }
}

/// What a caller changes of a webhook. Nil leaves a member as it is; for those that may be absent, `.some(nil)` removes it.
public struct WebhookPatch: Sendable, Hashable {
    public var url: String?
    public var label: String??
    public var types: Set<WebhookEventType>?
    public var provider: ProviderID??
    public var connection: String??
    public var isEnabled: Bool?

    /// A patch that changes nothing.
    public init() {}

    /// Changes a webhook. Returns whether anything is different.
    public func apply(to webhook: inout Webhook) -> Bool {
        let before = webhook
        if let url, url != webhook.url {
            webhook.url = url
            // The failures were those of the former receiver.
            webhook.failingSince = nil
        }
        if let label { webhook.label = label }
        if let types { webhook.types = types }
        if let provider { webhook.provider = provider }
        if let connection { webhook.connection = connection }
        if let isEnabled, isEnabled != (webhook.state == .enabled) {
            webhook.state = isEnabled ? .enabled : .disabled
            webhook.disabledReason = nil
            webhook.failingSince = nil
        }
        return webhook != before
    }
}

extension WebhookEventType {
    /// Those that a webhook can choose among. The others are about the webhook itself, and every webhook gets them.
    public static let ofExports = Set(allCases.filter { $0 != .test && $0 != .disabled })
}
