public import Exports
public import JSON
public import UpstreamHTTP

/// Microsoft Purview eDiscovery through Microsoft Graph: exports of review sets, of queries in them, and of searches.
///
/// A job is a case operation. It is started by an action that answers 202 with the operation's address and no body,
/// and is recognised again by the marker at the end of its `description`.
public struct GraphEDiscoveryProvider: UpstreamProvider {
    let settings: GraphEDiscoverySettings
    let client: UpstreamClient
    let recent = RecentOperations()
    let turns = ObservationTurns()

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

    /// One POST (`Upstream-GraphEDiscovery, Calls`). Any 2xx is an acceptance: the operation's id is taken from wherever it
    /// stands.
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
    ///
    /// As soon as the request budget has no place any more, or `roundLimit` is over, what is known by then is the answer, and the
    /// rest is `queued`. Callers take turns, and of each, what was asked for least recently is asked for first, so that everyone
    /// has its turn however few places there are.
    public func observe(
        _ references: [UpstreamReference],
        context: CallContext
    ) async -> [UpstreamReference: Result<Observation, ProviderError>] {
        recent.dropExpired(at: client.now)
        let begun = client.elapsed
        var results: [UpstreamReference: Result<Observation, ProviderError>] = [:]
        var waiting = turns.inTurn(parts(of: references), owners: context.owners)
        var next = 0
        var context = context
        while next < waiting.count {
            let part = waiting[next]
            let (answers, calls, unclear) = await answers(to: part, context: context)
            results.merge(answers) { $1 }
            var refusal = answers.values.compactMap(\.ownWait).first
            turns.asked(part, calls: calls, isOver: refusal == nil, owners: context.owners)
            if refusal == nil {
                next += 1
                waiting += unclear.map { .one($0) }
                if let limit = context.roundLimit, client.elapsed - begun >= limit { refusal = Self.othersTurn }
            }
            if let refusal {
                for reference in waiting[next...].flatMap(\.references) where results[reference] == nil {
                    results[reference] = .failure(refusal)
                }
                break
            }
            // Each part is a series of its own: only the calls of one part depend on each other.
            context.series = nil
        }
        return results
    }

    private static let othersTurn = ProviderError(
        .throttled,
        "Other exports of the connection were asked for first; the upstream was not asked for this one yet.",
        problem: .queued,
        retryAfter: .zero
    )

    /// What is asked for with one poll each.
    private func parts(of references: [UpstreamReference]) -> [ObservationPart] {
        var cases: [String: [UpstreamReference]] = [:]
        var order: [String] = []
        var seen: Set<UpstreamReference> = []
        for reference in references where seen.insert(reference).inserted {
            let caseID = reference.caseID ?? ""
            if cases[caseID] == nil { order.append(caseID) }
            cases[caseID, default: []].append(reference)
        }
        return order.flatMap { caseID -> [ObservationPart] in
            let members = cases[caseID] ?? []
            // For these, the list did not have enough information when it was read last.
            let unclear = members.filter { turns.isUnclear($0) }
            let listed = members.filter { !turns.isUnclear($0) }
            let isListed = settings.dialect == .security && !caseID.isEmpty && listed.count > 1
            return (isListed ? [.list(caseID, listed)] : listed.map { .one($0) }) + unclear.map { .one($0) }
        }
    }

    /// What a poll tells, with how many calls, and which operations need one of their own.
    private func answers(
        to part: ObservationPart,
        context: CallContext
    ) async -> (
        [UpstreamReference: Result<Observation, ProviderError>], calls: Int, unclear: [UpstreamReference]
    ) {
        switch part {
        case .one(let reference):
            let answer = await observeAlone(reference, context: context)
            return ([reference: answer], answer.ownWait == nil ? 1 : 0, [])
        case .list(let caseID, let members):
            let (answers, pages) = await observeTogether(members, in: caseID, context: context)
            let unclear = members.filter { answers[$0] == nil }
            turns.areUnclear(unclear)
            return (answers, pages, unclear)
        }
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

    /// With dashes and without, in small letters and in capitals (`Upstream-GraphEDiscovery, Start`).
    public func spellings(ofUpstreamID id: String) -> [String] { OperationLocation.spellings(of: id) }

    public func upstreamTime(at now: Timestamp) -> Timestamp? { client.upstreamTime(at: now) }

    /// Always `unsupported`: case operations cannot be stopped.
    public func cancel(_ reference: UpstreamReference, context: CallContext) async throws(ProviderError) {
        throw ProviderError(.unsupported, "Microsoft Graph has no call that stops an eDiscovery export.")
    }

    /// Asks for a link and opens it; a link that is refused, most likely because it has expired in between, is asked for once
    /// more. The files of one export that are opened one after the other have their links from one answer.
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
        recent.dropExpired(at: client.now)
        if let known = recentLink(to: file, of: reference, context: context) {
            do throws(ProviderError) {
                if case .body(let body) = try await fetch(known, range: range, context: context) { return body }
            } catch {
                // A new link would not help.
                if error.isRetryable || error.code == .invalid { throw error }
            }
            recent.remove(reference, context.authorization)
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
