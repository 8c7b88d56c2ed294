import Exports
import Logging
import ManualClock
import MetricsTestKit
import Spans
import Synchronization
import TestSupport
import Testing

@testable import TraceExport

@Suite(.timeLimit(.minutes(1))) struct SpanExporterTests {
    /// Answers as a test says, and the last of these answers to all that come later.
    private final class Collector: SpanCollector {
        let received = Events<Duration>()
        private let answers: Mutex<[CollectorAnswer]>

        init(_ answers: CollectorAnswer...) {
            self.answers = Mutex(answers)
        }

        func send(_ request: [UInt8], timeout: Duration) async -> CollectorAnswer {
            let answer = answers.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
            received.add(timeout)
            return answer
        }
    }

    private struct Bench {
        let time: ManualTime
        let tracer: GatewayTracer
        let exporter: SpanExporter
        let metrics = TestMetrics()

        init(_ collector: Collector, time: ManualTime = ManualTime(pauses: .moveTheClock), queueLimit: Int = 10) throws
        {
            self.time = time
            var settings = GatewayTracer.Settings()
            (settings.ratio, settings.queueLimit, settings.batchSize) = (1, queueLimit, 4)
            let tracer = GatewayTracer(settings, time: time, random: Randomness { .random(in: .min ... .max) })
            self.tracer = tracer
            exporter = try #require(
                SpanExporter(
                    tracer,
                    to: collector,
                    settings: .init(),
                    resource: [],
                    time: time,
                    logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                    metrics: metrics
                )
            )
        }

        func end(_ count: Int) {
            for _ in 0..<count { tracer.root(.pollTogether, linkedTo: [])?.end() }
        }

        func count(_ outcome: SpanExporter.Outcome) throws -> Int64 {
            try metrics.expectCounter("export_gateway_spans_total", [("outcome", outcome.rawValue)]).totalValue
        }

        /// Runs the exporter until the collector has had so many requests.
        func run(until collector: Collector, has requests: Int) async {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await exporter.run() }
                await collector.received.reach(requests)
                group.cancelAll()
            }
        }
    }

    @Test func sendsBatchesAndCountsThem() async throws {
        let collector = Collector(.taken(rejected: 1), .taken(rejected: 0))
        let bench = try Bench(collector)
        bench.end(7)
        await bench.run(until: collector, has: 2)
        await bench.exporter.finish()
        #expect(try bench.count(.exported) == 6 && bench.count(.rejected) == 1 && bench.count(.dropped) == 0)
    }

    @Test func whatDoesNotFitIsDroppedAndCounted() async throws {
        let collector = Collector(.taken(rejected: 0))
        let bench = try Bench(collector, queueLimit: 5)
        bench.end(12)
        await bench.exporter.finish()
        #expect(try bench.count(.dropped) == 7 && bench.count(.exported) == 5)
    }

    @Test func aBusyCollectorIsAskedAgainAfterItsWait() async throws {
        let collector = Collector(
            .busy(reason: "503", retryAfter: .seconds(7)),
            .busy(reason: "503", retryAfter: .seconds(3600)),
            .busy(reason: "transient", retryAfter: nil),
            .taken(rejected: 0)
        )
        let bench = try Bench(collector)
        bench.end(4)
        await bench.run(until: collector, has: 4)
        await bench.exporter.finish()
        #expect(try bench.count(.exported) == 4 && bench.count(.failed) == 0)
        #expect(bench.time.skipped.filter { $0 != .seconds(5) }.starts(with: [.seconds(7), .seconds(30), .seconds(4)]))
    }

    @Test func aCollectorThatStaysBusyCostsTheBatchOnly() async throws {
        let collector = Collector(.busy(reason: "503", retryAfter: nil))
        let bench = try Bench(collector)
        bench.end(8)
        await bench.run(until: collector, has: SpanExporter.mostAttempts + 1)
        await bench.exporter.finish()
        #expect(try bench.count(.failed) == 8 && bench.count(.exported) == 0)
    }

    @Test func whatIsRefusedIsNotSentAgain() async throws {
        let collector = Collector(.refused(reason: "401"), .taken(rejected: 0))
        let bench = try Bench(collector)
        bench.end(8)
        await bench.run(until: collector, has: 2)
        await bench.exporter.finish()
        #expect(try bench.count(.failed) == 4 && bench.count(.exported) == 4)
    }

    /// The end takes no longer than the time that it has, also where more spans are left.
    @Test func theEndSendsWhatIsLeftAndGivesUp() async throws {
        let collector = Collector(.busy(reason: "timeout", retryAfter: nil))
        let bench = try Bench(collector)
        bench.end(9)
        await bench.exporter.finish()
        #expect(collector.received.all == [.seconds(10)])
        #expect(try bench.count(.failed) == 9)
        bench.end(1)
        #expect(bench.tracer.buffer?.take().isEmpty == true)
    }

    @Test func aTracerThatRecordsNothingHasNoExporter() {
        let exporter = SpanExporter(
            GatewayTracer(),
            to: Collector(.taken(rejected: 0)),
            settings: .init(),
            resource: [],
            time: ManualTime(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            metrics: TestMetrics()
        )
        #expect(exporter == nil)
    }
}
