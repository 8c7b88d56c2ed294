import Exports
import JSON
import NIOCore

/// A change, ready to be sent to any number of streams.
final class EventFrame: Sendable {
    let change: ExportChange
    /// The export after the change, or after a later one.
    let snapshot: ExportSnapshot
    /// The event `change`.
    let text: ByteBuffer

    var position: Int64 { change.position }

    init(_ change: ExportChange, after export: Export) {
        self.change = change
        snapshot = ExportSnapshot(export)
        text = EventText.event("change", at: change.position, Self.data(change, export))
    }

    /// The event without its id.
    var unplaced: ByteBuffer { EventText.event("change", at: nil, Self.data(change, snapshot.export)) }

    /// Whether this is the last change of an export's stream.
    var endsTheExport: Bool { snapshot.export.revision == change.revision && snapshot.export.isOver }

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
}
