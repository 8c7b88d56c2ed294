import ExportLedger
public import Exports

extension ExportEngine {
    public func cancel(
        _ id: ExportID,
        owner: String? = nil,
        authorization: CallerAuthorization
    ) async throws(GatewayError) -> Export {
        let record = try await takeToken(of: authorization, for: knownRecord(id, owner: owner))
        if record.export.isFinal { return record.export }
        let life = life(of: record.export)
        let isOthers = life.isOthers(record.export, authorization)
        let isAskedUpstream = record.phase == .tracking && life.capabilities.cancel && !isOthers
        if isAskedUpstream, life.capabilities.delegatedOnly, let worker = worker(of: record.export) {
            // The engine can cancel in the background with the refresh token, unless that was refused before.
            let isKept = try await asking { try await worker.refreshToken(of: record.export)?.load() != nil }
            guard tools.tokens.token(for: id) != nil || (isKept && !record.progress.awaitsAuthorization) else {
                throw Self.tokenNeeded(worker.connection.descriptor, record)
            }
        }

        let wished = try await asking {
            try await self.tools.apply(.cancelRequested(withOwnersToken: !isOthers), to: id, fence: nil, life)
        }
        guard let wished else { return try await knownRecord(id).export }
        if isOthers, wished.phase != .settled, life.capabilities.cancel { throw Self.onlyItsOwner }
        worker(of: record.export)?.wake(id)
        // A start under way is completed first. The cancellation follows when its outcome is known.
        guard wished.phase == .tracking else { return wished.export }

        let after = try await waiting(on: id, until: tools.time.now() + tools.settings.cancelWait) {
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
