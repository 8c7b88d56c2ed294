public import Exports
public import JSON
public import UpstreamHTTP

/// Reports exported to files by Power BI: Power BI reports and paginated reports alike (`Upstream-PowerBI`).
///
/// The API has no cancel, no list of jobs and no free text to leave a marker in: a start whose answer is lost stays
/// unknown, and is not repeated, because each run costs capacity.
public struct PowerBIProvider: UpstreamProvider {
    let settings: PowerBISettings
    let client: UpstreamClient

    /// Makes the provider of one connection; `client` must allow the settings' hosts.
    public init(settings: PowerBISettings, client: UpstreamClient) {
        self.settings = settings
        self.client = client
    }

    public static var descriptor: ProviderDescriptor { PowerBIDescriptor.descriptor }

    public func validate(_ options: JSONValue) throws(ProviderError) -> ValidatedExport {
        try PowerBIRequest.validate(options)
    }

    /// Besides the contract's errors: `permanent` with code `secret-lost` when the plan needs a token that is not in
    /// `secrets`; nothing is sent then, because the export would run without the identity that was asked for.
    public func submit(
        _ plan: ExportPlan,
        secrets: [String: Secret],
        marker: SubmissionMarker,
        context: CallContext
    ) async throws(ProviderError) -> Submission {
        let report = try PowerBIReport(source: plan.source)
        var request = call("power-bi.start", .post, report.path + ["ExportTo"])
        request.setJSON(try PowerBIWire.requestBody(of: plan, secrets: secrets))
        request.secrets = Array(secrets.values)
        request.startsJob = true
        let response = try await client.send(request, context: context)
        guard (200...299).contains(response.status) else {
            throw failure(response, during: .start, plan: plan)
        }
        let export = PowerBIExport(response.json)
        guard let id = export?.id ?? PowerBILocation.exportID(in: response.headers) ?? export?.locatedID else {
            throw ProviderError(
                .accepted,
                "Power BI accepted the export, but its answer does not say under which id.",
                upstream: response.errorInfo
            )
        }
        let reference = report.reference(to: id, format: plan.source["format"]?.string)
        return Submission(
            reference: reference,
            observation: export.flatMap { export in
                // An answer without a status says nothing about the state of the job.
                export.status == nil ? nil : export.observation(of: reference, retryAfter: response.retryAfter)
            }
        )
    }

    public func reference(
        toUpstreamID id: String,
        of plan: ExportPlan,
        marker: SubmissionMarker
    ) throws(ProviderError) -> UpstreamReference {
        // Opaque, and sent back as one step of a path (`Upstream-PowerBI, Start`).
        try checkOpaqueID(id, mustBe: "the id of an export, as Power BI gave it")
        return try PowerBIReport(source: plan.source).reference(to: id, format: plan.source["format"]?.string)
    }

    public func upstreamTime(at now: Timestamp) -> Timestamp? { client.upstreamTime(at: now) }

    public func reconcile(
        _ plan: ExportPlan,
        marker: SubmissionMarker,
        others: OtherExports,
        context: CallContext
    ) async throws(ProviderError) -> Submission? {
        throw ProviderError(.unsupported, "Power BI has no list of exports to look for a lost one in.")
    }

    /// One call for each reference, one after the other.
    public func observe(
        _ references: [UpstreamReference],
        context: CallContext
    ) async -> [UpstreamReference: Result<Observation, ProviderError>] {
        await observeOneByOne(references) { reference async throws(ProviderError) in
            try await observe(reference, context: context)
        }
    }

    /// Microsoft allows 200 and 202 for any status: only the body counts (`Upstream-PowerBI, Status`).
    private func observe(
        _ reference: UpstreamReference,
        context: CallContext
    ) async throws(ProviderError) -> Observation {
        let report = try PowerBIReport(reference: reference)
        let response = try await client.send(
            call("power-bi.status", .get, report.path + ["exports", reference.id]),
            context: context
        )
        guard (200...299).contains(response.status) else { throw failure(response, during: .read) }
        guard let export = PowerBIExport(response.json) else {
            throw .unreadable("Power BI's answer on the export", response)
        }
        return export.observation(of: reference, retryAfter: response.retryAfter)
    }

    public func cancel(_ reference: UpstreamReference, context: CallContext) async throws(ProviderError) {
        throw ProviderError(.unsupported, "Power BI has no call to stop an export.")
    }

    /// The address is made from the ids: `resourceLocation` is not followed, so that no answer can send the token
    /// elsewhere.
    public func open(
        _ file: ExportFile,
        of reference: UpstreamReference,
        range: FileRange?,
        context: CallContext
    ) async throws(ProviderError) -> FileBody {
        let report = try PowerBIReport(reference: reference)
        let download = try await client.download(
            call("power-bi.file", .get, report.path + ["exports", reference.id, "file"]),
            range: settings.asksForRanges ? range : nil,
            expectedLength: file.size,
            redirects: settings.openHosts,
            context: context
        )
        guard download.isFile else {
            let error = failure(await download.collected(), during: .file)
            // 403 may mean that the file is forbidden or gone. The engine polls the export to find out.
            if error.code == .gone, error.upstream?.status == 403 {
                throw PowerBIFailure.forbiddenFile(upstream: error.upstream)
            }
            throw error
        }
        guard !download.headers.isWebPage else {
            throw .webPage(from: "Power BI", upstream: await download.collected().errorInfo)
        }
        return FileBody(
            head: download.fileHead(requestID: download.headers["requestid"]),
            bytes: download.bytes
        )
    }

    private func failure(
        _ response: UpstreamResponse,
        during step: UpstreamStep,
        plan: ExportPlan? = nil
    ) -> ProviderError {
        PowerBIFailure.error(
            response,
            during: step,
            asked: .init(
                forUser: client.actsForUsers,
                withIdentities: plan.map(PowerBIWire.hasIdentities) ?? false,
                trustsWords: client.trustsCapacityText
            )
        )
    }

    private func call(_ operation: String, _ method: UpstreamRequest.Method, _ path: [String]) -> UpstreamRequest {
        var request = UpstreamRequest(
            operation,
            method,
            settings.apiRoot.appending(path: ["v1.0", "myorg"] + path),
            bearer: settings.scope
        )
        if let profileID = settings.profileID {
            request.bearerHeaders.append((name: "X-PowerBI-profile-id", value: profileID))
        }
        request.rejectsToken = { PowerBIFailure.rejectsToken($0) }
        return request
    }
}
