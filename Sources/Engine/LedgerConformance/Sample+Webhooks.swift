import ExportLedger
import Exports
import Webhooks

extension Sample {
    static func webhook(_ seconds: Int = 0, by owner: String = "alice") -> Webhook {
        Webhook(
            id: id(seconds),
            createdBy: owner,
            seesAll: false,
            url: "https://receiver.example/events",
            label: nil,
            types: [.succeeded],
            provider: nil,
            connection: nil,
            createdAt: time(seconds),
            sealedSecrets: [],
            position: 7
        )
    }

    /// The same webhook with other values in every field that a change may alter.
    static func changed(_ webhook: Webhook) -> Webhook {
        var changed = webhook
        changed.seesAll = true
        changed.revision = 3
        changed.url = "https://receiver.example/☃?a=\"b\""
        changed.label = "Quarter ☃"
        changed.types = Set(WebhookEventType.allCases)
        changed.provider = ProviderID("power-bi")
        changed.connection = "main"
        changed.state = .disabledByGateway
        changed.disabledReason = "gone"
        changed.createdAt = time(11)
        changed.updatedAt = time(12)
        changed.failingSince = time(13)
        changed.sealedSecrets = [0, 255, 10, 0]
        changed.olderSecretsUntil = time(14)
        return changed
    }

    /// A message of a webhook that is due at `seconds`.
    static func message(
        _ name: String,
        of webhook: ExportID,
        _ export: ExportID? = nil,
        at seconds: Int = 0
    ) -> WebhookMessage {
        WebhookMessage(
            webhookID: webhook,
            id: name,
            exportID: export,
            type: export == nil ? .test : .updated,
            time: time(seconds),
            body: [0x7B, 0x00, 0xFF, 0x7D],
            dueAt: time(seconds)
        )
    }
}

extension WebhookStore {
    /// Stores a webhook and returns its id.
    func id(of webhook: Webhook) async throws -> ExportID {
        _ = try await insert(webhook, limit: 100)
        return webhook.id
    }

    /// Stores messages of one webhook: of each of these exports those with these names.
    @discardableResult
    func add(
        _ names: [(name: String, export: ExportID?)],
        to webhook: ExportID,
        at seconds: Int = 0
    ) async throws -> Bool {
        let messages = names.map { Sample.message($0.name, of: webhook, $0.export, at: seconds) }
        return try await add(messages, to: webhook, position: nil)
    }

    /// Claims what is due, one after the other, for a minute.
    func claim(at seconds: Int, limit: Int = 100, perWebhook: Int = 100) async throws -> [WebhookMessage] {
        var claimed: [WebhookMessage] = []
        // What cannot be read is claimed, and not returned.
        for _ in 0..<limit where claimed.count < limit {
            let now = Sample.time(seconds)
            let ready = try await claimableWebhooks(at: now, perWebhook: perWebhook, limit: 1)
            guard let first = ready.first else { break }
            claimed += try await claimMessages(
                of: [first.id: 1],
                at: now,
                until: Sample.time(seconds + 60),
                perWebhook: perWebhook
            )
        }
        return claimed
    }

    /// Ends a claim at a time, and with one for a pending message.
    @discardableResult
    func end(
        _ message: WebhookMessage,
        _ state: WebhookMessage.State,
        at seconds: Int = 1,
        dueAt: Int? = nil
    ) async throws -> Bool {
        var ended = message
        ended.state = state
        ended.dueAt = dueAt.map(Sample.time)
        ended.lastAttemptAt = Sample.time(seconds)
        return try await end(ended) { _, _ in }
    }

    /// All messages of a webhook that can be read, oldest first.
    func all(of webhook: ExportID) async throws -> [WebhookMessage] {
        try await messages(of: webhook, state: nil, before: nil, limit: 10_000)?.reversed() ?? []
    }
}

extension [WebhookMessage] {
    var names: [String] { map(\.id) }
}
