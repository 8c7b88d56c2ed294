import CallerIdentity
import DownloadRelay
import Exports
import HTTPTypes
import Hummingbird
import NIOCore

/// The types of downloads.
enum OctetStream {
    /// Whether an answer is a file, or an archive of files.
    static func isTypeOf(_ response: Response) -> Bool {
        [.ok, .partialContent].contains(response.status)
            && ["application/octet-stream", MediaType.zip.rawValue].contains(response.headers[.contentType])
    }
}

extension ExportRoutes {
    /// `downloadExportFile` and `headExportFile`
    func file(_ call: Call, _ method: DownloadRequest.Method) async throws -> Response {
        let viewer = try viewer(of: call)
        let export = try await export(of: call, for: viewer, pollsForFiles: method == .get)
        let file = try export.downloadableFile(call.parameters["fileId"] ?? "")
        return try await download(file, of: export, call, method, viewer)
    }

    /// `downloadExportContent` and `headExportContent`
    func content(_ call: Call, _ method: DownloadRequest.Method) async throws -> Response {
        let viewer = try viewer(of: call)
        let export = try await export(of: call, for: viewer, pollsForFiles: method == .get)
        let files = try export.downloadableFiles()
        if try ContentForm(accept: call.fields.list(.accept, atMost: 1024), files: files) == .archive {
            return try await archive(of: export, call, method, viewer)
        }
        guard files.count == 1 else {
            throw GatewayError(
                .severalFiles,
                "The export has \(files.count) files; download them one by one by the href of each in files, or "
                    + "all as one archive: ask for this resource with \"Accept: application/zip\".",
                members: .files(files.map { FileChoice($0, href: call.links.file($0.id, of: export.id)) })
            )
        }
        var response = try await download(files[0], of: export, call, method, viewer)
        // At this address, unlike at the file's own, the answer depends on Accept too.
        response.headers[.vary] = "Accept, Accept-Encoding"
        return response
    }

    /// The export; with `pollsForFiles`, a success whose files the upstream did not list is polled.
    func export(
        of call: Call,
        for viewer: Viewer,
        pollsForFiles: Bool
    ) async throws(GatewayError) -> Export {
        let id = try call.exportID()
        let known = try await service.export(id, for: viewer, refresh: false)
        guard pollsForFiles, known.downloadReadiness == .filesPending else { return known }
        return try await service.export(id, for: viewer, refresh: true)
    }

    /// The answer to a request for a file, with a credential or as the use of a ticket.
    func download(
        _ file: ExportFile,
        of export: Export,
        _ call: Call,
        _ method: DownloadRequest.Method,
        _ viewer: Viewer,
        as use: TicketUse? = nil,
        among uses: LiveUses? = nil
    ) async throws -> Response {
        let service = service
        var request = try Self.request(call, method)
        // Without the length it cannot be told when ranges have used a ticket up.
        if use != nil, file.size == nil { request.range = nil }
        let answer = try await relay.response(
            to: request,
            for: file,
            of: export,
            to: recipient(call, use, among: uses)
        ) { range async throws(GatewayError) in
            try await service.open(file.id, of: export.id, for: viewer, range: range)
        }
        return Self.response(answer, on: call.channel)
    }

    private func archive(
        of export: Export,
        _ call: Call,
        _ method: DownloadRequest.Method,
        _ viewer: Viewer
    ) async throws -> Response {
        let service = service
        let answer = try await relay.archive(
            to: Self.request(call, method),
            of: export,
            to: recipient(call)
        ) { file, range async throws(GatewayError) in
            try await service.open(file.id, of: export.id, for: viewer, range: range)
        }
        return Self.response(answer, on: call.channel)
    }

    private static func request(
        _ call: Call,
        _ method: DownloadRequest.Method
    ) throws(GatewayError) -> DownloadRequest {
        DownloadRequest(
            method: method,
            acceptEncoding: try call.fields.list(.acceptEncoding, atMost: 256),
            ifMatch: try call.fields.list(.ifMatch, atMost: 1024),
            ifNoneMatch: try call.fields.list(.ifNoneMatch, atMost: 1024),
            range: try call.fields.list(.range, atMost: 256),
            ifRange: try call.fields.list(.ifRange, atMost: 512),
            te: try call.fields.list(.te, atMost: 256),
            cacheControl: try call.fields.list(.cacheControl, atMost: 256)
        )
    }

    private func recipient(_ call: Call, _ use: TicketUse? = nil, among uses: LiveUses? = nil) -> Recipient {
        let (service, limiter) = (service, call.callers.limiter)
        let (caller, address) = (call.caller.id, call.address)
        var recipient = Recipient(
            caller: caller,
            requestID: call.requestID,
            downloads: limiter.downloads(of: caller),
            mayBegin: { () throws(GatewayError) in try limiter.checkBytes(of: caller) },
            place: { limit async throws(GatewayError) in try await service.downloadPlace(of: caller, limit: limit) },
            record: { delivery in
                var delivery = delivery
                delivery.address = address
                await service.record(delivery)
                uses?.ended(delivery)
            }
        )
        guard let use else { return recipient }
        recipient.ticket = use
        let channel = call.channel
        recipient.begin = { delivery in
            guard await service.beginUse(delivery) else { return false }
            uses?.began(delivery, on: channel)
            return true
        }
        return recipient
    }

    private static func response(_ answer: DownloadResponse, on channel: any Channel) -> Response {
        let headers = fields(answer.headers)
        guard let body = answer.body else {
            var response = Response(status: .init(code: answer.status), headers: headers)
            // For an empty body, Hummingbird sets the length 0. But it must be that of the file, or be left out.
            response.headers[.contentLength] = answer.contentLength.map(String.init)
            return response
        }
        return Response(
            status: .init(code: answer.status),
            headers: headers,
            body: .init(contentLength: answer.contentLength.flatMap { Int(exactly: $0) }) { writer in
                var out = writer
                let begun = NIODeadline.now()
                // If this throws, `finish` is not called. Hummingbird then closes the connection, and the client sees that the file is
                // incomplete.
                do {
                    try await body.write { piece in
                        try await out.write(piece)
                    } finish: { trailers in
                        try await out.finish(trailers.isEmpty ? nil : fields(trailers))
                    } breakOff: { last in
                        await LastBytes.send(last, on: channel)
                    }
                } catch let failure as DownloadFailure where answer.contentLength == nil {
                    await LastBytes.wait(since: begun, on: channel)
                    throw failure
                }
            }
        )
    }

    private static func fields(_ pairs: [(name: String, value: String)]) -> HTTPFields {
        var fields = HTTPFields()
        for (name, value) in pairs {
            if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
        }
        return fields
    }
}
