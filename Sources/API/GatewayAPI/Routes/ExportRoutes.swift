import CallerIdentity
import HTTPFields
import DownloadRelay
import Exports
import HTTPTypes
import Hummingbird
import Memory
import NIOCore

/// `/exports` and what is below it.
struct ExportRoutes: Sendable {
    let service: any ExportService
    let relay: DownloadRelay
    let cursor: Cursor
    let bodies: BodyReader
    let maxWait: Duration
    let memory: MemoryBudget

    /// `createExport`
    func create(_ call: Call) async throws -> Response {
        let fields = call.fields
        try Self.checkType(of: call)
        let key = try fields.idempotencyKey()
        let viewer = call.callers.creator(
            call.caller,
            token: try fields.upstreamAuthorization(),
            requestID: call.requestID,
            address: call.address
        )
        let draft = try Self.draft(await bodies.bytes(of: call), key, call.caller, service.providers)
        let creation = try await service.create(draft, for: viewer)
        return Self.accepted(creation, call.links, ReadyAnswers(service: service)).response
    }

    /// The export that a body asks for.
    static func draft(
        _ bytes: [UInt8],
        _ key: String?,
        _ caller: Caller,
        _ providers: [ConfiguredProvider]
    ) throws(GatewayError) -> ExportDraft {
        let body = try CreateBody(bytes, providers: providers)
        let provider = providers.first { $0.descriptor.id == body.provider }
        let connection = try provider.map { provider throws(GatewayError) in
            try caller.connection(body.connection, of: provider)
        }
        return ExportDraft(
            provider: body.provider,
            connection: connection ?? body.connection,
            name: body.name,
            options: body.options,
            idempotency: key.map { Idempotency(key: $0, fingerprint: body.fingerprint) }
        )
    }

    /// The answer about an export that was accepted, and its body.
    static func accepted(_ creation: Creation, _ links: Links, _ answers: ReadyAnswers) -> (
        response: Response, body: ByteBuffer
    ) {
        let export = creation.export
        var (response, body) = answer(about: export, links, answers, status: .accepted)
        response.headers[.location] = links.export(export.id)
        response.headers[.operationLocation] = links.operation(of: export.id)
        if creation.isReplay { response.headers[.idempotencyReplayed] = "true" }
        return (response, body)
    }

    /// `listExports`
    func list(_ call: Call) async throws -> Response {
        let query = try QueryParser(call.query, allowed: Self.filterParameters + ["limit", "cursor"])
        let filter = try Self.filter(query, service.providers)
        let limit = try query.integer("limit", in: 1...200) ?? 50
        let viewer = call.viewer
        let place = Cursor.List.exports(viewer.narrowed(filter))
        let before = try query["cursor"].map { text throws(GatewayError) in try cursor.open(text, in: place) }
        let page = try await service.exports(matching: filter, for: viewer, before: before, limit: limit)
        let next = page.next.map { cursor.seal($0, in: place) }
        let document = ExportDocument(links: call.links)
        return JSONAnswer.perCaller(document.bytes(ofPage: page, nextCursor: next))
    }

    /// The parameters that say which exports are meant.
    static let filterParameters = ["provider", "status", "connection", "createdAfter", "createdBefore"]

    /// Which exports a query means.
    static func filter(
        _ query: QueryParser,
        _ providers: [ConfiguredProvider]
    ) throws(GatewayError) -> ExportFilter {
        var filter = ExportFilter()
        filter.provider = try query.choice("provider", among: providers.map(\.descriptor.id.rawValue))
            .map { ProviderID($0) }
        filter.status = try query.choice("status", among: ExportStatus.allCases.map(\.rawValue))
            .flatMap { ExportStatus(rawValue: $0) }
        filter.connection = try query.string("connection", length: 1...64)
        filter.createdAfter = try query.timestamp("createdAfter")
        filter.createdBefore = try query.timestamp("createdBefore")
        return filter
    }

    /// `getExport`
    func get(_ call: Call) async throws -> Response {
        try await present(call, as: .export(base: call.links.base))
    }

    /// `getExportOperation`
    func operation(_ call: Call) async throws -> Response {
        try await present(call, as: .operation)
    }

    /// Answers with the export as it is now, or after a change; with 304 where the client already has it.
    private func present(_ call: Call, as document: ReadyAnswer.Document) async throws -> Response {
        let id = try call.exportID()
        let known = try call.fields.list(.ifNoneMatch, atMost: 1024)
        var wait = Preference.wait(in: try call.fields.list(.prefer, atMost: 256), most: maxWait)
        let (refresh, viewer) = (try call.fields.asksForRefresh(), try viewer(of: call))
        let answers = ReadyAnswers(service: service)
        var answer: ReadyAnswer
        var export: Export
        if !refresh, viewer.token == nil, let inMemory = answers.inMemory(id, for: viewer, as: document) {
            (answer, export) = inMemory
        } else {
            export = try await service.export(id, for: viewer, refresh: refresh)
            answer = answers.answer(export, as: document)
        }
        if let limit = wait, limit > .zero, !export.isFinal, known.map(answer.isNamed) ?? true {
            let waiting = ChangeWait(service: service, memory: memory)
            if let changed = try await waiting.changed(from: export, within: limit, for: call) {
                export = changed
            } else {
                wait = nil
            }
            // Many requests may have waited for this change, and share the answer in memory.
            if let inMemory = answers.inMemory(id, for: viewer, as: document), inMemory.1.revision >= export.revision {
                answer = inMemory.0
            } else {
                answer = answers.answer(export, as: document)
            }
        }
        var response: Response
        if let known, answer.isNamed(by: known) {
            response = Response(status: .notModified, headers: answer.fieldsOfUnchanged)
            response.headers[.contentLength] = nil
        } else {
            response = Response(status: .ok, headers: answer.fields, body: .init(byteBuffer: answer.body))
        }
        if let wait { response.headers[.preferenceApplied] = Preference.applied(wait: wait) }
        return response
    }

    /// `cancelExport`
    func cancel(_ call: Call) async throws -> Response {
        if try Self.asksForPurge(call) { return try await purge(call) }
        return answer(call, try await service.cancel(call.exportID(), for: viewer(of: call)))
    }

    /// Checks that the body is JSON without a content coding.
    static func checkType(of call: Call) throws(GatewayError) {
        guard MediaType.isJSON(contentType: try call.fields.single(.contentType)) else {
            throw GatewayError(.unsupportedMediaType, "The body must be application/json, in UTF-8.")
        }
        guard call.request.headers[.contentEncoding].map({ $0.lowercased() == "identity" }) ?? true else {
            throw GatewayError(.unsupportedMediaType, "The body must not be encoded: send no Content-Encoding.")
        }
    }

    /// `listExportFiles`
    func files(_ call: Call) async throws -> Response {
        let export = try await export(of: call, for: viewer(of: call), pollsForFiles: true)
        return JSONAnswer.perCaller(ExportDocument(links: call.links).bytes(ofFilesOf: export))
    }

    /// The viewer with the upstream tokens of its request.
    func viewer(of call: Call) throws(GatewayError) -> Viewer {
        call.viewer(
            token: try call.fields.upstreamAuthorization(),
            downloadToken: try call.fields.upstreamDownloadAuthorization()
        )
    }

    /// An export with the fields that every answer about one has.
    func answer(_ call: Call, _ export: Export) -> Response {
        Self.answer(about: export, call.links, ReadyAnswers(service: service), status: .ok).response
    }

    private static func answer(
        about export: Export,
        _ links: Links,
        _ answers: ReadyAnswers,
        status: HTTPResponse.Status
    ) -> (response: Response, body: ByteBuffer) {
        let body = ByteBuffer(bytes: ExportDocument(links: links).bytes(of: export))
        var response = JSONAnswer.perCaller(body, status: status, entityTag: EntityTag(of: export).field)
        if let retryAfter = answers.retryAfter(export) { response.headers[.retryAfter] = String(retryAfter) }
        return (response, body)
    }
}
