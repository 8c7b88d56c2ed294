import Exports
import JSON
import UpstreamHTTP

/// What is to be exported: the address of an action of Graph and its parameters, in Microsoft's own names.
struct GraphEDiscoveryRequest: Sendable, Hashable {
    enum Target: Sendable, Hashable {
        case reviewSet(String, query: String?)
        case search(String, SearchAction)
    }

    /// The two exports of a search (`Upstream-GraphEDiscovery, Calls`).
    enum SearchAction: String, Sendable, CaseIterable {
        case exportResult
        case exportReport
    }

    /// Where the SAS token of an Azure container stands in the options.
    static let tokenPointer = "/azureBlobToken"

    var caseID: String
    var target: Target
    /// The action's parameters, the SAS token left out.
    var parameters: [String: JSONValue]

    /// The caller's own container, in which the files are to be put.
    var container: String? { parameters["azureBlobContainer"]?.string }

    /// What to call the export when the caller gave no name.
    var suggestedName: String {
        switch target {
        case .reviewSet: parameters["outputName"]?.string ?? "Review set export"
        case .search(let id, .exportResult): parameters["displayName"]?.string ?? "Export of search \(id)"
        case .search(let id, .exportReport): parameters["displayName"]?.string ?? "Report on search \(id)"
        }
    }

    /// The options in normal form.
    var source: JSONValue {
        var members = parameters
        members["caseId"] = .string(caseID)
        switch target {
        case .reviewSet(let id, let query):
            members["reviewSetId"] = .string(id)
            members["queryId"] = query.map { .string($0) }
        case .search(let id, let action):
            members["searchId"] = .string(id)
            members["exportType"] = .string(action.rawValue)
        }
        return .object(members)
    }

    /// The address of the action.
    func startURL(_ settings: GraphEDiscoverySettings) -> UpstreamURL {
        let root = settings.caseURL(caseID)
        switch target {
        case .reviewSet(let id, let query):
            // Each dialect's pages spell the segment in their own way (`Upstream-GraphEDiscovery, Calls`).
            let segment = settings.dialect == .ediscovery ? "reviewsets" : "reviewSets"
            return root.appending(path: [segment, id] + (query.map { ["queries", $0] } ?? []) + ["export"])
        case .search(let id, let action):
            return root.appending(path: ["searches", id, action.rawValue])
        }
    }

    /// The action's body: the parameters, the marker at the end of the description, and the SAS token.
    func body(marker: SubmissionMarker, token: Secret?) -> JSONValue {
        var members = parameters
        let description = parameters["description"]?.string ?? ""
        members["description"] = .string((description.isEmpty ? "" : description + " ") + "[\(marker.text)]")
        if case .search = target, members["displayName"] == nil { members["displayName"] = .string(marker.exportName) }
        if let token { members["azureBlobToken"] = .string(token.reveal()) }
        return .object(members)
    }

    /// How the job with this id is found again.
    func reference(to operationID: String) -> UpstreamReference {
        var context = ["caseId": caseID]
        context["outputName"] = parameters["outputName"]?.string
        context["azureBlobContainer"] = container
        return UpstreamReference(id: operationID, context: context)
    }
}

extension GraphEDiscoveryRequest {
    /// Reads the `source` of a plan that was made by `validated`.
    init(planned source: JSONValue) throws(ProviderError) {
        guard var members = source.object, let caseID = members.removeValue(forKey: "caseId")?.string else {
            throw ProviderError(.permanent, "The plan of the export cannot be read.")
        }
        let reviewSet = members.removeValue(forKey: "reviewSetId")?.string
        let query = members.removeValue(forKey: "queryId")?.string
        let search = members.removeValue(forKey: "searchId")?.string
        let action = members.removeValue(forKey: "exportType")?.string.flatMap { SearchAction(rawValue: $0) }
        if let reviewSet {
            target = .reviewSet(reviewSet, query: query)
        } else if let search, let action {
            target = .search(search, action)
        } else {
            throw ProviderError(.permanent, "The plan of the export cannot be read.")
        }
        self.caseID = caseID
        parameters = members
    }
}

extension UpstreamReference {
    var caseID: String? { context["caseId"] }
    var outputName: String? { context["outputName"] }
    /// The caller's own container, when the files go there.
    var container: String? { context["azureBlobContainer"] }
}
