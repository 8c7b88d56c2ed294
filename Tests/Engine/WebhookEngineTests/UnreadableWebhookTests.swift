import ExportLedger
import Exports
import Synchronization
import TestSupport
import Testing
import Webhooks

@testable import WebhookEngine

@Suite(.timeLimit(.minutes(2))) struct UnreadableWebhookTests {
    private func problem(_ body: () async throws -> Void) async -> GatewayError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? GatewayError
        }
    }

    @Test func aWebhookThatCannotBeReadCanBeDeleted() async throws {
        let bench = try WebhookBench()
        let (engine, webhook, other) = (bench.engine, try await bench.webhook(), try await bench.webhook())
        let id = webhook.id
        bench.store.state.withLock { $0.damaged = [id] }
        let changes: [() async throws -> Void] = [
            { _ = try await engine.webhook(id, for: .caller("alice")) },
            { _ = try await engine.update(id, for: .caller("alice"), revision: nil, WebhookPatch()) },
        ]
        for change in changes { #expect(await problem(change)?.code == .internalError) }
        #expect(await problem { _ = try await engine.webhook(id, for: .caller("bob")) }?.code == .notFound)
        #expect(await problem { try await engine.delete(id, for: .caller("bob")) }?.code == .notFound)
        #expect(try await engine.webhooks(for: .caller("alice"), after: nil, limit: 9) == [other])
        try await engine.delete(id, for: .caller("alice"))
        #expect(bench.stored(webhook) == nil)
        #expect(await problem { try await engine.delete(id, for: .caller("alice")) }?.code == .notFound)
    }
}
