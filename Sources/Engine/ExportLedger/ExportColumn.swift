import GRDB

/// What is stored of an export, column by column, in the order in which it is read: first what lists show.
enum ExportColumn: Int, Sendable, CaseIterable {
    case id, revision, provider, connection, name, status, percentComplete
    case createdAt, updatedAt, completedAt, expiresAt, observedAt, stale, createdBy
    case source, destination, cancellation, files, error, notice, upstream
    case phase, awaitsAuthorization, nextActionAt, scheduledAt
    case plan, reference, submittingSince, upstreamSubmittingSince, cancelWished
    case fence, leaseOwner, leaseEpoch
    case submissionAttempts, resubmissions, reconcileMisses, polls, failures, missingSince, startIsAccepted, decision
    case fileLagAttempts, cancelAttempts, observeBeforeCancel, cancelRefusal
    case acceptedSince, recoveringSince, trackingSince, unknownSince, readings, filesPendingSince, filesMissingSince
    case heldSeconds, heldSecondsSinceAnswer

    /// Whether it is what the create request said, and so in the table `export_request`. All others are in `export`.
    var isOfRequest: Bool { self == .source || self == .plan }

    /// As SQL has it: `percent_complete`.
    var name: String { Self.names[rawValue] }

    private static let names = allCases.map { column in
        "\(column)".reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
    }

    /// The columns of the table `export` but its key.
    static let ofExport = allCases.filter { !$0.isOfRequest }

    private static func list(_ columns: some Sequence<ExportColumn>) -> String {
        columns.map(\.name).joined(separator: ", ")
    }

    private static let all = list(allCases)
    private static let listed = list(allCases.prefix { $0 != .plan })

    // The join keeps an export whose request is gone: it is one that cannot be read, and not one that never was.
    private static let requests = "LEFT JOIN export_request USING (key)"

    /// Every column, for ``LedgerRecord/init(_:)``, by way of an index; a condition follows.
    static func select(by index: String) -> String { "SELECT \(all) FROM export INDEXED BY \(index) \(requests)" }

    static let selectOne = "SELECT \(all) FROM export \(requests) WHERE id = ?"
    /// What lists show of the exports whose ids a JSON array holds.
    static let selectListed = """
        SELECT \(listed) FROM (SELECT value AS wanted FROM json_each(?)) CROSS JOIN export ON id = wanted \(requests)
        """
    static let insertRequest = "INSERT INTO export_request (key, source, plan) VALUES (last_insert_rowid(), ?, ?)"
}

extension Row {
    /// The value of a column in a row of ``ExportColumn/selectOne`` and the like.
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
