public import Audit
public import ExportLedger
public import Exports

/// The audit trail as the engine uses it: what it stores is stored with the changes that it is about.
public struct EngineAudit: Sendable {
    let writer: AuditWriter
    /// Deletes the oldest sealed rows: those before a time, at most so many.
    let trim: @Sendable (_ before: Timestamp, _ limit: Int) async throws -> AuditTrimOutcome

    /// Uses a writer, and what deletes rows that are too old.
    public init(
        writer: AuditWriter,
        trim: @escaping @Sendable (_ before: Timestamp, _ limit: Int) async throws -> AuditTrimOutcome
    ) {
        (self.writer, self.trim) = (writer, trim)
    }
}

/// Makes the entry about a change of a record; nil where it was not changed.
typealias RecordAudit = @Sendable (_ before: LedgerRecord, _ after: LedgerRecord) -> AuditEntry?

extension EngineAudit {
    /// About a new export.
    func created(_ export: Export, for viewer: Viewer) -> AuditEntry {
        writer.entry(
            .create,
            .succeeded,
            by: AuditOrigin(viewer),
            of: export.id,
            ["provider": export.provider.rawValue, "connection": export.connection]
        )
    }

    /// About an action on an export, where it changes anything.
    func changed(_ action: AuditAction, by viewer: Viewer, _ details: [String: String] = [:]) -> RecordAudit {
        { before, after in
            guard after != before else { return nil }
            let status = ["status": after.export.status.rawValue]
            return writer.entry(
                action,
                .succeeded,
                by: AuditOrigin(viewer),
                of: after.export.id,
                details.merging(status) { first, _ in first }
            )
        }
    }

    /// About a cancellation that the upstream has refused. The request had ended, or had waited for it: the row is the gateway's.
    var cancelRefused: RecordAudit {
        { before, after in
            guard before.cancelWished, !after.cancelWished, let refusal = after.progress.cancelRefusal else {
                return nil
            }
            return writer.entry(
                .cancel,
                .refused,
                by: AuditOrigin(caller: Delivery.gatewayItself),
                of: after.export.id,
                ["code": refusal.code.rawValue, "status": after.export.status.rawValue]
            )
        }
    }

    /// About exports that are purged.
    func purged(by origin: AuditOrigin) -> PurgeAudit {
        { tombstone in
            writer.entry(
                .purge,
                .succeeded,
                by: origin,
                of: tombstone.id,
                [
                    "provider": tombstone.provider.rawValue, "connection": tombstone.connection,
                    "status": tombstone.status.rawValue, "createdBy": tombstone.createdBy,
                ]
            )
        }
    }

    /// About the ends of deliveries that a kill has broken off.
    var broken: DeliveryAudit { { delivery in ended(delivery) } }

    /// About the end of a delivery to a caller. Nil for a measurement, which hands nothing out.
    func ended(_ delivery: Delivery) -> AuditEntry? {
        guard delivery.kind == .delivery else { return nil }
        let range = delivery.rangeFirst.map { "\($0)-\(delivery.rangeLast.map(String.init) ?? "")" }
        return writer.entry(
            .download,
            delivery.outcome == .whole ? .succeeded : .failed,
            by: AuditOrigin(caller: delivery.caller, address: delivery.address, requestID: delivery.requestID),
            of: delivery.exportID,
            [
                "delivery": delivery.id.description, "file": delivery.fileID, "outcome": delivery.outcome.rawValue,
                "reason": delivery.reason, "coding": delivery.coding, "range": range,
                "bytesSent": String(delivery.bytesSent), "fileBytes": String(delivery.fileBytes),
                "sha256": delivery.sha256, "ticket": delivery.ticket?.ticket.description,
            ]
        )
    }
}
