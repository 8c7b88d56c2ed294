import ExportLedger
import Exports
import Synchronization
import Webhooks

/// Webhooks and their messages in memory.
final class MemoryWebhookStore: WebhookStore {
    struct State {
        var webhooks: [ExportID: Webhook] = [:]
        var messages: [WebhookMessage] = []
        var lastNumber: Int64 = 0
        var expiring: [(expiry: Timestamp, id: ExportID)] = []
        /// The ids of messages whose rows cannot be read.
        var unreadable: Set<String> = []
        /// The webhooks whose rows cannot be read.
        var damaged: Set<ExportID> = []
        /// How many operations fail from now on.
        var failures = 0
        /// How often webhooks' messages were stored, and positions moved.
        var additions = 0
        /// How many messages were given to be stored, also those that were stored before.
        var offered = 0
    }

    let state = Mutex(State())

    private func change<T>(_ body: (inout State) throws -> T) throws -> T {
        try Task.checkCancellation()
        return try state.withLock { state in
            guard state.failures == 0 else {
                state.failures -= 1
                throw LedgerError(.unavailable, "a test has it fail")
            }
            return try body(&state)
        }
    }

    /// A webhook's messages in their order.
    func messages(to id: ExportID) -> [WebhookMessage] { state.withLock { $0.messages.filter { $0.webhookID == id } } }

    func insert(_ webhook: Webhook, limit: Int) async throws -> Bool {
        try change { state in
            guard state.webhooks.values.count(where: { $0.createdBy == webhook.createdBy }) < limit else {
                return false
            }
            state.webhooks[webhook.id] = webhook
            return true
        }
    }

    func webhook(_ id: ExportID) async throws -> Webhook? { try change { try Self.webhook(id, in: $0) } }

    private static func webhook(_ id: ExportID, in state: State) throws -> Webhook? {
        guard let webhook = state.webhooks[id], state.damaged.contains(id) else { return state.webhooks[id] }
        var error = LedgerError(.corrupt, "a test has it unreadable", owner: webhook.createdBy)
        error.row = UnreadableRow(table: .webhook, export: id.description, column: "types")
        throw error
    }

    func webhooks(of owner: String?, after: ExportID?, limit: Int) async throws -> [Webhook] {
        try change { state in
            let all = state.webhooks.values.filter { owner == nil || $0.createdBy == owner }
                .filter { !state.damaged.contains($0.id) }.sorted { $0.id < $1.id }
            return Array(all.filter { webhook in after.map { $0 < webhook.id } ?? true }.prefix(limit))
        }
    }

    func updateWebhook(
        _ id: ExportID,
        _ change: @escaping @Sendable (inout Webhook) throws -> Void
    ) async throws -> Webhook? {
        try self.change { state in
            guard var webhook = try Self.webhook(id, in: state) else { return nil }
            try change(&webhook)
            state.webhooks[id] = webhook
            return webhook
        }
    }

    func deleteWebhook(_ id: ExportID) async throws -> Bool {
        try change { state in
            state.messages.removeAll { $0.webhookID == id }
            return state.webhooks.removeValue(forKey: id) != nil
        }
    }

    func add(
        _ messages: [WebhookMessage],
        to id: ExportID,
        position: (from: Int64, to: Int64, revision: Int64)?
    ) async throws -> Bool {
        try change { state in
            guard let webhook = state.webhooks[id] else { return false }
            if let position {
                guard webhook.position == position.from, webhook.revision == position.revision else { return false }
                state.webhooks[id]?.position = position.to
            }
            state.additions += 1
            state.offered += messages.count
            for var message in messages
            where !state.messages.contains(where: { $0.webhookID == id && $0.id == message.id }) {
                state.lastNumber += 1
                message.number = state.lastNumber
                (message.state, message.attempts) = (.pending, 0)
                (message.lastAttemptAt, message.lastStatus, message.lastError) = (nil, nil, nil)
                message.dueAt = message.dueAt ?? message.time
                state.messages.append(message)
            }
            return true
        }
    }

    func claimableWebhooks(at now: Timestamp, perWebhook: Int, limit: Int) async throws -> [ClaimableWebhook] {
        try change { state in
            var found: [ClaimableWebhook] = []
            for index in state.claimable where found.count < limit {
                guard let due = state.messages[index].dueAt, due <= now else { continue }
                let id = state.messages[index].webhookID
                guard !found.contains(where: { $0.id == id }), state.claims(of: id, at: now) < perWebhook,
                    let webhook = state.webhooks[id]
                else { continue }
                found.append(ClaimableWebhook(id: id, owner: webhook.createdBy))
            }
            return found
        }
    }

    func claimMessages(
        of places: [ExportID: Int],
        at now: Timestamp,
        until: Timestamp,
        perWebhook: Int
    ) async throws -> [WebhookMessage] {
        try change { state in
            var claimed: [WebhookMessage] = []
            for index in state.claimable {
                guard let due = state.messages[index].dueAt, due <= now else { continue }
                let id = state.messages[index].webhookID
                guard claimed.count(where: { $0.webhookID == id }) < places[id, default: 0],
                    state.claims(of: id, at: now) < perWebhook
                else { continue }
                state.messages[index].attempts += 1
                state.messages[index].dueAt = until
                state.messages[index].lastError = Self.claim
                claimed.append(state.messages[index])
            }
            return claimed
        }
    }

    /// Marks a message that is claimed.
    static let claim = "claimed"

    /// What reading the row of a message throws.
    private static func unreadable(_ message: WebhookMessage) -> LedgerError {
        var error = LedgerError(.corrupt, "a test has it unreadable")
        let webhook = message.webhookID.description
        error.row = UnreadableRow(table: .webhookMessage, export: webhook, id: message.id, column: "type")
        return error
    }

    func end(
        _ message: WebhookMessage,
        _ change: @escaping @Sendable (inout WebhookMessage, inout Webhook) -> Void
    ) async throws -> Bool {
        try self.change { state in
            let index = state.messages.firstIndex {
                $0.webhookID == message.webhookID && $0.id == message.id && $0.attempts == message.attempts
                    && $0.lastError == Self.claim
            }
            guard let index, var webhook = state.webhooks[message.webhookID] else { return false }
            var ended = message
            change(&ended, &webhook)
            state.messages[index] = ended
            state.webhooks[message.webhookID] = webhook
            return true
        }
    }

    func nextMessage(perWebhook: Int) async throws -> Timestamp? {
        guard perWebhook > 0 else { return nil }
        return try change { state in
            let claimed = state.messages.filter { $0.state == .pending && $0.lastError == Self.claim }
            return state.claimable
                .compactMap { index -> Timestamp? in
                    let message = state.messages[index]
                    guard let due = message.dueAt else { return nil }
                    // With as many claims as it may have, the webhook waits for the first that runs out.
                    let ends = claimed.filter { $0.webhookID == message.webhookID }.compactMap(\.dueAt).sorted(by: >)
                    return ends.count < perWebhook ? due : max(due, ends[perWebhook - 1])
                }
                .min()
        }
    }

    func messages(
        of id: ExportID,
        state wanted: WebhookMessage.State?,
        before: Int64?,
        limit: Int
    ) async throws -> [WebhookMessage]? {
        try change { state in
            guard state.webhooks[id] != nil else { return nil }
            let found = state.messages.filter { message in
                message.webhookID == id && (wanted == nil || message.state == wanted)
                    && (before.map { message.number < $0 } ?? true)
            }
            return Array(found.reversed().prefix(limit))
        }
    }

    func message(_ messageID: String, of id: ExportID) async throws -> WebhookMessage? {
        try change { state in
            let message = state.messages.first { $0.webhookID == id && $0.id == messageID }
            if let message, state.unreadable.contains(messageID) { throw Self.unreadable(message) }
            return message
        }
    }

    func replay(of id: ExportID, messageID: String?, since: Timestamp?, dueAt: Timestamp) async throws -> Int {
        try change { state in
            var count = 0
            for index in state.messages.indices {
                let message = state.messages[index]
                guard message.webhookID == id, message.state != .pending else { continue }
                if let messageID, message.id != messageID { continue }
                if messageID == nil, message.state != .failed || message.time < since ?? message.time { continue }
                state.messages[index].state = .pending
                state.messages[index].attempts = 0
                state.messages[index].dueAt = dueAt
                count += 1
            }
            return count
        }
    }

    func pendingMessages() async throws -> [ExportID: WebhookBacklog] {
        try change { state in
            Dictionary(grouping: state.messages.filter { $0.state == .pending }, by: \.webhookID)
                .mapValues { WebhookBacklog(count: $0.count, oldest: $0.map(\.time).min() ?? $0[0].time) }
        }
    }

    func giveUpMessages(
        of id: ExportID,
        revision: Int64,
        before time: Timestamp,
        error: String,
        limit: Int
    ) async throws -> Int {
        try change { state in
            guard let webhook = state.webhooks[id], webhook.state != .enabled, webhook.revision == revision else {
                return 0
            }
            let found = state.messages.indices
                .filter {
                    state.messages[$0].webhookID == id && state.messages[$0].state == .pending
                        && state.messages[$0].time < time
                }
                .prefix(limit)
            for index in found {
                state.messages[index].state = .failed
                state.messages[index].dueAt = nil
                state.messages[index].lastError = error
            }
            return found.count
        }
    }

    func pruneMessages(before time: Timestamp, limit: Int) async throws -> Int {
        try change { state in
            let before = state.messages.count
            state.messages.removeAll { $0.state != .pending && ($0.lastAttemptAt ?? $0.time) < time }
            return before - state.messages.count
        }
    }

    func expiringUndelivered(
        now: Timestamp,
        by time: Timestamp,
        after: (expiry: Timestamp, id: ExportID)?,
        limit: Int
    ) async throws -> [ExportID] {
        try change { state in
            let found = state.expiring.filter { entry in
                entry.expiry > now && entry.expiry <= time && (after.map { $0 < (entry.expiry, entry.id) } ?? true)
            }
            return Array(found.sorted { $0 < $1 }.map(\.id).prefix(limit))
        }
    }
}

extension WebhookMessage {
    fileprivate func isClaimed(at now: Timestamp) -> Bool {
        state == .pending && lastError == MemoryWebhookStore.claim && (dueAt.map { $0 > now } ?? false)
    }
}

extension MemoryWebhookStore.State {
    /// How many messages of a webhook are claimed.
    fileprivate func claims(of id: ExportID, at now: Timestamp) -> Int {
        messages.count { $0.webhookID == id && $0.isClaimed(at: now) }
    }

    /// The first pending message of each export and webhook, in the order in which they are due.
    fileprivate var claimable: [Int] {
        var heads: Set<String> = []
        return messages.indices
            .filter { index in
                let message = messages[index]
                guard message.state == .pending, webhooks[message.webhookID]?.state == .enabled else { return false }
                return heads.insert("\(message.webhookID) \(message.exportID?.description ?? "-")").inserted
            }
            .sorted {
                (messages[$0].dueAt?.milliseconds ?? 0, messages[$0].number)
                    < (messages[$1].dueAt?.milliseconds ?? 0, messages[$1].number)
            }
    }
}
