package import Audit
import Exports
import JSON

extension StoredRow {
    /// Nil for a time that no trail has.
    fileprivate func auditTime(_ index: Int) -> Timestamp? {
        guard let time = self.time(index), AuditBounds.times.contains(time) else { return nil }
        return time
    }

    /// Nil for a number that no row of a trail has.
    fileprivate func auditSequence(_ index: Int) -> Int64? {
        guard let number = integer(index), AuditBounds.sequences.contains(number) else { return nil }
        return number
    }
}

extension AuditEntry {
    package static let columns = [
        "id", "time", "action", "outcome", "caller", "address", "request_id", "export_id", "details",
    ]
    package static let names = columns.joined(separator: ", ")

    /// The columns of one that is not sealed, without its number.
    package static let pendingColumns = columns + ["stamp", "key_id"]

    /// The values of the columns.
    package var values: [StoredValue] {
        [
            StoredValue(id.description), StoredValue(time), StoredValue(action.rawValue), StoredValue(outcome.rawValue),
            StoredValue(caller), StoredValue(address), StoredValue(requestID), StoredValue(exportID?.description),
            StoredValue(details.isEmpty ? nil : JSONText.write(.object(details.mapValues { .string($0) }))),
        ]
    }

    package var pendingValues: [StoredValue] { values + [.bytes(stamp), StoredValue(keyID)] }

    /// Reads a row of a number and ``pendingColumns``. Throws `LedgerError` (`corrupt`) that names the row.
    package static func read(_ row: some StoredRow) throws -> AuditEntry {
        try UnreadableRow.Table.audit.naming(export: "unsealed", id: "\(row[0] as Int64)") {
            try readColumns(row, stamp: row.bytes(10) ?? [], keyID: row.text(11) ?? "")
        }
    }

    /// Reads ``columns``, which begin at the second column of the row.
    fileprivate static func readColumns(
        _ row: some StoredRow,
        stamp: [UInt8] = [],
        keyID: String = ""
    ) throws -> AuditEntry {
        let first = 1
        // No code covers how an id is written, so there is one way only.
        let text = row.text(first)
        guard let id = text.flatMap({ ExportID($0) }), id.description == text else { throw JSONText.unreadable("id") }
        guard let time = row.auditTime(first + 1) else { throw JSONText.unreadable("time") }
        guard let action = row.text(first + 2).flatMap(AuditAction.init) else { throw JSONText.unreadable("action") }
        guard let outcome = row.text(first + 3).flatMap(AuditOutcome.init) else { throw JSONText.unreadable("outcome") }
        let exportText = row.text(first + 7)
        let exportID = exportText.flatMap { ExportID($0) }
        guard exportID?.description == exportText else { throw JSONText.unreadable("export_id") }
        return AuditEntry(
            id: id,
            time: time,
            action: action,
            outcome: outcome,
            caller: row.text(first + 4),
            address: row.text(first + 5),
            requestID: row.text(first + 6),
            exportID: exportID,
            details: try details(row.text(first + 8)),
            stamp: stamp,
            keyID: keyID
        )
    }

    private static func details(_ text: String?) throws -> [String: String] {
        guard let text else { return [:] }
        guard let members = JSONText.parsed(text)?.object else { throw JSONText.unreadable("details") }
        let details = members.compactMapValues(\.string)
        // No code covers how a text is written, so there is one way only.
        guard details.count == members.count, !details.isEmpty,
            JSONText.write(.object(members)) == text
        else { throw JSONText.unreadable("details") }
        return details
    }
}

extension AuditRow {
    package static let columns = ["sequence"] + AuditEntry.columns + ["previous", "key_id", "code"]
    package static let names = columns.joined(separator: ", ")

    /// The values of the columns.
    package var values: [StoredValue] {
        [StoredValue(sequence)] + entry.values + [.bytes(previous), StoredValue(keyID), .bytes(code)]
    }

    /// Reads a row of the columns. Throws `LedgerError` (`corrupt`) that names the row.
    package static func read(_ row: some StoredRow) throws -> AuditRow {
        try UnreadableRow.Table.audit.naming(export: "sealed", id: "\(row[0] as Int64)") {
            guard let sequence = row.auditSequence(0) else { throw JSONText.unreadable("sequence") }
            return AuditRow(
                sequence: sequence,
                entry: try AuditEntry.readColumns(row),
                previous: row[10],
                keyID: row[11],
                code: row[12]
            )
        }
    }
}

extension AuditHead {
    /// Of its row only what the next one needs, so that a row which cannot be read ends no chain.
    package static let names = "sequence, code, key_id, time"

    /// Reads a row of ``names``. Throws `LedgerError` (`corrupt`) that names the row.
    package static func read(_ row: some StoredRow) throws -> AuditHead {
        try UnreadableRow.Table.audit.naming(export: "sealed", id: "\(row[0] as Int64)") {
            guard let sequence = row.auditSequence(0) else { throw JSONText.unreadable("sequence") }
            return AuditHead(
                sequence: sequence,
                code: row[1],
                keyID: row[2],
                time: row.auditTime(3) ?? Timestamp(milliseconds: 0)
            )
        }
    }
}

extension AuditRows {
    /// Reads rows of `AuditRow.columns`. Those that cannot be read are left out, and told to `found`.
    package init<Row: StoredRow>(_ rows: some Sequence<Row>, limit: Int, found: (UnreadableRow) -> Void) throws {
        self.init(rows: [])
        var count = 0
        for row in rows {
            count += 1
            last = AuditPlace(time: row.time(2) ?? Timestamp(milliseconds: 0), sequence: row[0])
            do {
                self.rows.append(try AuditRow.read(row))
            } catch let error as LedgerError where error.row != nil {
                unreadable.append(row[0])
                if let row = error.row { found(row) }
            }
        }
        isFull = count >= limit
    }
}

extension AuditAnchor {
    package static let columns = ["number", "sequence", "code", "time", "newest", "key_id", "proof"]
    package static let names = columns.joined(separator: ", ")

    /// The values of the columns. There is one row.
    package var values: [StoredValue] {
        [
            StoredValue(Int64(1)), StoredValue(sequence), .bytes(code), StoredValue(time), StoredValue(newest),
            StoredValue(keyID), .bytes(proof),
        ]
    }

    /// Reads a row of the columns. Throws `LedgerError` (`corrupt`) that names the row.
    package static func read(_ row: some StoredRow) throws -> AuditAnchor {
        try UnreadableRow.Table.audit.naming(export: "anchor", id: nil) {
            guard let sequence = row.auditSequence(1) else { throw JSONText.unreadable("sequence") }
            guard let time = row.auditTime(3) else { throw JSONText.unreadable("time") }
            guard let newest = row.auditTime(4) else { throw JSONText.unreadable("newest") }
            return AuditAnchor(
                sequence: sequence,
                code: row[2],
                time: time,
                newest: newest,
                keyID: row[5],
                proof: row[6]
            )
        }
    }
}
