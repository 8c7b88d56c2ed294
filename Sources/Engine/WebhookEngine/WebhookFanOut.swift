import ExportLedger
import Exports
import Logging
import Synchronization
import Webhooks

/// Makes messages of the changes of exports: one page of changes is read once for all webhooks that stand at its beginning.
///
/// The messages of a page are stored in the transaction that moves the webhook's position. So whatever is killed, none is missing; and
/// since equal changes give equal ids, none is doubled either, when several replicas do this at the same time.
final class WebhookFanOut: Sendable {
    /// The most changes that are read at once.
    static let pageSize = 500

    let parts: WebhookParts
    /// When this process began. The owner of a webhook that was changed since may be in a newer configuration, which other replicas have.
    private let begun: Timestamp
    /// Whether a webhook was made or changed here since they were read.
    private let isOutdated = Mutex(true)
    /// Disables a webhook.
    private let disable: @Sendable (Webhook, WebhookDisabledReason) async throws -> Void

    init(
        _ parts: WebhookParts,
        disable: @escaping @Sendable (Webhook, WebhookDisabledReason) async throws -> Void
    ) {
        self.parts = parts
        self.disable = disable
        begun = parts.time.now()
    }

    /// A webhook was made or changed by this process.
    func webhooksChanged() {
        isOutdated.withLock { $0 = true }
        parts.changed.fire()
    }

    /// Follows the changes until the task is cancelled.
    func run() async {
        let observation = parts.exports.onChanges { [changed = parts.changed] in changed.fire() }
        defer { observation.end() }
        var followed = FollowedWebhooks()
        var nextReading = parts.time.elapsed()
        while !Task.isCancelled {
            do {
                let isOutdated = isOutdated.withLock { isOutdated in
                    defer { isOutdated = false }
                    return isOutdated
                }
                let now = parts.time.elapsed()
                let isDue = now >= nextReading
                if isDue || isOutdated {
                    nextReading = now + WebhookParts.interval
                    try await read(&followed)
                }
                try await follow(&followed, storingAll: isDue)
                await parts.changed.wait(until: parts.time.now() + WebhookParts.interval, of: parts.time)
            } catch {
                self.isOutdated.withLock { $0 = true }
                await parts.rest(after: error, "making webhook messages")
            }
        }
    }

    /// Reads the enabled webhooks, and disables those without an owner.
    private func read(_ followed: inout FollowedWebhooks) async throws {
        var webhooks: [Webhook] = []
        try await parts.forEachPage { page in
            for webhook in page where webhook.state == .enabled {
                if webhook.updatedAt < begun, parts.owner(webhook.createdBy) == .unknown {
                    try await disable(webhook, .ownerUnknown)
                } else {
                    webhooks.append(webhook)
                }
            }
        }
        followed.replace(with: webhooks)
    }

    /// Reads all changes that there are, unless a webhook is changed meanwhile.
    private func follow(_ followed: inout FollowedWebhooks, storingAll: Bool) async throws {
        /// Those that failed: each may have a row that cannot be read, which must keep no other one waiting.
        var failed: Set<ExportID> = []
        var hasMore = true
        while hasMore, !isOutdated.withLock({ $0 }) {
            let isReady: (ExportID) -> Bool = { [parts, failed] id in
                !failed.contains(id) && parts.backlogs.count(of: id) < parts.settings.pendingLimit
            }
            hasMore = false
            // In turns, so that a webhook that has much to read keeps no other one waiting.
            for start in followed.starts(among: isReady) {
                try Task.checkCancellation()
                let page = try await changes(after: start)
                guard page.through > start else { continue }
                if page.hasMore { hasMore = true }
                var reading = ChangeReading(page, parts)
                for entry in followed.at(start, among: isReady) {
                    do {
                        try await tell(entry, of: &reading, &followed, storingAll: storingAll)
                    } catch let error where Self.isAboutOne(error) {
                        failed.insert(entry.webhook.id)
                        parts.logger.error(
                            "the messages of a webhook cannot be made: it is tried again later",
                            metadata: ["webhook": "\(entry.webhook.id)", "after": "\(start)", "error": "\(error)"]
                        )
                    }
                }
                parts.progress.follows(followed.entries.values)
            }
        }
        parts.progress.follows(followed.entries.values)
    }

    /// Whether a failure may be that of one webhook or export. Otherwise nothing can be read or written now.
    private static func isAboutOne(_ error: any Error) -> Bool {
        let known = (error as? GatewayError)?.cause ?? error
        return (known as? LedgerError)?.code == .corrupt
    }

    private func changes(after position: Int64) async throws(GatewayError) -> ChangePage {
        let page = try await parts.exports.changes(after: position, limit: Self.pageSize)
        if page.isIncomplete {
            // The ledger has logged the row.
            parts.metrics.missedChange()
            parts.logger.error(
                "a change of an export cannot be read: webhooks are not told of it",
                metadata: ["after": "\(position)", "through": "\(page.through)"]
            )
        }
        return page
    }

    /// Stores a webhook's messages of a page, and its position.
    private func tell(
        _ entry: FollowedWebhooks.Entry,
        of reading: inout ChangeReading,
        _ followed: inout FollowedWebhooks,
        storingAll: Bool
    ) async throws {
        let (webhook, through) = (entry.webhook, reading.page.through)
        let messages = try await reading.messages(for: webhook, after: entry.position)
        let isFar = through - webhook.position >= FollowedWebhooks.longestUnstored
        guard !messages.isEmpty || isFar || storingAll else {
            return followed.read(webhook.id, through: through, isStored: false)
        }
        let position = (from: webhook.position, to: through, revision: webhook.revision)
        guard try await parts.store.add(messages, to: webhook.id, position: position) else {
            // Another replica was faster, or it was changed or deleted.
            return followed.put(try await parts.store.webhook(webhook.id), id: webhook.id)
        }
        followed.read(webhook.id, through: through, isStored: true)
        guard !messages.isEmpty else { return }
        parts.backlogs.added(messages.count, to: webhook.id)
        parts.due.fire()
    }
}
