import Exports
import ManualClock
import Synchronization
import TestSupport
import Testing
import Webhooks

@testable import WebhookEngine

/// What webhooks hear of the ends of exports.
@Suite(.timeLimit(.minutes(2))) struct WebhookEndTests {
    @Test func anEndBeforeTheWebhookIsNotTold() async throws {
        let bench = try WebhookBench()
        let id = bench.exports.create()
        bench.exports.end(id)
        let (all, ends) = (try await bench.webhook(), try await bench.webhook { $0.types = [.succeeded, .expired] })
        try await bench.running {
            bench.exports.change(id) { $0.name = "measured" }
            try await eventually { bench.told(all) == [.updated] }
            bench.exports.change(id) { $0.status = .expired }
            try await eventually { bench.told(all).count == 2 && !bench.told(ends).isEmpty }
        }
        #expect(bench.told(all) == [.updated, .expired])
        #expect(bench.told(ends) == [.expired])
    }

    /// A version before has stored the changes, and did not say with which of them an export ended.
    @Test func whatDoesNotSayItEndedIsToldOnce() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        let id = bench.exports.create()
        bench.exports.end(id)
        bench.exports.change(id) { $0.name = "measured" }
        bench.exports.state.withLock { state in for place in state.changes.indices { state.changes[place].ends = nil } }
        try await bench.running { try await eventually { bench.told(webhook).count == 3 } }
        #expect(bench.told(webhook) == [.created, .succeeded, .updated])
    }

    @Test func theEndOfAnExportIsToldOnce() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        let id = bench.exports.create()
        bench.exports.end(id)
        try await bench.running { try await eventually { bench.told(webhook).count == 2 } }
        // The next process has to find it in the ledger.
        bench.time.advance(by: .seconds(1))
        bench.exports.change(id) { $0.name = "measured" }
        bench.time.advance(by: .seconds(1))
        bench.exports.change(id) { $0.status = .expired }
        try await bench.running([bench.anotherEngine()]) { try await eventually { bench.told(webhook).count == 4 } }
        #expect(bench.told(webhook) == [.created, .succeeded, .updated, .expired])
    }

    @Test func anEndThatIsToldLateIsTold() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook { $0.types = [.succeeded] }
        let id = bench.exports.create()
        bench.exports.change(id) { export in
            export.status = .succeeded
            // As an upstream says that was not asked for long.
            export.completedAt = bench.time.now() + .seconds(-40 * 86_400)
        }
        try await bench.running { try await eventually { bench.told(webhook) == [.succeeded] } }
    }
}
