import Exports
import Spans
import TraceExport
import UpstreamHTTP
import Yams

extension GatewayConfiguration {
    /// Which traces are recorded, and where their spans go.
    public struct Traces: Sendable {
        /// Where spans are posted to, in OTLP over HTTP.
        public var endpoint: UpstreamURL
        /// Header fields that let the gateway in there.
        public var headers: [(name: String, value: Secret)] = []
        /// `service.name` of the spans.
        public var serviceName = "export-gateway"
        var tracer = GatewayTracer.Settings()
        var exporter = SpanExporter.Settings()
        /// The hosts of upstreams that are told of traces.
        var propagateTo: [HostRule] = []
        /// How spans leave the gateway; nil: as `GatewayConfiguration.egress` says.
        var egress: Egress?
    }
}

extension GatewayConfiguration.Traces {
    /// Reads `traces`: nil where there is no endpoint.
    init?(_ node: Node?, _ environment: OperatorEnvironment) throws(StartupError) {
        var section = try ConfigurationSection(node, path: "traces", environment: environment, isOverridable: true)
        let allowPlainHTTP = try section.bool("allowPlainHTTP", default: false)
        let endpoint = try section.collector("endpoint", allowPlainHTTP: allowPlainHTTP)
        var read = Self(endpoint: endpoint ?? UpstreamURL(httpsHost: "localhost"))
        read.headers = try section.secretFields("headers")
        read.serviceName = try section.text("serviceName", default: read.serviceName)
        guard read.serviceName.utf8.count <= 128 else {
            throw section.error("serviceName", "must have no more than 128 bytes")
        }
        read.tracer.ratio = try section.ratio("ratio", default: read.tracer.ratio)
        read.tracer.callersPerSecond = try section.integer(
            "callersPerSecond",
            in: 0...10_000,
            default: read.tracer.callersPerSecond
        )
        read.tracer.queueLimit = try section.integer("queueLimit", in: 1...100_000, default: read.tracer.queueLimit)
        read.tracer.batchSize = try section.integer(
            "batchSize",
            in: 1...min(read.tracer.queueLimit, 10_000),
            default: min(read.tracer.batchSize, read.tracer.queueLimit)
        )
        let bounds = Duration.milliseconds(100) ... .seconds(60)
        read.exporter.interval = try section.duration("interval", in: bounds, default: read.exporter.interval)
        read.exporter.timeout = try section.duration("timeout", in: bounds, default: read.exporter.timeout)
        read.propagateTo = try section.hosts("propagateTo", allowPlainHTTP: allowPlainHTTP) ?? []
        if read.propagateTo.isEmpty { section.record("propagateTo", nil) }
        read.egress = try Egress(section.node("egress"), path: "traces.egress", environment)
        try section.finish()
        guard endpoint != nil else {
            guard node == nil else {
                let detail = "is required: where spans go, such as https://collector.example.com:4318"
                throw section.error("endpoint", detail)
            }
            return nil
        }
        self = read
    }
}

extension ConfigurationSection {
    /// The address that spans are posted to. Where it has no path, `/v1/traces` is added, as OTLP says
    /// (https://opentelemetry.io/docs/specs/otlp/#otlphttp-request). Nil where the key is left out.
    fileprivate mutating func collector(_ name: String, allowPlainHTTP: Bool) throws(StartupError) -> UpstreamURL? {
        guard let text = try text(name) else { return nil }
        // The error does not repeat the value, which may hold a key.
        guard let url = UpstreamURL(text), url.query == nil else {
            throw error(
                name,
                "must be a URL such as https://collector.example.com:4318, without query and user information; keys go into headers"
            )
        }
        guard url.scheme == .https || allowPlainHTTP || url.isLoopback else {
            throw error(
                name,
                "must be https, or a loopback address: spans say which exports there are. allowPlainHTTP: true is for a collector in a network of your own"
            )
        }
        return url.path == "/" ? url.appending(path: ["v1", "traces"]) : url
    }

    /// A list of header fields, each as `{ name, value }`, whose values are secrets.
    fileprivate mutating func secretFields(_ name: String) throws(StartupError) -> [(name: String, value: Secret)] {
        var fields: [(name: String, value: Secret)] = []
        for var entry in try sections(name) {
            let field = try entry.requiredText("name").lowercased()
            guard (1...128).contains(field.utf8.count), field.utf8.allSatisfy(Self.isFieldByte) else {
                throw entry.error("name", "must be the name of a header field")
            }
            guard !Self.reservedFields.contains(field) else {
                throw entry.error("name", "\(field) is set by the gateway itself")
            }
            guard !fields.contains(where: { $0.name == field }) else { throw entry.error("name", "\(field) is taken") }
            environment.record(name: field, of: entry.path)
            guard let value = try entry.secret("value") else {
                throw entry.error("value", "is required: env:NAME or file:/path")
            }
            guard value.reveal().utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                throw entry.error("value", "must have no control characters")
            }
            try entry.finish()
            fields.append((field, value))
        }
        return fields
    }

    private static let reservedFields: Set<String> = [
        "accept-encoding", "client-request-id", "connection", "content-encoding", "content-length", "content-type",
        "host", "te", "traceparent", "tracestate", "transfer-encoding", "upgrade", "user-agent",
    ]

    /// A byte of a name in lower case (RFC 9110, 5.6.2).
    private static func isFieldByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    /// A part of all.
    fileprivate mutating func ratio(_ name: String, default fallback: Double) throws(StartupError) -> Double {
        guard let text = try text(name) else {
            record(name, "\(fallback)")
            return fallback
        }
        guard text.utf8.count <= 20, text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }),
            let number = Double(text), (0...1).contains(number)
        else { throw error(name, "must be a number from 0 to 1, such as 0.1") }
        record(name, "\(number)")
        return number
    }
}
