import HTTPFields
import Exports
import HTTPTypes
import Hummingbird
import JSON

extension GraphEDiscoveryService {
    private var preference: String { "include-unknown-enum-members" }

    func getOperation() -> Response {
        guard let job = world.jobs.update(call["operation"], { $0.polls += 1 }), speaks(of: job) else {
            return answers.notFound("The operation was not found.")
        }
        return single(job)
    }

    func lastEstimate() -> Response {
        let search = call["search"].lowercased()
        let estimates = world.jobs.newest(1) { $0.kind == .estimate && $0.place["search"] == search }
        guard let job = estimates.first else {
            return answers.notFound("The operation was not found.")
        }
        return single(job)
    }

    private func single(_ job: Job) -> Response {
        var members = render(job)
        members["@odata.context"] = context("\(root)/operations/$entity")
        members["@odata.type"] = .string("#\(typeName(of: job))")
        if call.faults.has(.wrappedEntity) { return answers.json(["value": .object(members)]) }
        return answers.json(.object(members))
    }

    /// Newest first, in pages whose link must come back byte for byte (`Upstream-Graph, Paging`).
    func listOperations() -> Response {
        let jobs = world.jobs.newest(2000) { speaks(of: $0) && $0.isListed(at: call.now) }
        let size = min(call.query["$top"].flatMap(Int.init).map { max(1, $0) } ?? .max, world.settings.pageSize)
        var start = 0
        if let raw = call.query.raw("$skiptoken") {
            guard let offset = SkipToken.offset(raw) else { return answers.badRequest("The skip token is not valid.") }
            start = min(offset, jobs.count)
        }
        let page = jobs[start..<min(jobs.count, start + size)]
        var body: [String: JSONValue] = [
            "@odata.context": context("\(root)/operations"), "value": .array(page.map { .object(render($0)) }),
        ]
        if page.endIndex < jobs.count {
            let top = call.query["$top"].map { _ in "$top=\(size)&" } ?? ""
            body["@odata.nextLink"] = .string(
                "\(world.base(.api, for: call))\(call.rawPath)?\(top)$skiptoken=\(SkipToken.text(page.endIndex))"
            )
        }
        return answers.json(.object(body))
    }

    /// `GET …/getDownloadUrl` of the retired dialect. A job into the caller's own storage has nothing to download.
    func downloadURL() -> Response {
        guard let job = world.jobs.job(call["operation"]), speaks(of: job) else {
            return answers.notFound("The operation was not found.")
        }
        guard job.hasFiles(at: call.now), !job.files.isEmpty else {
            return answers.badRequest("The export has no package to download.")
        }
        return answers.json([
            "@odata.context": context("Edm.String"),
            "value": .string(BlobLink(job: job, file: 0, mintedAt: call.now, world: world).url(call, world)),
        ])
    }

    /// Whether the operation belongs to the dialect that is spoken.
    private func speaks(of job: Job) -> Bool {
        job.kind.service == Self.name && (job.kind == .legacyExport) == isLegacy
    }

    private func typeName(of job: Job) -> String {
        switch job.kind {
        case .legacyExport: "microsoft.graph.ediscovery.caseExportOperation"
        case .searchExportReport, .searchExportResult: "microsoft.graph.security.ediscoverySearchExportOperation"
        case .estimate: "microsoft.graph.security.ediscoveryEstimateOperation"
        default: "microsoft.graph.security.ediscoveryExportOperation"
        }
    }

    // MARK: The entity

    private func render(_ job: Job) -> [String: JSONValue] {
        var members = job.request.object ?? [:]
        maskUnlessAsked(&members)
        let finished = job.phase(at: call.now) == .finished
        members["id"] = .string(job.id)
        members["action"] = .string(
            isLegacy || call.prefers(preference) ? action(of: job) : GraphEnumeration.caseAction.masked(action(of: job))
        )
        members["status"] = .string(status(of: job))
        members["percentProgress"] = .integer(progress(of: job))
        members["createdDateTime"] = .string(UpstreamTime.text(job.createdAt, ticks: job.ticks))
        members["completedDateTime"] = .string(
            finished ? UpstreamTime.text(job.completesAt, ticks: job.ticks + 1711) : UpstreamTime.unset
        )
        members["createdBy"] = [
            "application": .null,
            "user": ["id": .string(SandboxSeed.userID), "displayName": .null, "userPrincipalName": .null],
        ]
        members["resultInfo"] = resultInfo(of: job)
        if isLegacy {
            if members["azureBlobContainer"] != nil { members["outputFolderId"] = .string(job.id) }
        } else if job.kind != .estimate {
            members["exportFileMetadata"] = .array(fileMetadata(of: job))
        }
        return job.disguised(members)
    }

    private func status(of job: Job) -> String {
        if case .unknownStatus(let value) = call.faults[.outcome] { return value }
        return job.statusText(at: call.now)
    }

    /// Members above `unknownFutureValue` are masked unless the caller prefers to see them.
    private func maskUnlessAsked(_ members: inout [String: JSONValue]) {
        guard !isLegacy, !call.prefers(preference) else { return }
        let enumerations: [String: GraphEnumeration] = [
            "exportOptions": .exportOptions, "exportStructure": .exportStructure, "exportFormat": .exportFormat,
            "additionalOptions": .additionalOptions,
        ]
        for (name, enumeration) in enumerations {
            if let text = members[name]?.string { members[name] = .string(enumeration.masked(text)) }
        }
    }

    private func action(of job: Job) -> String {
        switch job.kind {
        case .searchExportReport: "exportReport"
        case .searchExportResult: "exportResult"
        case .estimate: "estimateStatistics"
        default: "contentExport"
        }
    }

    private func progress(of job: Job) -> Int64 {
        switch job.phase(at: call.now) {
        case .notStarted: 0
        case .running(let part): part < 0.5 ? 0 : 50
        case .finished:
            switch job.outcome {
            case .succeeded, .partiallySucceeded: 100
            case .submissionFailed: 0
            default: 50
            }
        }
    }

    /// Only the shape of failures is known (`Upstream-GraphEDiscovery, Operation`); the values are the sandbox's own.
    private func resultInfo(of job: Job) -> JSONValue {
        guard job.phase(at: call.now) == .finished else { return .null }
        func info(_ code: Int64, _ message: JSONValue) -> JSONValue {
            ["code": .integer(code), "subcode": .integer(code * 100 + 1), "message": message]
        }
        switch job.outcome {
        case .succeeded, .stuck, .unknown: return .null
        case .partiallySucceeded: return info(206, "3 of 142 items could not be exported.")
        case .submissionFailed: return info(400, "The export could not be submitted.")
        case .failed, .failedBusy: return info(500, "The export failed.")
        }
    }

    private func fileMetadata(of job: Job) -> [JSONValue] {
        guard job.hasFiles(at: call.now), call.now >= job.completesAt + job.metadataLag else { return [] }
        let difference = if case .listedSize(let bytes) = call.faults[.listedSize] { bytes } else { 0 as Int64 }
        return job.files.enumerated()
            .map { index, file in
                let size = max(0, file.size + difference)
                let url =
                    job.preAuthorizedLinks
                    ? BlobLink(job: job, file: index, mintedAt: call.now, world: world).url(call, world)
                    : ProxyLink(job: job.id, file: index, expiresAt: call.now + world.settings.downloadLifetime)
                        .url(call, world)
                return ["fileName": .string(file.name), "size": .integer(size), "downloadUrl": .string(url)]
            }
    }
}

/// The place in a list, opaque to clients: base 64, percent-encoded in lower case. A client that decodes it, or encodes
/// it again in its own way, is refused as the service refuses it.
enum SkipToken {
    static func text(_ offset: Int) -> String {
        // Three bytes that give `+/+/`, so that the token always has to be percent-encoded.
        PercentEncoding.encode(Base64Text.standard([0xFB, 0xFF, 0xBF] + Array("skip:\(offset)".utf8)), lowerCase: true)
    }

    static func offset(_ raw: Substring) -> Int? {
        guard let bytes = Base64Text.decode(PercentEncoding.decodeLeniently(raw)) else { return nil }
        let words = String(decoding: bytes.dropFirst(3), as: UTF8.self).split(separator: ":")
        guard words.count == 2, let offset = Int(words[1]), offset >= 0, text(offset) == raw else { return nil }
        return offset
    }
}
