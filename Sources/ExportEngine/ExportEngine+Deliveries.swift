import ExportLedger
public import Exports
import Logging

extension ExportEngine {
    public func record(_ delivery: Delivery) async {
        do {
            if try await tools.keep(delivery, { self.life(of: $0) }) { return }
            reportUnrecorded(delivery, because: "there is no such export")
        } catch {
            reportUnrecorded(delivery, because: "\(error)")
        }
    }

    public func deliveries(
        of id: ExportID,
        owner: String? = nil,
        after: ExportID?,
        limit: Int
    ) async throws(GatewayError) -> DeliveryPage {
        if owner != nil { _ = try await knownRecord(id, owner: owner) }
        let page = try await asking { try await self.tools.ledger.deliveries(of: id, after: after, limit: limit) }
        guard let page else { throw GatewayError(.notFound, "There is no export with the id \(id).") }
        return page
    }

    /// The log takes what the ledger did not: everything that the row would have held.
    private func reportUnrecorded(_ delivery: Delivery, because error: String) {
        tools.metrics.unrecordedDelivery(delivery.outcome)
        var metadata: Logger.Metadata = [
            "delivery": "\(delivery.id)",
            "export": "\(delivery.exportID)",
            "caller": "\(delivery.caller)",
            "request-id": "\(delivery.requestID)",
            "started-at": "\(delivery.startedAt)",
            "ended-at": "\(delivery.endedAt)",
            "coding": "\(delivery.coding)",
            "bytes-sent": "\(delivery.bytesSent)",
            "file-bytes": "\(delivery.fileBytes)",
            "resumptions": "\(delivery.resumptions)",
            "outcome": "\(delivery.outcome.rawValue)",
            "error": "\(error)",
        ]
        metadata["file"] = delivery.fileID.map { "\($0)" }
        metadata["range-first"] = delivery.rangeFirst.map { "\($0)" }
        metadata["range-last"] = delivery.rangeLast.map { "\($0)" }
        metadata["sha256"] = delivery.sha256.map { "\($0)" }
        metadata["reason"] = delivery.reason.map { "\($0)" }
        tools.logger.error("a delivery could not be written down", metadata: metadata)
    }
}
