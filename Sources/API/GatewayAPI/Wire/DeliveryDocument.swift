import Exports
import JSON

/// A page of deliveries as JSON: the schemas `Delivery` and `DeliveryList` of `openapi.yaml`.
enum DeliveryDocument {
    /// The text of a page.
    static func bytes(ofPage page: DeliveryPage, nextCursor: String?) -> [UInt8] {
        JSONWriter.object { writer in
            writer.name("value")
            writer.array(page.deliveries) { writer, delivery in writer.object { write(delivery, to: &$0) } }
            writer.member("nextCursor", nextCursor)
            writer.member("unreadable", page.unreadable > 0 ? .integer(Int64(page.unreadable)) : nil)
        }
    }

    private static func write(_ delivery: Delivery, to writer: inout JSONWriter) {
        writer.member("id", delivery.id.description)
        writer.member("kind", delivery.kind.rawValue)
        writer.member("fileId", delivery.fileID)
        writer.member("caller", delivery.caller)
        writer.member("requestId", delivery.requestID)
        writer.member("startedAt", delivery.startedAt)
        writer.member("endedAt", delivery.endedAt)
        writer.member("coding", delivery.coding)
        writer.member("rangeFirst", delivery.rangeFirst.map(JSONValue.integer))
        writer.member("rangeLast", delivery.rangeLast.map(JSONValue.integer))
        writer.member("bytesSent", .integer(delivery.bytesSent))
        writer.member("fileBytes", .integer(delivery.fileBytes))
        writer.member("sha256", delivery.sha256)
        writer.member("resumptions", .integer(Int64(delivery.resumptions)))
        writer.member("outcome", delivery.outcome.rawValue)
        writer.member("reason", delivery.reason)
        writer.member("ticketId", delivery.ticket?.ticket.description)
    }
}
