import CallerIdentity
import Exports
import Hummingbird
import Webhooks

extension WebhookRoutes {
    /// `testWebhook`
    func test(_ call: Call) async throws -> Response {
        let viewer = try viewer(of: call)
        return accepted(try await service.test(call.webhookID(), for: viewer))
    }

    /// `listWebhookDeliveries`
    func deliveries(_ call: Call) async throws -> Response {
        let (id, viewer) = (try call.webhookID(), try viewer(of: call))
        let query = try QueryParser(call.query, allowed: ["state", "limit", "cursor"])
        let state = try query.choice("state", among: WebhookMessage.State.allCases.map(\.rawValue))
            .flatMap { WebhookMessage.State(rawValue: $0) }
        let limit = try query.integer("limit", in: 1...200) ?? 50
        let place = Cursor.List.messages(of: id, state: state?.rawValue)
        let before = try query["cursor"].map { text throws(GatewayError) in try cursor.openNumber(text, in: place) }
        let found = try await service.messages(of: id, for: viewer, state: state, before: before, limit: limit + 1)
        let messages = Array(found.prefix(limit))
        let next = found.count > limit ? messages.last.map { cursor.seal($0.number, in: place) } : nil
        return JSONAnswer.perCaller(WebhookDocument.bytes(ofMessages: messages, nextCursor: next))
    }

    /// `replayWebhookDelivery`
    func replay(_ call: Call) async throws -> Response {
        let (id, viewer) = (try call.webhookID(), try viewer(of: call))
        return accepted(try await service.replay(call.parameters["messageId"] ?? "", of: id, for: viewer))
    }

    /// `replayWebhookDeliveries`
    func replayFailed(_ call: Call) async throws -> Response {
        let (id, viewer) = (try call.webhookID(), try viewer(of: call))
        try ExportRoutes.checkType(of: call)
        let since = try WebhookBody.since(await bodies.bytes(of: call))
        let count = try await service.replayFailed(since: since, of: id, for: viewer)
        return JSONAnswer.perCaller(WebhookDocument.bytes(ofReplayed: count), status: .accepted)
    }

    private func accepted(_ message: WebhookMessage) -> Response {
        JSONAnswer.perCaller(WebhookDocument.bytes(of: message), status: .accepted)
    }
}
