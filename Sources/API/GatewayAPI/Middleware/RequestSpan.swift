import Exports
import Spans

/// The spans of requests, by OpenTelemetry's conventions for HTTP servers
/// (https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span).
extension RequestRecord {
    /// Decides whether a request is recorded, once it is known who calls. Costs next to nothing where it is not.
    ///
    /// - Parameters:
    ///   - traceparent: The field of the request, where it came once.
    ///   - isKnown: Whether the caller is one who may call. Nobody else can have a trace recorded.
    func trace(_ entry: inout Entry, traceparent: String?, isKnown: Bool) {
        let (method, route) = (entry.method, entry.route)
        entry.span = tracer.request(
            route == HTTPMetrics.noRoute ? method : method + " " + route,
            at: entry.start,
            traceparent: traceparent,
            mayForce: isKnown
        )
    }

    /// Ends the span of a request.
    func end(_ span: GatewaySpan, _ entry: Entry, status: Int, bytes: Int64, complete: Bool) {
        span.set(.requestMethod, entry.method)
        span.set(.urlScheme, metrics.scheme)
        if entry.route != HTTPMetrics.noRoute {
            span.set(.route, entry.route)
            span.set(.urlPath, entry.tracedPath)
        }
        span.set(.responseStatus, status)
        span.set(.responseBodySize, Int(bytes))
        span.set(.requestID, entry.requestID)
        span.set(.caller, entry.caller)
        span.set(.problem, entry.code?.rawValue)
        if let export = entry.tracedExport {
            span.set(.export, export.description)
            // A client may ask for an export that there is not.
            if status < 400, let root = tracer.context(of: export) { span.link(root) }
        }
        // A server's span has not failed where the client made a mistake.
        if status >= 500 { span.fail(String(status)) }
        if !complete { span.fail("broken-off") }
        span.end()
    }
}

extension RequestRecord.Entry {
    /// The export that the request is about. Other resources have ids of the same form.
    fileprivate var tracedExport: ExportID? { isByTicket || route.hasPrefix("/exports/") ? export : nil }

    /// The route with the export's id in it: what else a path holds is not recorded, because it may be a secret.
    fileprivate var tracedPath: String {
        guard let export = tracedExport, !isByTicket else { return route }
        return route.replacing("{id}", with: export.description)
    }
}
