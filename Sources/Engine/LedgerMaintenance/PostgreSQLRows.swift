import JSON
import PostgreSQL
import PostgreSQLLedger

// Exports and their requests have the same key, the export's id. Beside the columns that are copied, `export` has the id of the job in
// `reference`, and some tables have the replica that wrote the row, which stays empty.
extension LedgerTable {
    /// Rows are read in pages of this size, because a result is in memory as a whole.
    private static let page = 1000

    private var relationInPostgreSQL: String {
        self == .records ? "export LEFT JOIN export_request USING (id)" : name
    }

    func count(_ connection: PostgreSQLConnection) throws -> Int64 {
        try connection.query(SQLQuery(SQLStatement("SELECT count(*) FROM \(name)")))[0].integer(0) ?? 0
    }

    /// Replaces the batch by the rows after a key.
    func read(_ connection: PostgreSQLConnection, after key: RowKey?, into batch: inout RowBatch) throws {
        batch.removeAll()
        var last = key
        while !batch.isFull {
            let rows = try connection.query(SQLQuery(selectPage(isAfterKey: last != nil), last?.parameters ?? []))
            for row in rows where !batch.isFull { batch.append(row, of: self) }
            guard rows.count == Self.page else { return }
            last = batch.lastKey(in: self)
        }
    }

    private func selectPage(isAfterKey: Bool) -> SQLStatement {
        let marks = (1...keyLength).map { "$\($0)" }.joined(separator: ", ")
        let place = " WHERE (\(list(key))) > (\(marks))"
        return SQLStatement(
            "SELECT \(list(columns)) FROM \(relationInPostgreSQL)\(isAfterKey ? place : "") ORDER BY \(list(key)) LIMIT \(Self.page)"
        )
    }

    var selectLastInPostgreSQL: String {
        let order = key.map { "\($0.name) DESC" }.joined(separator: ", ")
        return "SELECT \(list(columns)) FROM \(name) ORDER BY \(order) LIMIT 1"
    }

    var copyToPostgreSQL: String {
        let derived = self == .exports ? ", reference_id" : ""
        return "COPY \(name) (\(list(columns))\(derived)) FROM STDIN (FORMAT binary)"
    }

    /// The rows of a batch as `COPY` takes them.
    func binaryCopy(of batch: RowBatch) throws -> [UInt8] {
        var bytes: [UInt8] = Array("PGCOPY\n\u{FF}\r\n\0".unicodeScalars.map { UInt8($0.value) })
        // No flags, and no extension of the header.
        bytes += [0, 0, 0, 0, 0, 0, 0, 0]
        bytes.reserveCapacity(bytes.count + batch.byteCount + 64 * batch.count)
        if self == .exports {
            let reference = columns.firstIndex { $0.name == "reference" }
            for row in 0..<batch.count { Self.append(row, of: batch, reference: reference ?? 0, to: &bytes) }
        } else {
            batch.withBytes { bytes.append(contentsOf: $0) }
        }
        // The end.
        return bytes + [0xFF, 0xFF]
    }

    /// Appends a row with one more value: the job's id in the reference, if that can be read.
    private static func append(_ row: Int, of batch: RowBatch, reference: Int, to bytes: inout [UInt8]) {
        batch.withRow(row) { row in
            let count = UInt16(bigEndian: row.loadUnaligned(as: UInt16.self)) + 1
            withUnsafeBytes(of: count.bigEndian) { bytes.append(contentsOf: $0) }
            bytes.append(contentsOf: row.dropFirst(2))
        }
        var id: String?
        batch.forEachValue(of: row) { column, value in
            guard column == reference, let value else { return }
            let text = String(decoding: value, as: UTF8.self)
            id = (try? JSONParser.parse(text, .strict(maxDepth: 128)))?.object?["id"]?.string
        }
        let length = id.map { UInt32($0.utf8.count) } ?? .max
        withUnsafeBytes(of: length.bigEndian) { bytes.append(contentsOf: $0) }
        if let id { bytes.append(contentsOf: id.utf8) }
    }
}

extension LastNumbers {
    /// Reads them. Deleted rows do not change them.
    init(_ connection: PostgreSQLConnection) throws {
        let row =
            try
            connection.query(
                """
                SELECT export_event_last.sequence, CASE WHEN numbers.is_called THEN numbers.last_value ELSE 0 END,
                        CASE WHEN entries.is_called THEN entries.last_value ELSE 0 END
                    FROM export_event_last CROSS JOIN webhook_message_number_seq AS numbers
                        CROSS JOIN audit_pending_number_seq AS entries
                """
            )[0]
        self.init(change: row.integer(0) ?? 0, message: row.integer(1) ?? 0, entry: row.integer(2) ?? 0)
    }

    func set(_ connection: PostgreSQLConnection) throws {
        try connection.query(SQLQuery("UPDATE export_event_last SET sequence = $1", [.integer(change)]))
        // A sequence has no value 0: it has given out none then.
        try connection.query(
            SQLQuery(
                "SELECT setval('webhook_message_number_seq', greatest($1, 1), $1 > 0)",
                [.integer(message)]
            )
        )
        try connection.query(
            SQLQuery("SELECT setval('audit_pending_number_seq', greatest($1, 1), $1 > 0)", [.integer(entry)])
        )
    }
}

extension RowBatch {
    /// Appends a row that has the columns of the table.
    mutating func append(_ row: SQLRow, of table: LedgerTable) {
        beginRow(columns: table.columns.count)
        for (index, column) in table.columns.enumerated() {
            switch column.kind {
            case .integer: row.integer(index).map { append(integer: $0) } ?? appendNull()
            case .text:
                let isPresent: Void? = row.withUTF8(index) { append(value: $0) }
                if isPresent == nil { appendNull() }
            case .bytes:
                guard let bytes = row.bytes(index) else {
                    appendNull()
                    continue
                }
                bytes.withUnsafeBytes { append(value: $0) }
            }
        }
    }

    /// The key of the first row with a text that PostgreSQL cannot store.
    func firstUnstorableText(in table: LedgerTable) -> RowKey? {
        (0..<count)
            .first { row in
                var isFound = false
                forEachValue(of: row) { column, value in
                    guard table.columns[column].kind == .text, let value else { return }
                    if value.contains(0) || String(validating: value, as: UTF8.self) == nil { isFound = true }
                }
                return isFound
            }
            .map { key(of: $0, in: table) }
    }
}

extension RowKey {
    fileprivate var parameters: [SQLValue] {
        values.map { value in
            switch value {
            case .integer(let number): .integer(number)
            case .text(let text): .text(text)
            }
        }
    }
}
