import CallerIdentity
import Exports
import HTTPTypes
import InMemoryLogging
import Logging
import ManualClock
import Spans
import Synchronization
import SystemCrypto
import Testing
import Tracing

@testable import GatewayAPI

@Suite(.timeLimit(.minutes(5))) struct RequestSpanTests {
    private static let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    private func tracer(ratio: Double) -> GatewayTracer {
        var settings = GatewayTracer.Settings()
        settings.ratio = ratio
        return GatewayTracer(settings, time: ManualTime(), random: Randomness { .random(in: .min ... .max) })
    }

    private func values(_ record: SpanRecord) -> [String: String] {
        Dictionary(uniqueKeysWithValues: record.attributes.map { ($0.name, "\($0.value)") })
    }

    private func spans(_ tracer: GatewayTracer) throws -> [SpanRecord] { try #require(tracer.buffer).take() }

    /// Whoever answers, the span is the same, and the log names its trace.
    @Test(arguments: [true, false]) func aRequestForAnExportIsASpan(isDirect: Bool) async throws {
        let (service, log, tracer) = (FakeExportService(time: ManualTime()), InMemoryLogHandler(), tracer(ratio: 0))
        service.state.withLock { $0.keepsSnapshots = true }
        let export = service.put(.running)
        let gateway = TestGateway(service: service, logger: Logger(label: "tests") { _ in log }, tracer: tracer) {
            $0.directAnswers = isDirect
        }
        try await gateway.live { server in
            try await server.connect { client in
                try await client.send(
                    "GET /exports/\(export.id) HTTP/1.1\r\nhost: x\r\nx-request-id: r-1\r\n"
                        + "traceparent: \(Self.caller)\r\ntracestate: vendor=1\r\n\r\n"
                )
                let (head, body) = try await client.readAnswer()
                #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n"))
                let span = try #require(try spans(tracer).first)
                #expect(span.name == "GET /exports/{id}" && span.kind == .server && span.isParentRemote)
                #expect(span.parent?.description == "00f067aa0ba902b7")
                #expect(
                    values(span) == [
                        "http.request.method": #"string("GET")"#, "http.route": #"string("/exports/{id}")"#,
                        "http.response.status_code": "int64(200)",
                        "http.response.body.size": "int64(\(body.utf8.count))",
                        "url.scheme": #"string("http")"#, "url.path": "string(\"/exports/\(export.id)\")",
                        "export_gateway.request_id": #"string("r-1")"#,
                        "export_gateway.caller": #"string("anonymous")"#,
                        "export_gateway.export.id": "string(\"\(export.id)\")",
                    ]
                )
                // The export's own trace is not recorded.
                #expect(span.links.isEmpty && !span.hasFailed)
                // Twice is none, and without one, the ratio decides.
                for lines in ["traceparent: \(Self.caller)\r\ntraceparent: \(Self.caller)\r\n", ""] {
                    try await client.send("GET /exports/\(export.id) HTTP/1.1\r\nhost: x\r\n\(lines)\r\n")
                    _ = try await client.readAnswer()
                }
                #expect(try spans(tracer).isEmpty)
            }
        }
        let traces = log.entries.filter { "\($0.message)" == "request" }.map { $0.metadata["trace_id"]?.description }
        #expect(traces == ["4bf92f3577b34da6a3ce929d0e0e4736", nil, nil])
    }

    @Test func aRequestLinksToItsExport() async throws {
        let (service, tracer) = (FakeExportService(time: ManualTime()), tracer(ratio: 1))
        let export = service.put(.running)
        let gateway = TestGateway(service: service, tracer: tracer)
        #expect(try await gateway.call(.get, "/exports/\(export.id)").status == 200)
        #expect(try await gateway.call(.get, "/exports/01981f3e-7c1a-7b52-9d3e-0242ac120002").status == 404)
        #expect(try await gateway.call(.get, "/secret/\(export.id)").status == 404)
        #expect(try await gateway.call(.get, "/livez").status == 200)
        let spans = try spans(tracer)
        #expect(spans.map(\.name) == ["GET /exports/{id}", "GET /exports/{id}", "GET"])
        let root = try #require(TraceContext(of: export.id, isSampled: true))
        // Not to one that there is not.
        #expect(spans.map(\.links) == [[root], [], []])
        #expect(values(spans[1])["export_gateway.problem.code"] == #"string("not-found")"# && !spans[1].hasFailed)
        #expect(values(spans[2])["url.path"] == nil && values(spans[2])["http.route"] == nil)
    }

    @Test func nobodyElseDecidesWhatIsRecorded() async throws {
        let tracer = tracer(ratio: 0)
        let gateway = TestGateway(tracer: tracer) {
            $0.apiKeys = [APIKey(id: "reporting", sha256: SHA256.hash(Array("key".utf8)))]
        }
        func status(_ key: String?) async throws -> Int {
            var fields: HTTPFields = [.init("traceparent")!: Self.caller]
            if let key { fields[.authorization] = "Bearer \(key)" }
            return try await gateway.call(.get, "/providers", headers: fields).status
        }
        #expect(try await status(nil) == 401)
        #expect(try await status("wrong") == 401)
        #expect(try spans(tracer).isEmpty)
        #expect(try await status("key") == 200)
        #expect(try spans(tracer).map(\.name) == ["GET /providers"])
    }

    @Test func aTicketIsInNoSpan() throws {
        let tracer = tracer(ratio: 1)
        let gateway = TestGateway(tracer: tracer)
        var random = SystemRandomNumberGenerator()
        var entry = RequestRecord.Entry(
            requestID: "r-1",
            start: .zero,
            method: "GET",
            route: "/tickets/{ticket}",
            export: ExportID(at: ManualTime().now(), random: &random)
        )
        entry.isByTicket = true
        let record = gateway.api.responder.record
        record.trace(&entry, traceparent: nil, isKnown: true)
        record.finish(entry, status: .badGateway, bytes: 3, complete: false)
        let span = try #require(try spans(tracer).first)
        #expect(values(span)["url.path"] == #"string("/tickets/{ticket}")"#)
        #expect(values(span)["error.type"] == #"string("broken-off")"# && span.hasFailed)
    }
}
