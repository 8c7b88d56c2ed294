public import Exports
public import UpstreamHTTP

/// Takes the spans of a gateway.
public protocol SpanCollector: Sendable {
    /// Sends one request of OTLP. It may take no longer than `timeout`.
    func send(_ request: [UInt8], timeout: Duration) async -> CollectorAnswer
}

/// How a request to a collector ended.
public enum CollectorAnswer: Sendable, Hashable {
    /// It has the spans, except for so many that it refused for what is in them.
    case taken(rejected: Int)
    /// It cannot take them now: they may be sent again, after so long a wait if it says so.
    case busy(reason: String, retryAfter: Duration?)
    /// It will never take them.
    case refused(reason: String)
}

/// A collector that is called over HTTP (OTLP/HTTP: https://opentelemetry.io/docs/specs/otlp/#otlphttp).
///
/// The calls go through an `UpstreamClient`, so that host rule, proxy, authorities, metrics and the redaction of what was sent are the
/// same as for all other calls. The calls make no spans.
public struct HTTPSpanCollector: SpanCollector {
    private let endpoint: UpstreamURL
    private let fields: [(name: String, value: Secret)]
    private let client: UpstreamClient

    /// Makes a collector.
    ///
    /// - Parameters:
    ///   - endpoint: Where requests are posted to: usually its path is `/v1/traces`.
    ///   - fields: Header fields that let the gateway in.
    ///   - client: May call the endpoint's host.
    public init(endpoint: UpstreamURL, fields: [(name: String, value: Secret)], client: UpstreamClient) {
        (self.endpoint, self.fields, self.client) = (endpoint, fields, client)
    }

    public func send(_ bytes: [UInt8], timeout: Duration) async -> CollectorAnswer {
        var request = UpstreamRequest("traces.export", .post, endpoint)
        request.body = bytes
        request.bodyType = OTLPRequest.contentType
        request.secretHeaders = fields
        request.timeout = timeout
        request.bodyLimit = AnswerLimit.error
        // The exporter itself waits and sends again.
        request.isPaced = false
        request.attempts = 1
        let response: UpstreamResponse
        do throws(ProviderError) {
            response = try await client.send(request, context: CallContext(requestID: "traces"))
        } catch {
            return .busy(reason: error.label, retryAfter: error.retryAfter)
        }
        switch response.status {
        case 200...299: return .taken(rejected: OTLPAnswer.rejectedSpans(response.body))
        // https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes
        case 429, 502, 503, 504: return .busy(reason: "\(response.status)", retryAfter: response.retryAfter)
        default: return .refused(reason: "\(response.status)")
        }
    }
}
