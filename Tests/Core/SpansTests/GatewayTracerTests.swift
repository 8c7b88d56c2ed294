import Exports
import ManualClock
import Testing
import Tracing

@testable import Spans

@Suite struct GatewayTracerTests {
    private static let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    private let time = ManualTime()

    private func tracer(ratio: Double, callersPerSecond: Int = 10) -> GatewayTracer {
        var settings = GatewayTracer.Settings()
        (settings.ratio, settings.callersPerSecond) = (ratio, callersPerSecond)
        return GatewayTracer(settings, time: time, random: Randomness { .random(in: .min ... .max) })
    }

    private func id() -> ExportID {
        var random = SystemRandomNumberGenerator()
        return ExportID(at: time.now(), random: &random)
    }

    private func request(_ tracer: GatewayTracer, _ traceparent: String? = nil, mayForce: Bool = true) -> GatewaySpan? {
        tracer.request("GET /exports", at: time.elapsed(), traceparent: traceparent, mayForce: mayForce)
    }

    /// The spans that have ended since it was asked last.
    private func records(_ tracer: GatewayTracer) throws -> [SpanRecord] { try #require(tracer.buffer).take() }

    private func record(_ tracer: GatewayTracer) throws -> SpanRecord {
        let records = try records(tracer)
        return try #require(records.first)
    }

    @Test func aTracerWithoutSettingsRecordsNothing() {
        let tracer = GatewayTracer()
        #expect(tracer.buffer == nil)
        #expect(request(tracer, Self.caller) == nil)
        #expect(tracer.span(.start, of: id()) == nil && tracer.creation(of: id()) == nil)
        #expect(tracer.root(.pollTogether, linkedTo: []) == nil)
        tracer.withSpan("any") { #expect(!$0.isRecording) }
    }

    @Test func aRequestWithoutParentBeginsATrace() throws {
        let tracer = tracer(ratio: 1)
        let start = time.elapsed()
        time.advance(by: .milliseconds(7))
        let span = try #require(tracer.request("GET /x", at: start, traceparent: "no field", mayForce: true))
        span.set(.requestMethod, "GET")
        span.end()
        span.end()
        let records = try records(tracer)
        #expect(records.count == 1)
        let record = try #require(records.first)
        #expect(record.parent == nil && record.kind == .server && record.name == "GET /x")
        #expect(record.end - record.start == 7_000_000)
        #expect(record.end == UInt64(time.now().milliseconds) * 1_000_000)
        #expect(record.attributes == [.init(name: "http.request.method", value: "GET")])
    }

    @Test func aRequestWithAParentBelongsToItsTrace() throws {
        let tracer = tracer(ratio: 0)
        let span = try #require(request(tracer, Self.caller))
        #expect(span.trace.trace.description == "4bf92f3577b34da6a3ce929d0e0e4736")
        span.end()
        let record = try record(tracer)
        #expect(record.parent?.description == "00f067aa0ba902b7" && record.isParentRemote)
    }

    @Test func theCallersFlagDecidesWithinItsBound() throws {
        let tracer = tracer(ratio: 0, callersPerSecond: 2)
        #expect(request(tracer, Self.caller.dropLast(2) + "00") == nil)
        #expect(request(tracer, Self.caller, mayForce: false) == nil)
        #expect(request(tracer, Self.caller) != nil && request(tracer, Self.caller) != nil)
        #expect(request(tracer, Self.caller) == nil)
        time.advance(by: .seconds(1))
        #expect(request(tracer, Self.caller) != nil)
        // A caller that does not want to be recorded is not, whatever the ratio.
        #expect(request(self.tracer(ratio: 1), Self.caller.dropLast(2) + "00") == nil)
        // Where the ratio records the trace anyway, nothing of the bound is used.
        let all = self.tracer(ratio: 1, callersPerSecond: 0)
        #expect(request(all, Self.caller, mayForce: false) != nil)
    }

    @Test func theStepsOfAnExportAreInItsTrace() throws {
        let (tracer, id) = (tracer(ratio: 1), id())
        let root = try #require(tracer.creation(of: id))
        let commit = try #require(tracer.span(.commit, in: root))
        commit.end()
        root.end()
        let began = Timestamp(milliseconds: time.now().milliseconds - 3000)
        try #require(tracer.span(.queue, of: id, from: began)).end()
        // Another replica, or this one after a restart.
        let other = self.tracer(ratio: 1)
        try #require(other.span(.poll, of: id)).end()
        let records = try records(tracer) + records(other)
        let trace = id.description.filter { $0 != "-" }
        #expect(records.map(\.context.trace.description) == Array(repeating: trace, count: 4))
        #expect(records.map(\.name) == ["ledger.commit", "export.create", "export.queue", "export.poll"])
        let rootID = records[1].context.span
        #expect(records.map(\.parent) == [rootID, nil, rootID, rootID])
        #expect(records[2].end - records[2].start == 3_000_000_000)
    }

    @Test func theCurrentSpanIsTheParent() async throws {
        let tracer = tracer(ratio: 1)
        let span = request(tracer)
        #expect(GatewaySpan.current == nil)
        let inner = await span.run { () async -> TraceContext? in
            await withTaskGroup(of: TraceContext?.self) { group in
                group.addTask {
                    let part = tracer.call("GET power-bi.status")
                    part?.end()
                    return part?.trace
                }
                return await group.next() ?? nil
            }
        }
        span.runNow { tracer.span(.commit)?.end() }
        #expect(inner?.trace == span?.trace.trace)
        #expect(GatewaySpan.current == nil && tracer.span(.commit) == nil)
        let records = try records(tracer)
        #expect(records.map(\.parent) == [span?.trace.span, span?.trace.span])
    }

    @Test func errorsPassThroughUntouched() async {
        struct Failure: Error, Equatable {
            var number: Int
        }
        let span = request(tracer(ratio: 1))
        await #expect(throws: Failure(number: 3)) {
            try await span.run { () async throws(Failure) in throw Failure(number: 3) }
        }
    }

    @Test func whatASpanHoldsIsBounded() throws {
        let tracer = tracer(ratio: 1)
        let span = try #require(request(tracer))
        for number in 0..<1000 {
            span.updateAttributes { $0["\(number)"] = "x" }
            span.addEvent(SpanEvent(name: "\(number)"))
            span.link(try #require(TraceContext(of: id(), isSampled: true)))
        }
        span.set(.route, String(repeating: "é", count: 1000))
        span.end()
        let record = try record(tracer)
        #expect(record.attributes.count == SpanRecord.mostAttributes && record.events.count == SpanRecord.mostEvents)
        #expect(record.links.count == SpanRecord.mostLinks)
    }

    @Test func aLongTextIsCutBetweenCharacters() {
        let text = SpanRecord.short(.string("x" + String(repeating: "é", count: 1000)))
        #expect(text == .string("x" + String(repeating: "é", count: 255)))
    }

    /// An error's own text may hold anything.
    @Test func anErrorIsRecordedByItsTypeOnly() throws {
        struct Leak: Error, CustomStringConvertible {
            var description: String { "secret-token" }
        }
        let tracer = tracer(ratio: 1)
        let span = try #require(request(tracer))
        span.recordError(Leak())
        span.end()
        let record = try record(tracer)
        #expect(record.events.map(\.attributes) == [[.init(name: "exception.type", value: "Leak")]])
    }

    @Test func librariesOfOthersCanUseIt() throws {
        let tracer = tracer(ratio: 1)
        var context = ServiceContext.topLevel
        tracer.extract(["traceparent": Self.caller], into: &context, using: Fields())
        tracer.withSpan("other", context: context) { span in
            #expect(tracer.activeSpan(identifiedBy: span.context) === span)
            var carrier: [String: String] = [:]
            tracer.inject(span.context, into: &carrier, using: Fields())
            #expect(carrier["traceparent"] == span.trace.traceparent)
            tracer.span(.commit)?.end()
        }
        let records = try records(tracer)
        #expect(records.map(\.name) == ["ledger.commit", "other"])
        #expect(records[1].parent?.description == "00f067aa0ba902b7" && records[1].isParentRemote)
        #expect(records[0].parent == records[1].context.span)
    }

    @Test func followsTheWallClockWhenItIsSet() throws {
        let tracer = tracer(ratio: 1)
        time.set(to: Timestamp(milliseconds: time.now().milliseconds + 60_000))
        tracer.adjustClock()
        try #require(request(tracer)).end()
        let record = try record(tracer)
        #expect(record.end == UInt64(time.now().milliseconds) * 1_000_000)
    }

    private struct Fields: Extractor, Injector {
        func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }

        func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
    }
}
