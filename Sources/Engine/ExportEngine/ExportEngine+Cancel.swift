import Audit
import ExportLedger
public import Exports

extension ExportEngine {
    public func cancel(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Export {
        let record = try await takeToken(of: viewer, for: knownRecord(id, for: viewer))
        if record.export.isFinal { return record.export }
        let (life, worker) = (life(of: record.export), worker(of: record.export))
        let isOwnersOnly = worker?.delegation.isOwnersOnly(record.export, viewer) ?? false
        if record.phase == .tracking, life.capabilities.cancel, let worker, !isOwnersOnly {
            // The engine can cancel in the background with the refresh token, unless that was refused before.
            let isKept = try await asking { try await worker.refreshToken(of: record.export)?.load() != nil }
            let purpose = DelegatedAuthorization.Purpose.cancel(
                viewer,
                hasRefreshToken: isKept && !record.progress.awaitsAuthorization
            )
            if worker.delegation.answer(purpose, on: record.export) == .tokenMissing {
                throw Self.tokenNeeded(worker.connection.descriptor, record)
            }
        }

        let wished = try await asking {
            try await self.transitions.apply(
                .cancelRequested(withOwnersToken: !isOwnersOnly),
                to: id,
                fence: nil,
                life,
                audit: self.audit?.changed(.cancel, by: viewer)
            )
        }
        guard let wished else { return try await knownRecord(id, for: viewer).export }
        if isOwnersOnly, wished.phase != .settled, life.capabilities.cancel { throw Self.onlyItsOwner }
        worker?.wake(id)
        // A start under way is completed first. The cancellation follows when its outcome is known.
        guard wished.phase == .tracking else { return wished.export }

        let after = try await waiting(on: id, until: time.now() + settings.cancelWait) {
            $0.phase == .settled || !$0.cancelWished || $0.progress.cancelAttempts > 0
        }
        if let refusal = after.progress.cancelRefusal, !after.cancelWished, after.phase != .settled {
            throw GatewayError(refusal.code, refusal.detail, upstream: refusal.upstream)
        }
        return after.export
    }

    /// The error for an export that cannot go on without its caller's token: the upstream's own one, where there is one.
    private static func tokenNeeded(_ descriptor: ProviderDescriptor, _ record: LedgerRecord) -> GatewayError {
        guard record.progress.awaitsAuthorization, let notice = record.export.notice else {
            return tokenNeeded(descriptor)
        }
        return GatewayError(.upstreamAuthorizationRequired, notice.detail, upstream: notice.upstream)
    }

    private static let onlyItsOwner = GatewayError(
        .forbidden,
        "The export was started upstream with its owner's own token: only its owner can cancel it there."
    )
}
