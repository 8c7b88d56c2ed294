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
        let authorization = try authorization(of: call)
        let export = try await export(of: call, authorization, pollsForFiles: method == .get)
        let wanted = call.parameters["fileId"]
        try Self.checkResult(of: export)
        guard let file = export.files.first(where: { $0.id == wanted }) else {
            throw GatewayError(.notFound, "The export has no file with this id.")
        }
        return try await download(file, of: export, call, method, authorization)
    }

    /// `downloadExportContent` and `headExportContent`
    func content(_ call: Call, _ method: DownloadRequest.Method) async throws -> Response {
        let authorization = try authorization(of: call)
        let export = try await export(of: call, authorization, pollsForFiles: method == .get)
        try Self.checkResult(of: export)
        guard let file = export.files.first else {
            throw GatewayError(.noResult, "The export ended without files.")
        }
        if try ContentForm(accept: call.fields.list(.accept, atMost: 1024), files: export.files) == .archive {
            return try await archive(of: export, call, method, authorization)
        }
        guard export.files.count == 1 else {
            throw GatewayError(
                .severalFiles,
                "The export has \(export.files.count) files; download them one by one by the href of each in files, or "
                    + "all as one archive: ask for this resource with \"Accept: application/zip\".",
                members: ["files": ExportDocument(links: call.links).choices(of: export)]
            )
        }
        var response = try await download(file, of: export, call, method, authorization)
        // At this address, unlike at the file's own, the answer depends on Accept too.
        response.headers[.vary] = "Accept, Accept-Encoding"
        return response
    }

    /// The export; with `pollsForFiles`, a success whose files the upstream did not list is polled.
    func export(
        of call: Call,
        _ authorization: CallerAuthorization,
        pollsForFiles: Bool
    ) async throws(GatewayError) -> Export {
        let id = try call.exportID()
        let known = try await service.export(id, owner: call.caller.owner, refresh: false, authorization: authorization)
        guard pollsForFiles, known.lacksFiles else { return known }
        return try await service.export(id, owner: call.caller.owner, refresh: true, authorization: authorization)
    }

    /// Checks by the record alone whether there is something to download: `HEAD` must not call the upstream.
    private static func checkResult(of export: Export) throws(GatewayError) {
        switch export.status {
        case _ where !export.isFinal:
            throw GatewayError(
                .notReady,
                "The export is \(export.status.rawValue); its files can be downloaded when it has succeeded.",
                retryAfter: .seconds(5)
            )
        case .notStarted, .running, .unknown, .failed, .canceled:
            throw GatewayError(
                .noResult,
                "The export is \(export.status.rawValue) and has no files."
                    + (export.error.map { " " + $0.detail } ?? ""),
                upstream: export.error?.upstream
            )
        case .expired:
            throw GatewayError(.expired, "The upstream no longer keeps the files of this export; export again.")
        case _ where export.lacksFiles:
            throw GatewayError(
                .notReady,
                "The upstream says that the export succeeded, and does not list its files yet. The gateway polls for them; try again.",
                retryAfter: .seconds(30)
            )
        case .succeeded, .partiallySucceeded:
            if export.files.isEmpty, let destination = export.destination {
                throw GatewayError(.deliveredElsewhere, "The files were delivered to \(destination).")
            }
        }
    }

    private func download(
        _ file: ExportFile,
        of export: Export,
        _ call: Call,
        _ method: DownloadRequest.Method,
        _ authorization: CallerAuthorization
    ) async throws -> Response {
        let (service, owner) = (service, call.caller.owner)
        let answer = try await relay.response(
            to: Self.request(call, method),
            for: file,
            of: export,
            to: recipient(call)
        ) { range async throws(GatewayError) in
            try await service.open(file.id, of: export.id, owner: owner, range: range, authorization: authorization)
        }
        return Self.response(answer, on: call.channel)
    }

    private func archive(
        of export: Export,
        _ call: Call,
        _ method: DownloadRequest.Method,
        _ authorization: CallerAuthorization
    ) async throws -> Response {
        let (service, owner) = (service, call.caller.owner)
        let answer = try await relay.archive(
            to: Self.request(call, method),
            of: export,
            to: recipient(call)
        ) { file, range async throws(GatewayError) in
            try await service.open(file.id, of: export.id, owner: owner, range: range, authorization: authorization)
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

    private func recipient(_ call: Call) -> Recipient {
        let service = service
        return Recipient(caller: call.caller.id, requestID: call.requestID) { await service.record($0) }
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

extension Export {
    /// Whether it succeeded and its files are still polled for.
    fileprivate var lacksFiles: Bool { status.hasResult && files.isEmpty && tracking != nil }
}
