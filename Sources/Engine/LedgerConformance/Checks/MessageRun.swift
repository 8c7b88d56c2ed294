import ExportLedger
import Exports
import Synchronization
import Webhooks

extension ReplicationCase {
    static let messageClaims = [
        ReplicationCase("of replicas that claim at once each message is given to one", ledgers: 3) { examination in
            try await MessageRun(webhooks: 3, exports: 4, each: 5).examine(examination.ledgers, examination.report)
        },
        ReplicationCase("of replicas that move a position at once one does", ledgers: 3) { examination in
            let id = try await examination.ledgers[0].id(of: Sample.webhook())
            for round in 0..<5 {
                let position = (from: Int64(7 + round), to: Int64(8 + round), revision: Int64(1))
                let count = try await withThrowingTaskGroup(of: Bool.self) { group in
                    for (number, ledger) in examination.ledgers.enumerated() {
                        let message = Sample.message("\(round) \(number)", of: id)
                        group.addTask { try await ledger.add([message], to: id, position: position) }
                    }
                    return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
                }
                examination.expect(count == 1, "one adds its messages")
            }
            examination.expect(try await examination.ledgers[0].all(of: id).count == 5, "the others add none")
        },
    ]
}

/// Claims and ends messages from many tasks at once, until all are delivered.
struct MessageRun: Sendable {
    var webhooks: Int
    var exports: Int
    /// How many messages each export has, of each webhook.
    var each: Int

    private static let perWebhook = 2
    private static let workers = 4

    func examine(_ stores: [any WebhookStore], _ report: @escaping @Sendable (String) -> Void) async throws {
        guard let first = stores.first else { return }
        for seconds in 0..<webhooks {
            let id = try await first.id(of: Sample.webhook(seconds))
            let names = (0..<exports)
                .flatMap { export in
                    let exportID = Sample.id(export)
                    return (0..<each).map { (name: "\(export) \($0)", export: ExportID?.some(exportID)) }
                }
            try await first.add(names, to: id)
        }
        let log = Log()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<Self.workers * stores.count {
                let store = stores[worker % stores.count]
                group.addTask { try await work(store, log, report) }
            }
            try await group.waitForAll()
        }
        let delivered = log.delivered
        if delivered.count != webhooks * exports * each { report("each is delivered once") }
        for (key, names) in Dictionary(grouping: delivered, by: { [$0.webhookID, $0.exportID] }) where key.count == 2 {
            if names.map(\.number) != names.map(\.number).sorted() { report("those of an export are in their order") }
        }
    }

    private func work(_ store: any WebhookStore, _ log: Log, _ report: @Sendable (String) -> Void) async throws {
        while try await store.nextMessage(perWebhook: Self.perWebhook) != nil {
            let ready = try await store.claimableWebhooks(at: Sample.time(1), perWebhook: Self.perWebhook, limit: 2)
            let claimed = try await store.claimMessages(
                of: Dictionary(uniqueKeysWithValues: ready.map { ($0.id, Self.perWebhook) }),
                at: Sample.time(1),
                until: Sample.time(61),
                perWebhook: Self.perWebhook
            )
            for message in claimed where !log.begin(message, perWebhook: Self.perWebhook) {
                report("no message is claimed twice, no export has two, and no webhook more than it may have")
            }
            await Task.yield()
            for message in claimed {
                log.end(message)
                if try await !store.end(message, .delivered) { report("whoever has claimed a message can end it") }
            }
        }
    }

    /// What is claimed, and what was delivered, in the order of the ends.
    private final class Log: Sendable {
        private let state = Mutex<(claimed: [WebhookMessage], delivered: [WebhookMessage])>(([], []))

        var delivered: [WebhookMessage] { state.withLock { $0.delivered } }

        func begin(_ message: WebhookMessage, perWebhook: Int) -> Bool {
            state.withLock { state in
                let others = state.claimed.filter { $0.webhookID == message.webhookID }
                let isAlone = !others.contains { $0.exportID == message.exportID }
                let isNew = !state.delivered.contains { $0.number == message.number }
                state.claimed.append(message)
                return isAlone && isNew && others.count < perWebhook
            }
        }

        func end(_ message: WebhookMessage) {
            state.withLock { state in
                state.claimed.removeAll { $0.number == message.number }
                state.delivered.append(message)
            }
        }
    }
}
