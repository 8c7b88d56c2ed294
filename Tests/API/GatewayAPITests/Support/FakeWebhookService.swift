import Exports
import Synchronization
import Webhooks

/// Webhooks in memory, with the rules of who sees whose.
final class FakeWebhookService: WebhookService {
    struct State {
        var webhooks: [Webhook] = []
        /// Newest first.
        var messages: [WebhookMessage] = []
        /// What was changed or sent.
        var effects: [String] = []
        var since: Timestamp?
        var random = SystemRandomNumberGenerator()
    }

    let state = Mutex(State())
    let time: any TimeSource

    init(time: any TimeSource) { self.time = time }

    /// Puts a webhook there, with a message that was given up.
    @discardableResult
    func put(of owner: String = "anonymous", _ change: (inout Webhook) -> Void = { _ in }) -> Webhook {
        state.withLock { state in
            var webhook = Webhook(
                id: ExportID(at: time.now(), random: &state.random),
                createdBy: owner,
                seesAll: false,
                url: "https://receiver.example.com/",
                label: nil,
                types: [.succeeded, .failed],
                provider: nil,
                connection: nil,
                createdAt: time.now(),
                sealedSecrets: [],
                position: 0
            )
            change(&webhook)
            state.webhooks.append(webhook)
            state.messages.insert(message("message-1", of: webhook.id, number: Int64(state.messages.count + 1)), at: 0)
            return webhook
        }
    }

    func message(_ id: String, of webhook: ExportID, number: Int64) -> WebhookMessage {
        var message = WebhookMessage(
            webhookID: webhook,
            id: id,
            exportID: nil,
            type: .test,
            time: time.now(),
            body: [],
            dueAt: time.now()
        )
        message.number = number
        message.state = .failed
        message.dueAt = nil
        message.attempts = 10
        message.lastAttemptAt = time.now()
        message.lastStatus = 503
        message.lastError = "status"
        return message
    }

    private func known<T>(
        _ id: ExportID,
        _ viewer: Viewer,
        _ effect: String? = nil,
        _ body: (inout State, Int) throws(GatewayError) -> T
    ) throws(GatewayError) -> T {
        try state.withLock { state throws(GatewayError) in
            let index = state.webhooks.firstIndex { $0.id == id && viewer.maySeeExports(of: $0.createdBy) }
            guard let index else { throw GatewayError(.notFound, "There is no webhook with the id \(id).") }
            if let effect { state.effects.append(effect) }
            return try body(&state, index)
        }
    }

    private static let secret = WebhookSecret { Array(repeating: 5, count: $0) }

    func create(_ draft: WebhookDraft, for viewer: Viewer) async throws(GatewayError) -> NewWebhookSecret {
        let webhook = put(of: viewer.id) { webhook in
            webhook.url = draft.url
            webhook.label = draft.label
            webhook.types = draft.types
            webhook.provider = draft.provider
            webhook.connection = draft.connection
        }
        return NewWebhookSecret(webhook, Self.secret)
    }

    func webhooks(for viewer: Viewer, after: ExportID?, limit: Int) async throws(GatewayError) -> [Webhook] {
        state.withLock { state in
            let seen = state.webhooks.filter { viewer.maySeeExports(of: $0.createdBy) }.sorted { $0.id < $1.id }
            return Array(seen.filter { webhook in after.map { $0 < webhook.id } ?? true }.prefix(limit))
        }
    }

    func webhook(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Webhook {
        try known(id, viewer) { state, index throws(GatewayError) in state.webhooks[index] }
    }

    func update(
        _ id: ExportID,
        for viewer: Viewer,
        revision: Int64?,
        _ patch: WebhookPatch
    ) async throws(GatewayError) -> Webhook {
        try known(id, viewer, "changed") { state, index throws(GatewayError) in
            if patch.apply(to: &state.webhooks[index]) { state.webhooks[index].revision += 1 }
            return state.webhooks[index]
        }
    }

    func rotateSecret(of id: ExportID, for viewer: Viewer) async throws(GatewayError) -> NewWebhookSecret {
        try known(id, viewer, "rotated") { state, index throws(GatewayError) in
            state.webhooks[index].olderSecretsUntil = time.now() + .seconds(86_400)
            return NewWebhookSecret(state.webhooks[index], Self.secret)
        }
    }

    func delete(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) {
        try known(id, viewer, "deleted") { state, index throws(GatewayError) in _ = state.webhooks.remove(at: index) }
    }

    func test(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> WebhookMessage {
        try known(id, viewer, "tested") { state, _ throws(GatewayError) in
            var message = message("test", of: id, number: 9)
            (message.state, message.attempts, message.dueAt) = (.pending, 0, time.now())
            (message.lastAttemptAt, message.lastStatus, message.lastError) = (nil, nil, nil)
            return message
        }
    }

    func messages(
        of id: ExportID,
        for viewer: Viewer,
        state wanted: WebhookMessage.State?,
        before: Int64?,
        limit: Int
    ) async throws(GatewayError) -> [WebhookMessage] {
        try known(id, viewer) { state, _ throws(GatewayError) in
            let found = state.messages.filter { message in
                message.webhookID == id && (wanted == nil || message.state == wanted)
                    && (before.map { message.number < $0 } ?? true)
            }
            return Array(found.prefix(limit))
        }
    }

    func replay(_ messageID: String, of id: ExportID, for viewer: Viewer) async throws(GatewayError) -> WebhookMessage {
        try known(id, viewer, "replayed") { state, _ throws(GatewayError) in
            guard var message = state.messages.first(where: { $0.webhookID == id && $0.id == messageID }) else {
                throw GatewayError(.notFound, "The webhook has no message with this id.")
            }
            (message.state, message.attempts, message.dueAt) = (.pending, 0, time.now())
            return message
        }
    }

    func replayFailed(since: Timestamp, of id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Int {
        try known(id, viewer, "replayed") { state, _ throws(GatewayError) in
            state.since = since
            return state.messages.count { $0.webhookID == id }
        }
    }
}
