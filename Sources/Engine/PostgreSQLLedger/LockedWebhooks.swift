import ExportLedger
import Exports
import PostgreSQL
import Webhooks

/// The webhooks whose rows a group has locked, as the writes of the group have left them.
///
/// Exports are locked before webhooks, and both in the order of their ids, so that of two replicas one waits for the other.
struct LockedWebhooks {
    /// A claim on a message.
    struct MessageClaim: Sendable, Hashable {
        var webhookID: ExportID
        var messageID: String

        init(webhookID: ExportID, messageID: String) { (self.webhookID, self.messageID) = (webhookID, messageID) }
        init(_ message: WebhookMessage) { (webhookID, messageID) = (message.webhookID, message.id) }
        fileprivate init?(_ row: SQLRow) {
            guard let id = ExportID(row[0] as String) else { return nil }
            (webhookID, messageID) = (id, row[1])
        }
    }

    private var rows: [ExportID: SQLRow] = [:]
    private var changed: [ExportID: Webhook] = [:]
    /// The attempts of the messages that are claimed.
    private var attempts: [MessageClaim: Int64] = [:]

    init() {}

    /// What the writes of a group need. None, or two.
    static func queries(_ needs: [WriteNeeds]) -> [SQLQuery] {
        let ids = Set(needs.flatMap(\.webhooks).map(\.description))
        guard !ids.isEmpty else { return [] }
        let claims = needs.compactMap(\.messageClaim)
        return [
            SQLQuery(WebhookStatements.lock, [.textArray(ids.sorted())]),
            // The rows change only under the lock of their webhook.
            SQLQuery(
                WebhookStatements.claims,
                [.textArray(claims.map(\.webhookID.description)), .textArray(claims.map(\.messageID))]
            ),
        ]
    }

    /// Takes what the queries returned.
    init(_ answers: ArraySlice<SQLRows>) {
        guard let locked = answers.first, let claimed = answers.last else { return }
        for row in locked { if let id = ExportID(row[0] as String) { rows[id] = row } }
        for row in claimed { if let claim = MessageClaim(row) { attempts[claim] = row[2] } }
    }

    /// Nil for an unknown webhook. Only for those that the write has named as needed. Throws `LedgerError` (`corrupt`).
    subscript(_ id: ExportID) -> Webhook? {
        get throws { try changed[id] ?? rows[id].map { try Webhook.read($0) } }
    }

    func contains(_ id: ExportID) -> Bool { rows[id] != nil }

    mutating func write(_ webhook: Webhook) { changed[webhook.id] = webhook }

    mutating func delete(_ id: ExportID) { (rows[id], changed[id]) = (nil, nil) }

    /// Ends the claims on messages that are given up.
    mutating func giveUp(_ messages: some Sequence<String>, of id: ExportID) {
        for message in messages { attempts[MessageClaim(webhookID: id, messageID: message)] = nil }
    }

    /// Whether the message has the claim that it was given with, which ends with this.
    mutating func end(_ message: WebhookMessage) -> Bool {
        let claim = MessageClaim(message)
        guard attempts[claim] == Int64(message.attempts) else { return false }
        attempts[claim] = nil
        return true
    }
}
