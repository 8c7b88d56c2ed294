import Exports
import HTTPFields

/// The parts of a request for the state of an export that its answer depends on.
struct StatusRequest: Sendable {
    var id: ExportID
    var document: ReadyAnswer.Document
    /// Whether only the head is answered.
    var isHead: Bool
    var viewer: Viewer
    var ifNoneMatch: String?
    /// How long it may wait for a change; nil where the request does not say so.
    var wait: Duration?
    var entry: RequestRecord.Entry
    /// Why it is refused: the caller has sent too many requests.
    var refusal: GatewayError?

    /// Whether the request waits for a newer state than `snapshot`, because the client already has this one.
    func waits(for snapshot: ExportSnapshot) -> Bool {
        guard let wait, wait > .zero, !snapshot.export.isFinal else { return false }
        return ifNoneMatch.map(EntityTag(of: snapshot.export).isNamed) ?? true
    }
}
