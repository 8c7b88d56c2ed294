@testable import ExportLedger
import Exports
import GRDB
import Synchronization
import Webhooks

extension FaultyLedger: WebhookStore {
    // MARK: Webhooks

    func insert(_ webhook: Webhook, limit: Int) async throws -> Bool {
        try await ledger.insert(webhook, limit: fault == .ignoresTheLimitOfWebhooks ? .max : limit)
    }

    func webhook(_ id: ExportID) async throws -> Webhook? {
        var webhook = try await ledger.webhook(id)
        if fault == .losesAFieldOfWebhooks { webhook?.olderSecretsUntil = nil }
        return webhook
    }

    func webhooks(of owner: String?, after: ExportID?, limit: Int) async throws -> [Webhook] {
        let owner = fault == .listsWebhooksOfAnybody ? nil : owner
        return try await ledger.webhooks(of: owner, after: after, limit: limit)
    }

    func updateWebhook(
        _ id: ExportID,
        _ change: @escaping @Sendable (inout Webhook) throws -> Void
    ) async throws -> Webhook? {
        let fault = fault
        return try await ledger.updateWebhook(id) { webhook in
            guard fault == .writesChangesThatThrow else { return try change(&webhook) }
            try? change(&webhook)
        }
    }

    func deleteWebhook(_ id: ExportID) async throws -> Bool {
        if fault == .keepsDeletedWebhooks { return try await ledger.webhook(id) != nil }
        return try await ledger.deleteWebhook(id)
    }

    func expiringUndelivered(
        now: Timestamp,
        by time: Timestamp,
        after: (expiry: Timestamp, id: ExportID)?,
        limit: Int
    ) async throws -> [ExportID] {
        switch fault {
        case .expiresWhatNeverDoes:
            let page = try await ledger.exports(matching: ExportFilter(), before: nil, limit: 100)
            return page.exports.filter { $0.expiresAt.map { $0 > now && $0 <= time } ?? false }.map(\.id)
        case .expiresWhatWasDelivered: return try await ledger.expired(at: time, limit: limit)
        case .expiresPagesAgain:
            return try await ledger.expiringUndelivered(now: now, by: time, after: nil, limit: limit)
        default:
            return try await ledger.expiringUndelivered(now: now, by: time, after: after, limit: limit)
        }
    }

    // MARK: Messages

    func add(
        _ messages: [WebhookMessage],
        to id: ExportID,
        position: (from: Int64, to: Int64, revision: Int64)?
    ) async throws -> Bool {
        var (messages, position) = (messages, position)
        switch fault {
        case .ignoresPositions: position = nil
        case .losesMessages: messages = []
        case .storesMessagesTwice:
            for place in messages.indices where try await ledger.message(messages[place].id, of: id) != nil {
                messages[place].id += " again"
            }
        case .queuesEachMessageAlone:
            var generator = SystemRandomNumberGenerator()
            for place in messages.indices {
                messages[place].exportID = ExportID(at: messages[place].time, random: &generator)
            }
        default: break
        }
        return try await ledger.add(messages, to: id, position: position)
    }

    func messages(
        of id: ExportID,
        state: WebhookMessage.State?,
        before: Int64?,
        limit: Int
    ) async throws -> [WebhookMessage]? {
        let state = fault == .ignoresTheStateOfMessages ? nil : state
        let page = try await ledger.messages(of: id, state: state, before: before, limit: limit)
        return fault == .listsTheOldestMessagesFirst ? page?.reversed() : page
    }

    func message(_ messageID: String, of id: ExportID) async throws -> WebhookMessage? {
        try await ledger.message(messageID, of: id)
    }

    func replay(of id: ExportID, messageID: String?, since: Timestamp?, dueAt: Timestamp) async throws -> Int {
        if fault == .replaysWithoutClaims {
            try await ledger.database.write { try $0.execute(sql: "UPDATE webhook_message SET turn = NULL") }
        }
        let count = try await ledger.replay(
            of: id,
            messageID: messageID,
            since: fault == .ignoresTheTimeOfMessages ? nil : since,
            dueAt: dueAt
        )
        return fault == .replaysFirstParts ? min(count, WebhookQueue.part) : count
    }

    func pendingMessages() async throws -> [ExportID: WebhookBacklog] {
        var backlogs = try await ledger.pendingMessages()
        for id in backlogs.keys where fault == .countsForEnabledWebhooks {
            if try await ledger.webhook(id)?.state != .enabled { backlogs[id] = nil }
        }
        return backlogs
    }

    func giveUpMessages(
        of id: ExportID,
        revision: Int64,
        before time: Timestamp,
        error: String,
        limit: Int
    ) async throws -> Int {
        let most = fault == .givesUpWithoutALimit ? .max : limit
        let count = try await ledger.giveUpMessages(of: id, revision: revision, before: time, error: error, limit: most)
        if fault == .givesUpWithoutATurn {
            try await ledger.database.write { database in
                try database.execute(sql: "UPDATE webhook_message SET turn = NULL WHERE turn = 0")
            }
        }
        return count
    }

    func pruneMessages(before time: Timestamp, limit: Int) async throws -> Int {
        switch fault {
        case .prunesMessagesTooEarly:
            return try await ledger.pruneMessages(before: time + .seconds(1), limit: limit)
        case .ignoresTheLimitOfPruning, .prunesAllThatIsLeft:
            return try await ledger.pruneMessages(before: time, limit: .max)
        default: return try await ledger.pruneMessages(before: time, limit: limit)
        }
    }

    // MARK: Claims

    func claimableWebhooks(at now: Timestamp, perWebhook: Int, limit: Int) async throws -> [ClaimableWebhook] {
        if fault == .claimsForDisabledWebhooks {
            for webhook in try await ledger.webhooks(of: nil, after: nil, limit: 100) {
                _ = try await ledger.updateWebhook(webhook.id) { $0.state = .enabled }
            }
        }
        return try await ledger.claimableWebhooks(
            at: fault == .claimsBeforeTheTime ? now + .seconds(1) : now,
            perWebhook: fault == .ignoresTheClaimsOfOthers && perWebhook > 0 ? 1_000 : perWebhook,
            limit: limit
        )
    }

    func claimMessages(
        of places: [ExportID: Int],
        at now: Timestamp,
        until: Timestamp,
        perWebhook: Int
    ) async throws -> [WebhookMessage] {
        let messages = try await ledger.claimMessages(
            of: fault == .claimsWithoutALimit ? places.mapValues { $0 + 1 } : places,
            at: fault == .claimsBeforeTheTime ? now + .seconds(1) : now,
            until: fault == .keepsClaims ? until + .seconds(1) : until,
            perWebhook: fault == .ignoresTheClaimsOfOthers && perWebhook > 0 ? 1_000 : perWebhook
        )
        let former = claimed.withLock { claimed in
            defer { claimed = messages }
            return claimed
        }
        return fault == .claimsTwice ? messages + former : messages
    }

    func end(
        _ message: WebhookMessage,
        _ change: @escaping @Sendable (inout WebhookMessage, inout Webhook) -> Void
    ) async throws -> Bool {
        var message = message
        if fault == .endsFormerClaims, let present = try await ledger.message(message.id, of: message.webhookID) {
            message.attempts = present.attempts
        }
        let fault = fault
        let isEnded = try await ledger.end(message) { if fault != .endsWithoutTheWebhook { change(&$0, &$1) } }
        return isEnded || fault == .endsClaimsTwice
    }

    func nextMessage(perWebhook: Int) async throws -> Timestamp? {
        try await ledger.nextMessage(perWebhook: fault == .waitsForFullWebhooks ? 1_000 : perWebhook)
    }
}
