import Exports
import Foundation
import Spans
import Testing
import TraceExport
import UpstreamHTTP

@testable import GatewayServer

/// `traces` of the configuration.
@Suite struct TracesConfigurationTests {
    private static func configuration(
        _ traces: String? = nil,
        variables: [String: String] = [:]
    ) throws -> GatewayConfiguration {
        var yaml = "ledger: { path: /tmp/ledger.sqlite }\n"
        if let traces { yaml += "traces: \(traces)\n" }
        yaml += "connections:\n  - name: first\n    provider: power-bi\n    credential: { type: passThrough }\n"
        return try GatewayConfiguration(
            yaml: yaml,
            OperatorEnvironment(variables: variables) { _ in "key of the collector\n" }
        )
    }

    @Test func nothingSaidIsNoTraces() throws {
        let configuration = try Self.configuration()
        #expect(configuration.traces == nil)
        #expect(configuration.tracer(time: SystemTime()).buffer == nil)
    }

    @Test func theRestHasDefaults() throws {
        let configuration = try Self.configuration("{ endpoint: \"https://collector.example:4318\" }")
        let traces = try #require(configuration.traces)
        #expect(traces.endpoint.reveal() == "https://collector.example:4318/v1/traces")
        #expect(traces.tracer == GatewayTracer.Settings() && traces.exporter.interval == .seconds(5))
        #expect(traces.headers.isEmpty && traces.propagateTo.isEmpty && traces.egress == nil)
        #expect(configuration.tracer(time: SystemTime()).buffer != nil)
    }

    @Test func readsEveryKey() throws {
        let configuration = try Self.configuration(
            "{ endpoint: \"http://collector.example/otlp\", allowPlainHTTP: true, serviceName: exports, ratio: 0.25, "
                + "headers: [{ name: Api-Key, value: \"file:/run/secrets/key\" }], callersPerSecond: 0, "
                + "queueLimit: 100, interval: 250ms, timeout: 2s, propagateTo: [proxy.example], "
                + "egress: { proxy: \"http://way.example:3128\" } }",
            variables: ["EXPORT_GATEWAY_TRACES_BATCH_SIZE": "50"]
        )
        let traces = try #require(configuration.traces)
        #expect(traces.endpoint.reveal() == "http://collector.example/otlp")
        #expect(traces.headers.map(\.name) == ["api-key"])
        #expect(traces.headers.map(\.value) == [Secret("key of the collector")])
        #expect(traces.serviceName == "exports" && traces.tracer.ratio == 0.25 && traces.tracer.callersPerSecond == 0)
        #expect(traces.tracer.queueLimit == 100 && traces.tracer.batchSize == 50)
        #expect(traces.exporter.interval == .milliseconds(250) && traces.exporter.timeout == .seconds(2))
        #expect(traces.propagateTo.map(\.description) == ["proxy.example"])
        let found = EgressCheck.run(configuration).map(\.description)
        #expect(found.first == "ok   traces: goes out through the proxy http://way.example:3128")
        var dumped = ""
        dump(configuration, to: &dumped)
        #expect(!dumped.contains("key of the collector"))
    }

    /// A batch that is larger than the queue would never be full.
    @Test func aShortQueueHasShortBatches() throws {
        let traces = try Self.configuration("{ endpoint: \"http://127.0.0.1:4318\", queueLimit: 10 }").traces
        #expect(traces?.tracer.batchSize == 10)
    }

    @Test(arguments: [
        ("{ ratio: 0.5 }", "traces.endpoint", "is required"),
        ("{ endpoint: collector.example }", "traces.endpoint", "must be a URL"),
        ("{ endpoint: \"https://collector.example/?key=word-1\" }", "traces.endpoint", "without query"),
        ("{ endpoint: \"https://user:word-1@collector.example\" }", "traces.endpoint", "must be a URL"),
        ("{ endpoint: \"http://collector.example:4318\" }", "traces.endpoint", "allowPlainHTTP"),
        ("{ endpoint: \"http://127.0.0.1.example\" }", "traces.endpoint", "allowPlainHTTP"),
        ("{ endpoint: \"https://c.example\", ratio: 1.1 }", "traces.ratio", "from 0 to 1"),
        ("{ endpoint: \"https://c.example\", ratio: nan }", "traces.ratio", "from 0 to 1"),
        ("{ endpoint: \"https://c.example\", ratio: -1 }", "traces.ratio", "from 0 to 1"),
        ("{ endpoint: \"https://c.example\", queueLimit: 10, batchSize: 11 }", "traces.batchSize", "from 1 to 10"),
        ("{ endpoint: \"https://c.example\", interval: 1ms }", "traces.interval", "must be a duration"),
        ("{ endpoint: \"https://c.example\", propagateTo: graph.example }", "traces.propagateTo", "must be a list"),
        ("{ endpoint: \"https://c.example\", egress: { } }", "traces.egress", "says nothing"),
        (
            "{ endpoint: \"https://c.example\", headers: [{ name: api-key, value: word-1 }] }",
            "traces.headers[0].value", "must be env:NAME or file:/path"
        ),
        (
            "{ endpoint: \"https://c.example\", headers: [{ name: Host, value: \"file:/x\" }] }",
            "traces.headers[0].name", "is set by the gateway itself"
        ),
        (
            "{ endpoint: \"https://c.example\", headers: [{ name: \"a b\", value: \"file:/x\" }] }",
            "traces.headers[0].name", "must be the name"
        ),
        ("{ endpoint: \"https://c.example\", sampler: always }", "traces.sampler", "is not a key here"),
    ])
    func aMistakeStopsTheStart(traces: String, key: String, words: String) throws {
        let error = try #require(throws: StartupError.self) { try Self.configuration(traces) }
        #expect(error.key == key && error.detail.contains(words), "\(error)")
        #expect(!error.detail.contains("word-1"))
    }

    /// The example shows the defaults, so that it can be copied.
    @Test func theExampleHasTheDefaults() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../Deploy/gateway.example.yaml")
        let lines = try String(contentsOf: path, encoding: .utf8)
            .split(separator: "\n", omittingEmptySubsequences: false)
        let section = lines.drop { $0 != "# traces:" }.dropFirst().prefix { $0.hasPrefix("#   ") }
        let example = "\n" + section.map { $0.dropFirst(2) }.joined(separator: "\n")
        let traces = try #require(try Self.configuration(example).traces)
        #expect(traces.tracer == GatewayTracer.Settings())
        #expect(traces.exporter.interval == .seconds(5) && traces.exporter.timeout == .seconds(10))
        #expect(traces.serviceName == "export-gateway" && traces.headers.count == 1)
    }
}
