import HTTPFields
public import Exports

extension DownloadRelay {
    /// The answer to a request for all files of `export` as one ZIP archive, its members stored (see `StoredZip`).
    ///
    /// The caller must have checked that the files may be downloaded and that there are some. `HEAD` and a matching
    /// `If-None-Match` (304) are answered from the record alone. For a 200 with a body, the first file is opened, and this
    /// returns after its first bytes have come. Every failure until then is a `GatewayError`, as for a file. The other files
    /// are opened one after the other, each when the one before has been sent: never more than one at a time.
    ///
    /// - `notAcceptable`: the client takes no plain bytes. The archive has no other coding.
    /// - `tooManyRequests`: there is no memory for one more download (see ``DownloadBudget``). Nothing was opened.
    /// - `preconditionFailed`: there is an `If-Match`, which compares strongly, and the archive's tag is weak.
    ///
    /// `Range` is ignored (`Accept-Ranges: none`). The length is announced where that of each file is known.
    ///
    /// - Parameter open: Opens a file, or a part of it; see `ExportService.open`.
    public func archive(
        to request: DownloadRequest,
        of export: Export,
        to recipient: Recipient,
        open: @escaping @Sendable (_ file: ExportFile, FileRange?) async throws(GatewayError) -> FileBody
    ) async throws(GatewayError) -> DownloadResponse {
        let startedAt = time.now()
        guard AcceptEncoding(request.acceptEncoding).takesIdentity else {
            throw GatewayError(
                .notAcceptable,
                "The archive is sent without a content coding, and the request does not accept that. "
                    + "Send no Accept-Encoding, or one that accepts identity."
            )
        }
        var archive = try plan(export)
        if let ifMatch = request.ifMatch, !EntityTag.isAny(ifMatch) {
            throw GatewayError(.preconditionFailed, "If-Match compares strongly, and the tag of an archive is weak.")
        }
        if let ifNoneMatch = request.ifNoneMatch, archive.isNamed(by: ifNoneMatch) {
            return DownloadResponse(status: 304, headers: archive.validators)
        }
        guard request.method == .get, let first = archive.members.first else {
            return DownloadResponse(status: 200, headers: archive.fields, contentLength: archive.length)
        }
        let reservation = try await budget.reserve(DownloadBudget.plainCost, for: recipient, of: export.id)
        let opener = MemberOpener(export: export.id, known: known, rules: rules, reporting: reporting, open: open)
        let stream: Handover<FileStream>
        switch try await opener.opened(first.file) {
        case .stream(let opened, let file):
            stream = opened
            if file.size != first.file.size {
                // The size in the record is wrong, and nothing was announced yet.
                var other = export
                other.files[0] = file
                archive = try plan(other)
            }
        case .contradicted(let failure, let reading):
            throw await refusal(failure, reading, of: export.id, nil, recipient, startedAt)
        }
        return DownloadResponse(
            status: 200,
            headers: archive.fields,
            contentLength: archive.length,
            body: ArchiveBody(
                archive,
                first: stream,
                opener: opener,
                record: DownloadRecord(
                    id: random.newID(at: startedAt),
                    export: export.id,
                    file: nil,
                    form: .zip,
                    announced: archive.length,
                    recipient: recipient,
                    reporting: reporting,
                    time: time,
                    startedAt: startedAt
                ),
                reservation: reservation
            )
        )
    }
}

extension DownloadRelay {
    private func plan(_ export: Export) throws(GatewayError) -> Archive {
        guard let archive = Archive(of: export, known: known) else {
            throw GatewayError(.internalError, "The files of this export cannot be named in an archive.")
        }
        return archive
    }
}

/// A member of an archive that was asked for.
enum OpenedMember: Sendable {
    /// The whole file after its first bytes have come, and what the record says of it, without what the upstream contradicts.
    case stream(Handover<FileStream>, ExportFile)
    /// What the upstream has contradicts the record.
    case contradicted(DownloadFailure, FileReading)
}

/// Opens the members of an archive.
struct MemberOpener: Sendable {
    let export: ExportID
    let known: KnownFiles
    let rules: ReopeningRules
    let reporting: DownloadReporting
    let open: @Sendable (_ file: ExportFile, FileRange?) async throws(GatewayError) -> FileBody

    /// Opens the whole file.
    func opened(_ file: ExportFile) async throws(GatewayError) -> OpenedMember {
        let open = open
        let source = FileSource(file: file, export: export) { range async throws(GatewayError) in
            try await open(file, range)
        }
        let opened: OpenedFile
        do throws(GatewayError) {
            opened = try await Opening.whole(source, rules: rules, reporting: reporting)
        } catch {
            if error.code == .upstreamBroken { discardFacts(of: file) }
            throw error
        }
        switch opened {
        case .stream(let stream, let facts, let now, _, _):
            known.note(facts, of: file, in: export)
            return .stream(stream, now)
        case .contradicted(let failure, let reading, _):
            discardFacts(of: file)
            return .contradicted(failure, reading)
        case .beyond:
            throw GatewayError(
                .upstreamBroken,
                "The upstream sent a part of the file, but the whole file was requested."
            )
        }
    }

    /// Drops the known size of a file, because the upstream may have given a wrong one before. It is determined again the next time.
    func discardFacts(of file: ExportFile) { known.note(FileFacts(), of: file, in: export) }

    /// The same in the middle of an archive, where an upstream that cannot serve now is asked again, as often as one that
    /// breaks off in the middle of a file.
    func openedLater(_ file: ExportFile) async throws(DownloadFailure) -> OpenedMember {
        var resumption = Resumption(origin: 0, last: nil, facts: FileFacts(size: file.size), limits: rules.limits)
        while true {
            do throws(GatewayError) {
                return try await opened(file)
            } catch {
                let step = resumption.brokeOff(
                    at: 0,
                    isRetryable: error.isWorthAnotherTry,
                    retryAfter: error.retryAfter
                )
                guard case .reopen(_, let wait) = step else {
                    // The bytes themselves were wrong.
                    if let failure = error.cause as? DownloadFailure { throw failure }
                    throw DownloadFailure(
                        .upstreamFailed,
                        "The file \(file.id) of the archive cannot be downloaded.",
                        cause: error.cause ?? error
                    )
                }
                do {
                    try await rules.pause(wait)
                } catch {
                    throw DownloadFailure(
                        .cancelled,
                        "The archive was cancelled before the file \(file.id).",
                        cause: error
                    )
                }
            }
        }
    }
}
