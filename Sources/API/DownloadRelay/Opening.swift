import Exports

/// The part of a file that a client requests, and its condition.
struct WantedPart: Sendable {
    var range: RangeField
    /// The upstream's validator under which the part is requested. With another validator, the whole file is requested.
    var validator: String?
    /// Whether the part is requested only if the file still has the record's digest.
    var dependsOnRecord = false
}

/// A file whose first bytes have come: the task that opened it passes it to the task that sends it.
enum OpenedFile: Sendable {
    /// `file` is the one in the record, without the claims that the upstream contradicts.
    case stream(Handover<FileStream>, FileFacts, file: ExportFile, part: FilePart?, requestID: String?)
    /// The requested part lies beyond the file's end.
    case beyond(size: Int64)
    /// The first bytes, or their announced length, contradict the record. Nothing has been sent.
    case contradicted(DownloadFailure, FileReading, requestID: String?)
}

/// Opens a file, or the requested part of it, whether or not the upstream serves parts.
///
/// A length that the record only claims is replaced by one that the upstream announces in two successive openings: the file is
/// then opened as if nothing were known of it. A confirmed length is not replaced: the opening is refused, and the announced
/// length becomes evidence in the record.
struct Opening: Sendable {
    let source: FileSource
    let rules: ReopeningRules
    let reporting: DownloadReporting
    /// How many bytes may be skipped to reach a part.
    let skipLimit: Int64

    /// A whole file, after its first bytes have come in time.
    static func whole(
        _ source: FileSource,
        rules: ReopeningRules,
        reporting: DownloadReporting
    ) async throws(GatewayError) -> OpenedFile {
        let opening = Opening(source: source, rules: rules, reporting: reporting, skipLimit: 0)
        return try await rules.firstByte.within { () async throws(GatewayError) in
            try await opening.opened(nil, known: nil)
        }
    }

    /// The file from the first requested byte on, after its first bytes have come. It is the whole file where the part is not
    /// available, or its condition does not hold.
    ///
    /// - Parameter known: What the upstream said when the file was last opened.
    func opened(_ wanted: WantedPart?, known: FileFacts?) async throws(GatewayError) -> OpenedFile {
        var wanted = wanted
        var source = source
        var request = wanted.flatMap { FileRange($0, size: source.file.size ?? known?.size) }
        if let wanted, let size = source.file.size, source.file.sizeState == .confirmed,
            wanted.range.resolved(in: size) == nil
        {
            reporting.meters.range(.unsatisfiable)
            return .beyond(size: size)
        }
        // The loop ends: after one useless answer to a request for a part, the whole file is requested; and another length is
        // accepted at most twice.
        var trustsRanges = true
        var otherSizes: [Int64] = []
        while true {
            let body: FileBody
            do {
                body = try await source.open(request)
            } catch {
                guard request != nil, error.isRangeRefusal else { throw error }
                (request, trustsRanges) = (nil, false)
                continue
            }
            if let fault = source.fault(of: body.head) { throw broken(fault, body.head) }
            if let size = source.otherSize(in: body.head) {
                otherSizes.append(size)
                if otherSizes.count == 1 { continue }
                if source.file.sizeState == .confirmed {
                    return .contradicted(
                        .otherSize(size, of: source.file),
                        FileReading(of: source.file, size: size, sha256: nil, isDelivered: false),
                        requestID: body.head.requestID
                    )
                }
                guard Set(otherSizes).count == 1 else { throw unsteady(otherSizes, body.head) }
                source = source.unclaimed
                if wanted?.dependsOnRecord == true {
                    wanted = nil
                    guard body.head.range == nil else {
                        request = nil
                        continue
                    }
                }
            }
            let facts = source.facts(in: body.head)
            guard let wanted else {
                guard body.head.range == nil else { throw unasked(body.head) }
                return try await begun(body, source, facts, part: nil)
            }
            switch fit(body.head, FileFacts(facts, or: source.file.size), wanted) {
            case .part(let part):
                if body.head.range == nil, facts.servesRanges, trustsRanges, request == nil, part.first > 0 {
                    request = FileRange(first: part.first, last: part.last, validator: wanted.validator)
                    continue
                }
                if body.head.range == nil, part.first > skipLimit {
                    reporting.meters.range(.ignored)
                    return try await begun(body, source, facts, part: nil)
                }
                reporting.meters.range(body.head.range == nil ? .skipping : .upstream)
                return try await begun(body, source, facts, part: part)
            case .whole:
                reporting.meters.range(.ignored)
                return try await begun(body, source, facts, part: nil)
            case .beyond(let size):
                reporting.meters.range(.unsatisfiable)
                return .beyond(size: size)
            case .useless:
                guard request != nil else { throw unasked(body.head) }
                (request, trustsRanges) = (nil, false)
            }
        }
    }

    private enum Fit {
        /// The part is in the answer.
        case part(FilePart)
        /// The answer is the whole file, and all of it is to be sent.
        case whole
        case beyond(size: Int64)
        /// A part that is not the requested one.
        case useless
    }

    /// How an answer can be used.
    private func fit(_ head: FileBody.Head, _ facts: FileFacts, _ wanted: WantedPart) -> Fit {
        let isSame = wanted.validator == nil || wanted.validator == facts.validator
        guard let range = head.range else {
            guard isSame, let size = facts.size else { return .whole }
            return wanted.range.resolved(in: size).map { .part($0) } ?? .beyond(size: size)
        }
        guard isSame, let size = facts.size, ContentCoding(upstream: head.contentEncoding) == .identity,
            let part = wanted.range.resolved(in: size), range.first == part.first
        else { return .useless }
        return .part(part)
    }

    /// Reads the first bytes, so that an error at the start can still be answered.
    private func begun(
        _ body: FileBody,
        _ source: FileSource,
        _ facts: FileFacts,
        part: FilePart?
    ) async throws(GatewayError) -> OpenedFile {
        let requestID = body.head.requestID
        let stream: FileStream
        do {
            stream = try FileStream(source, body, told: facts, part: part, rules: rules, reporting: reporting)
        } catch {
            throw broken(error.detail, body.head, cause: error)
        }
        do {
            try await stream.begin()
        } catch {
            if let reading = stream.reading { return .contradicted(error, reading, requestID: requestID) }
            if let cause = error.cause as? ProviderError { throw GatewayError(cause) }
            throw broken(error.detail, body.head, cause: error)
        }
        return .stream(Handover(stream), facts, file: source.file, part: part, requestID: requestID)
    }

    /// The error for an upstream that announces another length each time.
    private func unsteady(_ sizes: [Int64], _ head: FileBody.Head) -> GatewayError {
        var error = broken(
            "The upstream announced \(sizes.map { "\($0)" }.joined(separator: ", then ")) bytes, where the export lists the "
                + "file with \(source.file.size ?? 0). Try again.",
            head
        )
        error.retryAfter = .seconds(1)
        return error
    }

    private func unasked(_ head: FileBody.Head) -> GatewayError {
        broken("The upstream sent a part of the file, but the whole file was requested.", head)
    }

    /// The error for an answer that cannot be used.
    private func broken(_ detail: String, _ head: FileBody.Head, cause: (any Error)? = nil) -> GatewayError {
        GatewayError(
            .upstreamBroken,
            detail,
            upstream: head.requestID.map { UpstreamErrorInfo(requestId: $0) },
            cause: cause
        )
    }
}

extension FileRange {
    /// The part to request; nil where it needs the length of the file, and that is unknown.
    fileprivate init?(_ wanted: WantedPart, size: Int64?) {
        if let size {
            guard let part = wanted.range.resolved(in: size) else { return nil }
            self.init(first: part.first, last: part.last, validator: wanted.validator)
        } else {
            guard case .from(let first, let last) = wanted.range else { return nil }
            self.init(first: first, last: last, validator: wanted.validator)
        }
    }
}
