import ExportLedger
public import Exports
import Logging
import SystemCrypto
public import Webhooks

extension WebhookEngine: WebhookService {
    public func create(_ draft: WebhookDraft, for viewer: Viewer) async throws(GatewayError) -> NewWebhookSecret {
        try check(draft.url)
        let now = parts.time.now()
        let (id, secret) = (parts.random.newID(at: now), WebhookSecret(random: randomBytes))
        // The next change is the first one that it gets.
        let position = try await parts.exports.changeRange().last
        let webhook = Webhook(
            id: id,
            createdBy: viewer.id,
            seesAll: viewer.seesAll,
            url: draft.url,
            label: draft.label,
            types: draft.types,
            provider: draft.provider,
            connection: draft.connection,
            createdAt: now,
            sealedSecrets: try seal(WebhookSecrets(secret), of: id),
            position: position
        )
        let limit = parts.settings.perCaller
        guard try await asking({ try await self.parts.store.insert(webhook, limit: limit) }) else {
            throw GatewayError(
                .webhookLimit,
                "This caller has \(limit) webhooks already, which is the limit. Delete one, or have the operator raise "
                    + "webhooks.perCaller."
            )
        }
        webhooksChanged()
        return NewWebhookSecret(webhook, secret)
    }

    public func webhooks(
        for viewer: Viewer,
        after: ExportID?,
        limit: Int
    ) async throws(GatewayError) -> [Webhook] {
        try await asking {
            try await self.parts.store.webhooks(of: viewer.seesAll ? nil : viewer.id, after: after, limit: limit)
        }
    }

    public func webhook(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Webhook {
        let webhook = try await asking(about: id, for: viewer) { try await self.parts.store.webhook(id) }
        guard let webhook, viewer.maySeeExports(of: webhook.createdBy) else { throw Self.unknown(id) }
        return webhook
    }

    public func update(
        _ id: ExportID,
        for viewer: Viewer,
        revision: Int64?,
        _ patch: WebhookPatch
    ) async throws(GatewayError) -> Webhook {
        if let url = patch.url { try check(url) }
        let (now, owner) = (parts.time.now(), parts.owner)
        return try await change(id, for: viewer) { webhook in
            if let revision, revision != webhook.revision {
                throw GatewayError(
                    .preconditionFailed,
                    "The webhook has changed in the meantime. Read it again before you change it."
                )
            }
            let wasEnabled = webhook.state == .enabled
            guard patch.apply(to: &webhook) else { return }
            if webhook.state == .enabled, !wasEnabled, owner(webhook.createdBy) == .unknown {
                throw GatewayError(
                    .invalidWebhook,
                    "The webhook cannot be enabled: see errors.",
                    faults: [
                        FieldFault(
                            "/state",
                            "cannot be enabled: the caller \(webhook.createdBy), who owns the webhook, is not configured, or "
                                + "may not have webhooks; make a webhook of your own instead"
                        )
                    ]
                )
            }
            webhook.revision += 1
            webhook.updatedAt = now
            if viewer.id == webhook.createdBy { webhook.seesAll = viewer.seesAll }
        }
    }

    public func rotateSecret(of id: ExportID, for viewer: Viewer) async throws(GatewayError) -> NewWebhookSecret {
        let (secret, now) = (WebhookSecret(random: randomBytes), parts.time.now())
        let (keys, overlap, logger) = (parts.keys, parts.settings.secretOverlap, parts.logger)
        let webhook = try await change(id, for: viewer) { webhook in
            let secrets: WebhookSecrets
            do throws(CryptoError) {
                let known = try WebhookSecrets(opening: webhook.sealedSecrets, of: id, with: keys)
                let isOver = webhook.olderSecretsUntil.map { $0 <= now } ?? true
                secrets = (isOver ? known.withoutOlder : known).rotated(to: secret)
                webhook.olderSecretsUntil = now + overlap
            } catch {
                // The operator has removed the key: only a new secret can help.
                logger.warning(
                    "the secret of a webhook cannot be decrypted: it is replaced",
                    metadata: ["webhook": "\(id)", "error": "\(error.label)"]
                )
                secrets = WebhookSecrets(secret)
                webhook.olderSecretsUntil = nil
            }
            webhook.sealedSecrets = try secrets.sealed(for: id, with: keys)
            webhook.revision += 1
            webhook.updatedAt = now
        }
        return NewWebhookSecret(webhook, secret)
    }

    public func delete(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) {
        do throws(GatewayError) {
            _ = try await webhook(id, for: viewer)
        } catch {
            // Who may see it can be rid of one that cannot be read.
            guard (error.cause as? LedgerError)?.isAboutOneWebhook == true else { throw error }
        }
        guard try await asking({ try await self.parts.store.deleteWebhook(id) }) else { throw Self.unknown(id) }
        webhooksChanged()
    }

    // MARK: Helpers

    /// Changes a webhook that the viewer may see.
    private func change(
        _ id: ExportID,
        for viewer: Viewer,
        _ change: @escaping @Sendable (inout Webhook) throws -> Void
    ) async throws(GatewayError) -> Webhook {
        let webhook = try await asking(about: id, for: viewer) {
            try await self.parts.store.updateWebhook(id) { webhook in
                guard viewer.maySeeExports(of: webhook.createdBy) else { throw Self.unknown(id) }
                try change(&webhook)
            }
        }
        guard let webhook else { throw Self.unknown(id) }
        webhooksChanged()
        return webhook
    }

    private func seal(_ secrets: WebhookSecrets, of id: ExportID) throws(GatewayError) -> [UInt8] {
        do throws(CryptoError) {
            return try secrets.sealed(for: id, with: parts.keys)
        } catch {
            throw GatewayError(.internalError, "The gateway could not encrypt the webhook's secret.", cause: error)
        }
    }

    private func check(_ url: String) throws(GatewayError) {
        do throws(WebhookSendFailure) {
            try parts.sender.check(url)
        } catch {
            let fault =
                switch error {
                case .forbiddenAddress:
                    "has a host that is not public: private, loopback, link-local and similar addresses are not called, "
                        + "unless the operator allows the host by its name in webhooks.allowHosts"
                default:
                    "must be an absolute https URL with a host name or a public address, without user information and "
                        + "fragment"
                }
            throw GatewayError(
                .invalidWebhook,
                "The webhook is not valid: see errors.",
                faults: [FieldFault("/url", fault)],
                cause: error
            )
        }
    }

    /// Runs a call to the ledger.
    func asking<T: Sendable>(_ body: () async throws -> T) async throws(GatewayError) -> T {
        do {
            return try await body()
        } catch let error as GatewayError {
            throw error
        } catch {
            throw LedgerError.forClient(error, parts.logger)
        }
    }

    /// Runs a call to the ledger that reads a webhook. Where its row cannot be read, only those who may see it learn that it exists.
    private func asking<T: Sendable>(
        about id: ExportID,
        for viewer: Viewer,
        _ body: () async throws -> T
    ) async throws(GatewayError) -> T {
        do throws(GatewayError) {
            return try await asking(body)
        } catch {
            guard let cause = error.cause as? LedgerError, cause.isAboutOneWebhook else { throw error }
            guard viewer.maySeeExports(of: cause.owner) else { throw Self.unknown(id) }
            throw GatewayError(
                .internalError,
                "The gateway's ledger cannot read its row for this webhook. The operator has to repair it; or delete the "
                    + "webhook, and make another one.",
                cause: cause
            )
        }
    }

    static func unknown(_ id: ExportID) -> GatewayError {
        GatewayError(.notFound, "There is no webhook with the id \(id).")
    }
}
