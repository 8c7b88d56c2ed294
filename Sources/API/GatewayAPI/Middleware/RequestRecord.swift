import Telemetry
import Exports
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Spans

/// Records each request once it is answered: one line in the access log, its metrics, and its span where its trace is recorded.
struct RequestRecord: Sendable {
    let metrics: HTTPMetrics
    let time: any TimeSource
    let log: any AccessLog
    let tracer: GatewayTracer

    /// - Parameters:
    ///   - tracer: Makes the spans of requests.
    ///   - logger: Gets the lines; its handler gets them directly if it is an `AccessLog`.
    init(metrics: HTTPMetrics, tracer: GatewayTracer, time: any TimeSource, logger: Logger) {
        self.metrics = metrics
        self.tracer = tracer
        self.time = time
        log = logger.handler as? any AccessLog ?? LoggerAccessLog(logger: logger)
    }

    /// The same response, with a body that reports when it was sent.
    func tracked(_ response: Response, _ entry: Entry, on channel: any Channel) -> Response {
        // A body in one buffer is sent together with the head. It is recorded now, because a second write to learn the end
        // would cost too much.
        guard response.body.contentLength == nil || entry.body == .file else {
            finish(entry, status: response.status, bytes: Int64(response.body.contentLength ?? 0), complete: true)
            return response
        }
        var response = response
        let status = response.status
        let body = response.body
        let length = response.headers[.contentLength]
        let transfer = Transfer(counting: counting(entry)) { bytes, complete in
            finish(entry, status: status, bytes: bytes, complete: complete)
        }
        response.body = ResponseBody(contentLength: body.contentLength) { writer in
            if entry.body == .events {
                // A client that leaves breaks nothing off that would have ended otherwise.
                defer { if transfer.hasBegun { transfer.end(complete: true) } }
                // Events are small, and there may be thousands of streams: each stays on its event loop.
                return try await body.write(CountingWriter(parent: writer, transfer: transfer, backlog: nil))
            }
            // Not on the event loop, because hashing, compressing and archiving would delay other connections. What is called upstream
            // meanwhile is a part of the request.
            try await withTaskExecutorPreference(globalConcurrentExecutor) {
                try await entry.span.run {
                    try await body.write(CountingWriter(parent: writer, transfer: transfer, backlog: Backlog(channel)))
                }
            }
            transfer.end(complete: true)
        }
        response.headers[.contentLength] = length
        return response
    }

    /// What is told of the bytes of a file while they are sent; nil where they are not limited.
    private func counting(_ entry: Entry) -> (@Sendable (Int64) -> Void)? {
        guard entry.body == .file, let caller = entry.caller, let limiter = entry.limiter,
            limiter.countsBytes(of: caller)
        else { return nil }
        return { limiter.sent($0, to: caller) }
    }

    /// Records a request whose answer has ended.
    func finish(_ entry: Entry, status: HTTPResponse.Status, bytes: Int64, complete: Bool) {
        let duration = time.elapsed() - entry.start
        let status = Int(status.code)
        metrics.answered(method: entry.method, route: entry.route, status: status, duration: duration)
        if let span = entry.span { end(span, entry, status: status, bytes: bytes, complete: complete) }
        log.write(
            AccessRecord(
                requestID: entry.requestID,
                method: entry.method,
                route: entry.route,
                status: status,
                duration: duration,
                bytes: bytes,
                caller: entry.caller,
                export: entry.export,
                code: entry.code,
                isComplete: complete,
                traceID: entry.span?.trace.trace.description
            )
        )
    }

    /// What is known of a request when its answer begins.
    struct Entry: Sendable {
        var requestID: String
        /// A time of `TimeSource.elapsed`.
        var start: Duration
        /// A method that a standard defines, or `_OTHER`.
        var method: String
        /// The route's pattern, or `none`: never the path, which a client can make up.
        var route: String
        var caller: String?
        /// The limits by which the caller's request is counted, and the bytes of files that are sent to it.
        var limiter: CallerLimiter?
        var export: ExportID?
        /// What is left of the caller's limit of requests, where there is one.
        var standing: RateLimitFields?
        /// Whether the path holds a ticket.
        var isByTicket = false
        var code: ProblemCode?
        /// Nil where the request's trace is not recorded.
        var span: GatewaySpan?
        var body = Body.whole

        /// How the body comes.
        enum Body {
            case whole
            /// Piece by piece, as fast as the client reads.
            case file
            /// Over a long time.
            case events
        }
    }
}
