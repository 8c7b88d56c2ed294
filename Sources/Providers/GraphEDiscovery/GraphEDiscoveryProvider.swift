public import Exports
public import UpstreamHTTP

/// Microsoft Purview eDiscovery through Microsoft Graph: exports of review sets, of queries in them, and of searches.
///
/// A job is a case operation. It is started by an action that answers 202 with the operation's address and no body,
/// and is recognised again by the marker at the end of its `description`.
public struct GraphEDiscoveryProvider: ExportProvider {
    let settings: GraphEDiscoverySettings
    let client: UpstreamClient

    /// Makes the provider of one connection. The client must allow `settings.bearerHosts` and `settings.openHosts`.
    public init(settings: GraphEDiscoverySettings, client: UpstreamClient) {
        self.settings = settings
        self.client = client
    }

    public static var descriptor: ProviderDescriptor { GraphEDiscoveryDescriptor.descriptor }

    public func validate(_ options: JSONValue) throws(ProviderError) -> ValidatedExport {
        let (request, token) = try GraphEDiscoveryRequest.validated(options, dialect: settings.dialect)
        return ValidatedExport(
            plan: ExportPlan(
                source: request.source,
                suggestedName: request.suggestedName,
                destination: request.container,
                needsSecrets: token != nil
            ),
            secrets: token.map { [GraphEDiscoveryRequest.tokenPointer: $0] } ?? [:]
        )
    }

    /// One POST (`graph.md` A1, B1). Any 2xx is an acceptance: the operation's id is taken from wherever it stands.
    public func submit(
        _ plan: ExportPlan,
        secrets: [String: Secret],
        marker: SubmissionMarker,
        context: CallContext
    ) async throws(ProviderError) -> Submission {
        let request = try GraphEDiscoveryRequest(planned: plan.source)
        let token = secrets[GraphEDiscoveryRequest.tokenPointer]
        if plan.needsSecrets, token == nil {
            throw ProviderError(
                .permanent,
                "The SAS token of the Azure container is no longer known: create the export again.",
                problem: .secretLost
            )
        }
        var call = graphCall("start", .post, request.startURL(settings))
        call.setJSON(request.body(marker: marker, token: token))
        call.secrets = token.map { [$0] } ?? []
        call.startsJob = true
        let response = try await client.send(call, context: context)
        guard (200...299).contains(response.status) else {
            throw GraphEDiscoveryFailure.error(response, in: .start, trustsWords: client.trustsCapacityText)
        }
        guard let id = OperationLocation.id(in: response) else {
            throw ProviderError(
                .accepted,
                "Microsoft Graph accepted the export but did not say under which id it runs.",
                upstream: response.errorInfo
            )
        }
        return Submission(reference: request.reference(to: id))
    }

    /// One GET for each operation; in the `security` dialect one list for all operations of a case, and then a GET only
    /// for those whose entry in the list does not tell enough.
    public func observe(
        _ references: [UpstreamReference],
        context: CallContext
    ) async -> [UpstreamReference: Result<Observation, ProviderError>] {
        var results: [UpstreamReference: Result<Observation, ProviderError>] = [:]
        for (caseID, members) in Dictionary(grouping: references, by: { $0.caseID ?? "" }) {
            if settings.dialect == .security, !caseID.isEmpty, Set(members).count > 1 {
                results.merge(await observeTogether(members, in: caseID, context: context)) { $1 }
            }
            for reference in members where results[reference] == nil {
                results[reference] = await observeAlone(reference, context: context)
            }
        }
        return results
    }

    public func reference(
        toUpstreamID id: String,
        of plan: ExportPlan,
        marker: SubmissionMarker
    ) throws(ProviderError) -> UpstreamReference {
        guard OperationLocation.isID(id) else {
            throw .invalid([
                FieldFault(
                    "/upstreamId",
                    "must be the id of a case operation: 32 hexadecimal digits, with dashes or without"
                )
            ])
        }
        return try GraphEDiscoveryRequest(planned: plan.source).reference(to: id)
    }

    /// With dashes and without, in small letters and in capitals (`graph.md` B4).
    public func spellings(ofUpstreamID id: String) -> [String] { OperationLocation.spellings(of: id) }

    public func upstreamTime(at now: Timestamp) -> Timestamp? { client.upstreamTime(at: now) }

    /// Always `unsupported`: case operations cannot be stopped.
    public func cancel(_ reference: UpstreamReference, context: CallContext) async throws(ProviderError) {
        throw ProviderError(.unsupported, "Microsoft Graph has no call that stops an eDiscovery export.")
    }

    /// Asks for a fresh link and opens it; a link that is refused, most likely because it
    /// has expired in between, is asked for once more.
    public func open(
        _ file: ExportFile,
        of reference: UpstreamReference,
        range: FileRange?,
        context: CallContext
    ) async throws(ProviderError) -> FileBody {
        guard reference.container == nil else {
            throw ProviderError(
                .unsupported,
                "The export was written to the caller's own Azure container: download it there.",
                problem: .deliveredElsewhere
            )
        }
        let first = try await link(to: file, of: reference, context: context)
        if case .body(let body) = try await fetch(first, range: range, context: context) { return body }
        let second = try await link(to: file, of: reference, context: context)
        switch try await fetch(second, range: range, context: context) {
        case .body(let body): return body
        case .refused(let error): throw error
        }
    }
}
