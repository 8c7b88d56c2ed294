import CallerIdentity
import Exports
import HTTPFields
import HTTPTypes
import Hummingbird
import Webhooks

/// `/webhooks` and what is below it. Whoever manages webhooks gets events of exports, so that `Exports.Read` is needed too.
struct WebhookRoutes: Sendable {
    let service: any WebhookService
    let providers: [ConfiguredProvider]
    let cursor: Cursor
    let bodies: BodyReader

    /// `createWebhook`
    func create(_ call: Call) async throws -> Response {
        let viewer = try viewer(of: call)
        try ExportRoutes.checkType(of: call)
        let draft = try WebhookBody.draft(await bodies.bytes(of: call), providers)
        let new = try await service.create(draft, for: viewer)
        var response = answer(call, new, status: .created)
        response.headers[.location] = call.links.webhook(new.webhook.id)
        return response
    }

    /// `listWebhooks`
    func list(_ call: Call) async throws -> Response {
        let viewer = try viewer(of: call)
        let query = try QueryParser(call.query, allowed: ["limit", "cursor"])
        let limit = try query.integer("limit", in: 1...200) ?? 50
        let place = Cursor.List.webhooks(owner: viewer.seesAll ? nil : viewer.id)
        let after = try query["cursor"].map { text throws(GatewayError) in try cursor.open(text, in: place) }
        // One more tells whether there are more.
        let found = try await service.webhooks(for: viewer, after: after, limit: limit + 1)
        let webhooks = Array(found.prefix(limit))
        let next = found.count > limit ? webhooks.last.map { cursor.seal($0.id, in: place) } : nil
        return JSONAnswer.perCaller(WebhookDocument(links: call.links).bytes(ofPage: webhooks, nextCursor: next))
    }

    /// `getWebhook`
    func get(_ call: Call) async throws -> Response {
        let viewer = try viewer(of: call)
        return answer(call, try await service.webhook(call.webhookID(), for: viewer))
    }

    /// `updateWebhook`
    func update(_ call: Call) async throws -> Response {
        let (id, viewer) = (try call.webhookID(), try viewer(of: call))
        try checkPatchType(of: call)
        let wanted = try call.fields.list(.ifMatch, atMost: 1024)
        let patch = try WebhookBody.patch(await bodies.bytes(of: call), providers)
        var revision: Int64?
        if let wanted {
            let webhook = try await service.webhook(id, for: viewer)
            // Compared although the tag is weak: it names exactly one revision and state.
            guard EntityTag(of: webhook).isNamed(by: wanted) else {
                throw GatewayError(
                    .preconditionFailed,
                    "The webhook has changed in the meantime. Read it again before you change it."
                )
            }
            revision = webhook.revision
        }
        return answer(call, try await service.update(id, for: viewer, revision: revision, patch))
    }

    /// `rotateWebhookSecret`
    func rotateSecret(_ call: Call) async throws -> Response {
        let viewer = try viewer(of: call)
        return answer(call, try await service.rotateSecret(of: call.webhookID(), for: viewer), status: .ok)
    }

    /// `deleteWebhook`
    func delete(_ call: Call) async throws -> Response {
        let viewer = try viewer(of: call)
        try await service.delete(call.webhookID(), for: viewer)
        return Response(status: .noContent, headers: [.cacheControl: "no-store"])
    }

    // MARK: Helpers

    func viewer(of call: Call) throws(GatewayError) -> Viewer {
        try call.caller.require(.read)
        return call.viewer
    }

    private func answer(_ call: Call, _ webhook: Webhook) -> Response {
        JSONAnswer.perCaller(
            WebhookDocument(links: call.links).bytes(of: webhook),
            entityTag: EntityTag(of: webhook).field
        )
    }

    /// An answer with a secret, which nothing on the way may store.
    private func answer(_ call: Call, _ new: NewWebhookSecret, status: HTTPResponse.Status) -> Response {
        var response = JSONAnswer.perCaller(
            WebhookDocument(links: call.links).bytes(of: new.webhook, secret: new.secret),
            status: status
        )
        response.headers[.eTag] = EntityTag(of: new.webhook).field
        return response
    }

    /// Checks that the body is a merge patch (RFC 7396), or JSON, which is read as one.
    private func checkPatchType(of call: Call) throws(GatewayError) {
        guard let type = try call.fields.single(.contentType), MediaType.isMergePatch(contentType: type) else {
            return try ExportRoutes.checkType(of: call)
        }
        guard call.request.headers[.contentEncoding].map({ $0.lowercased() == "identity" }) ?? true else {
            throw GatewayError(.unsupportedMediaType, "The body must not be encoded: send no Content-Encoding.")
        }
    }
}

extension Call {
    /// The webhook in the path. Throws `notFound` for a text that is no id.
    func webhookID() throws(GatewayError) -> ExportID {
        guard let id = parameters["webhookId"].flatMap({ ExportID($0) }) else {
            throw GatewayError(.notFound, "There is no webhook with this id.")
        }
        return id
    }
}

extension EntityTag {
    /// The weak entity tag of a webhook: its id, the number of changes by callers, and its state, which the gateway may change.
    init(of webhook: Webhook) {
        self.init(opaque: "\(webhook.id).\(webhook.revision).\(webhook.state.rawValue)", isWeak: true)
    }
}
