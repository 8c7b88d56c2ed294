import ExportLedger
import Exports
import JSON
import Logging
import ManualClock
import MetricsTestKit
import ServiceLifecycle
import Synchronization
import SystemCrypto
import TestSupport
import Webhooks

@testable import WebhookEngine

/// An engine over a store in memory, with a clock that a test advances.
struct WebhookBench {
    let time = ManualTime()
    let store: MemoryWebhookStore
    let exports: ScriptedExports
    let sender: ScriptedSender
    let engine: WebhookEngine
    let metrics = TestMetrics()
    private let keys: SealingKeys

    init(
        _ change: (inout WebhookSettings) -> Void = { _ in },
        owner: @escaping @Sendable (String) -> WebhookOwner = { _ in .known(seesAll: true) }
    ) throws {
        store = MemoryWebhookStore()
        exports = ScriptedExports(time: time)
        sender = ScriptedSender(time: time)
        keys = try SealingKeys(current: "one", keys: ["one": Array(repeating: 7, count: 32)])
        var settings = WebhookSettings()
        settings.base = "https://exports.example.com"
        change(&settings)
        engine = Self.engine(store, exports, sender, keys, owner, settings, time, metrics)
    }

    private static func engine(
        _ store: MemoryWebhookStore,
        _ exports: ScriptedExports,
        _ sender: ScriptedSender,
        _ keys: SealingKeys,
        _ owner: @escaping @Sendable (String) -> WebhookOwner,
        _ settings: WebhookSettings,
        _ time: ManualTime,
        _ metrics: TestMetrics
    ) -> WebhookEngine {
        WebhookEngine(
            store: store,
            exports: exports,
            sender: sender,
            sealingKeys: keys,
            owner: owner,
            settings: settings,
            time: time,
            random: { .random(in: .min ... .max) },
            logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() },
            metrics: metrics
        )
    }

    /// Another engine on the same store: a replica, or the next process, perhaps with other keys.
    func anotherEngine(_ otherKeys: SealingKeys? = nil) -> WebhookEngine {
        Self.engine(
            store,
            exports,
            sender,
            otherKeys ?? keys,
            { _ in .known(seesAll: true) },
            engine.parts.settings,
            time,
            TestMetrics()
        )
    }

    /// Runs the engine, and others beside it, while `body` runs.
    func running(_ engines: [WebhookEngine]? = nil, _ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for engine in engines ?? [engine] { group.addTask { try await engine.run() } }
            defer { group.cancelAll() }
            try await body()
        }
    }

    /// A webhook of a caller.
    func webhook(
        of owner: String = "alice",
        seesAll: Bool = false,
        _ change: (inout WebhookDraft) -> Void = { _ in }
    ) async throws -> Webhook {
        var draft = WebhookDraft(url: "https://receiver.example.com/\(owner)")
        change(&draft)
        return try await engine.create(draft, for: .caller(owner, seesAll: seesAll)).webhook
    }

    /// What a webhook was told: the types and what came of each, in their order.
    func told(_ webhook: Webhook) -> [WebhookEventType] { store.messages(to: webhook.id).map(\.type) }

    /// The type of what was sent last.
    var lastType: String? {
        sender.received.last.flatMap { try? JSONValue(parsing: $0.body)["type"]?.string }
    }

    func states(_ webhook: Webhook) -> [WebhookMessage.State] { store.messages(to: webhook.id).map(\.state) }

    func stored(_ webhook: Webhook) -> Webhook? { store.state.withLock { $0.webhooks[webhook.id] } }

    /// Advances the clock in steps until a condition holds, so that whatever pauses is woken in its order.
    func advance(
        by step: Duration = .seconds(15),
        atMost steps: Int = 20_000,
        until isMet: () -> Bool
    ) async throws {
        for _ in 0..<steps where !isMet() {
            // All parts of the engine pause before the clock moves on.
            await time.pauses(atLeast: 4)
            // An attempt that the machine has not come to is waited for: its claim would run out, and the message would be sent again.
            // One that the receiver holds, and one that pauses after an error, wait for the test.
            try await eventually {
                engine.dispatcher.places.withLock { $0.count } <= sender.heldCount + max(0, time.pauseCount - 4)
            }
            await time.pauses(atLeast: 4)
            time.advance(by: step)
            await Task.yield()
        }
        try await eventually { isMet() }
    }
}

extension Viewer {
    static func caller(_ id: String, seesAll: Bool = false) -> Viewer {
        Viewer(.caller(id, seesAll: seesAll), token: nil, downloadToken: nil)
    }
}
