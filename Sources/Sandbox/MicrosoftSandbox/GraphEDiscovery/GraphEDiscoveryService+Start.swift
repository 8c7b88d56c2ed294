import Exports
import HTTPTypes
import Hummingbird
import JSON
import SystemCrypto

extension GraphEDiscoveryService {
    /// The starts of exports and estimates: 202, no body, `Location` with keys in parentheses
    /// (`Upstream-GraphEDiscovery, Start`).
    func start(_ kind: Job.Kind) -> Response {
        if let problem = placeProblem(kind) { return answers.notFound(problem) }
        let body = call.json ?? [:]
        guard call.body.readableBytes == 0 || call.json != nil, body.object != nil else {
            return answers.badRequest("Invalid JSON format")
        }
        var echo: [String: JSONValue] = [:]
        for field in fields(of: kind) {
            switch field.read(body) {
            case .success(let value): echo[field.name] = value
            case .failure(let problem): return answers.badRequest(problem.message)
            }
        }
        if let token = body["azureBlobToken"]?.string { world.tokens.note(secret: token) }
        var job = makeJob(kind, echo: echo)
        job.take(call.faults, asStart: true)
        world.jobs.add(job)
        return answers.accepted(location: location(of: job))
    }

    private func placeProblem(_ kind: Job.Kind) -> String? {
        switch kind {
        case .legacyExport, .reviewSetExport, .queryExport:
            if call["reviewSet"].lowercased() != SandboxSeed.reviewSetID { return "The review set was not found." }
            let query = call["query"].lowercased()
            return kind == .queryExport && query != SandboxSeed.reviewSetQueryID ? "The query was not found." : nil
        default: return call["search"].lowercased() == SandboxSeed.searchID ? nil : "The search was not found."
        }
    }

    private func makeJob(_ kind: Job.Kind, echo: [String: JSONValue]) -> Job {
        // Ids of review set exports have 32 digits, those of searches are GUIDs with dashes (`Upstream-GraphEDiscovery, Start`).
        let isOfReviewSet = kind == .legacyExport || kind == .reviewSetExport || kind == .queryExport
        let id = isOfReviewSet ? Hexadecimal.encode(world.random(16)) : world.uuid()
        let name = (echo["outputName"] ?? echo["displayName"])?.string ?? ""
        var place = ["case": SandboxSeed.caseID, "version": call["version"].lowercased()]
        for key in ["reviewSet", "query", "search"] where !call[key].isEmpty { place[key] = call[key].lowercased() }
        var job = Job(
            id: id,
            kind: kind,
            createdAt: call.now,
            ticks: world.ticks(),
            duration: world.settings.jobDuration,
            name: name,
            marker: echo["description"]?.string,
            request: .object(echo),
            place: place
        )
        job.preAuthorizedLinks = world.settings.preAuthorizedLinks || kind == .legacyExport
        let ownStorage = echo["azureBlobContainer"]?.string?.isEmpty == false
        job.files = ownStorage && kind == .legacyExport ? [] : files(kind, id: id, name: name, echo: echo)
        return job
    }

    /// The packages that an export leaves (`Upstream-GraphEDiscovery, Files`).
    private func files(_ kind: Job.Kind, id: String, name: String, echo: [String: JSONValue]) -> [FileSpec] {
        let stem = String(name.map { $0.isLetter || $0.isNumber || $0 == "-" ? $0 : "_" })
        let size = world.settings.fileSize
        let report = FileSpec(name: "Reports-\(stem).zip", format: .zip, size: 7964, job: id, index: 1)
        func data(_ fileName: String) -> FileSpec {
            FileSpec(name: fileName, format: .zip, size: size, job: id, index: 0)
        }
        switch kind {
        case .estimate: return []
        case .legacyExport: return [data("\(stem).zip")]
        case .searchExportReport: return [report]
        case .searchExportResult where echo["exportFormat"]?.string == "pst":
            return [data("PSTs.001.\(stem).zip"), report]
        case .reviewSetExport where echo["exportStructure"]?.string == "pst",
            .queryExport where echo["exportStructure"]?.string == "pst":
            return [data("PSTs.001.\(stem).zip"), report]
        default: return [data("Items.001.\(stem).zip"), report]
        }
    }

    private func location(of job: Job) -> String {
        let path = isLegacy ? "compliance/ediscovery/cases" : "security/cases/ediscoverycases"
        return world.base(.api, for: call) + "/" + (job.place["version"] ?? "v1.0")
            + "/\(path)('\(SandboxSeed.caseID)')/operations('\(job.id)')"
    }
}

/// A member of an export's request: what is let through, and what is answered to the rest.
private struct GraphField {
    struct Problem: Error { var message: String }

    var name: String
    var isRequired = false
    var enumeration: GraphEnumeration?
    var isBoolean = false

    func read(_ body: JSONValue) -> Result<JSONValue?, Problem> {
        guard let value = body[name], value != .null else {
            return isRequired ? .failure(Problem(message: "The value of \(name) must be specified.")) : .success(nil)
        }
        let invalid = Problem(message: "The value of \(name) is not valid.")
        if isBoolean { return value.bool == nil ? .failure(invalid) : .success(value) }
        guard let text = value.string, !(isRequired && text.isEmpty) else { return .failure(invalid) }
        guard let enumeration else { return .success(value) }
        guard let canonical = enumeration.canonical(text) else { return .failure(invalid) }
        return .success(.string(canonical))
    }
}

extension GraphEDiscoveryService {
    /// The bodies of `Upstream-GraphEDiscovery, Request bodies`. Members that are not listed are ignored, as upstream does.
    private func fields(of kind: Job.Kind) -> [GraphField] {
        switch kind {
        case .legacyExport:
            [
                GraphField(name: "outputName", isRequired: true), GraphField(name: "description"),
                GraphField(name: "exportOptions", enumeration: .legacyExportOptions),
                GraphField(name: "exportStructure", enumeration: .legacyExportStructure),
                GraphField(name: "azureBlobContainer"), GraphField(name: "azureBlobToken"),
            ]
        case .reviewSetExport, .queryExport:
            [
                GraphField(name: "outputName", isRequired: true), GraphField(name: "description"),
                GraphField(name: "exportOptions", enumeration: .exportOptions),
                GraphField(name: "exportStructure", enumeration: .exportStructure),
            ]
        case .searchExportReport: searchFields
        case .searchExportResult:
            searchFields + [
                GraphField(name: "exportFormat", isRequired: true, enumeration: .exportFormat),
                GraphField(name: "exportSingleItems", isBoolean: true),
            ]
        default: [GraphField(name: "statisticsOptions")]
        }
    }

    private var searchFields: [GraphField] {
        [
            GraphField(name: "displayName"), GraphField(name: "description"),
            GraphField(name: "exportCriteria", isRequired: true, enumeration: .exportCriteria),
            GraphField(name: "exportLocation", enumeration: .exportLocation),
            GraphField(name: "additionalOptions", isRequired: true, enumeration: .additionalOptions),
            GraphField(name: "cloudAttachmentVersion", enumeration: .version),
            GraphField(name: "documentVersion", enumeration: .version),
        ]
    }
}
