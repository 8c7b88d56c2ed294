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
            if let token, lane.life.asksForAuthorization(error) {
                tools.tokens.drop(token, for: id)
                // A challenge says what the new token has to prove.
                if error.challenge != nil { throw GatewayError(error) }
                throw GatewayError(
                    .upstreamAuthorizationRequired,
                    "The upstream refused your token. Send a valid one in the header Upstream-Authorization.",
                    upstream: error.upstream,
                    cause: error
                )
            }
            if error.code == .gone {
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
            guard record.phase == .settled else {
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
