import Exports
import JSON
import Webhooks

extension Webhook {
    package static let columns = [
        "id", "created_by", "sees_all", "revision", "url", "label", "types", "provider", "connection", "state",
        "disabled_reason", "created_at", "updated_at", "failing_since", "sealed_secrets", "older_secrets_until",
        "position",
    ]
    package static let names = columns.joined(separator: ", ")

    /// The values of the columns.
    package var values: [StoredValue] {
        [
            StoredValue(id.description), StoredValue(createdBy), StoredValue(seesAll), StoredValue(revision),
            StoredValue(url), StoredValue(label),
            StoredValue(JSONText.write(.array(types.sorted().map { .string($0.rawValue) }))),
            StoredValue(provider?.rawValue), StoredValue(connection), StoredValue(state.rawValue),
            StoredValue(disabledReason), StoredValue(createdAt), StoredValue(updatedAt), StoredValue(failingSince),
            .bytes(sealedSecrets), StoredValue(olderSecretsUntil), StoredValue(position),
        ]
    }

    /// Reads a row of the columns. Throws `LedgerError` (`corrupt`) that names the row.
    package static func read(_ row: some StoredRow) throws -> Webhook {
        try UnreadableRow.Table.webhook.naming(export: row[0], id: nil, owner: row[1]) { try Webhook(row) }
    }

    private init(_ row: some StoredRow) throws {
        guard let id = ExportID(row[0] as String) else { throw JSONText.unreadable("id") }
        guard let state = State(rawValue: row[9]) else { throw JSONText.unreadable("state") }
        let names = try JSONText.value(row[6], "types").array?.compactMap(\.string)
        // A type of a newer version must not get lost when the row is written again.
        guard let names, case let types = names.compactMap(WebhookEventType.init), types.count == names.count else {
            throw JSONText.unreadable("types")
        }
        self.init(
            id: id,
            createdBy: row[1],
            seesAll: row[2],
            url: row[4],
            label: row[5],
            types: Set(types),
            provider: (row[7] as String?).map { ProviderID($0) },
            connection: row[8],
            createdAt: Timestamp(milliseconds: row[11]),
            sealedSecrets: row[14],
            position: row[16]
        )
        revision = row[3]
        self.state = state
        disabledReason = row[10]
        updatedAt = Timestamp(milliseconds: row[12])
        failingSince = row.time(13)
        olderSecretsUntil = row.time(15)
    }

    /// Throws `LedgerError` (`corrupt`) where a change has altered what it must not.
    package func keep(to before: Webhook) throws {
        guard id == before.id, createdBy == before.createdBy, position == before.position else {
            throw LedgerError(.corrupt, "a change may not alter a webhook's id, owner or position")
        }
    }
}
