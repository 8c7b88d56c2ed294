import Exports
import JSON
import NIOCore

/// A change, ready to be sent to any number of streams.
final class EventFrame: Sendable {
    let change: ExportChange
    /// The export after the change, or after a later one; nil where it was purged with the change.
    let snapshot: ExportSnapshot?
    /// The event `change`, or `purged`.
    let text: ByteBuffer
    private let tombstone: ExportTombstone?

    var position: Int64 { change.position }

    init(_ change: ExportChange, after export: Export) {
        self.change = change
        snapshot = ExportSnapshot(export)
        tombstone = nil
        text = EventText.event("change", at: change.position, Self.data(change, export))
    }

    /// Makes the frame of the change with which an export was purged.
    init(_ change: ExportChange, purging tombstone: ExportTombstone) {
        self.change = change
        snapshot = nil
        self.tombstone = tombstone
        text = EventText.event("purged", at: change.position, Self.data(change, tombstone))
    }

    /// The event without its id.
    var unplaced: ByteBuffer {
        if let export = snapshot?.export { return EventText.event("change", at: nil, Self.data(change, export)) }
        return tombstone.map { EventText.event("purged", at: nil, Self.data(change, $0)) } ?? ByteBuffer()
    }

    /// The state with which an export's stream ends, where this is its last change.
    var end: ExportSnapshot? {
        guard let snapshot, snapshot.export.revision == change.revision, snapshot.export.isOver else { return nil }
        return snapshot
    }

    /// `ExportChange` of `openapi.yaml`. Without links, so that all streams share it.
    private static func data(_ change: ExportChange, _ export: Export) -> [UInt8] {
        JSONWriter.object { writer in
            writer.member("id", change.exportID.description)
            writer.member("provider", export.provider.rawValue)
            writer.member("connection", export.connection)
            writer.member("name", export.name)
            writer.member("status", change.status.rawValue)
            writer.member("percentComplete", change.percentComplete.map { .integer(Int64(min(max($0, 0), 100))) })
            writer.member("createdAt", export.createdAt)
            writer.member("updatedAt", change.time)
            writer.member("createdBy", change.createdBy)
            writer.member("ended", change.isFinal ? .bool(true) : nil)
            writer.member("code", change.code?.rawValue)
        }
    }

    /// `ExportPurge` of `openapi.yaml`.
    private static func data(_ change: ExportChange, _ tombstone: ExportTombstone) -> [UInt8] {
        JSONWriter.object { writer in
            writer.member("id", change.exportID.description)
            writer.member("provider", tombstone.provider.rawValue)
            writer.member("connection", tombstone.connection)
            writer.member("status", tombstone.status.rawValue)
            writer.member("completedAt", tombstone.completedAt)
            writer.member("purgedAt", tombstone.purgedAt)
            writer.member("createdBy", tombstone.createdBy)
        }
    }
}
