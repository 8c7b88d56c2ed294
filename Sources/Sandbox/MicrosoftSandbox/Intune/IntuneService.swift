import Exports
import HTTPTypes
import Hummingbird
import JSON

/// Intune's report export jobs on Microsoft Graph, v1.0 and beta alike (`Upstream-Intune`).
struct IntuneService: SandboxService {
    let world: World
    let call: Call

    private var answers: GraphAnswer { GraphAnswer(world: world, call: call) }

    /// A link is good for about six hours from the request on (`Upstream-Intune, Download`).
    private static let linkLifetime = Duration.seconds(6 * 3600)

    func answer() -> Response {
        guard case .good(let grant) = world.tokens.judge(call.bearer, for: .graph, at: call.now) else {
            return answers.unauthorized
        }
        guard !grant.isDelegated || grant.scopes?.contains(where: { $0.hasPrefix("DeviceManagement") }) == true else {
            return problem(
                .forbidden,
                "Forbidden",
                "Application is not authorized to perform this operation. Application must have one of the following "
                    + "scopes: DeviceManagementConfiguration.ReadWrite.All, DeviceManagementApps.ReadWrite.All, "
                    + "DeviceManagementManagedDevices.ReadWrite.All"
            )
        }
        switch call.operation {
        case .intuneStart: return start()
        case .intuneList: return list()
        default: return status()
        }
    }

    // MARK: Calls

    private func start() -> Response {
        let body = call.json ?? [:]
        guard let report = body["reportName"]?.string, !report.isEmpty else {
            return problem(.badRequest, "BadRequest", "reportName is required.")
        }
        if IntuneReports.notExported.contains(report) { return refused(report) }
        guard IntuneReports.names.contains(report) else { return refused("Unknown") }
        if let column = IntuneReports.requiredColumns[report], body["filter"]?.string?.contains(column) != true {
            return problem(
                .badRequest,
                "BadRequest",
                "\(report): required filters are not set, restriction filter needed"
            )
        }
        let columns = (body["select"]?.array ?? []).compactMap(\.string)
        if IntuneReports.withoutNamedTexts.contains(report), let column = columns.first(where: { $0.hasSuffix("_loc") })
        {
            return problem(.badRequest, "BadRequest", "\(column) is not a column of \(report).")
        }
        let job = makeJob(report, body, columns.isEmpty ? IntuneReports.defaultColumns : columns)
        world.jobs.add(job)
        return answers.json(.object(entity(of: job)), status: .created)
    }

    private func makeJob(_ report: String, _ body: JSONValue, _ columns: [String]) -> Job {
        let format = body["format"]?.string?.lowercased() ?? "csv"
        var request: [String: JSONValue] = [
            "reportName": .string(report), "format": .string(format), "select": body["select"] ?? [],
            "filter": body["filter"] ?? .null, "snapshotId": .null,
            "localizationType": "localizedValuesAsAdditionalColumn",
        ]
        if body["localizationType"]?.string?.lowercased() == "replacelocalizablevalues" {
            request["localizationType"] = "replaceLocalizableValues"
        }
        var job = Job(
            id: report + (call.faults.has(.idWithReserved) ? "+/=" : "") + "_" + world.uuid(),
            kind: .intune,
            createdAt: call.now,
            ticks: world.ticks(),
            duration: world.settings.jobDuration,
            name: report,
            request: .object(request),
            place: ["filter": body["filter"]?.string ?? ""]
        )
        job.files = [file(of: job.id, columns, isJSON: format == "json")]
        job.take(call.faults, asStart: true)
        return job
    }

    /// A true archive up to a mebibyte; beyond that, one of the wanted size with noise in it.
    private func file(of job: String, _ columns: [String], isJSON: Bool) -> FileSpec {
        let size = world.settings.fileSize
        var file = FileSpec(name: job + ".zip", format: .zip, size: size, job: job, index: 0)
        var form = SandboxReport()
        if case .report(let wanted) = call.faults[.content] { form = wanted }
        if form.rows != nil || size <= IntuneReport.longest {
            file.lead = IntuneReport(columns: columns, isJSON: isJSON, form: form).archive(of: job, size: size)
            file.size = Int64(file.lead.count)
        }
        return file
    }

    /// Documented, and not answered on the real service (`Upstream-Intune, Calls`).
    private func list() -> Response {
        answers.error(
            .badRequest,
            code: "No method match route template",
            "No OData route exists that match template ~/singleton/navigation/navigation with http verb GET for request "
                + call.rawPath + "."
        )
    }

    private func status() -> Response {
        guard let job = world.jobs.update(call["job"], { $0.polls += 1 }), job.kind == .intune else {
            return problem(.notFound, "ResourceNotFound", "The export job was not found.")
        }
        var members = entity(of: job)
        if case .unknownStatus(let value) = call.faults[.outcome] { members["status"] = .string(value) }
        return answers.json(.object(job.disguised(members)))
    }

    // MARK: Bodies

    private func entity(of job: Job) -> [String: JSONValue] {
        let isCompleted = job.hasFiles(at: call.now)
        var members = job.request.object ?? [:]
        members["@odata.context"] = .string(
            world.base(.api, for: call) + "/v1.0/$metadata#deviceManagement/reports/exportJobs/$entity"
        )
        members["id"] = .string(job.id)
        members["status"] = .string(job.statusText(at: call.now))
        members["requestDateTime"] = .string(UpstreamTime.text(job.createdAt, ticks: job.ticks))
        members["expirationDateTime"] = .string(
            isCompleted ? UpstreamTime.text(expiry(of: job), ticks: job.ticks) : UpstreamTime.unset
        )
        members["url"] = .null
        if isCompleted {
            // On the real service, completed jobs may have no link for some polls (`Upstream-Intune, Status`).
            let isLate = call.now < job.completesAt + job.metadataLag
            let link = IntuneLink(job: job, expiresAt: expiry(of: job), world: world)
            members["url"] = .string(isLate ? "" : link.url(call, world))
        }
        return members
    }

    private func expiry(of job: Job) -> Timestamp {
        job.createdAt + min(Self.linkLifetime, world.settings.downloadLifetime)
    }

    private func refused(_ type: String) -> Response {
        problem(.badRequest, "BadRequest", "PostExportJobAsync not supported for reportType \(type)")
    }

    /// An error whose message is a JSON text itself, as Intune has it (`Upstream-Intune, Errors`).
    private func problem(_ status: HTTPResponse.Status, _ code: String, _ message: String) -> Response {
        let inner: JSONValue = [
            "_version": 3,
            "Message": .string(
                message + " - Operation ID (for customer support): 00000000-0000-0000-0000-000000000000 - Activity ID: "
                    + world.uuid() + " - Url: https://fef.sandbox.manage.microsoft.example/reports"
            ),
            "CustomApiErrorPhrase": "", "RetryAfter": .null, "ErrorSourceService": "", "HttpHeaders": "{}",
        ]
        return answers.error(status, code: code, String(decoding: inner.encoded(), as: UTF8.self))
    }
}
