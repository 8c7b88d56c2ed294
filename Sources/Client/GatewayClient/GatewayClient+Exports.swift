public import JSON
import NIOHTTP1

extension GatewayClient {
    /// Creates an export. The same key and body give the same export, however often they are sent.
    ///
    /// - Parameters:
    ///   - body: As `POST /exports` takes it.
    ///   - idempotencyKey: 1 to 128 printable ASCII characters, without `"` and `\`. Keep it: with it, a create whose answer was
    ///     lost can be repeated later too.
    public func create(_ body: JSONValue, idempotencyKey: String) async throws -> GatewayExport {
        try await createVersion(body, idempotencyKey: idempotencyKey).export
    }

    /// Creates an export, and gives back the version of the answer, from which a wait may begin.
    public func createVersion(
        _ body: JSONValue,
        idempotencyKey: String
    ) async throws -> (export: GatewayExport, etag: String?) {
        var call = GatewayCall(method: .POST, path: ["exports"], headers: tokenFields, body: body.encodedBytes())
        call.headers.append(("idempotency-key", "\"\(idempotencyKey)\""))
        let answer = try await send(call)
        return (try answer.export(of: call.label), answer.etag)
    }

    /// An export as it is.
    public func export(_ id: String) async throws -> GatewayExport {
        let call = GatewayCall(path: ["exports", id], headers: tokenFields)
        return try await send(call).export(of: call.label)
    }

    /// Cancels an export; its `cancellation` says what became of the wish. One that has ended comes back unchanged.
    public func cancel(_ id: String) async throws -> GatewayExport {
        let call = GatewayCall(method: .DELETE, path: ["exports", id], headers: tokenFields)
        return try await send(call).export(of: call.label)
    }

    /// A page of exports, newest first. `filters` are the query parameters of `GET /exports`.
    public func exports(
        filters: [(name: String, value: String)] = [],
        limit: Int = 50,
        cursor: String? = nil
    ) async throws -> GatewayPage {
        try await page(["exports"], filters, limit, cursor)
    }

    /// A page of the deliveries of an export, oldest first; with `requestID`, those of one request alone.
    public func deliveries(
        of id: String,
        requestID: String? = nil,
        limit: Int = 50,
        cursor: String? = nil
    ) async throws -> GatewayPage {
        try await page(["exports", id, "deliveries"], requestID.map { [("requestId", $0)] } ?? [], limit, cursor)
    }

    /// Every provider that the gateway knows.
    public func providers() async throws -> GatewayPage { try await page(["providers"], [], nil, nil) }

    /// One provider, with the JSON Schema of its options.
    public func provider(_ id: String) async throws -> JSONValue {
        let call = GatewayCall(path: ["providers", id])
        return try await send(call).json(of: call.label)
    }

    private func page(
        _ path: [String],
        _ filters: [(name: String, value: String)],
        _ limit: Int?,
        _ cursor: String?
    ) async throws -> GatewayPage {
        var call = GatewayCall(path: path, query: filters)
        if let limit { call.query.append(("limit", String(limit))) }
        if let cursor { call.query.append(("cursor", cursor)) }
        guard let page = GatewayPage(try await send(call).json(of: call.label)) else {
            throw GatewayClientError.unexpectedAnswer(
                "The answer to \(call.label) is no list: is the address that of a gateway?"
            )
        }
        return page
    }
}
