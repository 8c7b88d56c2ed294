import CallerIdentity
import Exports
import Hummingbird

extension ExportRoutes {
    /// `listExportDeliveries`
    func deliveries(_ call: Call) async throws -> Response {
        let id = try call.exportID()
        let query = try QueryParser(call.query, allowed: ["requestId", "limit", "cursor"])
        let requestID = try query["requestId"]
            .map { text throws(GatewayError) in
                guard RequestID.isValid(text) else {
                    throw .invalidParameter(
                        "requestId",
                        "must be an X-Request-Id of ours: 1 to 64 letters, digits, dots, underscores or dashes"
                    )
                }
                return text
            }
        let limit = try query.integer("limit", in: 1...200) ?? 50
        let place = Cursor.List.deliveries(of: id, requestID: requestID)
        let after = try query["cursor"].map { text throws(GatewayError) in try cursor.open(text, in: place) }
        let page = try await service.deliveries(
            of: id,
            for: call.viewer,
            requestID: requestID,
            after: after,
            limit: limit
        )
        let next = page.next.map { cursor.seal($0, in: place) }
        return JSONAnswer.perCaller(DeliveryDocument.bytes(ofPage: page, nextCursor: next))
    }
}
