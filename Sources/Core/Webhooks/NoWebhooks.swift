public import Exports

/// The service of a gateway without webhooks: everything is refused, with the reason.
public struct NoWebhooks: WebhookService {
    private let error: GatewayError

    /// - Parameters:
    ///   - key: The configuration key that decides.
    ///   - detail: What the operator has to do, as a sentence.
    public init(key: String, _ detail: String) {
        error = GatewayError(.webhooksUnavailable, "\(key): \(detail)")
    }

    public func create(_ draft: WebhookDraft, for viewer: Viewer) async throws(GatewayError) -> NewWebhookSecret {
        throw error
    }

    public func webhooks(
        for viewer: Viewer,
        after: ExportID?,
        limit: Int
    ) async throws(GatewayError) -> [Webhook] { throw error }

    public func webhook(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Webhook { throw error }

    public func update(
        _ id: ExportID,
        for viewer: Viewer,
        revision: Int64?,
        _ patch: WebhookPatch
    ) async throws(GatewayError) -> Webhook { throw error }

    public func rotateSecret(of id: ExportID, for viewer: Viewer) async throws(GatewayError) -> NewWebhookSecret {
        throw error
    }

    public func delete(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) { throw error }

    public func test(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> WebhookMessage { throw error }

    public func messages(
        of id: ExportID,
        for viewer: Viewer,
        state: WebhookMessage.State?,
        before: Int64?,
        limit: Int
    ) async throws(GatewayError) -> [WebhookMessage] { throw error }

    public func replay(
        _ messageID: String,
        of id: ExportID,
        for viewer: Viewer
    ) async throws(GatewayError) -> WebhookMessage { throw error }

    public func replayFailed(
        since: Timestamp,
        of id: ExportID,
        for viewer: Viewer
    ) async throws(GatewayError) -> Int { throw error }
}
