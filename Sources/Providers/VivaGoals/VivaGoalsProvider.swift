public import Exports
public import JSON
public import UpstreamHTTP

/// Saved views of the Viva Goals explorer as CSV: the `exportJobs` of Microsoft Graph beta (`Upstream-VivaGoals`).
///
/// The product ended on 2025-12-31; what the endpoint answers since then is unknown. It takes delegated tokens only.
public struct VivaGoalsProvider: UpstreamProvider {
    let settings: VivaGoalsSettings
    let client: UpstreamClient

    /// More pages of jobs than this are not read.
    static let mostPages = 100

    /// Makes the provider of one connection; `client` must allow the settings' hosts.
    public init(settings: VivaGoalsSettings, client: UpstreamClient) {
        self.settings = settings
        self.client = client
    }

    public static var descriptor: ProviderDescriptor { VivaGoalsDescriptor.descriptor }

    public func validate(_ options: JSONValue) throws(ProviderError) -> ValidatedExport {
        try VivaGoalsRequest.validate(options)
    }

    /// `conflict` names the job that already exports the same view: Viva Goals runs one at a time for each view.
    public func submit(
        _ plan: ExportPlan,
        secrets: [String: Secret],
        marker: SubmissionMarker,
        context: CallContext
    ) async throws(ProviderError) -> Submission {
        let view = try VivaGoalsView(source: plan.source)
        var request = call("viva-goals.start", .post)
        request.setJSON(view.requestBody)
        request.startsJob = true
        let response = try await client.send(request, context: context)
        guard (200...299).contains(response.status) else { throw failure(response, during: .start) }
        let job = VivaGoalsJob(entity: response.json)
        guard let id = VivaGoalsLocation.jobID(in: response.headers) ?? job?.id ?? job?.locatedID else {
            throw ProviderError(
                .accepted,
                "Viva Goals accepted the export, but its answer does not say under which id.",
                upstream: response.errorInfo
            )
        }
        let reference = view.reference(to: id, name: marker.exportName)
        return Submission(
            reference: reference,
            observation: job.flatMap { job in
                // An answer without a status says nothing about the state of the job.
                job.status == nil ? nil : job.observation(of: reference, retryAfter: response.retryAfter)
            }
        )
    }

    /// The job of the same view that was created after the first attempt began, by this caller where Viva Goals says by whom,
    /// and that nobody else can have: jobs carry no marker.
    ///
    /// Throws `ambiguous`, too, when a job of the view is under way whose date cannot be read: it may be ours.
    public func reconcile(
        _ plan: ExportPlan,
        marker: SubmissionMarker,
        others: OtherExports,
        context: CallContext
    ) async throws(ProviderError) -> Submission? {
        let view = try VivaGoalsView(source: plan.source)
        let all = try await jobs(of: view.organizationID, context: context).filter { view.matches($0) }
        let identity = await client.identity(for: settings.scope, context: context)
        let own = all.filter { identity?.mayBe($0.createdBy) ?? true }
        let upstreamTime = { [client] in client.upstreamTime(at: $0) ?? $0 }
        let found = try await UnmarkedJob.only(
            of: own.compactMap { job in
                job.id.flatMap { id in job.createdDateTime.map { UnmarkedJob(ids: [id], createdAt: $0) } }
            },
            since: marker.upstreamNotBefore ?? upstreamTime(marker.notBefore),
            isWholeList: true,
            others: others,
            upstreamTime: upstreamTime
        ) { other in
            (try? VivaGoalsView(source: other.plan.source)) == view
        }
        if let id = found?.ids.first, let job = own.first(where: { $0.id == id }) {
            let reference = view.reference(to: id, name: marker.exportName)
            return Submission(reference: reference, observation: job.observation(of: reference, retryAfter: nil))
        }
        if own.contains(where: { $0.createdDateTime == nil && $0.isUnderWay }) {
            throw ProviderError(
                .ambiguous,
                "A job of the same view is under way, but Viva Goals does not say since when: it may be this export."
            )
        }
        return nil
    }

    public func reference(
        toUpstreamID id: String,
        of plan: ExportPlan,
        marker: SubmissionMarker
    ) throws(ProviderError) -> UpstreamReference {
        // Opaque, and sent back as one step of a path (`Upstream-VivaGoals, Start`).
        try checkOpaqueID(id, mustBe: "the id of an export job, as Viva Goals gave it")
        return try VivaGoalsView(source: plan.source).reference(to: id, name: marker.exportName)
    }

    public func upstreamTime(at now: Timestamp) -> Timestamp? { client.upstreamTime(at: now) }

    /// Every job of an organization, page by page; the links between the pages are used byte for byte
    /// (`Upstream-Graph, Paging`).
    private func jobs(of organizationID: String, context: CallContext) async throws(ProviderError) -> [VivaGoalsJob] {
        var jobs: [VivaGoalsJob] = []
        // Viva Goals filters by this property only, and refuses any other (`Upstream-VivaGoals, Errors`).
        let filter = (name: "$filter", value: "goalsOrganizationId eq '\(organizationID)'")
        let reading = try await client.readList(
            call("viva-goals.list", .get, query: [filter]),
            pages: Self.mostPages,
            context: context,
            entry: { VivaGoalsJob($0) },
            failure: { response, fault in
                switch fault {
                case .refused: failure(response, during: .read)
                case .noList: .unreadable("Viva Goals' answer", response)
                case .link(let fault): .badLink("Viva Goals' link to the next page", response, fault)
                }
            },
            visit: { page in
                jobs += page.entries
                return true
            }
        )
        if reading.end == .complete { return jobs }
        throw ProviderError(
            .ambiguous,
            "Viva Goals lists more jobs than can be searched for a lost one.",
            upstream: nil
        )
    }

    /// One call for each reference, one after the other: each export has its own caller's token, and a list would not
    /// tell when a job wants to be asked next.
    public func observe(
        _ references: [UpstreamReference],
        context: CallContext
    ) async -> [UpstreamReference: Result<Observation, ProviderError>] {
        await observeOneByOne(references) { reference async throws(ProviderError) in
            try await observe(reference, context: context)
        }
    }

    private func observe(
        _ reference: UpstreamReference,
        context: CallContext
    ) async throws(ProviderError) -> Observation {
        let response = try await client.send(call("viva-goals.status", .get, [reference.id]), context: context)
        guard (200...299).contains(response.status) else { throw failure(response, during: .read) }
        guard let job = VivaGoalsJob(entity: response.json) else { throw .unreadable("Viva Goals' answer", response) }
        return job.observation(of: reference, retryAfter: response.retryAfter)
    }

    public func cancel(_ reference: UpstreamReference, context: CallContext) async throws(ProviderError) {
        throw ProviderError(.unsupported, "Viva Goals documents no call to stop an export.")
    }

    /// The address is made from the id: `resourceLocation` is not followed, so that no answer can send the token
    /// elsewhere. A redirection is followed to the storage hosts of the settings only, without the token.
    public func open(
        _ file: ExportFile,
        of reference: UpstreamReference,
        range: FileRange?,
        context: CallContext
    ) async throws(ProviderError) -> FileBody {
        let download = try await client.download(
            call("viva-goals.content", .get, [reference.id, "content"]),
            range: settings.asksForRanges ? range : nil,
            expectedLength: file.size,
            redirects: settings.openHosts,
            context: context
        )
        guard download.isFile else {
            throw failure(await download.collected(), during: .file)
        }
        guard !download.headers.isWebPage else {
            throw .webPage(from: "Viva Goals", upstream: await download.collected().errorInfo)
        }
        return FileBody(
            head: download.fileHead(requestID: download.headers["request-id"]),
            bytes: download.bytes
        )
    }

    private func failure(_ response: UpstreamResponse, during step: UpstreamStep) -> ProviderError {
        VivaGoalsFailure.error(response, during: step, trustsWords: client.trustsCapacityText)
    }

    private func call(
        _ operation: String,
        _ method: UpstreamRequest.Method,
        _ path: [String] = [],
        query: [(name: String, value: String)] = []
    ) -> UpstreamRequest {
        var request = UpstreamRequest(
            operation,
            method,
            settings.apiRoot.appending(path: VivaGoalsLocation.path + path, query: query),
            bearer: settings.scope
        )
        // Without this preference, Graph shows newer statuses only as unknownFutureValue.
        request.headers.append((name: "Prefer", value: "include-unknown-enum-members"))
        return request
    }
}
