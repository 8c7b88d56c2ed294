import Audit
import Exports
import HTTPFields
import HTTPTypes
import Hummingbird
import JSON

/// `/audit`: what was done with the gateway.
struct AuditRoutes: Sendable {
    /// Nil where no audit trail is kept.
    let service: (any AuditService)?
    let cursor: Cursor

    /// The most rows of an answer, by its form.
    private static let (mostInPage, mostInPiece) = (200, 1_000)

    /// `listAuditRows`
    func list(_ call: Call) async throws -> Response {
        guard let service else { throw Self.isOff }
        let lines = call.request.headers[values: .accept]
        let accept = lines.isEmpty ? nil : lines.joined(separator: ", ")
        let query = try QueryParser(
            call.query,
            allowed: ["action", "caller", "exportId", "from", "to", "limit", "cursor"]
        )
        let filter = try Self.filter(query)
        if MediaType.lines.isNamed(by: accept) { return try await piece(service, filter, query) }
        guard MediaType.json.isAccepted(by: accept) else {
            throw GatewayError(
                .notAcceptable,
                "This resource is application/json or application/x-ndjson; Accept leaves both out."
            )
        }
        return try await page(service, filter, query)
    }

    private func page(
        _ service: any AuditService,
        _ filter: AuditFilter,
        _ query: QueryParser
    ) async throws -> Response {
        let limit = try query.integer("limit", in: 1...Self.mostInPage) ?? 50
        let list = Cursor.List.audit(filter, isByTime: true)
        let place = try query["cursor"].map { text throws(GatewayError) in try cursor.openPlace(text, in: list) }
        let page = try await service.rows(matching: filter, before: place, limit: limit)
        let next = page.next.map { cursor.seal($0, in: list) }
        return Self.varying(
            JSONAnswer.perCaller(
                JSONWriter.object { writer in
                    writer.name("value")
                    writer.array(page.rows) { writer, row in writer.object { row.write(to: &$0) } }
                    writer.member("nextCursor", next)
                    writer.member("unreadable", page.unreadable > 0 ? .integer(Int64(page.unreadable)) : nil)
                }
            )
        )
    }

    /// Lines in the order of the chain, with a link to those that follow.
    private func piece(
        _ service: any AuditService,
        _ filter: AuditFilter,
        _ query: QueryParser
    ) async throws -> Response {
        let limit = try query.integer("limit", in: 1...Self.mostInPiece) ?? Self.mostInPiece
        let list = Cursor.List.audit(filter, isByTime: false)
        let after = try query["cursor"].map { text throws(GatewayError) in try cursor.openNumber(text, in: list) }
        let piece = try await service.piece(after: after ?? 0, matching: filter, limit: limit)
        var response = Self.varying(
            JSONAnswer.perCaller(piece.lines.flatMap { $0 + [UInt8(ascii: "\n")] })
        )
        response.headers[.contentType] = MediaType.lines.rawValue
        if let next = piece.next {
            let parameters =
                Self.parameters(filter) + [("limit", String(limit)), ("cursor", cursor.seal(next, in: list))]
            let text = parameters.map { "\($0)=\(PercentEncoding.encode($1))" }.joined(separator: "&")
            // Relative to the request itself, wherever a proxy serves it (RFC 3986, 4.2).
            response.headers[.link] = "<?\(text)>; rel=\"next\""
        }
        return response
    }

    private static func varying(_ answer: Response) -> Response {
        var answer = answer
        answer.headers[.vary] = "Accept, Authorization"
        return answer
    }

    private static func filter(_ query: QueryParser) throws(GatewayError) -> AuditFilter {
        var filter = AuditFilter()
        filter.action = try query.choice("action", among: AuditAction.allCases.map(\.rawValue))
            .flatMap { AuditAction(rawValue: $0) }
        filter.caller = try query.string("caller", length: 1...AuditEntry.longestText)
        if let text = query["exportId"] {
            guard let id = ExportID(text) else { throw .invalidParameter("exportId", "must be the id of an export") }
            filter.exportID = id
        }
        filter.from = try query.timestamp("from")
        filter.to = try query.timestamp("to")
        return filter
    }

    private static func parameters(_ filter: AuditFilter) -> [(String, String)] {
        [
            ("action", filter.action?.rawValue), ("caller", filter.caller),
            ("exportId", filter.exportID?.description), ("from", filter.from?.description),
            ("to", filter.to?.description),
        ]
        .compactMap { name, value in value.map { (name, $0) } }
    }

    private static let isOff = GatewayError(
        .notFound,
        "This gateway keeps no audit trail: audit.key is not configured."
    )
}

extension HTTPField.Name {
    fileprivate static let link = Self("Link")!
}
