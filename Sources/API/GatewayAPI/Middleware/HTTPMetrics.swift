import Telemetry
import CoreMetrics
import Exports
import HTTPTypes
import Synchronization

/// The metrics of requests and connections. Every label value is from a fixed list: nothing that a client sends becomes one.
///
/// Those of requests have the names and labels of OpenTelemetry's semantic conventions, as Prometheus writes them
/// (https://opentelemetry.io/docs/specs/semconv/http/http-metrics).
struct HTTPMetrics: Sendable {
    /// The route of a request whose path matches no route. The metrics have no `http_route` for it.
    static let noRoute = "none"

    /// What the listener speaks: `http` or `https`.
    let scheme: String
    private let registry: PrometheusRegistry
    private let answers: AnswerMeters
    private let active: Meter
    private let slowClients: Counter
    private let displacements: Counter
    private let floods: Counter
    private let refusedStreams: Counter
    private let failedHandshakes: Counter

    /// - Parameter scheme: What the listener speaks: `http` or `https`.
    init(registry: PrometheusRegistry, scheme: String) {
        func closed(_ reason: String) -> Counter {
            Counter(
                label: "export_gateway_http_connections_closed_total",
                dimensions: [("reason", reason)],
                factory: registry
            )
        }
        self.registry = registry
        self.scheme = scheme
        answers = AnswerMeters(scheme: scheme)
        slowClients = closed("slow-client")
        displacements = closed("displaced")
        floods = closed("flood")
        refusedStreams = Counter(label: "export_gateway_http_streams_refused_total", factory: registry)
        failedHandshakes = Counter(label: "export_gateway_tls_handshakes_failed_total", factory: registry)
        active = Meter(label: "http_server_active_requests", factory: registry)
        active.set(0)
    }

    /// The method of a request as logs and metrics show it: one that RFC 9110 or RFC 5789 defines, or `_OTHER`.
    static func label(of method: HTTPRequest.Method) -> String {
        switch method {
        case .get, .head, .post, .put, .delete, .connect, .options, .trace, .patch: method.rawValue
        default: "_OTHER"
        }
    }

    /// A request's head was read.
    func began() { active.increment() }

    /// The request is answered elsewhere, and counted there.
    func abandoned() { active.decrement() }

    /// A request was answered, or its answer was broken off.
    func answered(method: String, route: String, status: Int, duration: Duration) {
        active.decrement()
        answers.duration(of: AnswerMeters.Key(method: method, route: route, status: status), in: registry)
            .recordNanoseconds(duration.milliseconds * 1_000_000)
    }

    /// A connection was closed, or a stream of HTTP/2 was reset, because its client read an answer too slowly.
    func cutSlowClient() { slowClients.increment() }

    /// A connection ended before the TLS handshake was complete.
    func failedHandshake() { failedHandshakes.increment() }

    /// A connection was closed for another.
    func displaced() { displacements.increment() }

    /// A connection of HTTP/2 was closed because its client sent too much that brings nothing on.
    func endedFlood() { floods.increment() }

    /// A stream of HTTP/2 was refused, because as many were open as may be.
    func refusedStream() { refusedStreams.increment() }

    /// A connection is closed because what came is not a request.
    func unreadable(status: Int) {
        Counter(
            label: "export_gateway_http_requests_unreadable_total",
            dimensions: [("http_response_status_code", String(status))],
            factory: registry
        )
        .increment()
    }
}

/// The series of the answers, each looked up in the registry once. There are only as many as methods, routes and statuses.
private final class AnswerMeters: Sendable {
    struct Key: Hashable {
        var method: String
        var route: String
        var status: Int
    }

    private let scheme: String
    private let known = Mutex<[Key: CoreMetrics.Timer]>([:])

    init(scheme: String) {
        self.scheme = scheme
    }

    func duration(of key: Key, in registry: PrometheusRegistry) -> CoreMetrics.Timer {
        known.withLock { known in
            if let timer = known[key] { return timer }
            let timer = CoreMetrics.Timer(
                label: "http_server_request_duration_seconds",
                dimensions: dimensions(of: key),
                factory: registry
            )
            known[key] = timer
            return timer
        }
    }

    /// The conventions have no `http.route` without a route, and an `error.type` only for the server's own errors.
    private func dimensions(of key: Key) -> [(String, String)] {
        let status = String(key.status)
        var dimensions = [
            ("http_request_method", key.method), ("http_response_status_code", status), ("url_scheme", scheme),
        ]
        if key.route != HTTPMetrics.noRoute { dimensions.append(("http_route", key.route)) }
        if key.status >= 500 { dimensions.append(("error_type", status)) }
        return dimensions
    }
}
