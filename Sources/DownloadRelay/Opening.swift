import Exports

/// The part of a file that a client wants, and under which condition.
struct WantedPart: Sendable {
    var range: RangeField
    /// The upstream's validator under which the part is wanted; with another, the whole file is.
    var validator: String?
}

/// A file of which the first bytes have come: what is handed from the task that opened it to the one that sends it.
enum OpenedFile: Sendable {
    case stream(Handover<FileStream>, FileFacts, part: FilePart?, requestID: String?)
    /// The part that was wanted lies beyond the file's end.
    case beyond(size: Int64)
}

/// Opens a file, or the part of it that is wanted, whether or not the upstream serves parts.
struct Opening: Sendable {
    let source: FileSource
    let tools: StreamTools
    /// How many bytes may be dropped to come to a part.
    let skipLimit: Int64

    /// The file from the first byte that is wanted on, after its first bytes have come; the whole file where the part
    /// cannot be had, or its condition does not hold.
    ///
    /// - Parameter known: What the upstream told when the file was last opened.
    func opened(_ wanted: WantedPart?, known: FileFacts?) async throws(GatewayError) -> OpenedFile {
        var request = wanted.flatMap { FileRange($0, size: source.file.size ?? known?.size) }
        if let wanted, let size = source.file.size, wanted.range.resolved(in: size) == nil {
            tools.meters.range(.unsatisfiable)
            return .beyond(size: size)
        }
        // Ends: a part is asked for again only as long as no answer to such a question was of no use.
        var trustsRanges = true
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
            let facts = source.facts(in: body.head)
            guard let wanted else {
                guard body.head.range == nil else { throw unasked(body.head) }
                return try await begun(body, facts, part: nil)
            }
            switch fit(body.head, facts, wanted) {
            case .part(let part):
                if body.head.range == nil, facts.servesRanges, trustsRanges, request == nil, part.first > 0 {
                    request = FileRange(first: part.first, last: part.last, validator: wanted.validator)
                    continue
                }
                if body.head.range == nil, part.first > skipLimit {
                    tools.meters.range(.ignored)
                    return try await begun(body, facts, part: nil)
                }
                tools.meters.range(body.head.range == nil ? .skipping : .upstream)
                return try await begun(body, facts, part: part)
            case .whole:
                tools.meters.range(.ignored)
                return try await begun(body, facts, part: nil)
            case .beyond(let size):
                tools.meters.range(.unsatisfiable)
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
        /// The answer is the whole file, and the whole is to be sent.
        case whole
        case beyond(size: Int64)
        /// A part that is not the one.
        case useless
    }

    /// What an answer is good for.
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

    /// Reads the first bytes, so that whatever is wrong from the start can still be told.
    private func begun(
        _ body: FileBody,
        _ facts: FileFacts,
        part: FilePart?
    ) async throws(GatewayError) -> OpenedFile {
        do {
            let stream = try FileStream(source, body, facts: facts, part: part, tools: tools)
            try await stream.begin()
            return .stream(Handover(stream), facts, part: part, requestID: body.head.requestID)
        } catch {
            if let cause = error.cause as? ProviderError { throw GatewayError(cause) }
            throw broken(error.detail, body.head, cause: error)
        }
    }

    private func unasked(_ head: FileBody.Head) -> GatewayError {
        broken("The upstream sent a part of the file, where it was asked for the whole.", head)
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
    /// The part to ask for; nil where the end of the file has to be known first, and is not.
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
