import HTTPFields
import Exports
import HTTPTypes
import Hummingbird
import JSON

/// Viva Goals export jobs (`Upstream-VivaGoals`).
struct VivaGoalsService: SandboxService {
    let world: World
    let call: Call

    private var answers: GraphAnswer { GraphAnswer(world: world, call: call) }

    func answer() -> Response {
        guard case .good(let grant) = world.tokens.judge(call.bearer, for: .graph, at: call.now) else {
            return answers.unauthorized
        }
        guard grant.isDelegated(for: "Goals-Export") else {
            return answers.error(
                .forbidden,
                code: "forbidden",
                "Application permissions are not supported by this API; sign in a user with Goals-Export.ReadWrite.All."
            )
        }
        switch call.operation {
        case .goalsStart: return start()
        case .goalsList: return list()
        case .goalsGet: return get()
        default: return content()
        }
    }

    // MARK: Calls

    private func start() -> Response {
        let body = call.json ?? [:]
        guard let organization = body["goalsOrganizationId"]?.string, UUIDText.isValid(organization) else {
            return problem(
                .badRequest,
                "badRequest",
                "invalidGoalsOrganizationId",
                "'GoalsOrganizationId' must be specified in 'Export Job', and it should be a valid GUID."
            )
        }
        guard organization.lowercased() == SandboxSeed.goalsOrganizationID else {
            return problem(.notFound, "notFound", "goalsOrganizationIdNotFound", "Goals organization not found")
        }
        guard let view = body["explorerViewId"]?.string, UUIDText.isValid(view) else {
            return problem(
                .badRequest,
                "badRequest",
                "invalidExplorerViewId",
                "'ExplorerViewId' must be specified in 'Export Job', and it should be a valid GUID."
            )
        }
        let job = makeJob(view: view.lowercased())
        let running = world.jobs.add(job, holding: job.place["view"])
        if let running { return conflict(with: running) }
        var response = answers.json(
            [
                "id": .string(job.id), "status": "notStarted",
                "createdDateTime": .string(UpstreamTime.text(job.createdAt)),
            ],
            status: .created
        )
        response.headers[.location] = location(of: job)
        return response
    }

    private func makeJob(view: String) -> Job {
        var id = "j!" + Base64Text.url(world.random(32))
        if call.faults.has(.idWithReserved) { id += "+/=" }
        var job = Job(
            id: id,
            kind: .goals,
            createdAt: call.now,
            ticks: 0,
            duration: world.settings.jobDuration,
            name: view,
            request: [:],
            place: ["organization": SandboxSeed.goalsOrganizationID, "view": view]
        )
        job.files = [FileSpec(name: "\(view).csv", format: .csv, size: world.settings.fileSize, job: id, index: 0)]
        job.take(call.faults, asStart: true)
        return job
    }

    private func list() -> Response {
        if let filter = call.query["$filter"] {
            guard let condition = GoalsFilter(filter) else {
                return problem(.badRequest, "badRequest", "unknown", "Invalid filter specified")
            }
            guard condition.key == "goalsOrganizationId" else {
                return problem(
                    .badRequest,
                    "badRequest",
                    "unknown",
                    "Invalid filter keys found: \(condition.key)"
                )
            }
            guard condition.value.lowercased() == SandboxSeed.goalsOrganizationID else { return collection([]) }
        }
        return collection(world.jobs.newest(2000) { $0.kind == .goals && $0.isListed(at: call.now) })
    }

    private func collection(_ jobs: [Job]) -> Response {
        answers.json([
            "@odata.context": .string(context), "@microsoft.graph.tips": .string(tips),
            "value": .array(jobs.map { .object(render($0)) }),
        ])
    }

    private func get() -> Response {
        guard let job = world.jobs.update(call["job"], { $0.polls += 1 }), job.kind == .goals else {
            return unknownJob()
        }
        var members = render(job)
        if case .unknownStatus(let value) = call.faults[.outcome] { members["status"] = .string(value) }
        members["@odata.context"] = .string(context + "/$entity")
        members["@microsoft.graph.tips"] = .string(tips)
        var response = answers.json(call.faults.has(.wrappedEntity) ? ["value": .object(members)] : .object(members))
        if job.isOpen(at: call.now) { response.headers[.retryAfter] = String(job.secondsLeft(at: call.now)) }
        return response
    }

    private func content() -> Response {
        guard let job = world.jobs.job(call["job"]), job.kind == .goals else { return unknownJob() }
        guard let file = job.files.first, job.hasFiles(at: call.now) else {
            return problem(
                .badRequest,
                "badRequest",
                "unknown",
                "Content is available only when the export job has succeeded"
            )
        }
        guard call.now < expiry(of: job), !call.faults.has(.expiredLink) else { return unknownJob() }
        return FileAnswer(file: file, world: world, call: call).response()
    }

    // MARK: Bodies

    private func render(_ job: Job) -> [String: JSONValue] {
        var members: [String: JSONValue] = [
            "id": .string(job.id),
            "createdDateTime": .string(UpstreamTime.text(job.createdAt)),
            "resourceLocation": .string(path(of: job) + "/content"),
            "status": .string(job.statusText(at: call.now)),
            "goalsOrganizationId": .string(SandboxSeed.goalsOrganizationID),
            "explorerViewId": .string(job.place["view"] ?? ""),
            "expirationDateTime": .string(UpstreamTime.text(expiry(of: job))),
        ]
        if job.statusText(at: call.now) == "failed" {
            members["statusDetail"] = "The objectives of this view could not be read."
        }
        return job.disguised(members)
    }

    /// About a day after creation.
    private func expiry(of job: Job) -> Timestamp { job.createdAt + world.settings.downloadLifetime }

    private func path(of job: Job) -> String {
        let id = call.faults.has(.idWithReserved) || job.id.hasSuffix("=") ? PercentEncoding.encode(job.id) : job.id
        return world.base(.api, for: call) + "/beta/employeeexperience/goals/exportJobs/" + id
    }

    /// In double quotes, as Microsoft's pages print it (`Upstream-VivaGoals, Start`).
    private func location(of job: Job) -> String { "\"\(path(of: job))\"" }

    private var context: String {
        world.base(.api, for: call) + "/beta/$metadata#employeeExperience/goals/exportJobs"
    }

    private var tips: String {
        "Use $select to choose only the properties your app needs, as this can lead to performance improvements. "
            + "For example: GET employeeExperience/goals/exportJobs?$select=content,expirationDateTime"
    }

    private func problem(
        _ status: HTTPResponse.Status,
        _ code: String,
        _ inner: String,
        _ message: String
    ) -> Response {
        answers.error(status, code: code, message, inner: ["code": .string(inner)])
    }

    private func unknownJob() -> Response {
        let key = call["job"].hasPrefix("j!") ? call["job"].dropFirst(2) : call["job"][...]
        let isWellFormed =
            !key.isEmpty && key.utf8.allSatisfy { Character(Unicode.Scalar($0)).isLetterDigitOrDash }
        return isWellFormed || world.jobs.job(call["job"]) != nil
            ? problem(.notFound, "notFound", "exportJobNotFound", "Specified export job not found")
            : problem(.badRequest, "badRequest", "unknown", "Invalid JobKey specified")
    }

    private func conflict(with job: Job) -> Response {
        var response = answers.json(
            [
                "error": [
                    "code": "notAllowed",
                    "message": "Another export job is still active or waiting to be executed",
                    "target": .string(job.id),
                    "innererror": ["code": "exportJobAlreadyExists"],
                ]
            ],
            status: .conflict
        )
        response.headers[.location] = location(of: job)
        return response
    }
}

extension Character {
    fileprivate var isLetterDigitOrDash: Bool { isASCII && (isLetter || isNumber || self == "-" || self == "_") }
}

/// `key eq 'value'`, the only filter that Goals knows.
struct GoalsFilter {
    var key: String
    var value: String

    init?(_ text: String) {
        let words = text.split(separator: " ")
        guard words.count == 3, words[1].lowercased() == "eq", words[2].count >= 2, words[2].first == "'",
            words[2].last == "'"
        else { return nil }
        (key, value) = (String(words[0]), String(words[2].dropFirst().dropLast()))
    }
}
