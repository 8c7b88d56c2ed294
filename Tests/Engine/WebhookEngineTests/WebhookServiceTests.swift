import Exports
import ManualClock
import Synchronization
import SystemCrypto
import TestSupport
import Testing
import Webhooks

@testable import WebhookEngine

@Suite(.timeLimit(.minutes(2))) struct WebhookServiceTests {
    private let alice = Viewer.caller("alice")
    private let bob = Viewer.caller("bob")
    private let auditor = Viewer.caller("auditor", seesAll: true)

    private func problem(_ body: () async throws -> Void) async -> GatewayError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? GatewayError
        }
    }

    @Test func aWebhookBeginsWithTheNextChange() async throws {
        let bench = try WebhookBench()
        _ = bench.exports.create()
        let webhook = try await bench.webhook()
        #expect(webhook.position == 1 && webhook.state == .enabled && webhook.revision == 1)
        let next = bench.exports.create()
        try await bench.running { try await eventually { !bench.told(webhook).isEmpty } }
        #expect(bench.store.messages(to: webhook.id).map(\.exportID) == [next])
    }

    @Test(arguments: ["http://receiver.example.com", "https://localhost/"])
    func aForbiddenURLIsRefused(url: String) async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        let refused = await problem { _ = try await bench.engine.create(WebhookDraft(url: url), for: alice) }
        #expect(refused?.code == .invalidWebhook && refused?.faults.map(\.pointer) == ["/url"])
        var patch = WebhookPatch()
        patch.url = url
        let alsoRefused = await problem {
            _ = try await bench.engine.update(webhook.id, for: alice, revision: nil, patch)
        }
        #expect(alsoRefused?.faults.map(\.pointer) == ["/url"])
    }

    @Test func aCallerHasALimitedNumber() async throws {
        let bench = try WebhookBench { $0.perCaller = 2 }
        for _ in 0..<2 { _ = try await bench.webhook() }
        #expect(await problem { _ = try await bench.webhook() }?.code == .webhookLimit)
        _ = try await bench.webhook(of: "bob")
    }

    @Test func othersWebhooksAreUnknown() async throws {
        let bench = try WebhookBench()
        let (engine, webhook) = (bench.engine, try await bench.webhook())
        let id = webhook.id
        let calls: [(String, () async throws -> Void)] = [
            ("read", { _ = try await engine.webhook(id, for: bob) }),
            ("change", { _ = try await engine.update(id, for: bob, revision: nil, WebhookPatch()) }),
            ("rotate", { _ = try await engine.rotateSecret(of: id, for: bob) }),
            ("delete", { try await engine.delete(id, for: bob) }),
            ("test", { _ = try await engine.test(id, for: bob) }),
            ("list", { _ = try await engine.messages(of: id, for: bob, state: nil, before: nil, limit: 1) }),
            ("replay", { _ = try await engine.replay("one", of: id, for: bob) }),
            ("replay all", { _ = try await engine.replayFailed(since: webhook.createdAt, of: id, for: bob) }),
        ]
        for (name, call) in calls { #expect(await problem(call)?.code == .notFound, "\(name)") }
        #expect(bench.stored(webhook) == webhook)
        #expect(try await engine.webhooks(for: bob, after: nil, limit: 9).isEmpty)
        #expect(try await engine.webhooks(for: auditor, after: nil, limit: 9) == [webhook])
        #expect(try await engine.webhook(id, for: auditor) == webhook)
    }

    @Test func aChangeCountsAndEnablingClearsTheReason() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        var patch = WebhookPatch()
        patch.label = .some("CI")
        patch.isEnabled = false
        let changed = try await bench.engine.update(webhook.id, for: alice, revision: 1, patch)
        #expect(changed.label == "CI" && changed.state == .disabled && changed.revision == 2)
        let late = await problem { _ = try await bench.engine.update(webhook.id, for: alice, revision: 1, patch) }
        #expect(late?.code == .preconditionFailed)
        // The same once more changes nothing.
        #expect(try await bench.engine.update(webhook.id, for: alice, revision: 2, patch).revision == 2)
        _ = try await bench.store.updateWebhook(webhook.id) { webhook in
            webhook.state = .disabledByGateway
            webhook.disabledReason = "failing"
            webhook.failingSince = webhook.createdAt
        }
        var enabling = WebhookPatch()
        enabling.isEnabled = true
        let enabled = try await bench.engine.update(webhook.id, for: alice, revision: nil, enabling)
        #expect(enabled.state == .enabled && enabled.disabledReason == nil && enabled.failingSince == nil)
    }

    @Test func anotherURLHasNoFailuresYet() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        _ = try await bench.store.updateWebhook(webhook.id) { $0.failingSince = $0.createdAt }
        var patch = WebhookPatch()
        patch.url = webhook.url
        let same = try await bench.engine.update(webhook.id, for: alice, revision: nil, patch)
        #expect(same.failingSince == webhook.createdAt && same.revision == 1)
        patch.url = "https://other.example.com/"
        #expect(try await bench.engine.update(webhook.id, for: alice, revision: nil, patch).failingSince == nil)
    }

    @Test func withoutAnOwnerAWebhookIsNotEnabled() async throws {
        let bench = try WebhookBench(owner: { $0 == "alice" ? .unknown : .known(seesAll: true) })
        let webhook = try await bench.webhook()
        _ = try await bench.store.updateWebhook(webhook.id) { $0.disable(.ownerUnknown, at: $0.createdAt) }
        var patch = WebhookPatch()
        patch.isEnabled = true
        let refused = await problem {
            _ = try await bench.engine.update(webhook.id, for: auditor, revision: nil, patch)
        }
        #expect(refused?.code == .invalidWebhook && refused?.faults.map(\.pointer) == ["/state"])
        #expect(bench.stored(webhook)?.state == .disabledByGateway)
    }

    @Test func deliveriesShowWhatTheCallerMaySee() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook(seesAll: true)
        try await bench.running {
            for owner in ["alice", "bob", "alice", "bob"] { _ = bench.exports.create(by: owner) }
            try await eventually { bench.told(webhook).count == 4 }
        }
        let all = try await bench.engine.messages(of: webhook.id, for: auditor, state: nil, before: nil, limit: 9)
        #expect(all.count == 4)
        let own = try await bench.engine.messages(of: webhook.id, for: alice, state: nil, before: nil, limit: 9)
        #expect(own.map(\.id) == [all[1].id, all[3].id])
        let next = own.first?.number
        let page = try await bench.engine.messages(of: webhook.id, for: alice, state: nil, before: next, limit: 1)
        #expect(page == [own[1]])
        let hidden = await problem { _ = try await bench.engine.replay(all[0].id, of: webhook.id, for: alice) }
        #expect(hidden?.code == .notFound)
    }

    @Test func aWebhookThatWasOffGetsWhatItMissed() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        var patch = WebhookPatch()
        patch.isEnabled = false
        _ = try await bench.engine.update(webhook.id, for: alice, revision: nil, patch)
        try await bench.running {
            _ = bench.exports.create()
            try await bench.advance { bench.time.elapsed() > .seconds(60) }
            #expect(bench.told(webhook).isEmpty)
            patch.isEnabled = true
            _ = try await bench.engine.update(webhook.id, for: alice, revision: nil, patch)
            try await eventually { bench.states(webhook) == [.delivered] }
        }
    }

    @Test func bothSecretsSignAfterARotation() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        try await bench.running {
            let rotated = try await bench.engine.rotateSecret(of: webhook.id, for: alice)
            #expect(rotated.webhook.olderSecretsUntil == bench.time.now() + .seconds(86_400))
            _ = bench.exports.create()
            try await eventually { bench.states(webhook) == [.delivered] }
            bench.time.advance(by: .seconds(86_400))
            _ = bench.exports.create()
            try await eventually { bench.states(webhook) == [.delivered, .delivered] }
        }
        let signatures = bench.sender.received.map { $0.fields["webhook-signature"]?.split(separator: " ").count }
        #expect(signatures == [2, 1])
    }

    @Test func aTestIsSentWhateverTheTypes() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook { $0.types = [.expired] }
        let message = try await bench.engine.test(webhook.id, for: alice)
        #expect(message.type == .test && message.state == .pending && message.exportID == nil)
        try await bench.running { try await eventually { bench.states(webhook) == [.delivered] } }
        var patch = WebhookPatch()
        patch.isEnabled = false
        _ = try await bench.engine.update(webhook.id, for: alice, revision: nil, patch)
        #expect(await problem { _ = try await bench.engine.test(webhook.id, for: alice) }?.code == .webhookDisabled)
    }

    @Test func messagesAreReplayed() async throws {
        let bench = try WebhookBench { $0.disableAfter = .seconds(30 * 86_400) }
        let webhook = try await bench.webhook()
        bench.sender.answers(500)
        try await bench.running {
            _ = bench.exports.create()
            try await bench.advance(by: .seconds(300)) { bench.states(webhook) == [.failed] }
            bench.sender.answers(200)
            let message = try #require(bench.store.messages(to: webhook.id).first)
            let replayed = try await bench.engine.replay(message.id, of: webhook.id, for: alice)
            #expect(replayed.state == .pending && replayed.attempts == 0 && replayed.id == message.id)
            try await eventually { bench.states(webhook) == [.delivered] }
            // A delivered one too; but not with the failed ones.
            #expect(try await bench.engine.replayFailed(since: webhook.createdAt, of: webhook.id, for: alice) == 0)
            _ = try await bench.engine.replay(message.id, of: webhook.id, for: alice)
            try await eventually { bench.sender.received.count == 12 }
            #expect(
                await problem { _ = try await bench.engine.replay("other", of: webhook.id, for: alice) }?.code
                    == .notFound
            )
        }
    }

    @Test func aLostSealingKeyIsToldAndReplaced() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        _ = try await bench.store.updateWebhook(webhook.id) {
            $0.sealedSecrets = [1, 3, 65, 66, 67] + Array(repeating: 9, count: 60)
        }
        try await bench.running {
            _ = bench.exports.create()
            try await eventually { bench.store.messages(to: webhook.id).first?.lastError == "secret-unreadable" }
            #expect(bench.sender.received.isEmpty)
            _ = try await bench.engine.rotateSecret(of: webhook.id, for: alice)
            try await bench.advance(by: .seconds(1)) { bench.states(webhook) == [.delivered] }
        }
    }

    @Test func aNewSealingKeyTakesOver() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        let (old, new) = ([UInt8](repeating: 7, count: 32), [UInt8](repeating: 8, count: 32))
        let both = try SealingKeys(current: "two", keys: ["one": old, "two": new])
        try await bench.running([bench.anotherEngine(both)]) {
            try await eventually { bench.stored(webhook).map { !both.isOutdated($0.sealedSecrets) } ?? false }
        }
        // The old one may go.
        try await bench.running([bench.anotherEngine(try SealingKeys(current: "two", keys: ["two": new]))]) {
            _ = bench.exports.create()
            try await eventually { bench.states(webhook) == [.delivered] }
        }
    }

    @Test func withoutWebhooksEverythingIsRefused() async throws {
        let none = NoWebhooks(key: "sealing.keys", "is needed for webhooks.")
        let refused = await problem { _ = try await none.create(WebhookDraft(url: "https://example.com"), for: alice) }
        #expect(refused?.code == .webhooksUnavailable && refused?.detail.contains("sealing.keys") == true)
    }
}
