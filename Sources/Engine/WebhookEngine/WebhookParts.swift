import ExportLedger
import Exports
import Logging
import SystemCrypto
import Webhooks

/// Whether the owner of a webhook may still have it.
public enum WebhookOwner: Sendable, Hashable {
    /// It is configured, and may read exports.
    case known(seesAll: Bool)
    /// It is not configured any more, or may not read exports any more.
    case unknown
    /// Only its next request can tell: a caller with access tokens.
    case unchecked
}

/// What all parts of the engine use.
struct WebhookParts: Sendable {
    let store: any WebhookStore
    let exports: any ChangeService
    let sender: any WebhookSender
    let keys: SealingKeys
    let owner: @Sendable (_ caller: String) -> WebhookOwner
    let settings: WebhookSettings
    let time: any TimeSource
    let random: Randomness
    let logger: Logger
    let metrics: WebhookMetrics
    let backlogs = WebhookBacklogs()
    /// How far the webhooks have followed the changes.
    let progress = WebhookProgress()
    /// Fired when changes may be new.
    let changed = Signal()
    /// Fired when a message may be due.
    let due = Signal()
    /// Fired when the gateway has disabled a webhook.
    let closed = Signal()

    /// The wait after a failure of the ledger.
    static let pause = Duration.seconds(1)
    /// How often what other replicas do is looked for, and what no signal tells of.
    static let interval = Duration.seconds(15)

    /// Which changes a webhook is told of now.
    func selection(of webhook: Webhook) -> WebhookSelection {
        let seesAll =
            switch owner(webhook.createdBy) {
            case .known(let seesAll): seesAll
            case .unknown: false
            case .unchecked: true
            }
        return WebhookSelection(webhook: webhook, seesAll: webhook.seesAll && seesAll)
    }

    /// Logs a failure of the ledger, unless the task is cancelled, and waits a moment.
    func rest(after error: any Error, _ doing: String) async {
        guard !Task.isCancelled else { return }
        logger.error("a ledger operation failed", metadata: ["error": "\(error)", "doing": .string(doing)])
        try? await time.sleep(for: Self.pause)
    }

    /// Calls `page` with each page of all webhooks.
    func forEachPage(_ page: ([Webhook]) async throws -> Void) async throws {
        var after: ExportID?
        repeat {
            let webhooks = try await store.webhooks(of: nil, after: after, limit: 200)
            try await page(webhooks)
            after = webhooks.count == 200 ? webhooks.last?.id : nil
        } while after != nil
    }
}
