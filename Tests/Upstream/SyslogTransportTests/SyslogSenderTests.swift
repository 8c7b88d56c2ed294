import Audit
import Exports
import Logging
import ManualClock
import MetricsTestKit
import TestSupport
import Testing

@testable import SyslogTransport

@Suite(.timeLimit(.minutes(1))) struct SyslogSenderTests {
    private struct Bench {
        let time: ManualTime
        let metrics = TestMetrics()
        let collector: ScriptedCollector
        let sender: SyslogSender

        /// - Parameter pauses: What becomes of pauses, and of the time that a collector takes.
        init(
            _ habits: [ScriptedCollector.Habit] = [.takes],
            queueLimit: Int = 10,
            pauses: ManualTime.Waits = .moveTheClock
        ) {
            time = ManualTime(pauses: pauses, deadlines: .moveTheClock)
            collector = ScriptedCollector(habits, time: time)
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

        func take(_ numbers: ClosedRange<Int64>) {
            for number in numbers {
                sender.take(
                    AuditHead(sequence: number, code: AuditRow.noCode, keyID: "k", time: time.now())
                )
            }
        }

        func count(_ name: String) throws -> Int64 {
            try metrics.expectCounter("export_gateway_audit_syslog_messages_\(name)_total").totalValue
        }

        /// Whether the collector was said to take messages, each time that it was said.
        func connected() throws -> [Bool] {
            try metrics.expectMeter("export_gateway_audit_syslog_connected").values.map { $0 == 1 }
        }

        /// Runs the sender while `body` does.
        func running(_ body: () async throws -> Void) async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await sender.run() }
                try await body()
                group.cancelAll()
                try await group.waitForAll()
            }
        }

        var sequences: [Int] {
            collector.received.all.flatMap { frame in
                String(decoding: frame, as: UTF8.self).matches(of: /"sequence":(\d+)/).compactMap { Int($0.1) }
            }
        }
    }

    @Test func messagesAreSentInTheirOrder() async throws {
        let bench = Bench()
        bench.take(1...3)
        try await bench.running { await bench.collector.received.reach(3) }
        #expect(bench.sequences == [1, 2, 3] && bench.collector.attempts.all == [true])
    }

    @Test func whatACollectorDoesNotTakeIsSentAgain() async throws {
        let bench = Bench([.refuses, .refuses, .refuses, .breaks, .breaks, .takes])
        bench.take(1...3)
        try await bench.running { await bench.collector.received.reach(3) }
        #expect(bench.sequences == [1, 2, 3])
        #expect(bench.collector.attempts.all == [false, false, false, true, true, true])
        // 1, 2, 4, 8 and 16 seconds.
        #expect(bench.time.skipped.prefix(5) == [.seconds(1), .seconds(2), .seconds(4), .seconds(8), .seconds(16)])
    }

    @Test func whatWasSentToACollectorThatClosesAtOnceIsSentAgain() async throws {
        let bench = Bench([.closes, .closes, .takes])
        bench.take(1...3)
        try await bench.running { await bench.collector.received.reach(5) }
        #expect(bench.sequences == [1, 1, 1, 2, 3])
        #expect(bench.time.skipped.prefix(2) == [.seconds(1), .seconds(2)])
        await bench.sender.finish()
        #expect(try bench.count("sent") == 3 && bench.count("dropped") == 0)
        #expect(bench.collector.attempts.all.count == 3)
    }

    @Test(arguments: [ScriptedCollector.Habit.closes, .neverReads, .breaks, .refuses])
    func aCollectorThatTakesNothingIsNotConnected(habit: ScriptedCollector.Habit) async throws {
        let bench = Bench([habit], queueLimit: 3)
        bench.take(1...5)
        try await bench.running { await bench.collector.attempts.reach(4) }
        #expect(try bench.count("sent") == 0 && bench.count("dropped") == 2)
        #expect(try !bench.connected().contains(true))
        await bench.sender.finish()
        #expect(try bench.count("sent") == 0 && bench.count("dropped") == 5)
    }

    @Test func theEndOfAConnectionIsSeenAtOnce() async throws {
        let bench = Bench(pauses: .endWhenAdvanced)
        bench.take(1...1)
        try await bench.running {
            await bench.collector.received.reach(1)
            await bench.time.pauses(atLeast: 1)
            #expect(try bench.connected().last == false && bench.count("sent") == 0)
            bench.time.advance(by: .seconds(2))
            try await eventually { try bench.connected().last == true }
            #expect(try bench.count("sent") == 1)
            bench.collector.connections.all[0].ending.set(SyslogFailure.closed)
            try await eventually { try bench.connected().last == false }
            // It had worked, so that the next one is made without a pause.
            #expect(bench.collector.attempts.all.count == 1)
            bench.take(2...2)
            await bench.collector.received.reach(2)
        }
        #expect(bench.sequences == [1, 2])
    }

    @Test func whatDoesNotFitIsDroppedAndCounted() async throws {
        let bench = Bench(queueLimit: 2)
        bench.take(1...5)
        #expect(try bench.count("dropped") == 3)
        await bench.sender.finish()
        #expect(bench.sequences == [1, 2])
        #expect(try bench.count("sent") == 2)
    }

    @Test func theEndWaitsForNobody() async throws {
        let bench = Bench([.refuses])
        bench.take(1...3)
        await bench.sender.finish()
        #expect(try bench.count("dropped") == 3 && bench.sequences == [])
    }

    @Test func theEndHasOneTimeForAllOfIt() async throws {
        let bench = Bench([.neverReads])
        bench.take(1...3)
        await bench.sender.finish()
        // To connect, to send and to close.
        #expect(bench.collector.limits.all == [.seconds(5), .seconds(2), .zero])
        #expect(bench.time.elapsed() == .seconds(5))
        #expect(try bench.count("dropped") == 3)
    }

    @Test func theConnectionIsUsedToTheEnd() async throws {
        let bench = Bench()
        bench.take(1...1)
        try await bench.running { await bench.collector.received.reach(1) }
        bench.take(2...2)
        await bench.sender.finish()
        #expect(bench.sequences == [1, 2] && bench.collector.attempts.all == [true])
        #expect(try bench.count("sent") == 2 && bench.connected().last == false)
    }
}
