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
        // Those that it may not see are left out, and others read in their place.
        let size = viewer.seesAll ? limit : max(limit, Self.pageSize)
        var (visible, before): ([WebhookMessage], Int64?) = ([], before)
        while true {
            let last = before
            let page = try await asking {
                try await self.parts.store.messages(of: id, state: state, before: last, limit: size)
            }
            guard let page else { throw Self.unknown(id) }
            visible += page.filter { $0.isVisible(to: viewer.id, seesAll: viewer.seesAll) }
            guard visible.count < limit, page.count == size, let oldest = page.last else { break }
            before = oldest.number
        }
        return Array(visible.prefix(limit))
    }

    /// The most messages that are read at once for a caller who may not see all of them.
    private static let pageSize = 200

    public func replay(
        _ messageID: String,
        of id: ExportID,
        for viewer: Viewer
    ) async throws(GatewayError) -> WebhookMessage {
        _ = try await enabled(id, for: viewer)
        let known = try await message(messageID, of: id)
        guard known.isVisible(to: viewer.id, seesAll: viewer.seesAll) else { throw Self.unknownMessage }
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
            throw Self.unknownMessage
        }
        return message
    }

    private static var unknownMessage: GatewayError {
        GatewayError(.notFound, "The webhook has no message with this id.")
    }
}
