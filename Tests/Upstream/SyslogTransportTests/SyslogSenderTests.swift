import Audit
import Exports
import Logging
import ManualClock
import MetricsTestKit
import Synchronization
import TestSupport
import Testing

@testable import SyslogTransport

@Suite(.timeLimit(.minutes(1))) struct SyslogSenderTests {
    /// A collector that fails as often as a test says.
    private final class Collector: SyslogConnector, SyslogConnection {
        struct Failure: Error {}

        let received = Events<[UInt8]>()
        let attempts = Events<Bool>()
        private let state: Mutex<(refusals: Int, breaks: Int, isOpen: Bool)>

        /// - Parameters:
        ///   - refusals: So many connections are refused.
        ///   - breaks: So many batches break the connection.
        init(refusals: Int = 0, breaks: Int = 0) { state = Mutex((refusals, breaks, true)) }

        func connect() async throws -> any SyslogConnection {
            let isRefused = state.withLock { state in
                state.refusals -= 1
                return state.refusals >= 0
            }
            attempts.add(!isRefused)
            if isRefused { throw Failure() }
            return self
        }

        var isOpen: Bool { state.withLock { $0.isOpen } }

        func send(_ bytes: [UInt8]) async throws {
            let isBroken = state.withLock { state in
                state.breaks -= 1
                return state.breaks >= 0
            }
            if isBroken { throw Failure() }
            received.add(bytes)
        }

        func close() async {}
    }

    private struct Bench {
        let time = ManualTime(pauses: .moveTheClock)
        let metrics = TestMetrics()
        let sender: SyslogSender

        init(_ collector: Collector, queueLimit: Int = 10) {
            var settings = SyslogSettings(host: "collector")
            settings.queueLimit = queueLimit
            settings.batchBytes = 1
            sender = SyslogSender(
                settings,
                process: "1",
                connector: collector,
                time: time,
                random: { 0 },
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                metrics: metrics
            )
        }

        func head(_ sequence: Int64) -> AuditHead {
            AuditHead(sequence: sequence, code: AuditRow.noCode, keyID: "k", time: time.now())
        }

        func count(_ name: String) throws -> Int64 {
            try metrics.expectCounter("export_gateway_audit_syslog_messages_\(name)_total").totalValue
        }

        func run(until collector: Collector, has count: Int) async {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await sender.run() }
                await collector.received.reach(count)
                group.cancelAll()
            }
        }
    }

    private func sequences(_ collector: Collector) -> [Int] {
        collector.received.all.flatMap { frame in
            String(decoding: frame, as: UTF8.self).matches(of: /"sequence":(\d+)/).compactMap { Int($0.1) }
        }
    }

    @Test func messagesAreSentInTheirOrder() async throws {
        let collector = Collector()
        let bench = Bench(collector)
        for number in 1...3 { bench.sender.take(bench.head(Int64(number))) }
        await bench.run(until: collector, has: 3)
        #expect(sequences(collector) == [1, 2, 3] && collector.attempts.all == [true])
    }

    @Test func whatACollectorDoesNotTakeIsSentAgain() async throws {
        let collector = Collector(refusals: 3, breaks: 2)
        let bench = Bench(collector)
        for number in 1...3 { bench.sender.take(bench.head(Int64(number))) }
        await bench.run(until: collector, has: 3)
        #expect(sequences(collector) == [1, 2, 3])
        #expect(collector.attempts.all == [false, false, false, true, true, true])
        // 1, 2, 4, 8 and 16 seconds.
        #expect(bench.time.skipped.prefix(5) == [.seconds(1), .seconds(2), .seconds(4), .seconds(8), .seconds(16)])
    }

    @Test func whatDoesNotFitIsDroppedAndCounted() async throws {
        let collector = Collector()
        let bench = Bench(collector, queueLimit: 2)
        for number in 1...5 { bench.sender.take(bench.head(Int64(number))) }
        #expect(try bench.count("dropped") == 3)
        await bench.sender.finish()
        #expect(sequences(collector) == [1, 2])
        #expect(try bench.count("sent") == 2)
    }

    @Test func theEndWaitsForNobody() async throws {
        let collector = Collector(refusals: .max)
        let bench = Bench(collector)
        for number in 1...3 { bench.sender.take(bench.head(Int64(number))) }
        await bench.sender.finish()
        #expect(try bench.count("dropped") == 3 && sequences(collector) == [])
    }
}
