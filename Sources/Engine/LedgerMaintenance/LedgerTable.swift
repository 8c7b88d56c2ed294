import Audit
import ExportLedger
import Webhooks

/// A table of the ledger as a copy sees it: the same in every kind of ledger. Times, truth values and structured values are stored in the
/// same way in all of them.
struct LedgerTable: Sendable, Hashable {
    /// What a column holds.
    enum Kind: Sendable, Hashable {
        case integer, text, bytes
    }

    /// A column. Whether it can be null is a matter of the schema.
    struct Column: Sendable, Hashable {
        var name: String
        var kind: Kind
    }

    var name: String
    /// Those of the key come first.
    var columns: [Column]
    /// How many columns the key has, by which the rows are ordered.
    var keyLength: Int

    /// The columns of the key.
    var key: ArraySlice<Column> { columns.prefix(keyLength) }

    init(_ name: String, keyLength: Int = 1, _ columns: [Column]) {
        (self.name, self.columns, self.keyLength) = (name, columns, keyLength)
    }

    /// All tables, in the order in which rows can be inserted: what a row refers to comes before it.
    static let all = [
        exports, requests, events, retainedEvents, tombstones, idempotency, deliveries, measurements, refreshTokens,
        webhooks, webhookMessages, auditEntries, auditRejected, auditRows, auditAnchors,
    ]

    static let exports = LedgerTable("export", ExportColumn.ofExport.map(Column.init))
    static let requests = LedgerTable("export_request", [.text("id"), .text("source"), .text("plan")])
    /// The first two tables together, with the columns of a record in their order. Only to be read.
    static let records = LedgerTable("export", ExportColumn.allCases.map(Column.init))
    static let events = LedgerTable("export_event", [.integer("sequence"), .text("export_id")] + columnsOfEvents)
    static let retainedEvents = LedgerTable(
        "export_event_retained",
        keyLength: 2,
        [.text("export_id"), .integer("sequence")] + columnsOfEvents
    )
    private static let columnsOfEvents: [Column] = [
        .text("created_by"), .integer("revision"), .text("status"), .integer("percent_complete"), .integer("is_final"),
        .text("code"), .integer("time"), .integer("ends"),
    ]
    static let tombstones = LedgerTable(
        "export_tombstone",
        [
            .text("id"), .text("created_by"), .text("status"), .integer("time"), .text("provider"), .text("connection"),
            .integer("completed_at"), .text("job"),
        ]
    )
    static let idempotency = LedgerTable(
        "idempotency",
        keyLength: 2,
        [.text("caller"), .text("key"), .text("fingerprint"), .text("export_id"), .integer("created_at")]
    )
    static let deliveries = LedgerTable(
        "delivery",
        keyLength: 2,
        [
            .text("export_id"), .text("id"), .text("kind"), .text("file_id"), .text("caller"), .text("request_id"),
            .integer("started_at"), .integer("ended_at"), .text("coding"), .integer("range_first"),
            .integer("range_last"), .integer("bytes_sent"), .integer("file_bytes"), .text("sha256"),
            .integer("resumptions"), .text("outcome"), .text("reason"), .text("ticket"), .integer("ticket_use"),
        ]
    )
    static let measurements = LedgerTable(
        "measurement",
        [.text("export_id"), .integer("due_at"), .integer("attempts")]
    )
    static let refreshTokens = LedgerTable("refresh_token", [.text("export_id"), .bytes("sealed")])
    static let webhooks = LedgerTable("webhook", Webhook.columns.map(Column.ofWebhook))
    static let webhookMessages = LedgerTable(
        "webhook_message",
        WebhookMessage.columns.map(Column.ofWebhook) + [.integer("turn")]
    )
    static let auditEntries = LedgerTable(
        "audit_pending",
        [.integer("number")] + AuditEntry.pendingColumns.map(Column.ofAudit)
    )
    static let auditRejected = LedgerTable(
        "audit_rejected",
        [.integer("number")] + AuditEntry.pendingColumns.map(Column.ofAudit)
    )
    static let auditRows = LedgerTable("audit_row", AuditRow.columns.map(Column.ofAudit))
    static let auditAnchors = LedgerTable("audit_anchor", AuditAnchor.columns.map(Column.ofAudit))
}

extension LedgerTable.Column {
    fileprivate static func integer(_ name: String) -> Self { Self(name: name, kind: .integer) }
    fileprivate static func text(_ name: String) -> Self { Self(name: name, kind: .text) }
    fileprivate static func bytes(_ name: String) -> Self { Self(name: name, kind: .bytes) }

    fileprivate static func ofWebhook(_ name: String) -> Self {
        switch name {
        case "body", "sealed_secrets": .bytes(name)
        case "id", "created_by", "url", "label", "types", "provider", "connection", "state", "disabled_reason",
            "webhook_id", "export_id", "type", "last_error":
            .text(name)
        default: .integer(name)
        }
    }

    fileprivate static func ofAudit(_ name: String) -> Self {
        switch name {
        case "stamp", "previous", "code", "proof": .bytes(name)
        case "sequence", "time", "newest", "number": .integer(name)
        default: .text(name)
        }
    }

    fileprivate init(_ column: ExportColumn) {
        let kind: LedgerTable.Kind =
            switch column {
            case .id, .provider, .connection, .name, .status, .createdBy, .source, .destination, .cancellation, .files,
                .error, .notice, .upstream, .phase, .plan, .reference, .leaseOwner, .decision, .cancelRefusal,
                .readings:
                .text
            default: .integer
            }
        self.init(name: column.name, kind: kind)
    }
}
