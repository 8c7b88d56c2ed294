/// The columns of a stored export, in the order in which they are read. The columns that lists need come first.
package enum ExportColumn: Int, Sendable, CaseIterable {
    case id, revision, provider, connection, name, status, percentComplete
    case createdAt, updatedAt, completedAt, expiresAt, observedAt, stale, createdBy, retainedAt
    case source, destination, cancellation, files, error, notice, upstream
    case phase, awaitsAuthorization, nextActionAt, scheduledAt
    case plan, reference, submittingSince, upstreamSubmittingSince, cancelWished
    case fence, leaseOwner, leaseEpoch
    case submissionAttempts, resubmissions, reconcileMisses, polls, failures, missingSince, startIsAccepted, decision
    case fileLagAttempts, cancelAttempts, observeBeforeCancel, cancelRefusal
    case acceptedSince, recoveringSince, trackingSince, unknownSince, readings, filesPendingSince, filesMissingSince
    case heldSeconds, heldSecondsSinceAnswer

    /// Whether the column holds the create request, and so is in the table `export_request`. All others are in `export`.
    package var isOfRequest: Bool { self == .source || self == .plan }

    /// The name in SQL, such as `percent_complete`.
    package var name: String { Self.names[rawValue] }

    private static let names = allCases.map { column in
        "\(column)".reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
    }

    /// The columns of the table `export`, without its key.
    package static let ofExport = allCases.filter { !$0.isOfRequest }

    private static func list(_ columns: some Sequence<ExportColumn>) -> String {
        columns.map(\.name).joined(separator: ", ")
    }

    /// The names of all columns, for ``LedgerRecord/init(_:)``.
    package static let all = list(allCases)
    /// The names of the columns that lists need.
    package static let listed = list(allCases.prefix { $0 != .plan })
}
