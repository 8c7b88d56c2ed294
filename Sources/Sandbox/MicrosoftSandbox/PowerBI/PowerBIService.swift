import HTTPFields
import Exports
import HTTPTypes
import Hummingbird
import JSON

/// Power BI Export to File and the reads around it (`Upstream-PowerBI`), in a workspace and in My workspace.
///
/// My workspace is open to application tokens here, which the real service refuses (`Upstream-PowerBI, Calls`), so that both
/// forms can be exercised with the one kind of token that the sandbox issues for Power BI.
struct PowerBIService: SandboxService {
    let world: World
    let call: Call

    var answers: PowerBIAnswer { PowerBIAnswer(world: world, call: call) }

    func answer() -> Response {
        switch world.tokens.judge(call.bearer, for: .powerBI, at: call.now) {
        case .absent: return answers.empty(.forbidden)
        case .unknown: return answers.empty(.forbidden, info: "InvalidToken")
        case .expired, .wrongAudience: return answers.empty(.forbidden, info: "TokenExpired")
        case .good: break
        }
        if let group = call.captures["group"], group.lowercased() != SandboxSeed.groupID {
            return answers.envelope(.unauthorized, code: "PowerBINotAuthorizedException", info: "GroupNotAccessible")
        }
        switch call.operation {
        case .powerBIGroups: return answers.json(["value": [group]])
        case .powerBICapacities: return answers.json(["value": [capacity]])
        case .powerBIReports: return answers.json(["value": .array(PowerBIReport.all.map(\.json))])
        default: break
        }
        guard let report = PowerBIReport.with(id: call["report"]) else { return answers.notFound }
        switch call.operation {
        case .powerBIReport: return answers.json(report.json)
        case .powerBIPages: return pages(of: report)
        case .powerBIDatasources: return answers.json(["value": []])
        case .powerBIStart: return start(report)
        case .powerBIStatus: return status(of: report)
        default: return file(of: report)
        }
    }

    // MARK: The workspace

    private var group: JSONValue {
        [
            "id": .string(SandboxSeed.groupID), "name": "sandbox group", "isReadOnly": false,
            "isOnDedicatedCapacity": true, "capacityId": .string(SandboxSeed.capacityID),
            "defaultDatasetStorageFormat": "Small",
        ]
    }

    private var capacity: JSONValue {
        ["id": .string(SandboxSeed.capacityID), "displayName": "sandbox", "sku": "F64", "state": "Active"]
    }

    private func pages(of report: PowerBIReport) -> Response {
        let pages = report.pages.enumerated()
            .map { index, page -> JSONValue in
                [
                    "name": .string(page.name), "displayName": .string(page.displayName),
                    "order": .string(String(index)),
                ]
            }
        return answers.json(["value": .array(pages)])
    }

    // MARK: Start

    private func start(_ report: PowerBIReport) -> Response {
        let request: PowerBIRequest
        switch PowerBIRequest.read(call.json, report: report) {
        case .success(let read): request = read
        case .failure(let problem): return answers.error(.badRequest, code: "InvalidRequest", problem.message)
        }
        var job = Job(
            id: exportID(),
            kind: .powerBI,
            createdAt: call.now,
            ticks: world.ticks(),
            duration: world.settings.jobDuration,
            name: report.name,
            request: [:],
            place: ["report": report.id, "group": call["group"].lowercased()]
        )
        job.steps = request.steps
        job.files = [
            FileSpec(
                name: report.name + request.format.fileExtension,
                format: request.format,
                size: world.settings.fileSize,
                job: job.id,
                index: 0
            )
        ]
        job.take(call.faults, asStart: true)
        world.jobs.add(job)
        let time = JSONValue.string(UpstreamTime.text(job.createdAt, ticks: job.ticks))
        var response = answers.json(
            [
                "@odata.context": context, "id": .string(job.id), "createdDateTime": time, "lastActionDateTime": time,
                "reportId": .string(report.id), "status": "NotStarted", "percentComplete": 0,
                "expirationTime": .string(UpstreamTime.unset),
            ],
            status: .accepted
        )
        response.headers[.location] = url(of: job)
        return response
    }

    /// Of the start's answer and of each status (`Upstream-PowerBI, Start` and `Upstream-PowerBI, Status`).
    private var context: JSONValue {
        let workspace = call["group"].isEmpty ? "" : "groups/\(SandboxSeed.groupID)/"
        return .string(
            "http://wabi-north-europe-primary-redirect.analysis.windows.net/v1.0/myorg/\(workspace)"
                + "$metadata#exports/$entity"
        )
    }

    /// Base 64 of `<digit>/BlobIdV2-<guid><secret>.`, ending in `=`, `==` and nothing in turn (`Upstream-PowerBI, Start`).
    private func exportID() -> String {
        let turn = world.jobs.count(of: .powerBI)
        let secret = Base64Text.url(world.random(34)).prefix([44, 43, 45][turn % 3])
        let id = Base64Text.standard(Array("\(1 + turn % 2)/BlobIdV2-\(world.uuid())\(secret).".utf8))
        guard call.faults.has(.idWithReserved) else { return id }
        return String(id.prefix(8)) + "+/" + id.dropFirst(8)
    }

    /// With the id as it is, its `=` not encoded, as recorded; reserved characters must be.
    private func url(of job: Job) -> String {
        let workspace = (job.place["group"] ?? "").isEmpty ? "" : "groups/\(SandboxSeed.groupID)/"
        let id = job.id.contains("/") ? PercentEncoding.encode(job.id) : job.id
        return world.base(.api, for: call)
            + "/v1.0/myorg/\(workspace)reports/\(job.place["report"] ?? "")/exports/\(id)"
    }

    // MARK: Status

    private func job(of report: PowerBIReport) -> Job? {
        guard let job = world.jobs.job(call["export"]), job.place["report"] == report.id,
            job.place["group"] == call["group"].lowercased()
        else { return nil }
        return job
    }

    private func status(of report: PowerBIReport) -> Response {
        guard job(of: report) != nil, let job = world.jobs.update(call["export"], { $0.polls += 1 }) else {
            return answers.notFound
        }
        let isOpen = job.isOpen(at: call.now)
        var status = job.statusText(at: call.now)
        if case .unknownStatus(let value) = call.faults[.outcome] { status = value }
        let succeeded = job.hasFiles(at: call.now)
        let lastAction = isOpen ? call.now : job.completesAt
        var members: [String: JSONValue] = [
            "@odata.context": context, "id": .string(job.id), "reportId": .string(report.id),
            "createdDateTime": .string(UpstreamTime.text(job.createdAt, ticks: job.ticks)),
            "lastActionDateTime": .string(UpstreamTime.text(max(job.createdAt, lastAction), ticks: job.ticks)),
            "status": .string(status), "percentComplete": .integer(percent(of: job)),
            "expirationTime": .string(
                succeeded ? UpstreamTime.text(expiry(of: job), ticks: job.ticks) : UpstreamTime.unset
            ),
        ]
        if succeeded, let file = job.files.first {
            members["reportName"] = .string(report.name)
            members["resourceLocation"] = .string(url(of: job) + "/file")
            members["resourceFileExtension"] = .string(file.format.fileExtension)
        }
        var response = answers.json(.object(job.disguised(members)), status: isOpen ? .accepted : .ok)
        // The documentation says "not always populated", so every third answer has no `Retry-After`.
        if isOpen, job.polls % 3 != 0 {
            response.headers[.retryAfter] = String(job.secondsLeft(at: call.now))
        } else if case .failedBusy(let seconds) = job.outcome, !isOpen {
            response.headers[.retryAfter] = String(seconds)
        }
        return response
    }

    /// Finished pages and visuals count alike: 7 of 10 are 70.
    private func percent(of job: Job) -> Int64 {
        switch job.phase(at: call.now) {
        case .notStarted: 0
        case .running(let part): Int64(Double(job.steps) * part) * 100 / Int64(job.steps)
        case .finished: job.outcome == .succeeded ? 100 : 0
        }
    }

    /// A moment after creation and a day, whatever the job's duration.
    private func expiry(of job: Job) -> Timestamp { job.createdAt + world.settings.downloadLifetime }

    // MARK: File

    private func file(of report: PowerBIReport) -> Response {
        guard let job = job(of: report), let file = job.files.first, job.hasFiles(at: call.now),
            call.now < expiry(of: job), !call.faults.has(.expiredLink)
        else { return answers.notFound }
        return FileAnswer(file: file, world: world, call: call).response(headers: answers.headers)
    }
}
