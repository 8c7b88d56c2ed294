import Exports
import Pacing
import Spans

// The spans of calls upstream, by OpenTelemetry's conventions for HTTP clients
// (https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span).
extension UpstreamClient {
    /// The span of one exchange, as a part of the span that the task works for; nil where that is not recorded. The wait for the request
    /// budget is over when it begins.
    ///
    /// - Parameter resends: How often the same request was sent before.
    func span(
        of request: UpstreamRequest,
        _ context: CallContext,
        _ place: CallBudget.Place?,
        resends: Int
    ) -> GatewaySpan? {
        guard let span = tracer.call("\(request.method.rawValue) \(request.operation)") else { return nil }
        span.set(.requestMethod, request.method.rawValue)
        span.set(.serverAddress, request.url.host)
        span.set(.serverPort, request.url.port)
        span.set(.urlFull, request.tracedURL)
        span.set(.connection, settings.connection)
        span.set(.operation, request.operation)
        span.set(.clientRequestID, context.requestID)
        if resends > 0 { span.set(.resendCount, resends) }
        if let place, place.waited > .zero {
            span.set(.budgetWait, seconds: place.waited)
        }
        return span
    }

    /// The field `traceparent` for a call; nil for hosts that are not told of traces, and where the call is not recorded.
    func traceparent(_ span: GatewaySpan?, to url: UpstreamURL) -> String? {
        guard let span, settings.tracedHosts.contains(where: { $0.matches(url) }) else { return nil }
        return span.trace.traceparent
    }
}

extension GatewaySpan {
    /// The call was answered.
    func answered(_ status: Int) {
        set(.responseStatus, status)
        // A client's span has failed from 400 on.
        if status >= 400 { fail(String(status)) }
        end()
    }

    /// The call has failed without an answer that can be used.
    func failed(_ error: any Error) {
        fail((error as? ProviderError)?.label ?? TransportFailure.label(error))
        end()
    }
}

extension UpstreamRequest {
    /// The address for a span: never its query, and its path only where the call carries a token or a form. The path of a link that was
    /// handed out may be the permission to fetch what is there.
    fileprivate var tracedURL: String { url.origin + (bearer != nil || form != nil ? url.path : "/") }
}
