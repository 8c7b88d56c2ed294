import Exports
import Synchronization
import Webhooks

/// How far each webhook has followed the changes in this process, which may be further than what is stored.
final class WebhookProgress: Sendable {
    private let positions = Mutex<[ExportID: (position: Int64, revision: Int64)]>([:])

    /// These webhooks are followed, and no others.
    func follows(_ entries: some Collection<FollowedWebhooks.Entry>) {
        let read = entries.map { ($0.webhook.id, (position: $0.position, revision: $0.webhook.revision)) }
        positions.withLock { $0 = Dictionary(uniqueKeysWithValues: read) }
    }

    /// Whether a webhook has its messages of all changes up to a position.
    func hasFollowed(_ webhook: Webhook, to position: Int64) -> Bool {
        guard webhook.position < position else { return true }
        let known = positions.withLock { $0[webhook.id] }
        return known.map { $0.revision == webhook.revision && $0.position >= position } ?? false
    }
}
