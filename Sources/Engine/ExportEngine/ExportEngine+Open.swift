import ExportLedger
public import Exports
import Logging

extension ExportEngine {
    public func open(
        _ fileID: String,
        of id: ExportID,
        for viewer: Viewer,
        range: FileRange?
    ) async throws(GatewayError) -> FileBody {
        let record = try await takeToken(of: viewer, for: knownRecord(id, for: viewer))
        let (worker, file, reference) = try await checkOpen(fileID, of: record)
        // A token that was refused a moment ago is tried again here: the caller has asked for it, and it costs one call only.
        guard case .granted(let token) = worker.delegation.answer(.download(viewer), on: record.export) else {
            throw Self.tokenNeeded(worker.connection.descriptor)
        }
        var context = contexts.context(
            .caller,
            for: record.export,
            authorization: token,
            downloadAuthorization: viewer.downloadToken,
            requestID: viewer.requestID
        )
        // Callers who download take turns, whoever created the export. A measurement has the lowest priority.
        context.caller = viewer.callerID
        if viewer.identity == .gateway { context.priority = .poll }
        do {
            return try await worker.connection.provider.open(file, of: reference, range: range, context: context)
        } catch {
            if token != nil, worker.life.asksForAuthorization(error) { throw Self.refused(error, viewer) }
            guard [.gone, .notFound, .forbidden].contains(error.code) else { throw GatewayError(error) }
            let word = try await ask(worker, for: fileID, of: reference, record, viewer, context, after: error)
            guard word == .listed, error.code != .forbidden else { throw Self.missing(word, error) }
        }
        // The upstream lists the file, so the refusal may have been temporary.
        do {
            return try await worker.connection.provider.open(file, of: reference, range: range, context: context)
        } catch {
            if token != nil, worker.life.asksForAuthorization(error) { throw Self.refused(error, viewer) }
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
        _ viewer: Viewer,
        _ context: CallContext,
        after error: ProviderError
    ) async throws(GatewayError) -> FileWord {
        let answer = await worker.connection.provider.observe([reference], context: context)[reference]
        let word = answer.map { FileWord($0, of: fileID) } ?? .silent
        logger.notice(
            "a file could not be opened, the job was polled",
            metadata: [
                "export": "\(record.export.id)", "file": "\(fileID)", "error": "\(error.label)",
                "upstream-status": "\(error.upstream?.status.map(String.init) ?? "-")", "word": "\(word)",
            ]
        )
        // The upstream may hide from another caller what it shows to the owner, so nothing is stored.
        if worker.delegation.isOwnersOnly(record.export, viewer) { return word }
        let id = record.export.id
        let after = try await asking {
            try await self.transitions.apply(.filesAsked(word), to: id, fence: nil, worker.life)
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
        if export.downloadReadiness == .ready, export.isPastExpiry(at: time.now()) {
            try await expire(export.id, life(of: export))
            throw Self.expired()
        }
        let file = try export.downloadableFile(fileID)
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
    private static func refused(_ error: ProviderError, _ viewer: Viewer) -> GatewayError {
        // These errors already say what a new token must prove, or which token is missing.
        if error.challenge != nil || error.problem == .upstreamAuthorizationRequired { return GatewayError(error) }
        let advice =
            viewer.downloadToken == nil
            ? "If your token has expired, send a new one in the header Upstream-Authorization."
            : "If a token that you sent has expired, send a new one in its header."
        var problem = GatewayError(error)
        problem.code = .upstreamAuthorizationRequired
        problem.detail += " " + advice
        return problem
    }

    private func expire(_ id: ExportID, _ life: ExportLife) async throws(GatewayError) {
        _ = try await asking { try await self.transitions.apply(.filesGone, to: id, fence: nil, life) }
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
