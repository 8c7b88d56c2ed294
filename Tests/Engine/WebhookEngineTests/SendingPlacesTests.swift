import ExportLedger
import Exports
import Synchronization
import TestSupport
import Testing
import Webhooks

@testable import WebhookEngine

@Suite(.timeLimit(.minutes(2))) struct SendingPlacesTests {
    private static let ids = (0..<4).map { ExportID("01981f3e-7c1a-7b52-9d3e-0242ac12000\($0)")! }

    private func webhooks(_ owners: String...) -> [ClaimableWebhook] {
        zip(Self.ids, owners).map { ClaimableWebhook(id: $0, owner: $1) }
    }

    @Test func theOwnerWithTheFewestIsNext() {
        var places = SendingPlaces()
        for _ in 0..<3 { places.take("alice") }
        places.take("bob")
        #expect(places.count == 4)
        let ready = webhooks("alice", "bob")
        #expect(places.shares(of: 2, among: ready, perWebhook: 9) == [Self.ids[1]: 2])
        #expect(places.shares(of: 4, among: ready, perWebhook: 9) == [Self.ids[0]: 1, Self.ids[1]: 3])
        places.giveBack("bob")
        for _ in 0..<3 { places.giveBack("alice") }
        #expect(places.count == 0)
    }

    @Test func ownersWithAsManyTakeTurns() {
        var places = SendingPlaces()
        let ready = webhooks("alice", "bob")
        var order: [ExportID] = []
        for _ in 0..<4 {
            let shares = places.shares(of: 1, among: ready, perWebhook: 1)
            order += shares.keys
            for webhook in ready where shares[webhook.id] != nil {
                places.take(webhook.owner)
                places.giveBack(webhook.owner)
            }
        }
        #expect(order == [Self.ids[0], Self.ids[1], Self.ids[0], Self.ids[1]])
    }

    @Test func webhooksOfOneOwnerTakeTurns() {
        let ready = webhooks("alice", "alice", "alice")
        let places = SendingPlaces()
        #expect(places.shares(of: 2, among: ready, perWebhook: 4) == [Self.ids[0]: 1, Self.ids[1]: 1])
        #expect(places.shares(of: 99, among: ready, perWebhook: 4).values.sorted() == [4, 4, 4])
        #expect(places.shares(of: 0, among: ready, perWebhook: 4).isEmpty)
        #expect(places.shares(of: 4, among: [], perWebhook: 4).isEmpty)
    }

    @Test func goneAtAFormerURLIsTriedAtTheNewOne() async throws {
        let bench = try WebhookBench()
        let webhook = try await bench.webhook()
        bench.sender.next([.success(WebhookAnswer(status: 410, retryAfter: nil))], of: webhook.url)
        bench.sender.hold()
        try await bench.running {
            _ = bench.exports.create()
            try await eventually { bench.sender.running == 1 }
            var patch = WebhookPatch()
            patch.url = "https://receiver.example.com/new"
            _ = try await bench.engine.update(webhook.id, for: .caller("alice"), revision: nil, patch)
            bench.sender.release()
            try await eventually { bench.states(webhook) == [.delivered] }
        }
        #expect(bench.sender.received.map(\.url) == [webhook.url, "https://receiver.example.com/new"])
        #expect(bench.stored(webhook)?.state == .enabled)
    }

    /// The places are full with messages of one caller, who has more that became due before.
    @Test func oneCallerDoesNotTakeAllPlaces() async throws {
        let bench = try WebhookBench {
            $0.concurrency = 4
            $0.perWebhook = 4
        }
        let other = try await bench.webhook(of: "bob")
        for _ in 0..<3 { _ = try await bench.webhook() }
        bench.sender.hold()
        try await bench.running {
            for _ in 0..<10 { _ = bench.exports.create() }
            try await eventually { bench.sender.running == 4 }
            _ = bench.exports.create(by: "bob")
            try await eventually { bench.told(other).count == 1 }
            bench.sender.release(1)
            try await eventually { bench.sender.received.count == 5 }
            #expect(bench.sender.received.last?.url == other.url)
            bench.sender.release()
            try await eventually { bench.sender.received.count == 31 }
        }
    }
}
