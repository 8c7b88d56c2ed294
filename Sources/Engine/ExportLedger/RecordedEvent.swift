public import Exports

/// One entry in the order of changes.
public enum RecordedEvent: Sendable, Hashable {
    case change(ExportChange)
    /// The entry cannot be read. A client that follows exports must be told that a change is missing.
    case unreadable(position: Int64)

    public var position: Int64 {
        switch self {
        case .change(let change): change.position
        case .unreadable(let position): position
        }
    }
}
