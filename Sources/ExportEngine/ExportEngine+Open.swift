import ExportLedger
public import Exports

extension ExportEngine {
    public func open(
        _ fileID: String,
        of id: ExportID,
        owner: String? = nil,
        range: FileRange?,
        authorization: CallerAuthorization
    ) async throws(GatewayError) -> FileBody {
        let record = try await takeToken(of: authorization, for: knownRecord(id, owner: owner))
        let (lane, file, reference) = try await checkOpen(fileID, of: record)
        // One that was refused a moment ago is tried again here: it is this caller's own wish, and one call.
        let isOwner = authorization.isOwner(of: record.export)
        let token = authorization.token ?? (isOwner ? tools.tokens.token(for: id) : nil)
        if lane.life.capabilities.delegatedOnly && token == nil { throw Self.tokenNeeded(lane.connection.descriptor) }
        do {
            return try await lane.connection.provider.open(
                file,
                of: reference,
                range: range,
                context: tools.context(
                    authorization: token,
                    downloadAuthorization: authorization.downloadToken
                )
            )
        } catch {
            if token != nil, lane.life.asksForAuthorization(error) { throw Self.refused(error, authorization) }
            // What an upstream does not show to somebody else may be there for the owner.
            if error.code == .gone, !lane.life.isOthers(record.export, authorization) {
                try await expire(id, lane.life)
                throw Self.expired(upstream: error.upstream, cause: error)
            }
            throw GatewayError(error)
        }
    }

    private func checkOpen(
        _ fileID: String,
        of record: LedgerRecord
    ) async throws(GatewayError) -> (Lane, ExportFile, UpstreamReference) {
        let export = record.export
        switch export.status {
        case .succeeded, .partiallySucceeded:
            break
        case .expired:
            throw Self.expired()
        case .notStarted, .running, .unknown:
            guard export.isFinal else {
                throw GatewayError(
                    .notReady,
                    "The export is not finished. Ask for its status until it is.",
                    retryAfter: record.nextActionAt.map { max(.seconds(1), $0 - tools.time.now()) }
                )
            }
            throw GatewayError(.noResult, "It is not known what became of the export, so that there are no files.")
        case .failed, .canceled:
            throw GatewayError(.noResult, "The export ended as \(export.status.rawValue), without files.")
        }
        if let destination = export.destination {
            throw GatewayError(
                .deliveredElsewhere,
                "The files went to the storage that the export was made into.",
                members: ["destination": .string(destination)]
            )
        }
        if let expiresAt = export.expiresAt, expiresAt <= tools.time.now() {
            try await expire(export.id, life(of: export))
            throw Self.expired()
        }
        guard let file = export.files.first(where: { $0.id == fileID }) else {
            throw GatewayError(
                .notFound,
                "The export has no file \(fileID).",
                members: ["files": .array(export.files.map { .string($0.id) })]
            )
        }
        guard let lane = lane(of: export), let reference = record.reference else {
            throw GatewayError(
                .unavailable,
                "The connection \(export.connection) is not configured any more: its files cannot be fetched."
            )
        }
        return (lane, file, reference)
    }

    /// Why the upstream does not take what the caller has brought, with what the caller can do about it.
    ///
    /// What is kept stays as it was: it may be the token for the download hosts that is missing, or a right that is needed
    /// there only.
    private static func refused(_ error: ProviderError, _ authorization: CallerAuthorization) -> GatewayError {
        // These say themselves what a new token has to prove, or which one is missing.
        if error.challenge != nil || error.problem == .upstreamAuthorizationRequired { return GatewayError(error) }
        let advice =
            authorization.downloadToken == nil
            ? "If your token has ended, send a new one in the header Upstream-Authorization."
            : "If a token that you sent has ended, send a new one in its header."
        var problem = GatewayError(error)
        problem.code = .upstreamAuthorizationRequired
        problem.detail += " " + advice
        return problem
    }

    private func expire(_ id: ExportID, _ life: ExportLife) async throws(GatewayError) {
        _ = try await asking { try await self.tools.apply(.filesGone, to: id, fence: nil, life) }
    }

    private static func expired(upstream: UpstreamErrorInfo? = nil, cause: (any Error)? = nil) -> GatewayError {
        GatewayError(
            .expired,
            "The upstream does not keep the files any more. Create the export again.",
            upstream: upstream,
            cause: cause
        )
    }
}
