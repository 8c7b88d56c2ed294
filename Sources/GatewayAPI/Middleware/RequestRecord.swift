import Exports
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// What is written down of each request once it is answered: one line in the access log, and its figures.
struct RequestRecord: Sendable {
    var metrics: HTTPMetrics
    var time: any TimeSource

    /// The response as it came, its body made to report when it was sent.
    func tracked(_ response: Response, _ entry: Entry, on channel: any Channel) -> Response {
        // A body in one buffer is sent in one write together with the head; it is not worth a second one to know when.
        guard response.body.contentLength == nil || entry.isStream else {
            finish(entry, status: response.status, bytes: Int64(response.body.contentLength ?? 0), complete: true)
            return response
        }
        var response = response
        let status = response.status
        let body = response.body
        let length = response.headers[.contentLength]
        let transfer = Transfer { bytes, complete in
            finish(entry, status: status, bytes: bytes, complete: complete)
        }
        response.body = ResponseBody(contentLength: body.contentLength) { writer in
            try await body.write(CountingWriter(parent: writer, transfer: transfer, backlog: Backlog(channel)))
            transfer.end(complete: true)
        }
        response.headers[.contentLength] = length
        return response
    }

    private func finish(_ entry: Entry, status: HTTPResponse.Status, bytes: Int64, complete: Bool) {
        let duration = time.now() - entry.start
        metrics.answered(method: entry.method, route: entry.route, status: Int(status.code), duration: duration)
        var metadata: Logger.Metadata = [
            "method": .string(entry.method),
            "route": .string(entry.route),
            "status": .stringConvertible(Int(status.code)),
            "duration_ms": .stringConvertible(duration.milliseconds),
            "bytes": .stringConvertible(bytes),
        ]
        if let caller = entry.caller { metadata["caller"] = .string(caller) }
        if let export = entry.export { metadata["export"] = .stringConvertible(export) }
        if let code = entry.code { metadata["code"] = .string(code.rawValue) }
        if complete {
            entry.logger.info("request", metadata: metadata)
        } else {
            entry.logger.warning("request cut off", metadata: metadata)
        }
    }

    /// What is known of a request when its answer begins.
    struct Entry: Sendable {
        var start: Timestamp
        /// One of the methods of the route table, or `other`.
        var method: String
        /// The route's pattern, or `none`: never the path, which anybody can make up.
        var route: String
        var caller: String?
        var export: ExportID?
        var code: ProblemCode?
        /// Whether the body comes piece by piece.
        var isStream = false
        var logger: Logger
    }
}
