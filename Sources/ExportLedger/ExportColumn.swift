import GRDB

/// The columns of the table `export`, in the order in which they are read and written.
enum ExportColumn: Int, Sendable, CaseIterable {
    case id, provider, connection, name, status, percentComplete
    case createdAt, updatedAt, completedAt, expiresAt, observedAt, stale, createdBy
    case source, files, destination, cancellation, error, notice, upstream, revision
    case plan, phase, reference, nextActionAt, scheduledAt, submittingSince, upstreamSubmittingSince, cancelWished
    case fence, leaseOwner
    case submissionAttempts, resubmissions, reconcileMisses, polls, failures, missingSince, startIsAccepted, decision
    case fileLagAttempts, cancelAttempts, observeBeforeCancel, cancelRefusal, awaitsAuthorization
    case acceptedSince, recoveringSince, trackingSince, unknownSince, readings, filesPendingSince, filesMissingSince

    /// As SQL has it: `percent_complete`.
    var name: String { Self.names[rawValue] }

    private static let names = allCases.map { column in
        "\(column)".reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
    }

    private static let list = allCases.map(\.name).joined(separator: ", ")
    /// Every column of the table's rows, for ``LedgerRecord/init(_:)``; a condition follows.
    static let select = "SELECT \(list) FROM export"
    static let selectOne = select + " WHERE id = ?"
    static let insert = "INSERT INTO export (\(list)) VALUES (\(allCases.map { _ in "?" }.joined(separator: ", ")))"
}

extension Row {
    /// The value of a column in a row of ``ExportColumn/select``.
    subscript<Value: DatabaseValueConvertible & StatementColumnConvertible>(_ column: ExportColumn) -> Value {
        self[column.rawValue]
    }
}

extension Statement {
    /// Reads the first row, where there is one, out of SQLite's own memory.
    func first<Value>(_ arguments: StatementArguments, _ read: (Row) throws -> Value) throws -> Value? {
        let rows = try Row.fetchCursor(self, arguments: arguments)
        // The row ends with the cursor.
        return try withExtendedLifetime(rows) { try rows.next().map(read) }
    }
}
