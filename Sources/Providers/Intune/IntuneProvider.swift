public import Exports
public import JSON
public import UpstreamHTTP

/// Reports of Microsoft Intune: `deviceManagement/reports/exportJobs` of Microsoft Graph (`Upstream-Intune`).
///
/// The API has no cancel, a list that is not answered, and no free text to leave a marker in: a start whose answer is lost stays
/// unknown. Jobs that fail or do not end are replaced by the engine, as the observations say.
public struct IntuneProvider: UpstreamProvider {
    let settings: IntuneSettings
    let client: UpstreamClient

    /// Makes the provider of one connection; `client` must allow the settings' hosts.
    public init(settings: IntuneSettings, client: UpstreamClient) {
        self.settings = settings
        self.client = client
    }

    public static var descriptor: ProviderDescriptor { IntuneDescriptor.descriptor }

    public func validate(_ options: JSONValue) throws(ProviderError) -> ValidatedExport {
        try IntuneRequest.validate(options)
    }

    /// One POST. Any 2xx is an acceptance (`Upstream-Intune, Calls`).
    public func submit(
        _ plan: ExportPlan,
        secrets: [String: Secret],
        marker: SubmissionMarker,
        context: CallContext
    ) async throws(ProviderError) -> Submission {
        var request = call("intune.start", .post, IntuneLocation.jobs(settings))
        request.setJSON(plan.source)
        request.startsJob = true
        let response = try await client.send(request, context: context)
        guard (200...299).contains(response.status) else {
            throw IntuneFailure.error(response, during: .start, trustsWords: client.trustsCapacityText)
        }
        let job = IntuneJob(response.json)
        guard let id = job?.id ?? IntuneLocation.jobID(in: response.headers) else {
            throw ProviderError(
                .accepted,
                "Intune accepted the export, but its answer does not say under which id.",
                upstream: response.errorInfo
            )
        }
        let reference = UpstreamReference(id: id)
        return Submission(
            reference: reference,
            observation: job.flatMap { job in
                // An answer without a status says nothing about the state of the job.
                job.status == nil ? nil : observation(of: job, reference, response)
            }
        )
    }

    public func reconcile(
        _ plan: ExportPlan,
        marker: SubmissionMarker,
        others: OtherExports,
        context: CallContext
    ) async throws(ProviderError) -> Submission? {
        throw ProviderError(.unsupported, "Intune answers no list of export jobs to look for a lost one in.")
    }

    public func reference(
        toUpstreamID id: String,
        of plan: ExportPlan,
        marker: SubmissionMarker
    ) throws(ProviderError) -> UpstreamReference {
        // Opaque, and sent back in a path (`Upstream-Intune, Job`).
        try checkOpaqueID(id, mustBe: "the id of an export job, as Intune gave it")
        return UpstreamReference(id: id)
    }

    public func upstreamTime(at now: Timestamp) -> Timestamp? { client.upstreamTime(at: now) }

    /// One call for each reference, one after the other.
    public func observe(
        _ references: [UpstreamReference],
        context: CallContext
    ) async -> [UpstreamReference: Result<Observation, ProviderError>] {
        await observeOneByOne(references) { reference async throws(ProviderError) in
            let (job, response) = try await job(reference, context: context)
            return observation(of: job, reference, response)
        }
    }

    /// Always `unsupported`: jobs cannot be stopped.
    public func cancel(_ reference: UpstreamReference, context: CallContext) async throws(ProviderError) {
        throw ProviderError(.unsupported, "Intune documents no call to stop an export job.")
    }

    /// The job as it is now, and the answer that it came in.
    func job(
        _ reference: UpstreamReference,
        context: CallContext
    ) async throws(ProviderError) -> (job: IntuneJob, response: UpstreamResponse) {
        guard let url = IntuneLocation.job(reference.id, settings) else {
            throw ProviderError(.permanent, "The job's id makes no address.", problem: .internalError)
        }
        var request = call("intune.status", .get, url)
        request.isPaced = settings.countsPolls
        let response = try await client.send(request, context: context)
        guard (200...299).contains(response.status) else { throw IntuneFailure.error(response, during: .read) }
        guard let job = IntuneJob(response.json) else {
            throw .unreadable("Intune's answer on the export job", response)
        }
        return (job, response)
    }

    func observation(
        of job: IntuneJob,
        _ reference: UpstreamReference,
        _ response: UpstreamResponse
    ) -> Observation {
        job.observation(
            of: reference,
            settings: settings,
            at: client.upstreamTime(at: response.receivedAt) ?? response.receivedAt,
            retryAfter: response.retryAfter
        )
    }

    private func call(_ operation: String, _ method: UpstreamRequest.Method, _ url: UpstreamURL) -> UpstreamRequest {
        var request = UpstreamRequest(operation, method, url, bearer: settings.scope)
        // Without this preference, Graph shows newer statuses only as unknownFutureValue.
        request.headers = [("Prefer", "include-unknown-enum-members"), ("Accept", "application/json")]
        return request
    }
}
