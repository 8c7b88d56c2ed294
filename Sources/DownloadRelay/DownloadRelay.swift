public import Exports
public import Logging
public import Metrics

import ParallelGzip

/// Answers requests for a file: which coding, which header fields, and bytes that are either the whole file or visibly
/// broken. Knows HTTP's semantics, and no HTTP server.
///
/// A file is read from the upstream for each request, once, from its beginning, and nothing of it is kept. Ranges are not
/// served (`Accept-Ranges: none`): none of the providers can start in the middle.
public struct DownloadRelay: Sendable {
    let settings: RelaySettings
    let time: any TimeSource
    let logger: Logger
    let meters: DownloadMeters
    private let encoder: GzipEncoder

    /// Makes a relay; it serves any number of downloads at once, each in constant memory (see ``DownloadBody``).
    public init(settings: RelaySettings, time: any TimeSource, logger: Logger, metrics: any MetricsFactory) {
        self.settings = settings
        self.time = time
        self.logger = logger
        meters = DownloadMeters(factory: metrics)
        encoder = GzipEncoder(
            level: settings.gzip,
            pool: settings.gzipThreads.map { GzipPool(threads: $0) } ?? GzipPool(),
            sleep: { try await time.sleep(for: $0) }
        )
    }

    /// The answer to a request for `file` of `export`.
    ///
    /// The caller has made sure that the file may be had: `HEAD` and a fulfilled `If-None-Match` (304) are answered from
    /// the record alone, without calling `open`. For a 200 with a body, `open` is called once, and the answer comes back
    /// after the first bytes did, so that every failure until then is a `GatewayError`:
    ///
    /// - `notAcceptable`: the client takes neither the plain bytes nor gzip.
    /// - whatever `open` throws, and what a `ProviderError` of the first bytes means to a client.
    /// - `upstreamTimeout`: the first bytes did not come within `firstByteTimeout`, counted from this call.
    /// - `upstreamBroken`: a web page came instead of the file, lengths contradict each other, the body is shorter or
    ///   longer than announced as far as the first bytes show, or it is in a content coding that the client cannot read.
    ///
    /// Cancelling the task cancels `open` and the reading. When the answer is not used, letting go of it closes the
    /// upstream.
    ///
    /// Header fields (RFC 9110, RFC 6266): the type is always `application/octet-stream`, so that a browser stores what
    /// an upstream sends and never runs it. `Cache-Control: private, no-transform` lets the caller's own cache keep the
    /// file under its `ETag` and forbids everything in between to keep or re-encode it. `Vary: Accept-Encoding` is on
    /// every answer, whether or not this file would be encoded.
    public func response(
        to request: DownloadRequest,
        for file: ExportFile,
        of export: Export,
        open: @escaping @Sendable () async throws(GatewayError) -> FileBody
    ) async throws(GatewayError) -> DownloadResponse {
        let accepted = AcceptEncoding(request.acceptEncoding)
        let coding = try coding(of: file, for: request, accepting: accepted)
        let tags = ContentCoding.allCases.map { EntityTag(of: file, in: export.id, coding: $0) }
        if EntityTag.anyMatch(request.ifNoneMatch, tags) {
            return DownloadResponse(status: 304, headers: Self.validators(file, export, coding))
        }
        switch request.method {
        case .head:
            return DownloadResponse(
                status: 200,
                headers: Self.headers(file, export, coding),
                contentLength: coding == .identity ? file.size : nil
            )
        case .get:
            let opened = try await withinFirstByteTimeout { () async throws(GatewayError) in
                try await Self.opened(file, by: open)
            }
            if opened.coding == .gzip, !accepted.takesGzip {
                throw Self.broken(
                    "The upstream sent the file encoded with gzip, which it was not asked for and the client does not "
                        + "accept. A request with \"Accept-Encoding: gzip\" can be answered.",
                    opened.head
                )
            }
            return answer(with: opened, file, export, coding)
        }
    }

    private func answer(
        with opened: OpenedFile,
        _ file: ExportFile,
        _ export: Export,
        _ selected: ContentCoding
    ) -> DownloadResponse {
        let isEncoded = opened.coding == .gzip
        let coding = isEncoded ? .gzip : selected
        let encodes = coding == .gzip && !isEncoded
        let record = DownloadRecord(
            export: export.id,
            file: file.id,
            coding: coding,
            announced: opened.announced,
            upstreamRequestID: opened.head.requestID,
            logger: logger,
            meters: meters
        )
        return DownloadResponse(
            status: 200,
            headers: Self.headers(file, export, coding),
            contentLength: encodes ? nil : opened.announced,
            body: DownloadBody(opened, encoder: encodes ? encoder : nil, record: record)
        )
    }

    /// The coding that this request gets, from the record alone: `HEAD` and `GET` must agree.
    private func coding(
        of file: ExportFile,
        for request: DownloadRequest,
        accepting accepted: AcceptEncoding
    ) throws(GatewayError) -> ContentCoding {
        let isLongEnough = file.size.map { $0 >= settings.minimumGzipSize } ?? true
        let selected = accepted.selected(
            worthwhile: isLongEnough && CompressibleTypes.gain(file),
            allowed: !FieldList.cacheControl(request.cacheControl, has: "no-transform")
        )
        guard let selected else {
            throw GatewayError(
                .notAcceptable,
                "The file can be had as it is or encoded with gzip, and the request accepts neither. "
                    + "Send no Accept-Encoding, or one that accepts identity or gzip."
            )
        }
        return selected
    }
}
