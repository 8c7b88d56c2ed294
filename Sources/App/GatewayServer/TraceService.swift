import Exports
import Logging
import Metrics
import ServiceLifecycle
import Spans
import SystemCrypto
import TraceExport
import UpstreamHTTP

/// Exports spans until everything that makes them has ended, and then what is left.
struct TraceService: Service, CustomStringConvertible {
    private let exporter: SpanExporter

    var description: String { "trace export" }

    /// Nil where no traces are configured.
    init?(
        _ tracer: GatewayTracer,
        _ traces: GatewayConfiguration.Traces?,
        ways: WaysOut,
        time: any TimeSource,
        logger: Logger,
        metrics: any MetricsFactory
    ) {
        guard let traces else { return nil }
        let client = UpstreamClient(
            settings: .init(connection: "traces", bearerHosts: [:], openHosts: [.origin(of: traces.endpoint)]),
            transport: ways.traces,
            tokens: NoTokens(),
            time: time,
            logger: logger,
            metrics: metrics
        )
        let exporter = SpanExporter(
            tracer,
            to: HTTPSpanCollector(endpoint: traces.endpoint, fields: traces.headers, client: client),
            settings: traces.exporter,
            resource: traces.resource,
            time: time,
            logger: logger,
            metrics: metrics
        )
        guard let exporter else { return nil }
        self.exporter = exporter
    }

    func run() async throws {
        await cancelWhenGracefulShutdown { await exporter.run() }
        await exporter.finish()
    }
}

extension GatewayConfiguration.Traces {
    /// What is said of this process (https://opentelemetry.io/docs/specs/semconv/resource/#service). The instance is a new one with
    /// each start.
    fileprivate var resource: [(name: String, value: String)] {
        [
            ("service.name", serviceName),
            ("service.instance.id", Self.newInstance()),
            ("telemetry.sdk.language", "swift"),
            ("telemetry.sdk.name", "export-gateway"),
        ]
    }

    private static func newInstance() -> String {
        var random = SystemRandom()
        return ExportID(at: SystemTime().now(), random: &random).description
    }
}

extension GatewayConfiguration {
    /// Makes the spans of this process; none where no traces are configured.
    func tracer(time: any TimeSource) -> GatewayTracer {
        guard let traces else { return GatewayTracer() }
        let random = Randomness {
            var random = SystemRandom()
            return random.next()
        }
        return GatewayTracer(traces.tracer, time: time, random: random)
    }
}
