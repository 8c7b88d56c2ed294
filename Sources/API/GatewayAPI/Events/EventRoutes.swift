import CallerIdentity
import Exports
import HTTPTypes
import Hummingbird

/// The streams of events: `/exports/events` and `/exports/{id}/events`.
struct EventRoutes: Sendable {
    let hub: EventHub
    let callers: CurrentCallers
    let cursor: Cursor
    let random: Randomness

    private var service: any ExportService { hub.service }
    private var settings: EventSettings { hub.settings }

    /// `streamExportEvents`
    func ofExport(_ call: Call) async throws -> Response {
        let (id, lastID) = (try call.exportID(), try lastID(of: call))
        // Before the range of changes is read: where the export is over, that has its last change.
        let export =
            lastID == nil
            ? try await service.export(id, for: call.viewer, refresh: false)
            : try await service.presentExport(id, for: call.viewer)
        return try await answer(call, .export(id), after: lastID, isOver: export.isOver, limit: 1)
    }

    /// `streamEvents`
    func ofExports(_ call: Call) async throws -> Response {
        let query = try QueryParser(call.query, allowed: ExportRoutes.filterParameters + ["limit"])
        let filter = try ExportRoutes.filter(query, service.providers)
        let limit = try query.integer("limit", in: 1...200) ?? 50
        let scope = EventScope.exports(call.viewer.narrowed(filter))
        return try await answer(call, scope, after: try lastID(of: call), isOver: false, limit: limit)
    }

    /// The position that the client has.
    private func lastID(of call: Call) throws(GatewayError) -> Int64? {
        guard let text = try call.fields.single(.lastEventID) else { return nil }
        return try EventText.position(lastEventID: text)
    }

    /// - Parameter isOver: Whether nothing will be told beyond what there is in the ledger.
    private func answer(
        _ call: Call,
        _ scope: EventScope,
        after lastID: Int64?,
        isOver: Bool,
        limit: Int
    ) async throws -> Response {
        guard call.request.method != .head else { return Response(status: .ok, headers: Self.fields) }
        let channel = call.channel
        let place = try hub.place(for: call.caller.id, by: call.callers.limiter)
        let stream = EventStream(scope, limit: settings.pendingBytes)
        let opening = EventOpening(
            service: service,
            viewer: call.viewer,
            scope: scope,
            links: call.links,
            cursor: cursor,
            limit: limit
        )
        let range = try await service.changeRange()
        let begun = place.add(stream, last: range.last)
        guard let beginning = try await beginning(after: lastID, isOver: isOver, opening, range, begun: begun) else {
            return Response(status: .noContent, headers: [.cacheControl: "no-store"])
        }
        if settings.longestStream <= .zero { stream.end(.lifetime) }
        var credentials = HTTPFields()
        credentials[values: .authorization] = call.request.headers[values: .authorization]
        let body = EventBody(
            stream,
            in: place,
            opening: opening,
            beginning: beginning,
            caller: EventCaller(
                callers: callers,
                credentials: credentials,
                channel: channel,
                caller: call.caller
            ),
            // Streams that end together do not come back together.
            retry: settings.retry * (1 + random.jitter()),
            replayLimit: settings.replayLimit,
            metrics: hub.metrics
        )
        return Response(
            status: .ok,
            headers: Self.fields,
            body: ResponseBody { writer in try await body.write(to: &writer, on: channel) }
        )
    }

    /// How a stream begins; nil where the client has everything that there will be.
    private func beginning(
        after lastID: Int64?,
        isOver: Bool,
        _ opening: EventOpening,
        _ range: ChangeRange,
        begun: Int64
    ) async throws(GatewayError) -> EventBody.Beginning? {
        let through = max(range.last, begun)
        if let lastID, range.hasAll(after: lastID), through - lastID <= Int64(settings.replayLimit) {
            if isOver, try await !opening.hasChanges(after: lastID, through: through) { return nil }
            return EventBody.Beginning(nil, through: through, missedSince: lastID)
        }
        return EventBody.Beginning(try await opening.snapshot(last: range.last, begun: begun))
    }

    private static let fields: HTTPFields = [
        .contentType: MediaType.events.rawValue, .cacheControl: "no-store",
        // nginx passes the events on as they come.
        .xAccelBuffering: "no",
    ]
}

extension HTTPField.Name {
    static let lastEventID = HTTPField.Name("Last-Event-ID")!
    static let xAccelBuffering = HTTPField.Name("X-Accel-Buffering")!
}
