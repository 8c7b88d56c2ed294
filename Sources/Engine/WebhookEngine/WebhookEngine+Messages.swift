import ExportLedger
public import Exports
public import Webhooks

extension WebhookEngine {
    public func test(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> WebhookMessage {
        let webhook = try await enabled(id, for: viewer)
        let now = parts.time.now()
        let event = CloudEvent(testOf: webhook, id: parts.random.newID(at: now), now: now, base: parts.settings.base)
        let message = WebhookMessage(
            webhookID: id,
            id: event.id,
            exportID: nil,
            type: .test,
            time: now,
            body: event.encoded(),
            dueAt: now
        )
        guard try await asking({ try await self.parts.store.add([message], to: id, position: nil) }) else {
            throw Self.unknown(id)
        }
        parts.due.fire()
        return try await self.message(event.id, of: id)
    }

    public func messages(
        of id: ExportID,
        for viewer: Viewer,
        state: WebhookMessage.State?,
        before: Int64?,
        limit: Int
    ) async throws(GatewayError) -> [WebhookMessage] {
        _ = try await webhook(id, for: viewer)
        let messages = try await asking {
            try await self.parts.store.messages(of: id, state: state, before: before, limit: limit)
        }
        guard let messages else { throw Self.unknown(id) }
        return messages
    }

    public func replay(
        _ messageID: String,
        of id: ExportID,
        for viewer: Viewer
    ) async throws(GatewayError) -> WebhookMessage {
        _ = try await enabled(id, for: viewer)
        _ = try await message(messageID, of: id)
        _ = try await replay(of: id, messageID: messageID, since: nil)
        return try await message(messageID, of: id)
    }

    public func replayFailed(
        since: Timestamp,
        of id: ExportID,
        for viewer: Viewer
    ) async throws(GatewayError) -> Int {
        _ = try await enabled(id, for: viewer)
        return try await replay(of: id, messageID: nil, since: since)
    }

    private func replay(of id: ExportID, messageID: String?, since: Timestamp?) async throws(GatewayError) -> Int {
        let now = parts.time.now()
        let count = try await asking {
            try await self.parts.store.replay(of: id, messageID: messageID, since: since, dueAt: now)
        }
        parts.due.fire()
        return count
    }

    private func enabled(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Webhook {
        let webhook = try await webhook(id, for: viewer)
        guard webhook.state == .enabled else {
            throw GatewayError(
                .webhookDisabled,
                "The webhook is disabled, so that nothing is sent to it. Enable it first: PATCH it with "
                    + #"{"state": "enabled"}."#
            )
        }
        return webhook
    }

    private func message(_ messageID: String, of id: ExportID) async throws(GatewayError) -> WebhookMessage {
        guard let message = try await asking({ try await self.parts.store.message(messageID, of: id) }) else {
            throw GatewayError(.notFound, "The webhook has no message with this id.")
        }
        return message
    }
}
