import HTTPFields
public import Exports
public import Logging
public import Memory
public import Metrics

/// Answers requests for a file. It decides on the coding, the part and the header fields, and sends bytes that are either
/// exactly what was requested or visibly broken. It knows the semantics of HTTP, but no HTTP server.
///
/// A file is read from the upstream for each request, and nothing of it is stored. When an upstream breaks off, the download is
/// resumed where that is possible without ever joining the bytes of two files (see ``Resumption``).
public struct DownloadRelay: Sendable {
    let settings: RelaySettings
    let rules: ReopeningRules
    let reporting: DownloadReporting
    let time: any TimeSource
    let random: Randomness
    let known = KnownFiles()
    let budget: DownloadBudget
    private let encoders: DownloadEncoders

    /// Makes a relay. It serves any number of downloads at once, each in constant memory (see ``DownloadBody``).
    ///
    /// - Parameters:
    ///   - memory: The budget for the memory of downloads.
    ///   - time: Measures waits. Timeouts of a silent upstream belong to the upstream's client.
    ///   - random: For the ids of deliveries, and for jitter.
    public init(
        settings: RelaySettings,
        memory: MemoryBudget,
        time: any TimeSource,
        random: @escaping @Sendable () -> UInt64,
        logger: Logger,
        metrics: any MetricsFactory
    ) {
        self.settings = settings
        budget = DownloadBudget(perCaller: settings.perCaller, memory: memory, metrics: metrics)
        encoders = DownloadEncoders(settings) { try await time.sleep(for: $0) }
        self.time = time
        self.random = Randomness(random)
        rules = ReopeningRules(
            limits: Resumption.Limits(attempts: settings.resumeAttempts),
            firstByte: FirstByteTimeout(limit: settings.firstByteTimeout, time: time),
            time: time,
            random: self.random
        )
        reporting = DownloadReporting(meters: DownloadMeters(factory: metrics), logger: logger)
    }

    /// The answer to a request for `file` of `export`.
    ///
    /// The caller must have checked that the file may be downloaded. `HEAD`, a matching `If-None-Match` (304) and a part beyond
    /// the end of a file of known size are answered from the record alone, without calling `open`. For a 200 or 206 with a
    /// body, `open` is called, more than once where the upstream has to be asked differently for a part. This returns after the
    /// first bytes have come, so that every failure until then is a `GatewayError`:
    ///
    /// - `notAcceptable`: the client takes neither the plain bytes nor a coding that is offered.
    /// - `preconditionFailed`: an `If-Match` does not hold.
    /// - `tooManyRequests`: there is no memory for one more download (see ``DownloadBudget``). Nothing was opened.
    /// - `rangeNotSatisfiable`: the requested part lies beyond the end; the member `size` has the file's length.
    /// - whatever `open` throws, and a `ProviderError` of the first bytes, converted for a client.
    /// - `upstreamTimeout`: the first bytes did not come within `firstByteTimeout`, counted from this call.
    /// - `upstreamBroken`: a web page or an error object came instead of the file, it does not begin as its format does, the
    ///   upstream announces another length than the one that is confirmed, or another one each time, the body is shorter
    ///   or longer than announced as far as the first bytes show, or it is in a content coding that was not asked for (gzip
    ///   is decoded).
    ///
    /// A length that the record only claims is replaced by one that the upstream announces twice; see ``Opening``.
    ///
    /// Later, `open` is called again to resume after the upstream broke off. Cancelling the task cancels `open` and the
    /// reading. When the answer is not used, releasing it closes the upstream's connection.
    ///
    /// Parts (RFC 9110, 14): one range of bytes of the plain file, where its length is known. It is sent without a coding, also
    /// to a client that accepts codings. Several ranges, other units and invalid ranges are ignored, like `Range` on `HEAD`.
    /// `If-Range` matches a strong tag that is still the file's; otherwise the whole file is sent.
    ///
    /// Header fields (RFC 9110, RFC 6266): the type is always `application/octet-stream`, so that a browser stores what
    /// an upstream sends and never runs it. `Cache-Control: private, no-cache, no-transform` lets the caller's own cache
    /// store the file and revalidate it by its `ETag`, and forbids everything in between to store or re-encode it.
    /// `Vary: Accept-Encoding` is on every answer, whether or not this file would be encoded. `Unencoded-Digest`, for a
    /// part `Repr-Digest`, has the file's SHA-256 when the record has it; the whole file without a coding has `Repr-Digest` too
    /// when that digest is confirmed. Where the length is not announced and the
    /// client accepts trailer fields, the digest follows the bytes as a trailer field.
    ///
    /// - Parameter open: Opens the file, or the part of it; see `ExportService.open`.
    public func response(
        to request: DownloadRequest,
        for file: ExportFile,
        of export: Export,
        to recipient: Recipient,
        open: @escaping @Sendable (FileRange?) async throws(GatewayError) -> FileBody
    ) async throws(GatewayError) -> DownloadResponse {
        let startedAt = time.now()
        let conditions = Preconditions(file, export.id)
        var (wanted, namedTag) = part(of: request, conditions)
        let accepted = AcceptEncoding(request.acceptEncoding)
        if !accepted.takesIdentity { wanted = nil }
        let whole = try coding(of: file, for: request, accepting: accepted)
        let facts = known.facts(of: file, in: export.id)
        var head = DownloadHead(
            file: file,
            export: export.id,
            coding: wanted == nil ? whole : .identity,
            facts: facts
        )
        var mustHave: [String]?
        switch conditions.verdict(
            ifMatch: request.ifMatch,
            ifNoneMatch: request.ifNoneMatch,
            isPart: wanted != nil
        ) {
        case .goOn: break
        case .notModified: return DownloadResponse(status: 304, headers: head.validators)
        case .failed: throw Self.notTheFile
        case .dependsOn(let validators): mustHave = validators
        }
        guard request.method == .get else {
            return DownloadResponse(
                status: 200,
                headers: head.fields(skipLimit: settings.rangeSkipLimit),
                contentLength: head.coding == .identity ? head.size : nil
            )
        }

        // Memory for the coding of the whole file, because that is sent where the part is not available.
        let reservation = try await budget.reserve(
            DownloadBudget.plainCost + (encoders[whole]?.memoryPerStream ?? 0),
            for: recipient,
            of: export.id
        )
        let opening = Opening(
            source: FileSource(file: file, export: export.id, open: open),
            rules: rules,
            reporting: reporting,
            skipLimit: settings.rangeSkipLimit
        )
        let isWanted = wanted
        let opened = try await rules.firstByte.within { () async throws(GatewayError) in
            try await opening.opened(isWanted, known: facts)
        }
        let (stream, now, seen, part, requestID) =
            switch opened {
            case .stream(let stream, let facts, let file, let part, let requestID):
                (stream, facts, file, part, requestID)
            case .beyond(let size): throw Self.beyond(size)
            case .contradicted(let failure, let reading, let requestID):
                throw await refusal(failure, reading, of: export.id, requestID, recipient, startedAt)
            }
        known.note(now, of: file, in: export.id)
        if let mustHave, now.validator.map(mustHave.contains) != true { throw Self.notTheFile }
        if seen != file {
            // A claim of the record is wrong, so conditions that depend on it are evaluated again.
            let conditions = Preconditions(seen, export.id)
            let verdict = conditions.verdict(ifMatch: request.ifMatch, ifNoneMatch: nil, isPart: part != nil)
            if verdict == .failed { throw Self.notTheFile }
        }
        head.file = seen
        if part == nil { namedTag = nil }
        head.coding = part == nil ? whole : .identity
        head.facts = now
        head.part = part
        head.namedTag = namedTag
        let record = DownloadRecord(
            id: random.newID(at: startedAt),
            export: export.id,
            file: file.id,
            form: DownloadForm(head.coding),
            part: part,
            announced: head.size,
            upstreamRequestID: requestID,
            recipient: recipient,
            reporting: reporting,
            time: time,
            startedAt: startedAt
        )
        return answer(with: stream, head, record, reservation, takesTrailers: request.takesTrailers)
    }

    private func answer(
        with stream: Handover<FileStream>,
        _ head: DownloadHead,
        _ record: DownloadRecord,
        _ reservation: DownloadReservation,
        takesTrailers: Bool
    ) -> DownloadResponse {
        var fields = head.fields(skipLimit: settings.rangeSkipLimit)
        let length = head.coding == .identity ? head.part?.count ?? head.size : nil
        let hasTrailer = takesTrailers && length == nil
        if hasTrailer { fields.append(("Trailer", DigestField.unencoded)) }
        return DownloadResponse(
            status: head.part == nil ? 200 : 206,
            headers: fields,
            contentLength: length,
            body: DownloadBody(
                stream,
                encoder: encoders[head.coding],
                hasTrailer: hasTrailer,
                record: record,
                reservation: reservation
            )
        )
    }

    /// The requested part, if there is one and its `If-Range` does not exclude it.
    private func part(
        of request: DownloadRequest,
        _ conditions: Preconditions
    ) -> (wanted: WantedPart?, namedTag: EntityTag?) {
        // RFC 9110, 14.2: other methods than GET have no Range.
        guard request.method == .get, let range = RangeField(request.range) else { return (nil, nil) }
        switch conditions.condition(ifRange: request.ifRange) {
        case .none: return (WantedPart(range: range), nil)
        case .fails: return (nil, nil)
        case .holds(let tag): return (WantedPart(range: range, dependsOnRecord: true), tag)
        case .upstream(let tag, let validator): return (WantedPart(range: range, validator: validator), tag)
        }
    }

    /// The coding that a request for the whole file gets, from the record alone: `HEAD` and `GET` must agree.
    private func coding(
        of file: ExportFile,
        for request: DownloadRequest,
        accepting accepted: AcceptEncoding
    ) throws(GatewayError) -> ContentCoding {
        let isLongEnough = file.size.map { $0 >= settings.minimumGzipSize } ?? true
        let selected = accepted.selected(
            worthwhile: isLongEnough && CompressibleTypes.gain(file),
            allowed: !FieldList.cacheControl(request.cacheControl, has: "no-transform"),
            offered: encoders.offered
        )
        guard let selected else {
            let names = encoders.offered.map(\.rawValue)
            throw GatewayError(
                .notAcceptable,
                "The file is sent without a content coding\(names.map { " or with " + $0 }.joined()), and the request accepts "
                    + "none of them. Send no Accept-Encoding, or one that accepts "
                    + "\((["identity"] + names).joined(separator: " or "))."
            )
        }
        return selected
    }

    private static let notTheFile = GatewayError(
        .preconditionFailed,
        "The file is not the one that If-Match names. A HEAD request returns its ETag."
    )

    /// Records that the upstream's file contradicts the record, and returns the error for the client. Nothing has been sent.
    func refusal(
        _ failure: DownloadFailure,
        _ reading: FileReading,
        of export: ExportID,
        _ requestID: String?,
        _ recipient: Recipient,
        _ startedAt: Timestamp
    ) async -> GatewayError {
        let record = DownloadRecord(
            id: random.newID(at: startedAt),
            export: export,
            file: reading.fileID,
            form: .identity,
            announced: reading.claimedSize,
            upstreamRequestID: requestID,
            recipient: recipient,
            reporting: reporting,
            time: time,
            startedAt: startedAt
        )
        var progress = DownloadProgress()
        progress.add(reading)
        await record.ended(.broke(failure), progress)
        return GatewayError(
            .upstreamBroken,
            failure.detail + " The record is corrected when another download finds the same: try again.",
            retryAfter: .seconds(1),
            upstream: requestID.map { UpstreamErrorInfo(requestId: $0) },
            cause: failure
        )
    }

    private static func beyond(_ size: Int64) -> GatewayError {
        GatewayError(
            .rangeNotSatisfiable,
            "The file has \(size) bytes, and the requested range contains none of them.",
            members: .size(size)
        )
    }
}
