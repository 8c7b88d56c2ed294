import Exports
import JSON
import ManualClock
import MetricsTestKit
import Synchronization
import TestSupport
import Testing
import Webhooks

@testable import WebhookEngine

@Suite(.timeLimit(.minutes(2))) struct WebhookDispatcherTests {
    @Test func aMessageIsSignedAndComesAgainWithTheSameID() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        bench.sender.next([.failure(.connectionFailed)], of: webhook.url)
        try await bench.running {
            _ = bench.exports.create()
            try await bench.advance(by: .seconds(1)) { bench.states(webhook) == [.delivered] }
        }
        let received = bench.sender.received
        #expect(received.count == 2 && received[0].id == received[1].id && received[0].body == received[1].body)
        #expect(received[0].fields["webhook-signature"]?.hasPrefix("v1,") == true)
        #expect(received[0].fields["webhook-timestamp"] != received[1].fields["webhook-timestamp"])
        #expect(try JSONValue(parsing: received[0].body)["type"] == "export.created")
        let message = try #require(bench.store.messages(to: webhook.id).first)
        #expect(message.attempts == 2 && message.lastStatus == 204 && message.lastError == nil)
    }

    @Test func messagesOfOneExportKeepTheirOrder() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        bench.sender.next(Array(repeating: .failure(.timeout), count: 3), of: webhook.url)
        try await bench.running {
            let id = bench.exports.create()
            bench.exports.change(id) { $0.status = .running }
            bench.exports.end(id)
            try await bench.advance(by: .seconds(30)) { bench.states(webhook) == [.delivered, .delivered, .delivered] }
        }
        let ids = bench.store.messages(to: webhook.id).map(\.id)
        #expect(bench.sender.received.map(\.id) == Array(repeating: ids[0], count: 4) + ids[1...])
    }

    @Test func afterThreeDaysTheNextOfTheExportGoesOn() async throws {
        let bench = try WebhookBench { $0.disableAfter = .seconds(30 * 86_400) }
        let webhook = try await bench.webhook()
        bench.sender.next(
            Array(repeating: .success(WebhookAnswer(status: 500, retryAfter: nil)), count: 10),
            of: webhook.url
        )
        let begun = bench.time.now()
        try await bench.running {
            let id = bench.exports.create()
            bench.exports.end(id)
            try await bench.advance(by: .seconds(900)) { bench.states(webhook) == [.failed, .delivered] }
        }
        let lasted = bench.time.now() - begun
        #expect(lasted > .seconds(60 * 3600) && lasted < .seconds(85 * 3600))
        #expect(bench.sender.received.count == 11)
        #expect(try bench.metrics.expectCounter("export_gateway_webhook_messages_failed_total").totalValue == 1)
    }

    @Test func retryAfterIsWaitedFor() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        bench.sender.next([.success(WebhookAnswer(status: 429, retryAfter: .seconds(3600)))], of: webhook.url)
        try await bench.running {
            _ = bench.exports.create()
            try await bench.advance { bench.states(webhook) == [.delivered] }
        }
        let times = bench.sender.received.map(\.time)
        #expect(times.count == 2 && times[1] - times[0] >= .seconds(3600))
    }

    @Test func goneDisablesTheWebhookAndGivesUpWhatIsPending() async throws {
        let bench = try WebhookBench { $0.perWebhook = 1 }
        let webhook = try await bench.webhook()
        bench.sender.answers(410)
        for _ in 0..<5 { _ = bench.exports.create() }
        try await bench.running {
            try await eventually { bench.states(webhook) == Array(repeating: .failed, count: 5) }
        }
        let stored = try #require(bench.stored(webhook))
        #expect(stored.state == .disabledByGateway && stored.disabledReason == "gone")
        #expect(bench.sender.received.count == 1)
        #expect(
            bench.store.messages(to: webhook.id).map(\.lastError).dropFirst().allSatisfy { $0 == "webhook-disabled" }
        )
    }

    @Test func aWebhookThatFailsForLongIsDisabledWithNotice() async throws {
        let bench = try WebhookBench { $0.disableAfter = .seconds(3 * 86_400) }
        let webhook = try await bench.webhook()
        bench.sender.answers(503)
        try await bench.running {
            // One export each half day, so that there is always something to send.
            for _ in 0..<10 where bench.stored(webhook)?.state == .enabled {
                _ = bench.exports.create()
                let begun = bench.time.now()
                try await bench.advance(by: .seconds(1800)) {
                    bench.time.now() - begun > .seconds(43_200) || bench.stored(webhook)?.state != .enabled
                }
            }
            try await eventually { bench.stored(webhook)?.state == .disabledByGateway }
            try await eventually { bench.lastType == "webhook.disabled" }
        }
        let stored = try #require(bench.stored(webhook))
        #expect(stored.state == .disabledByGateway && stored.disabledReason == "failing")
        #expect(stored.failingSince != nil)
        #expect(!bench.states(webhook).contains(.pending))
        let disabled = try bench.metrics.expectCounter(
            "export_gateway_webhooks_disabled_total",
            [("reason", "failing")]
        )
        #expect(disabled.totalValue == 1)
    }

    @Test func aWebhookWithoutAnOwnerIsDisabled() async throws {
        let next = try WebhookBench(owner: { $0 == "gone" ? .unknown : .unchecked })
        // A former process had another configuration. What was changed since this one began may have an owner that others know.
        var webhook = try await next.webhook(of: "gone")
        webhook.updatedAt = webhook.updatedAt + .seconds(-1)
        let former = webhook
        _ = try await next.store.updateWebhook(webhook.id) { $0 = former }
        let kept = try await next.webhook(of: "gone")
        try await next.running { try await eventually { next.stored(webhook)?.state == .disabledByGateway } }
        #expect(next.stored(webhook)?.disabledReason == "owner-unknown")
        #expect(next.stored(kept)?.state == .enabled)
    }

    @Test func sendingIsBounded() async throws {
        let bench = try WebhookBench {
            $0.concurrency = 5
            $0.perWebhook = 3
        }
        let webhooks = [try await bench.webhook(), try await bench.webhook(of: "bob", seesAll: true)]
        bench.sender.hold()
        try await bench.running {
            for _ in 0..<20 { _ = bench.exports.create() }
            try await eventually { bench.sender.running == 5 }
            for webhook in webhooks {
                let claimed = bench.store.messages(to: webhook.id).count { $0.attempts > 0 }
                #expect((2...3).contains(claimed))
            }
            bench.sender.release()
            try await eventually { webhooks.allSatisfy { bench.states($0).allSatisfy { $0 == .delivered } } }
        }
        #expect(bench.sender.most == 5)
        #expect(bench.sender.received.count == 40)
    }

    @Test func whatAKilledProcessHadClaimedIsSentAgain() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        _ = bench.exports.create()
        try await bench.running { try await eventually { bench.states(webhook) == [.delivered] } }
        // A process that was killed in the middle of an attempt.
        _ = try await bench.store.replay(of: webhook.id, messageID: nil, since: nil, dueAt: bench.time.now())
        bench.store.state.withLock { state in
            state.messages[0].state = .pending
            state.messages[0].dueAt = bench.time.now()
        }
        let claimed = try await bench.store.claimMessages(
            of: [webhook.id: 1],
            at: bench.time.now(),
            until: bench.time.now() + .seconds(60),
            perWebhook: 1
        )
        #expect(claimed.count == 1)
        try await bench.running([bench.anotherEngine()]) {
            try await bench.advance { bench.states(webhook) == [.delivered] }
        }
        #expect(bench.sender.received.count == 2)
        #expect(bench.sender.received[0].id == bench.sender.received[1].id)
    }

    @Test func oldMessagesAreDeleted() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        try await bench.running {
            _ = bench.exports.create()
            try await eventually { bench.states(webhook) == [.delivered] }
            let begun = bench.time.now()
            try await bench.advance(by: .seconds(3600)) { bench.told(webhook).isEmpty }
            let kept = bench.time.now() - begun
            #expect(kept >= .seconds(30 * 86_400) && kept < .seconds(31 * 86_400))
        }
    }

    @Test func whatTheOwnerMayNotSeeAnyMoreIsNotSent() async throws {
        let seesAll = Mutex(true)
        let bench = try WebhookBench(owner: { _ in .known(seesAll: seesAll.withLock { $0 }) })
        let webhook = try await bench.webhook(seesAll: true)
        bench.sender.next(Array(repeating: .failure(.timeout), count: 2), of: webhook.url)
        try await bench.running {
            let (own, other) = (bench.exports.create(), bench.exports.create(by: "bob"))
            try await eventually { bench.sender.received.count == 2 }
            seesAll.withLock { $0 = false }
            try await bench.advance(by: .seconds(1)) { !bench.states(webhook).contains(.pending) }
            let messages = bench.store.messages(to: webhook.id)
            #expect(messages.first { $0.exportID == own }?.state == .delivered)
            let refused = messages.first { $0.exportID == other }
            #expect(refused?.state == .failed && refused?.lastError == "not-permitted")
        }
        #expect(bench.sender.received.count == 3)
    }

    @Test func withoutAnOwnerNothingIsSent() async throws {
        let isKnown = Mutex(true)
        let bench = try WebhookBench(owner: { _ in isKnown.withLock { $0 } ? .known(seesAll: true) : .unknown })
        let webhook = try await bench.webhook()
        bench.sender.next([.failure(.timeout)], of: webhook.url)
        try await bench.running {
            _ = bench.exports.create()
            try await eventually { bench.sender.received.count == 1 }
            isKnown.withLock { $0 = false }
            let begun = bench.time.now()
            try await bench.advance(by: .seconds(5)) { bench.time.now() - begun > .seconds(60) }
            #expect(bench.sender.received.count == 1 && bench.states(webhook) == [.pending])
            isKnown.withLock { $0 = true }
            try await bench.advance(by: .seconds(5)) { bench.states(webhook) == [.delivered] }
        }
    }

    @Test func aFailedTestKeepsNoOtherWaiting() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        bench.sender.next([.failure(.timeout)], of: webhook.url)
        try await bench.running {
            for _ in 0..<2 { _ = try await bench.engine.test(webhook.id, for: .caller("alice")) }
            try await eventually { bench.states(webhook) == [.failed, .delivered] }
        }
        #expect(bench.sender.received.count == 2)
    }
}
