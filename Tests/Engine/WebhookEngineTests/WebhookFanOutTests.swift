import ExportLedger
import Exports
import ManualClock
import MetricsTestKit
import Synchronization
import TestSupport
import Testing
import Webhooks

@testable import WebhookEngine

@Suite(.timeLimit(.minutes(2))) struct WebhookFanOutTests {
    @Test func eachChangeIsToldOnceAndInOrder() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        try await bench.running {
            let id = bench.exports.create()
            bench.exports.change(id) { $0.status = .running }
            bench.exports.end(id)
            try await eventually { bench.states(webhook) == [.delivered, .delivered, .delivered] }
        }
        #expect(bench.told(webhook) == [.created, .updated, .succeeded])
        #expect(bench.sender.received.map(\.id) == bench.store.messages(to: webhook.id).map(\.id))
        #expect(bench.stored(webhook)?.position == 3)
    }

    @Test func aWebhookGetsWhatItsOwnerMaySee() async throws {
        let bench = try WebhookBench(owner: { $0 == "carol" ? .known(seesAll: false) : .known(seesAll: true) })
        let (own, all) = (try await bench.webhook(), try await bench.webhook(of: "bob", seesAll: true))
        // Carol could see all exports when it was made, and cannot any more.
        let lost = try await bench.webhook(of: "carol", seesAll: true)
        try await bench.running {
            for owner in ["alice", "bob", "carol", "dave"] { _ = bench.exports.create(by: owner) }
            try await eventually { bench.stored(all)?.position == 4 && bench.told(own).count == 1 }
            try await eventually { bench.told(lost).count == 1 }
        }
        #expect(bench.told(all).count == 4)
        #expect(bench.told(own).count == 1 && bench.told(lost).count == 1)
    }

    @Test func filtersAreRespected() async throws {
        let bench = try WebhookBench()
        let goals = try await bench.webhook { $0.provider = ProviderID("viva-goals") }
        let fabrikam = try await bench.webhook { $0.connection = "fabrikam" }
        let all = try await bench.webhook()
        try await bench.running {
            _ = bench.exports.create()
            let wanted = bench.exports.create(provider: "viva-goals", connection: "fabrikam")
            try await eventually { bench.told(all).count == 2 }
            try await eventually { bench.told(goals).count == 1 && bench.told(fabrikam).count == 1 }
            #expect(bench.store.messages(to: goals.id).map(\.exportID) == [wanted])
        }
    }

    @Test func twoReplicasDoubleNothing() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        try await bench.running([bench.engine, bench.anotherEngine()]) {
            for _ in 0..<50 { bench.exports.end(bench.exports.create()) }
            try await eventually { bench.states(webhook).count(where: { $0 == .delivered }) == 100 }
        }
        #expect(Set(bench.sender.received.map(\.id)).count == 100)
        #expect(bench.sender.received.count == 100)
    }

    @Test func onePageIsReadForAllWebhooks() async throws {
        let bench = try WebhookBench()
        var webhooks: [Webhook] = []
        for number in 0..<10 { webhooks.append(try await bench.webhook(of: "caller-\(number)", seesAll: true)) }
        for _ in 0..<WebhookFanOut.pageSize { _ = bench.exports.create() }
        try await bench.running {
            try await eventually { webhooks.allSatisfy { bench.told($0).count == WebhookFanOut.pageSize } }
        }
        // The page, and what tells that nothing follows it; and as many for each time that the engine is woken.
        #expect(bench.exports.state.withLock { $0.reads } < 20)
    }

    @Test func whatCannotBeReadStopsNothing() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        let filtered = try await bench.webhook { $0.connection = "contoso" }
        let (lost, damaged) = (bench.exports.create(), bench.exports.create())
        bench.exports.state.withLock { state in
            state.unreadable = [1]
            state.damaged = [damaged]
        }
        let good = bench.exports.create()
        try await bench.running {
            try await eventually { bench.told(filtered).count == 1 && bench.told(webhook).count == 2 }
        }
        #expect(bench.store.messages(to: filtered.id).map(\.exportID) == [good])
        #expect(bench.store.messages(to: webhook.id).map(\.exportID) == [damaged, good])
        #expect(!bench.store.messages(to: webhook.id).contains { $0.exportID == lost })
        let missed = try bench.metrics.expectCounter("export_gateway_webhook_changes_unreadable_total")
        #expect(missed.totalValue == 2)
    }

    @Test func aFailingLedgerLosesNothing() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        bench.store.state.withLock { $0.failures = 7 }
        for _ in 0..<5 { _ = bench.exports.create() }
        try await bench.running {
            try await bench.advance(by: .seconds(1)) { bench.states(webhook).count(where: { $0 == .delivered }) == 5 }
        }
        #expect(bench.told(webhook).count == 5)
    }

    @Test func aWebhookWithTooManyPendingMessagesWaits() async throws {
        let bench = try WebhookBench { $0.pendingLimit = 3 }
        let webhook = try await bench.webhook()
        bench.sender.answers(500)
        try await bench.running {
            for _ in 0..<4 { _ = bench.exports.create() }
            try await eventually { bench.told(webhook).count == 4 }
            for _ in 0..<4 { _ = bench.exports.create() }
            try await bench.advance { bench.sender.received.count >= 12 }
            #expect(bench.told(webhook).count == 4)
            bench.sender.answers(204)
            try await bench.advance(by: .seconds(600)) { bench.told(webhook).count == 8 }
        }
        #expect(bench.stored(webhook)?.position == 8)
    }

    @Test func whatIsTooOldIsNotTold() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        _ = bench.exports.create()
        bench.time.advance(by: .seconds(31 * 86_400))
        let fresh = bench.exports.create()
        try await bench.running { try await eventually { bench.told(webhook).count == 1 } }
        #expect(bench.store.messages(to: webhook.id).map(\.exportID) == [fresh])
    }

    @Test func filesThatExpireSoonAreToldOnce() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook { $0.types = [.expiring] }
        let other = try await bench.webhook(of: "bob") { $0.types = [.expiring] }
        let expiry = bench.time.now() + .seconds(30 * 3600)
        let id = bench.exports.create()
        bench.exports.change(id) { export in
            export.status = .succeeded
            export.expiresAt = expiry
        }
        bench.store.state.withLock { $0.expiring = [(expiry, id)] }
        try await bench.running {
            try await bench.advance(by: .seconds(300)) { bench.told(webhook) == [.expiring] }
            #expect(bench.time.now() >= expiry + .seconds(-86_400))
            let told = bench.time.now()
            try await bench.advance(by: .seconds(300)) { bench.time.now() > told + .seconds(3600) }
            // It is not even given to the ledger again.
            #expect(bench.store.state.withLock { $0.offered } == 1)
        }
        try await bench.running([bench.anotherEngine()]) {
            let told = bench.time.now()
            try await bench.advance(by: .seconds(300)) { bench.time.now() > told + .seconds(1200) }
        }
        #expect(bench.told(webhook) == [.expiring] && bench.told(other).isEmpty)
    }

    @Test func whatExpiresSoonIsToldAfterItsEnd() async throws {
        let bench = try WebhookBench { $0.pendingLimit = 1 }
        let webhook = try await bench.webhook { $0.types = [.succeeded, .expiring] }
        let expiry = bench.time.now() + .seconds(23 * 3600)
        bench.sender.answers(500)
        try await bench.running {
            bench.exports.end(bench.exports.create())
            try await eventually { bench.told(webhook) == [.succeeded] }
            try await bench.advance(by: .seconds(5)) { bench.time.elapsed() > .seconds(30) }
            // Its end has to wait, since too many messages are pending.
            let id = bench.exports.create()
            bench.exports.change(id) { export in
                export.status = .succeeded
                export.expiresAt = expiry
            }
            bench.store.state.withLock { $0.expiring = [(expiry, id)] }
            try await bench.advance(by: .seconds(20)) { bench.time.elapsed() > .seconds(900) }
            #expect(bench.told(webhook) == [.succeeded])
            bench.sender.answers(204)
            try await bench.advance(by: .seconds(20)) { bench.told(webhook).count == 3 }
        }
        #expect(bench.told(webhook) == [.succeeded, .succeeded, .expiring])
    }

    @Test func changesOfOneMomentAreToldApart() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        let id = bench.exports.create()
        bench.exports.end(id)
        try await bench.running { try await eventually { bench.told(webhook).count == 2 } }
        bench.exports.change(id) { $0.name = "measured" }
        try await bench.running([bench.anotherEngine()]) { try await eventually { bench.told(webhook).count == 3 } }
        #expect(bench.told(webhook) == [.created, .succeeded, .updated])
    }

    @Test func aMessageThatCannotBeReadStopsNothing() async throws {
        let bench = try WebhookBench()
        let (webhook, other) = (try await bench.webhook(), try await bench.webhook(of: "bob", seesAll: true))
        let id = bench.exports.create()
        bench.exports.end(id)
        try await bench.running { try await eventually { bench.told(other).count == 2 } }
        bench.store.state.withLock { $0.unreadable = ["\(id)-succeeded"] }
        bench.exports.change(id) { $0.name = "measured" }
        bench.exports.state.withLock { $0.changes[2].ends = nil }
        _ = bench.exports.create()
        try await bench.running([bench.anotherEngine()]) {
            try await eventually { [webhook, other].allSatisfy { bench.told($0).count == 4 } }
        }
        #expect(bench.told(webhook) == [.created, .succeeded, .updated, .created])
    }

    @Test func whatWasReadForAnEarlierRevisionIsReadAgain() async throws {
        var webhook = try await WebhookBench().webhook()
        webhook.position = 7
        var followed = FollowedWebhooks()
        followed.replace(with: [webhook])
        followed.read(webhook.id, through: 12, isStored: false)
        followed.replace(with: [webhook])
        #expect(followed.entries[webhook.id]?.position == 12)
        webhook.revision += 1
        followed.put(webhook, id: webhook.id)
        #expect(followed.entries[webhook.id]?.position == 7)
    }
}
