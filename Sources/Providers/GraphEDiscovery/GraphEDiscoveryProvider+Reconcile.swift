public import Exports
import JSON
import UpstreamHTTP

/// Finding the operation of a start whose answer was lost.
extension GraphEDiscoveryProvider {
    /// So many operations that the list shows in part are read one by one.
    private static var singleReads: Int { 5 }

    /// Searches the case's operations for the marker. Lists are known to come without descriptions: where an operation
    /// tells none, it is ours if it is the only one of this kind and name that was created after the attempt began, by this
    /// connection's identity, and that no other export can have. The `ediscovery` dialect's list is known to fail
    /// (`Upstream-GraphEDiscovery, Listing`); then its error is thrown.
    ///
    /// Throws `ambiguous`, too, where there are more operations than the gateway reads.
    public func reconcile(
        _ plan: ExportPlan,
        marker: SubmissionMarker,
        others: OtherExports,
        context: CallContext
    ) async throws(ProviderError) -> Submission? {
        let request = try GraphEDiscoveryRequest(planned: plan.source)
        var marked: [CaseOperation] = []
        var undescribed: [CaseOperation] = []
        var isWholeList = try await eachPage(of: request.caseID, context: context) { page in
            marked += page.operations.filter { $0.carries(marker) }
            undescribed += page.operations.filter { !$0.isDescribed }
            return marked.isEmpty ? .goOn : .stop
        }
        let upstreamTime = { [client] in client.upstreamTime(at: $0) ?? $0 }
        let earliest = marker.upstreamNotBefore ?? upstreamTime(marker.notBefore)
        var unmarked: [CaseOperation] = []
        if marked.isEmpty, !undescribed.isEmpty {
            let identity = await client.identity(for: settings.graphScope, context: context)
            let possible = undescribed.filter {
                $0.mayAnswer(request, marker, since: earliest) && identity?.mayBe($0.createdBy) ?? true
            }
            let unclear = possible.filter { !$0.tellsAll }
            isWholeList = isWholeList && unclear.count <= Self.singleReads
            unmarked = possible.filter(\.tellsAll)
            for entry in unclear.prefix(Self.singleReads) {
                let whole = try await operation(request.reference(to: entry.id), context: context).operation
                if whole.carries(marker) {
                    marked.append(whole)
                } else if !whole.isDescribed, whole.answers(request, marker, since: earliest),
                    identity?.mayBe(whole.createdBy) ?? true
                {
                    unmarked.append(whole)
                }
            }
        }
        let never = Timestamp(milliseconds: .min)
        var found = marked.max { $0.createdDateTime ?? never < $1.createdDateTime ?? never }
        if found == nil {
            let only = try await UnmarkedJob.only(
                of: unmarked.compactMap { operation in
                    operation.createdDateTime.map {
                        UnmarkedJob(ids: OperationLocation.spellings(of: operation.id), createdAt: $0)
                    }
                },
                since: earliest,
                isWholeList: isWholeList,
                others: others,
                upstreamTime: upstreamTime
            ) { other in
                (try? GraphEDiscoveryRequest(planned: other.plan.source))?.isLike(request, other.marker, marker) ?? true
            }
            found = only.flatMap { only in unmarked.first { $0.id == only.ids.first } }
        }
        guard let found else {
            if isWholeList { return nil }
            throw ProviderError(
                .ambiguous,
                "The case has more operations than the gateway reads, and the export is not among those that it saw."
            )
        }
        let reference = request.reference(to: found.id)
        return Submission(reference: reference, observation: found.observation(for: reference, in: settings.dialect))
    }
}

extension CaseOperation {
    /// Whether this operation was started with `marker`: no other operation has its text.
    func carries(_ marker: SubmissionMarker) -> Bool { description?.contains("[\(marker.text)]") == true }

    /// Whether it shows a description, which would have the marker if it were ours.
    var isDescribed: Bool { description.map { !$0.isEmpty } ?? false }

    /// Whether this copy shows everything that tells ours from others: Microsoft's sample of the list shows what all kinds of
    /// operations have in common, and no more is promised (`Upstream-GraphEDiscovery, Listing`).
    var tellsAll: Bool { description != nil && name != nil && createdDateTime != nil }

    /// Whether it is what a request asked for, created at `earliest` or later.
    func answers(_ request: GraphEDiscoveryRequest, _ marker: SubmissionMarker, since earliest: Timestamp) -> Bool {
        name == request.jobName(marker) && createdDateTime != nil && mayAnswer(request, marker, since: earliest)
    }

    /// The same as far as this copy tells.
    func mayAnswer(_ request: GraphEDiscoveryRequest, _ marker: SubmissionMarker, since earliest: Timestamp) -> Bool {
        let kinds = [request.action.lowercased(), "unknownfuturevalue"]
        return action.map { kinds.contains($0.lowercased()) } ?? true
            && name.map { $0 == request.jobName(marker) } ?? true
            && createdDateTime.map { $0 >= earliest + (.zero - UnmarkedJob.clockTolerance) } ?? true
    }
}

extension GraphEDiscoveryRequest {
    /// The `action` of its operation.
    var action: String {
        switch target {
        case .reviewSet: "contentExport"
        case .search(_, let action): action.rawValue
        }
    }

    /// What its operation is called.
    func jobName(_ marker: SubmissionMarker) -> String? {
        switch target {
        case .reviewSet: parameters["outputName"]?.string
        case .search: parameters["displayName"]?.string ?? marker.exportName
        }
    }

    /// Whether the operations of both could be taken for one another, where they carry no marker.
    func isLike(_ other: GraphEDiscoveryRequest, _ marker: SubmissionMarker, _ otherMarker: SubmissionMarker) -> Bool {
        caseID.lowercased() == other.caseID.lowercased() && action == other.action
            && jobName(marker) == other.jobName(otherMarker)
    }
}
