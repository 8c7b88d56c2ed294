import ExportLedger
import Exports
import Logging
import ServiceLifecycle
import Synchronization
import SystemCrypto
import Webhooks

/// Sends the messages that are due: a bounded number at a time, of all webhooks and of each. The owners of webhooks share the places
/// (``SendingPlaces``).
///
/// A message is claimed in the ledger before it is sent. Where the process is killed, the claim ends by time, and the message is sent
/// once more.
final class WebhookDispatcher: Sendable {
    private let parts: WebhookParts
    private let closing: WebhookClosing
    /// The attempts that are under way.
    let places = Mutex(SendingPlaces())

    /// Of so many webhooks at most, those whose messages became due first, it is decided whose are sent next.
    private static let mostWebhooks = 1_000

    init(_ parts: WebhookParts, closing: WebhookClosing) {
        self.parts = parts
        self.closing = closing
    }

    /// Sends until the graceful shutdown, and ends when the attempts under way have ended.
    func run() async {
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                while !Task.isCancelled, !Task.isShuttingDownGracefully {
                    do {
                        let claimed = try await claim()
                        // What was claimed while the shutdown began is left to the next process.
                        guard !Task.isCancelled, !Task.isShuttingDownGracefully else { break }
                        for (message, owner) in claimed {
                            places.withLock { $0.take(owner) }
                            group.addTask {
                                await self.work(on: message)
                                self.places.withLock { $0.giveBack(owner) }
                                self.parts.due.fire()
                            }
                        }
                        // There may be more, which another replica had locked.
                        if claimed.isEmpty { try await rest() }
                    } catch {
                        await parts.rest(after: error, "claiming webhook messages")
                    }
                }
            }
        } onGracefulShutdown: {
            self.parts.due.fire()
        }
    }

    /// Claims messages for the places that are free. Returns them with the owners of their webhooks.
    private func claim() async throws -> [(message: WebhookMessage, owner: String)] {
        let (now, perWebhook) = (parts.time.now(), parts.settings.perWebhook)
        guard places.withLock({ $0.count }) < parts.settings.concurrency else { return [] }
        let webhooks = try await parts.store.claimableWebhooks(
            at: now,
            perWebhook: perWebhook,
            limit: Self.mostWebhooks
        )
        let shares = places.withLock { places in
            places.shares(of: parts.settings.concurrency - places.count, among: webhooks, perWebhook: perWebhook)
        }
        guard !shares.isEmpty else { return [] }
        let messages = try await parts.store.claimMessages(
            of: shares,
            at: now,
            until: now + parts.settings.claim,
            perWebhook: perWebhook
        )
        let owners = Dictionary(webhooks.map { ($0.id, $0.owner) }, uniquingKeysWith: { first, _ in first })
        return messages.map { ($0, owners[$0.webhookID] ?? "") }
    }

    /// Waits until a message may be due: one was added, an attempt has ended, or its time has come.
    private func rest() async throws {
        let isFull = places.withLock { $0.count } >= parts.settings.concurrency
        // Without a limit by time, a message of another replica that was killed would not be found.
        let latest = parts.time.now() + WebhookParts.interval
        let next = isFull ? nil : try await parts.store.nextMessage(perWebhook: parts.settings.perWebhook)
        await parts.due.wait(until: min(next ?? latest, latest), of: parts.time)
    }

    private func work(on message: WebhookMessage) async {
        do {
            // Nil: it was deleted meanwhile, with its messages. One that was disabled keeps its claim until that ends by time.
            if let webhook = try await parts.store.webhook(message.webhookID), webhook.state == .enabled,
                // Without an owner, it is about to be disabled, or another replica knows the owner.
                parts.owner(webhook.createdBy) != .unknown
            {
                if !parts.selection(of: webhook).maySend(message) {
                    try await end(message, of: webhook, after: .failure(.notPermitted))
                } else if let dueAt = message.dueAt, parts.time.now() + parts.settings.timeout <= dueAt {
                    try await end(message, of: webhook, after: await parts.attempt(message, to: webhook))
                }
                // An attempt that would last longer than the claim could be made by two at a time.
            }
        } catch {
            // The claim ends by time.
            await parts.rest(after: error, "sending a webhook message")
        }
    }

    /// Stores what came of an attempt.
    private func end(
        _ message: WebhookMessage,
        of webhook: Webhook,
        after result: Result<WebhookAnswer, WebhookAttemptError>
    ) async throws {
        let outcome = WebhookOutcome(
            of: message,
            result,
            revision: webhook.revision,
            at: parts.time.now(),
            jitter: parts.random.jitter(),
            disableAfter: parts.settings.disableAfter
        )
        parts.metrics.attempted(outcome.error)
        let ended = Mutex(outcome.message)
        let closed = Mutex<(Webhook, WebhookDisabledReason)?>(nil)
        let isStored = try await parts.store.end(outcome.message) { message, webhook in
            // Called again where the transaction is repeated.
            let reason = outcome.change(&message, &webhook)
            let after = (message, webhook)
            ended.withLock { $0 = after.0 }
            closed.withLock { $0 = reason.map { (after.1, $0) } }
        }
        guard isStored else { return }
        let stored = ended.withLock { $0 }
        if stored.state == .failed { parts.metrics.gaveUp() }
        if let error = outcome.error { log(stored, error) }
        if let (webhook, reason) = closed.withLock({ $0 }) { await closing.closed(webhook, reason) }
    }

    private func log(_ message: WebhookMessage, _ error: WebhookAttemptError) {
        parts.logger.log(
            level: message.state == .failed ? .notice : .debug,
            "a webhook message was not delivered",
            metadata: [
                "webhook": "\(message.webhookID)", "message": "\(message.id)", "attempts": "\(message.attempts)",
                "error": "\(error.rawValue)", "status": "\(message.lastStatus.map(String.init) ?? "-")",
                "state": "\(message.state.rawValue)",
            ]
        )
    }
}

extension WebhookParts {
    /// Signs and sends a message.
    func attempt(
        _ message: WebhookMessage,
        to webhook: Webhook
    ) async -> Result<WebhookAnswer, WebhookAttemptError> {
        let secrets: WebhookSecrets
        do throws(CryptoError) {
            secrets = try WebhookSecrets(opening: webhook.sealedSecrets, of: webhook.id, with: keys)
        } catch {
            logger.error(
                "the secret of a webhook cannot be decrypted: its messages are not sent",
                metadata: ["webhook": "\(webhook.id)", "error": "\(error.label)"]
            )
            return .failure(.secretUnreadable)
        }
        let request = WebhookRequest(
            message,
            to: webhook,
            secrets: secrets,
            at: time.now(),
            userAgent: settings.userAgent
        )
        do throws(WebhookSendFailure) {
            return .success(try await sender.send(request))
        } catch {
            return .failure(.noAnswer(error))
        }
    }
}
