import ExportLedger
public import Exports
import JSON
import Logging

extension ExportEngine {
    public func open(
        _ fileID: String,
        of id: ExportID,
        owner: String? = nil,
        range: FileRange?,
        authorization: CallerAuthorization
    ) async throws(GatewayError) -> FileBody {
        let record = try await takeToken(of: authorization, for: knownRecord(id, owner: owner))
        let (worker, file, reference) = try await checkOpen(fileID, of: record)
        // A token that was refused a moment ago is tried again here: the caller has asked for it, and it costs one call only.
        let isOwner = authorization.isOwner(of: record.export)
        let token = authorization.token ?? (isOwner ? tools.tokens.token(for: id) : nil)
        if worker.life.capabilities.delegatedOnly && token == nil {
            throw Self.tokenNeeded(worker.connection.descriptor)
        }
        var context = tools.context(
            .caller,
            for: record.export,
            authorization: token,
            downloadAuthorization: authorization.downloadToken
        )
        // Callers who download take turns, whoever created the export. A measurement has the lowest priority.
        context.caller = authorization.caller
        if authorization.caller?.isEmpty == true { context.priority = .poll }
        do {
            return try await worker.connection.provider.open(file, of: reference, range: range, context: context)
        } catch {
            if token != nil, worker.life.asksForAuthorization(error) { throw Self.refused(error, authorization) }
            guard [.gone, .notFound, .forbidden].contains(error.code) else { throw GatewayError(error) }
            let word = try await ask(worker, for: fileID, of: reference, record, authorization, context, after: error)
            guard word == .listed, error.code != .forbidden else { throw Self.missing(word, error) }
        }
        // The upstream lists the file, so the refusal may have been temporary.
        do {
            return try await worker.connection.provider.open(file, of: reference, range: range, context: context)
        } catch {
            if token != nil, worker.life.asksForAuthorization(error) { throw Self.refused(error, authorization) }
            guard [.gone, .notFound].contains(error.code) else { throw GatewayError(error) }
            throw Self.missing(.listed, error)
        }
    }

    /// Polls the upstream for the job, and stores the answer. Throws `expired` where the files are gone by that answer.
    private func ask(
        _ worker: ConnectionWorker,
        for fileID: String,
        of reference: UpstreamReference,
        _ record: LedgerRecord,
        _ authorization: CallerAuthorization,
        _ context: CallContext,
        after error: ProviderError
    ) async throws(GatewayError) -> FileWord {
        let answer = await worker.connection.provider.observe([reference], context: context)[reference]
        let word = answer.map { FileWord($0, of: fileID) } ?? .silent
        tools.logger.notice(
            "a file could not be opened, the job was polled",
            metadata: [
                "export": "\(record.export.id)", "file": "\(fileID)", "error": "\(error.label)",
                "upstream-status": "\(error.upstream?.status.map(String.init) ?? "-")", "word": "\(word)",
            ]
        )
        // The upstream may hide from another caller what it shows to the owner, so nothing is stored.
        if worker.life.isOthers(record.export, authorization) { return word }
        let id = record.export.id
        let after = try await asking {
            try await self.tools.apply(.filesAsked(word), to: id, fence: nil, worker.life)
        }
        if after?.export.status == .expired { throw Self.expired(upstream: error.upstream, cause: error) }
        return word
    }

    /// What a client is told of a file that could not be opened, where that does not mean that it is gone for good.
    private static func missing(_ word: FileWord, _ error: ProviderError) -> GatewayError {
        // The upstream forbids it, and will do so until a permission is granted.
        if error.code == .forbidden { return GatewayError(error) }
        let what =
            switch word {
            case .listed: "The upstream lists the file, but does not serve it at the moment."
            case .notListed: "The upstream says that the export succeeded, but does not list the file at the moment."
            case .unknownJob, .gone: "The upstream says that it knows neither the file nor the export. That may change."
            case .silent: "The upstream does not serve the file, and the state of the export could not be polled."
            }
        return GatewayError(
            .upstreamUnavailable,
            what + " The export stays as it is; try again.",
            retryAfter: error.retryAfter ?? .seconds(5),
            upstream: error.upstream,
            cause: ProviderError(.transient, what, upstream: error.upstream, cause: error)
        )
    }

    private func checkOpen(
        _ fileID: String,
        of record: LedgerRecord
    ) async throws(GatewayError) -> (ConnectionWorker, ExportFile, UpstreamReference) {
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
            throw GatewayError(.noResult, "It is not known how the export ended, so there are no files.")
        case .failed, .canceled:
            throw GatewayError(.noResult, "The export ended as \(export.status.rawValue), without files.")
        }
        if let destination = export.destination {
            throw GatewayError(
                .deliveredElsewhere,
                "The files were written to the caller's own storage.",
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
        guard let worker = worker(of: export), let reference = record.reference else {
            throw GatewayError(
                .unavailable,
                "The connection \(export.connection) is not configured any more: its files cannot be fetched."
            )
        }
        return (worker, file, reference)
    }

    /// Why the upstream refuses the caller's token, and what the caller can do about it.
    ///
    /// The kept token stays: perhaps only the token for the download hosts is missing, or a permission that only they need.
    private static func refused(_ error: ProviderError, _ authorization: CallerAuthorization) -> GatewayError {
        // These errors already say what a new token must prove, or which token is missing.
        if error.challenge != nil || error.problem == .upstreamAuthorizationRequired { return GatewayError(error) }
        let advice =
            authorization.downloadToken == nil
            ? "If your token has expired, send a new one in the header Upstream-Authorization."
            : "If a token that you sent has expired, send a new one in its header."
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
