import GRDB

/// The columns of a stored export, in the order in which they are read. The columns that lists need come first.
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

    /// Whether the column holds the create request, and so is in the table `export_request`. All others are in `export`.
    var isOfRequest: Bool { self == .source || self == .plan }

    /// The name in SQL, such as `percent_complete`.
    var name: String { Self.names[rawValue] }

    private static let names = allCases.map { column in
        "\(column)".reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
    }

    /// The columns of the table `export`, without its key.
    static let ofExport = allCases.filter { !$0.isOfRequest }

    private static func list(_ columns: some Sequence<ExportColumn>) -> String {
        columns.map(\.name).joined(separator: ", ")
    }

    private static let all = list(allCases)
    private static let listed = list(allCases.prefix { $0 != .plan })

    // A left join, so that an export whose request row is missing is reported as unreadable and not as unknown.
    private static let requests = "LEFT JOIN export_request USING (key)"

    /// Selects every column, for ``LedgerRecord/init(_:)``, with an index. A condition follows.
    static func select(by index: String) -> String { "SELECT \(all) FROM export INDEXED BY \(index) \(requests)" }

    static let selectOne = "SELECT \(all) FROM export \(requests) WHERE id = ?"
    /// Selects the columns that lists need, for the exports whose ids are in a JSON array.
    static let selectListed = """
        SELECT \(listed) FROM (SELECT value AS wanted FROM json_each(?)) CROSS JOIN export ON id = wanted \(requests)
        """
    static let insertRequest = "INSERT INTO export_request (key, source, plan) VALUES (last_insert_rowid(), ?, ?)"
}
