import ExportLedger
public import Exports
import Logging
import Spans

extension ExportEngine {
    public func record(_ delivery: Delivery) async {
        if delivery.outcome != .underWay { trace(delivery) }
        do {
            let isWritten =
                delivery.outcome == .underWay
                ? try await begin(delivery)
                : try await transitions.end(delivery, audit: audit) { self.life(of: $0) }
            if isWritten { return }
            reportUnrecorded(delivery, because: "there is no such export")
        } catch {
            reportUnrecorded(delivery, because: "\(error)")
        }
    }

    /// A delivery or a measurement that has ended, as a step of its export's life. It links to the request, whose trace has the calls
    /// that were made for it.
    private func trace(_ delivery: Delivery) {
        let name: SpanName = delivery.kind == .measurement ? .measure : .download
        guard let span = tracer.span(name, of: delivery.exportID, from: delivery.startedAt) else { return }
        if let request = GatewaySpan.current { span.link(request.trace) }
        span.set(.outcome, delivery.outcome.rawValue)
        span.set(.fileBytes, Int(delivery.fileBytes))
        span.set(.requestID, delivery.requestID)
        if delivery.outcome == .broken { span.fail(delivery.reason ?? delivery.outcome.rawValue) }
        span.end()
    }

    public func beginUse(_ delivery: Delivery) async -> Bool {
        do {
            return try await begin(delivery)
        } catch {
            reportUnrecorded(delivery, because: "\(error)")
            return false
        }
    }

    public func uses(
        of ticket: ExportID,
        export id: ExportID,
        limit: Int
    ) async throws(GatewayError) -> [Delivery] {
        try await asking { try await self.ledger.deliveries(of: id, ticket: ticket, limit: limit) }
    }

    public func needsCallerToken(for export: Export) -> Bool {
        worker(of: export)?.delegation.isNeeded ?? false
    }

    /// Stores that a delivery begins. False for an unknown export, and for a use of a ticket that is stored already.
    private func begin(_ delivery: Delivery) async throws -> Bool {
        let ledger = ledger
        // A new task, because that does not inherit the cancellation. It is awaited here.
        let write = Task { try await ledger.begin(delivery) }
        return try await write.value
    }

    /// Marks deliveries as broken that were under way when the process before this one ended, each with its entry of the audit
    /// trail. Must be called before anything is served. If the ledger fails, that is logged, and done at the next start.
    public func breakDeliveriesUnderWay() async {
        do {
            let count = try await ledger.breakDeliveriesUnderWay(
                at: time.now(),
                reason: Delivery.gatewayStopped,
                audit: audit?.broken
            )
            guard count > 0 else { return }
            logger.notice(
                "deliveries were broken off when the process before ended",
                metadata: ["count": "\(count)"]
            )
        } catch {
            logger.error("a ledger operation failed", metadata: ["error": "\(error)"])
        }
    }

    public func deliveries(
        of id: ExportID,
        for viewer: Viewer,
        requestID: String?,
        after: ExportID?,
        limit: Int
    ) async throws(GatewayError) -> DeliveryPage {
        if !viewer.seesAll { _ = try await knownExport(id, for: viewer) }
        let page = try await asking {
            try await self.ledger.deliveries(of: id, requestID: requestID, after: after, limit: limit)
        }
        guard let page else { throw try await absence(of: id, for: viewer) }
        return page
    }

    /// Logs a delivery that the ledger did not store, with everything that the row would have held.
    private func reportUnrecorded(_ delivery: Delivery, because error: String) {
        metrics.unrecordedDelivery(delivery.outcome)
        var metadata: Logger.Metadata = [
            "delivery": "\(delivery.id)",
            "export": "\(delivery.exportID)",
            "caller": "\(delivery.caller)",
            "request-id": "\(delivery.requestID)",
            "kind": "\(delivery.kind.rawValue)",
            "started-at": "\(delivery.startedAt)",
            "coding": "\(delivery.coding)",
            "bytes-sent": "\(delivery.bytesSent)",
            "file-bytes": "\(delivery.fileBytes)",
            "resumptions": "\(delivery.resumptions)",
            "outcome": "\(delivery.outcome.rawValue)",
            "error": "\(error)",
        ]
        metadata["ended-at"] = delivery.endedAt.map { "\($0)" }
        metadata["file"] = delivery.fileID.map { "\($0)" }
        metadata["range-first"] = delivery.rangeFirst.map { "\($0)" }
        metadata["range-last"] = delivery.rangeLast.map { "\($0)" }
        metadata["sha256"] = delivery.sha256.map { "\($0)" }
        metadata["reason"] = delivery.reason.map { "\($0)" }
        logger.error("a delivery could not be stored", metadata: metadata)
    }
}
