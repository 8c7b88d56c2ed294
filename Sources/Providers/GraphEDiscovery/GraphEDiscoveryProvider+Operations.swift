import Exports
import UpstreamHTTP

/// Reading case operations: one, or a case's pages.
extension GraphEDiscoveryProvider {
    /// A case lists 2,000 exports at most (`Upstream-GraphEDiscovery, Limits`), and clients ask for 100 a page
    /// (`Upstream-GraphEDiscovery, Listing`).
    static var pageLimit: Int { 20 }
    private static var pageSize: Int { 100 }

    enum Step {
        case goOn
        case stop
    }

    /// A call to Graph. The Prefer header keeps newer enum members from being masked (`Upstream-Graph, Unknown enum members`);
    /// it must be sent with every page.
    func graphCall(_ name: String, _ method: UpstreamRequest.Method, _ url: UpstreamURL) -> UpstreamRequest {
        var call = UpstreamRequest("graph-ediscovery.\(name)", method, url, bearer: settings.graphScope)
        call.headers = [("Prefer", "include-unknown-enum-members"), ("Accept", "application/json")]
        return call
    }

    /// Reads a case's operations page by page, next links byte for byte, until `visit` says stop.
    /// Whether every entry was seen, or it was stopped; false when there are more than `limit` pages, or an entry cannot be read.
    func eachPage(
        of caseID: String,
        limit: Int = Self.pageLimit,
        context: CallContext,
        visit: (OperationPage) -> Step
    ) async throws(ProviderError) -> Bool {
        var url = settings.operationsURL(of: caseID)
        if settings.dialect == .security { url = url.appending(query: [("$top", String(Self.pageSize))]) }
        let reading = try await client.readList(
            graphCall("operations", .get, url),
            pages: limit,
            context: context,
            entry: { CaseOperation($0) },
            failure: { response, fault in
                switch fault {
                case .refused: GraphEDiscoveryFailure.error(response, in: .read)
                case .noList: GraphEDiscoveryFailure.unreadableList(response)
                case .link(let fault): GraphEDiscoveryFailure.badLink(response, "link to the next page", fault)
                }
            },
            visit: { visit($0) == .goOn }
        )
        // An entry that cannot be read may be the operation that is searched for.
        return reading.end == .stopped || reading.end == .complete && reading.unreadable == 0
    }

    /// One operation and the answer that it came in.
    func operation(
        _ reference: UpstreamReference,
        context: CallContext
    ) async throws(ProviderError) -> (operation: CaseOperation, response: UpstreamResponse) {
        guard let caseID = reference.caseID else {
            throw ProviderError(.permanent, "The reference to the operation does not name its case.")
        }
        let url = settings.operationsURL(of: caseID).appending(path: [reference.id])
        let response = try await client.send(graphCall("operation", .get, url), context: context)
        guard response.status == 200 else { throw GraphEDiscoveryFailure.error(response, in: .read) }
        guard let operation = response.json.flatMap({ CaseOperation($0) }) else {
            throw GraphEDiscoveryFailure.unreadable(response, "operation")
        }
        return (operation, response)
    }

    func observeAlone(
        _ reference: UpstreamReference,
        context: CallContext
    ) async -> Result<Observation, ProviderError> {
        do throws(ProviderError) {
            let (operation, response) = try await operation(reference, context: context)
            var observation = operation.observation(
                for: reference,
                in: settings.dialect,
                requestID: response.headers.requestID
            )
            observation.pollAfter = response.retryAfter
            return .success(observation)
        } catch {
            return .failure(error)
        }
    }

    /// What one list tells of several operations of a case, and for how many of its pages was asked. Left out are those that need a
    /// look of their own: not listed, or ended in a way whose files or reasons the list does not show.
    func observeTogether(
        _ references: [UpstreamReference],
        in caseID: String,
        context: CallContext
    ) async -> ([UpstreamReference: Result<Observation, ProviderError>], pages: Int) {
        let wanted = Dictionary(grouping: references, by: { OperationLocation.normalized($0.id) })
        var seen: [String: CaseOperation] = [:]
        var refusal: ProviderError?
        var pages = 0
        do throws(ProviderError) {
            // An operation may be at the end of a long list. Single reads are cheaper than many pages.
            let limit = min(Self.pageLimit, max(1, wanted.count / 2))
            _ = try await eachPage(of: caseID, limit: limit, context: context) { page in
                pages += 1
                for operation in page.operations {
                    let key = OperationLocation.normalized(operation.id)
                    if wanted[key] != nil { seen[key] = operation }
                }
                return seen.count == wanted.count ? .stop : .goOn
            }
        } catch  where error.isOwnWait {
            // The operations that were read before the error are still used.
            refusal = error
        } catch {
            // If another call would fail in the same way, all references get this error. Otherwise each one is read alone.
            // The page that failed counts as a call.
            guard error.isRetryable || error.code == .unauthenticated else { return ([:], pages + 1) }
            return (Dictionary(references.map { ($0, .failure(error)) }) { $1 }, pages + 1)
        }
        var results: [UpstreamReference: Result<Observation, ProviderError>] = [:]
        for reference in references {
            guard let operation = seen[OperationLocation.normalized(reference.id)] else {
                if let refusal { results[reference] = .failure(refusal) }
                continue
            }
            let observation = operation.observation(for: reference, in: settings.dialect)
            let lacksReason = observation.failure != nil && operation.resultInfo == nil
            if observation.filesPending || lacksReason { continue }
            results[reference] = .success(observation)
        }
        return (results, pages)
    }
}
