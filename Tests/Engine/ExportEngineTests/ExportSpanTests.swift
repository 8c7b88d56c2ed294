@testable import ExportEngine
import ExportLedger
import Exports
import ManualClock
import Spans
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct ExportSpanTests {
    private static func settings(ratio: Double) -> GatewayTracer.Settings {
        var settings = GatewayTracer.Settings()
        settings.ratio = ratio
        return settings
    }

    /// The spans so far, by the time at which they ended.
    private func spans(_ bench: Bench) throws -> [SpanRecord] { try #require(bench.engine.tracer.buffer).take() }

    private func values(_ record: SpanRecord, _ name: AttributeName) -> String? {
        record.attributes.first { $0.name == name.rawValue }.map { "\($0.value)" }
    }

    @Test func theTraceHasEachStepAndItsCommits() async throws {
        let bench = try Bench(traces: Self.settings(ratio: 1))
        bench.provider.set {
            $0.onObserve = { number in
                .success(number < 2 ? Observation(.running, upstreamStatus: "Running") : .succeeded(files: 1))
            }
        }
        let request = bench.engine.tracer.request("POST /exports", at: .zero, traceparent: nil, mayForce: true)
        let id = try await bench.running {
            let id = try await request.run { try await bench.create() }
            _ = try await bench.drive(id)
            await bench.letGo(of: id)
            return id
        }
        request?.end()
        let all = try spans(bench)
        let root = try #require(TraceContext(of: id, isSampled: true))
        let steps = all.filter { $0.context.trace == root.trace && $0.name.hasPrefix("export.") }
        #expect(steps.map(\.name) == ["export.create", "export.queue", "export.start", "export.poll", "export.poll"])
        #expect(steps.map(\.parent) == [nil] + Array(repeating: root.span, count: 4))
        #expect(steps.allSatisfy { values($0, .connection) == #"string("main")"# && !$0.hasFailed })
        #expect(values(steps[4], .exportStatus) == #"string("succeeded")"#)
        // Each commit is a part of a step; a poll that finds nothing new has none.
        let commits = all.filter { $0.name == "ledger.commit" }
        let stepOfCommit = commits.compactMap { commit in steps.first { $0.context.span == commit.parent }?.name }
        #expect(stepOfCommit.count == commits.count)
        #expect(Set(stepOfCommit) == ["export.create", "export.start", "export.poll"])
        #expect(commits.allSatisfy { values($0, .dbSystem) == #"string("sqlite")"# })
        // The request and the export link to each other.
        #expect(steps[0].links == [request?.trace])
        #expect(all.last?.name == "POST /exports" && all.last?.links == [root])
    }

    @Test func anExportThatIsNotRecordedHasNoSpans() async throws {
        let bench = try Bench(traces: Self.settings(ratio: 0))
        try await bench.running {
            let id = try await bench.create()
            _ = try await bench.drive(id) { $0.isTracked }
        }
        #expect(try spans(bench).isEmpty)
    }

    /// What is not created has no trace, and nothing links to one.
    @Test func aRepeatedCreateLinksToNothing() async throws {
        let bench = try Bench(traces: Self.settings(ratio: 1))
        let key = Idempotency(key: "key", fingerprint: "body")
        let id = try await bench.engine.create(bench.draft(key: key), for: .owner()).export.id
        let request = bench.engine.tracer.request("POST /exports", at: .zero, traceparent: nil, mayForce: true)
        let replay = try await request.run { try await bench.engine.create(bench.draft(key: key), for: .owner()) }
        request?.end()
        #expect(replay.isReplay && replay.export.id == id)
        #expect(try spans(bench).map(\.name) == ["ledger.commit", "export.create", "POST /exports"])
    }

    @Test func onePollForManyLinksToEach() async throws {
        let bench = try Bench(traces: Self.settings(ratio: 1)) { $0.batchObserve = true }
        let (ids, all) = try await bench.running {
            let ids = [try await bench.create(), try await bench.create()]
            for id in ids { _ = try await bench.drive(id) { $0.isTracked } }
            bench.time.advance(by: .seconds(60))
            var all: [SpanRecord] = []
            // Each poll of both may have been preceded by one of one of them.
            try await eventually {
                all += try spans(bench)
                guard let together = all.first(where: { $0.name == "export.poll_together" }) else { return false }
                return all.count { $0.links == [together.context] } == together.links.count
            }
            return (ids, all)
        }
        let together = try #require(all.first { $0.name == "export.poll_together" })
        let polls = all.filter { $0.name == "export.poll" && $0.links == [together.context] }
        #expect(Set(polls.map(\.context.trace)) == Set(ids.compactMap { TraceContext(of: $0, isSampled: true)?.trace }))
        #expect(together.parent == nil && Set(together.links) == Set(polls.map(\.context)))
    }

    @Test func aStepThatFailsSaysWhy() async throws {
        let bench = try Bench(traces: Self.settings(ratio: 1))
        bench.provider.set {
            $0.onSubmit = { $0 == 1 ? ProviderError(.throttled, "secret words", retryAfter: .seconds(120)) : nil }
        }
        try await bench.running {
            let id = try await bench.create()
            _ = try await bench.until(id) { $0.export.notice?.code == .upstreamThrottled }
            await bench.idle()
        }
        let start = try #require(try spans(bench).first { $0.name == "export.start" })
        #expect(values(start, .errorType) == #"string("throttled")"# && start.hasFailed)
        #expect(!start.attributes.contains { "\($0.value)".contains("secret") })
    }

    @Test func aDeliveryIsAStepAndLinksToItsRequest() async throws {
        let bench = try Bench(traces: Self.settings(ratio: 1))
        let id = try await bench.create()
        _ = try spans(bench)
        let request = bench.engine.tracer.request("GET /exports", at: .zero, traceparent: nil, mayForce: true)
        var delivery = Delivery(
            id: id,
            exportID: id,
            fileID: "1",
            caller: "alice",
            requestID: "request-1",
            startedAt: bench.time.now(),
            endedAt: nil,
            coding: "identity",
            outcome: .underWay
        )
        await bench.engine.record(delivery)
        bench.time.advance(by: .seconds(2))
        (delivery.outcome, delivery.fileBytes, delivery.endedAt) = (.whole, 10, bench.time.now())
        let ended = delivery
        await request.run { await bench.engine.record(ended) }
        let span = try #require(try spans(bench).first { $0.name == "export.download" })
        #expect(span.end - span.start == 2_000_000_000 && span.links == [request?.trace])
        #expect(values(span, .fileBytes) == "int64(10)" && values(span, .outcome) == #"string("whole")"#)
    }

    @Test(arguments: [
        ("0198A1F3-7c1a-7b52-9d3e-0242ac120002", "0198a1f3-7c1a-7b52-9d3e-0242ac120002"),
        ("0123456789abcdef", "00000000-0000-0000-0123-456789abcdef"),
        ("0123456789ABCDEF", "00000000-0000-0000-0123-456789abcdef"),
    ])
    func aRequestsIDIsShownUpstreamAsAGUID(id: String, guid: String) {
        #expect(CallContexts.guid(of: id) == guid)
    }

    @Test(arguments: ["", "request-1", "0123456789abcdeg", "0123456789abcde", "0198a1f37c1a7b529d3e0242ac120002"])
    func anyOtherIDIsNotShown(id: String) {
        #expect(CallContexts.guid(of: id) == nil)
    }
}
