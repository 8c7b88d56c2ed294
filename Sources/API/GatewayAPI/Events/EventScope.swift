import Exports

/// What a stream is about.
enum EventScope: Sendable, Hashable {
    /// One export, which its viewer may see.
    case export(ExportID)
    /// The exports that a filter takes, narrowed to those that the viewer may see.
    case exports(ExportFilter)

    /// Whether the stream tells of a change. What a change does not say is looked up in `export`, in any of its states: its
    /// provider and its connection never change.
    func takes(_ change: ExportChange, of export: Export) -> Bool {
        takes(change, export.provider, export.connection)
    }

    /// The same for an export that was purged.
    func takes(_ change: ExportChange, of tombstone: ExportTombstone) -> Bool {
        takes(change, tombstone.provider, tombstone.connection)
    }

    private func takes(_ change: ExportChange, _ provider: ProviderID, _ connection: String) -> Bool {
        switch self {
        case .export(let id): id == change.exportID
        case .exports(let filter): mayTake(change) && filter.takes(provider, connection)
        }
    }

    /// Whether the stream may tell of a change, as far as the change alone says it.
    func mayTake(_ change: ExportChange) -> Bool {
        switch self {
        case .export(let id): return id == change.exportID
        case .exports(let filter):
            if let owner = filter.createdBy, owner != change.createdBy { return false }
            if let status = filter.status, status != change.status { return false }
            let created = change.exportID.createdAt
            if let after = filter.createdAfter, created < after { return false }
            if let end = filter.createdBefore, created >= end { return false }
            return true
        }
    }
}

extension ExportFilter {
    /// Whether it takes the provider and the connection of an export.
    fileprivate func takes(_ provider: ProviderID, _ connection: String) -> Bool {
        (self.provider ?? provider) == provider && (self.connection ?? connection) == connection
    }
}

extension Export {
    /// Whether nothing more is told of it: it has ended, and its files are known, or never will be.
    var isOver: Bool { isFinal && tracking == nil }
}
