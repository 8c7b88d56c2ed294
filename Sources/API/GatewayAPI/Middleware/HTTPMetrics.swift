import Telemetry
import CoreMetrics
import Exports
import HTTPTypes
import Synchronization

/// The metrics of requests. Every label value is from a fixed list: nothing that a client sends becomes one.
struct HTTPMetrics: Sendable {
    /// The `route` of a request whose path matches no route.
    static let noRoute = "none"

    private let registry: PrometheusRegistry
    private let answers = AnswerMeters()
    private let active: Meter
    private let slowClients: Counter
    private let failedHandshakes: Counter
    private let displacements: Counter

    init(registry: PrometheusRegistry) {
        self.registry = registry
        registry.describe("http.server.requests", "Requests answered.")
        registry.describe("http.server.request.duration", "Time from the head of a request to the end of its answer.")
        registry.describe("http.server.active_requests", "Requests that are being answered.")
        registry.describe("http.server.unreadable_requests", "Connections closed because no request could be read.")
        registry.describe(
            "http.server.slow_clients_cut",
            "Connections closed because the client took its answer too slowly."
        )
        registry.describe("http.server.tls_handshakes_failed", "Connections that ended before TLS was agreed on.")
        registry.describe(
            "http.server.connections_displaced",
            "Connections closed for others: idle ones, and those with a head that does not end."
        )
        displacements = Counter(label: "http.server.connections_displaced", factory: registry)
        failedHandshakes = Counter(label: "http.server.tls_handshakes_failed", factory: registry)
        slowClients = Counter(label: "http.server.slow_clients_cut", factory: registry)
        active = Meter(label: "http.server.active_requests", factory: registry)
        active.set(0)
    }

    /// The `method` of a request: one of those that routes have, or `other`.
    static func label(of method: HTTPRequest.Method) -> String {
        switch method {
        case .get, .head, .post, .delete, .put, .patch, .options: method.rawValue
        default: "other"
        }
    }

    /// A request's head was read.
    func began() { active.increment() }

    /// The request is answered elsewhere, and counted there.
    func abandoned() { active.decrement() }

    /// A request was answered, or its answer was broken off.
    func answered(method: String, route: String, status: Int, duration: Duration) {
        active.decrement()
        let meters = answers.of(AnswerMeters.Key(method: method, route: route, status: status), in: registry)
        meters.requests.increment()
        meters.duration.recordNanoseconds(duration.milliseconds * 1_000_000)
    }

    /// A connection was closed because its client read an answer too slowly.
    func cutSlowClient() { slowClients.increment() }

    /// A connection ended before the TLS handshake was complete.
    func failedHandshake() { failedHandshakes.increment() }

    /// A connection was closed for another.
    func displaced() { displacements.increment() }

    /// Bytes came that are no request.
    func unreadable(status: Int) {
        Counter(
            label: "http.server.unreadable_requests",
            dimensions: [("status", String(status))],
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

    struct Meters {
        var requests: Counter
        var duration: CoreMetrics.Timer
    }

    private let known = Mutex<[Key: Meters]>([:])

    func of(_ key: Key, in registry: PrometheusRegistry) -> Meters {
        known.withLock { known in
            if let meters = known[key] { return meters }
            let dimensions = [("method", key.method), ("route", key.route), ("status", String(key.status))]
            let meters = Meters(
                requests: Counter(label: "http.server.requests", dimensions: dimensions, factory: registry),
                duration: CoreMetrics.Timer(
                    label: "http.server.request.duration",
                    dimensions: dimensions,
                    factory: registry
                )
            )
            known[key] = meters
            return meters
        }
    }
}
