import Exports

/// The indexes for lists. Together they answer every combination of filters, by ranges of ids that contain only matches.
///
/// Each index begins with columns that a filter can fix, and ends with the id. The values of columns that a filter leaves open
/// are enumerated, with one lookup in the index for each value that occurs. There are eight statuses, a few providers, and
/// hardly ever more than one provider for a connection. Connections and callers may be many, and are never enumerated.
package enum ListIndex: String, CaseIterable {
    case id = "export_by_id"
    case provider = "export_by_provider_status"
    case connection = "export_by_connection_provider_status"
    case creator = "export_by_creator_provider_status"
    case creatorAndConnection = "export_by_creator_connection_provider_status"

    /// The columns before the id.
    package var columns: [ExportColumn] {
        switch self {
        case .id: []
        case .provider: [.provider, .status]
        case .connection: [.connection, .provider, .status]
        case .creator: [.createdBy, .provider, .status]
        case .creatorAndConnection: [.createdBy, .connection, .provider, .status]
        }
    }

    /// The index for a filter that fixes these columns.
    package init(fixing columns: Set<ExportColumn>) {
        switch (columns.contains(.createdBy), columns.contains(.connection)) {
        case (true, true): self = .creatorAndConnection
        case (true, false): self = .creator
        case (false, true): self = .connection
        case (false, false): self = columns.isEmpty ? .id : .provider
        }
    }

    /// An export of a list.
    package struct Place: Sendable, Hashable {
        package var id: String
        package var revision: Int64

        /// Names a place.
        package init(id: String, revision: Int64) { (self.id, self.revision) = (id, revision) }
    }
}

extension ExportFilter {
    /// The columns that the filter fixes.
    package var fixedColumns: [ExportColumn: String] {
        var fixed: [ExportColumn: String] = [:]
        fixed[.provider] = provider?.rawValue
        fixed[.connection] = connection
        fixed[.createdBy] = createdBy
        fixed[.status] = status?.rawValue
        return fixed
    }

    /// The ids of all matches are this text or sort after it.
    package var leastID: String { createdAfter.map(Self.leastID) ?? "" }

    /// The ids of all matches that are older than `before` sort before this text.
    package func endID(before: ExportID?) -> String {
        // `g` sorts after every id, because ids begin with a hexadecimal digit.
        min(before?.description ?? "g", createdBefore.map(Self.leastID) ?? "g")
    }

    /// The beginning of all ids that were made at `time`: it sorts before them, and after all older ids.
    private static func leastID(at time: Timestamp) -> String {
        let digits = String(UInt64(max(0, time.milliseconds)) & 0xFFFF_FFFF_FFFF, radix: 16)
        let padded = String(repeating: "0", count: 12 - digits.count) + digits
        return padded.prefix(8) + "-" + padded.suffix(4)
    }
}
