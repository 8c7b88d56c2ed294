import Exports
import ManualClock
import ScriptedHost
import Spans
import Testing
import Tracing
import UpstreamHTTP

@Suite struct CallSpanTests {
    private let tracer: GatewayTracer = {
        var settings = GatewayTracer.Settings()
        settings.ratio = 1
        return GatewayTracer(settings, time: ManualTime(), random: Randomness { .random(in: .min ... .max) })
    }()

    /// A span that calls are parts of.
    private var step: GatewaySpan? { tracer.root(.start, linkedTo: []) }

    private func values(_ record: SpanRecord) -> [String: String] {
        Dictionary(uniqueKeysWithValues: record.attributes.map { ($0.name, "\($0.value)") })
    }

    @Test func eachAttemptIsASpan() async throws {
        let parent = step
        try await Upstream.with(tracer: tracer) { _, index in
            index == 0 ? [RawServer.answer(503)] : index == 1 ? [.close] : [RawServer.answer(200)]
        } test: { upstream in
            _ = try await parent.run {
                try await upstream.send(upstream.request(.get, "/thing?sig=secret", bearer: true))
            }
            let spans = try #require(tracer.buffer).take()
            #expect(spans.count == 3)
            #expect(spans.allSatisfy { $0.parent == parent?.trace.span && $0.context.trace == parent?.trace.trace })
            #expect(spans.allSatisfy { $0.kind == .client && $0.name == "GET test.call" })
            let all = spans.map(values)
            #expect(all.map { $0["http.request.resend_count"] } == [nil, "int64(1)", "int64(2)"])
            #expect(all.map { $0["http.response.status_code"] } == ["int64(503)", nil, "int64(200)"])
            #expect(all[0]["error.type"] == #"string("503")"# && all[1]["error.type"] != nil)
            #expect(all[2]["error.type"] == nil && spans.map(\.hasFailed) == [true, true, false])
            #expect(all[2]["url.full"] == #"string("http://127.0.0.1:\#(upstream.server.port)/thing")"#)
            #expect(all[2]["server.address"] == #"string("127.0.0.1")"#)
            #expect(all[2]["export_gateway.client_request_id"] == #"string("\#(upstream.context.requestID)")"#)
            // Nobody is told of traces unless that is configured.
            #expect(upstream.server.calls.allSatisfy { $0.headers["traceparent"] == nil })
        }
    }

    /// The path of a link may be the permission to fetch what is there.
    @Test func ofALinkNothingButTheHostIsRecorded() async throws {
        let parent = step
        let store = try await RawServer.start { _, _ in [RawServer.answer(200, body: "the file")] }
        let location = "http://127.0.0.1:\(store.port)/secret/file.zip?sig=secret"
        try await Upstream.with(tracer: tracer) { _, _ in
            [RawServer.answer(302, ["Location: \(location)"])]
        } test: { upstream in
            let rule = HostRule.origin(of: try #require(UpstreamURL(location)))
            let request = try upstream.request(.get, "/file", bearer: true)
            _ = try await parent.run { try await upstream.download(request, redirects: [rule]) }
            let all = try #require(tracer.buffer).take().map(values)
            #expect(all.map { $0["http.request.resend_count"] } == [nil, "int64(1)"])
            #expect(all.map { $0["http.response.status_code"] } == ["int64(302)", "int64(200)"])
            #expect(all.last?["url.full"] == #"string("http://127.0.0.1:\#(store.port)/")"#)
            #expect(all.allSatisfy { $0.values.allSatisfy { !$0.contains("secret") } })
        }
        try await store.stop()
    }

    @Test func hostsThatAreNamedAreToldOfTheTrace() async throws {
        let parent = step
        try await Upstream.with(tracer: tracer, tellsOfTraces: true) { _, _ in
            [RawServer.answer(200)]
        } test: { upstream in
            _ = try await parent.run { try await upstream.send(upstream.request(.get, bearer: true)) }
            _ = try await upstream.send(upstream.request(.get, bearer: true))
            let spans = try #require(tracer.buffer).take()
            let span = try #require(spans.first)
            let told = upstream.server.calls.map { $0.headers["traceparent"] }
            // A call that is part of nothing recorded says nothing.
            #expect(told == ["00-\(span.context.trace)-\(span.context.span)-01", nil])
            #expect(upstream.server.calls.allSatisfy { $0.headers["tracestate"] == nil })
        }
    }
}
