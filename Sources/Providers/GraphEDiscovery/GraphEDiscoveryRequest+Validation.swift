import Exports
import JSON
import UpstreamHTTP

/// The members and values that each action knows (`Upstream-GraphEDiscovery, Request bodies`). `unknownFutureValue` is none of
/// them: it only occurs in answers.
enum GraphEDiscoveryOptions {
    static let legacyExportOptions = ["originalFiles", "text", "pdfReplacement", "fileInfo", "tags"]
    static let exportOptions = [
        "originalFiles", "text", "pdfReplacement", "tags", "splitSource", "includeFolderAndPath", "friendlyName",
        "condensePaths",
    ]
    static let legacyExportStructures = ["none", "directory", "pst"]
    static let exportStructures = ["none", "directory", "pst", "msg"]
    static let exportCriteria = ["searchHits", "partiallyIndexed"]
    static let exportLocations = ["responsiveLocations", "nonresponsiveLocations"]
    static let exportFormats = ["pst", "msg", "eml"]
    /// `optimizedPartitionSize` is in Microsoft's samples, though not in its metadata.
    static let additionalOptions = [
        "none", "teamsAndYammerConversations", "cloudAttachments", "allDocumentVersions", "subfolderContents",
        "listAttachments", "htmlTranscripts", "advancedIndexing", "allItemsInFolder", "includeFolderAndPath",
        "condensePaths", "friendlyName", "splitSource", "optimizedPartitionSize", "includeReport",
    ]
    static let versions = ["latest", "recent10", "recent100", "all"]

    static let addressMembers = ["caseId", "reviewSetId", "queryId", "searchId"]
    static let storageMembers = ["azureBlobContainer", "azureBlobToken"]
    static let reviewSetMembers = ["outputName", "exportOptions", "exportStructure"]
    static let searchMembers = [
        "exportType", "displayName", "exportCriteria", "exportLocation", "additionalOptions", "exportFormat",
        "cloudAttachmentVersion", "documentVersion", "exportSingleItems",
    ]
    static let resultOnlyMembers = ["exportFormat", "exportSingleItems"]

    /// Azure Blob Storage in the public cloud, and in those of the United States' government and of China.
    static let storageSuffixes = [
        ".blob.core.windows.net", ".blob.core.usgovcloudapi.net", ".blob.core.chinacloudapi.cn",
    ]
}

extension GraphEDiscoveryRequest {
    /// Reads the options object of a create request strictly. Throws `invalid` with every fault.
    static func validated(
        _ options: JSONValue,
        dialect: GraphEDiscoverySettings.Dialect
    ) throws(ProviderError) -> (request: GraphEDiscoveryRequest, token: Secret?) {
        var reader = ObjectReader(options)
        let caseID = reader.identifier("caseId", isRequired: true)
        var parameters: [String: JSONValue] = [:]
        parameters["description"] = reader.string("description", length: 0...1024).map { .string($0) }
        var token: Secret?
        var target: Target?
        switch (dialect, reader.has("reviewSetId"), reader.has("searchId")) {
        case (.security, false, true):
            target = reader.search(&parameters)
        case (.security, true, false):
            target = reader.reviewSet(&parameters)
        case (.security, let reviewSet, _):
            if reviewSet {
                reader.fault("searchId", "cannot stand beside reviewSetId: an export is of one or the other")
            } else {
                reader.fault("reviewSetId", "is required, or searchId: one of them says what is exported")
            }
            reader.overlook(GraphEDiscoveryOptions.addressMembers)
            reader.overlook(GraphEDiscoveryOptions.reviewSetMembers + GraphEDiscoveryOptions.searchMembers)
            reader.overlook(GraphEDiscoveryOptions.storageMembers)
        case (.ediscovery, _, _):
            target = reader.legacyReviewSet(&parameters)
            token = reader.storage(&parameters)
        }
        reader.finish()
        guard reader.faults.isEmpty, let caseID, let target else { throw .invalid(reader.faults) }
        return (GraphEDiscoveryRequest(caseID: caseID, target: target, parameters: parameters), token)
    }
}

extension ObjectReader {
    fileprivate mutating func reviewSet(_ parameters: inout [String: JSONValue]) -> GraphEDiscoveryRequest.Target? {
        typealias Options = GraphEDiscoveryOptions
        let id = identifier("reviewSetId", isRequired: true)
        let query = identifier("queryId", isRequired: false)
        parameters["outputName"] = requiredString("outputName", length: 1...256).map { .string($0) }
        parameters["exportOptions"] = flags(
            "exportOptions",
            among: Options.exportOptions,
            refusing: ["fileInfo"],
            because: "stopped working on 30 April 2023; the summary and the load file always come, so leave it out"
        )
        .map { .string($0.joined(separator: ",")) }
        parameters["exportStructure"] = choice("exportStructure", among: Options.exportStructures).map { .string($0) }
        refuse(Options.searchMembers, "belongs to the export of a search (searchId), and this is one of a review set")
        refuse(
            Options.storageMembers,
            "stopped working on 30 April 2023: only a connection in the ediscovery dialect can export to own storage"
        )
        return id.map { .reviewSet($0, query: query) }
    }

    fileprivate mutating func legacyReviewSet(
        _ parameters: inout [String: JSONValue]
    ) -> GraphEDiscoveryRequest.Target? {
        typealias Options = GraphEDiscoveryOptions
        let id = identifier("reviewSetId", isRequired: true)
        parameters["outputName"] = requiredString("outputName", length: 1...256).map { .string($0) }
        parameters["exportOptions"] = flags(
            "exportOptions",
            among: Options.legacyExportOptions,
            refusing: Options.exportOptions.filter { !Options.legacyExportOptions.contains($0) },
            because: "needs a connection in the security dialect"
        )
        .map { .string($0.joined(separator: ",")) }
        parameters["exportStructure"] = choice("exportStructure", among: Options.legacyExportStructures)
            .map { .string($0) }
        refuse(
            ["queryId", "searchId"] + Options.searchMembers,
            "needs a connection in the security dialect: this one speaks ediscovery, which exports whole review sets only"
        )
        return id.map { .reviewSet($0, query: nil) }
    }

    fileprivate mutating func search(_ parameters: inout [String: JSONValue]) -> GraphEDiscoveryRequest.Target? {
        typealias Options = GraphEDiscoveryOptions
        typealias Action = GraphEDiscoveryRequest.SearchAction
        let id = identifier("searchId", isRequired: true)
        let named = choice("exportType", among: Action.allCases.map(\.rawValue))
        let type = has("exportType") ? named : "exportResult"
        parameters["displayName"] = string("displayName", length: 1...256).map { .string($0) }

        let criteria = has("exportCriteria") ? flags("exportCriteria", among: Options.exportCriteria) : nil
        if !has("exportCriteria") { _ = requiredString("exportCriteria") }
        let locations = flags("exportLocation", among: Options.exportLocations)
        if locations != nil, let criteria, !criteria.contains("partiallyIndexed") {
            fault(
                "exportLocation",
                "has no effect unless exportCriteria has partiallyIndexed: leave it out or add that"
            )
        }
        let chosen = flags("additionalOptions", among: Options.additionalOptions)
        let additional = has("additionalOptions") ? chosen : ["none"]
        if let additional, additional.count > 1, additional.contains("none") {
            fault("additionalOptions", "cannot have none beside other options")
        }
        parameters["exportCriteria"] = criteria.map { .string($0.joined(separator: ", ")) }
        parameters["exportLocation"] = locations.map { .string($0.joined(separator: ", ")) }
        parameters["additionalOptions"] = additional.map { .string($0.joined(separator: ", ")) }
        for name in ["cloudAttachmentVersion", "documentVersion"] {
            parameters[name] = choice(name, among: Options.versions).map { .string($0) }
        }

        let action = type.flatMap { Action(rawValue: $0) }
        switch action {
        case .exportReport:
            refuse(
                Options.resultOnlyMembers,
                "belongs to exportType exportResult: a report has no items to put in a format"
            )
        case .exportResult:
            parameters["exportFormat"] = requiredChoice("exportFormat", among: Options.exportFormats)
                .map { .string($0) }
            parameters["exportSingleItems"] = bool("exportSingleItems").map { .bool($0) }
        case nil:
            overlook(Options.resultOnlyMembers)
        }
        refuse(
            ["queryId"] + Options.reviewSetMembers,
            "belongs to the export of a review set (reviewSetId), and this is one of a search"
        )
        refuse(
            Options.storageMembers,
            "belongs to review sets in the ediscovery dialect; a search cannot export to own storage"
        )
        guard let id, let action else { return nil }
        return .search(id, action)
    }

    /// The caller's own container and its SAS token: both or neither. No fault repeats either.
    fileprivate mutating func storage(_ parameters: inout [String: JSONValue]) -> Secret? {
        let container = string("azureBlobContainer", length: 1...2048)
        let token = string("azureBlobToken", length: 1...4096)
        if has("azureBlobContainer") != has("azureBlobToken") {
            let missing = has("azureBlobContainer") ? "azureBlobToken" : "azureBlobContainer"
            fault(missing, "is required: a container and its SAS token go together")
        }
        if let container {
            if let problem = Self.problem(ofContainer: container) { fault("azureBlobContainer", problem) }
            parameters["azureBlobContainer"] = .string(container)
        }
        guard let token else { return nil }
        if token.contains("://") || token.unicodeScalars.contains(where: { $0.value <= 0x20 || $0.value > 0x7E }) {
            fault("azureBlobToken", "must be the SAS token alone, without the container's address and without spaces")
        }
        return Secret(token)
    }

    private static func problem(ofContainer text: String) -> String? {
        guard let url = UpstreamURL(text) else {
            return "must be the address of a container, such as https://account.blob.core.windows.net/container"
        }
        if url.query != nil { return "must not have a query: the SAS token goes into azureBlobToken" }
        if url.scheme != .https || url.port != 443 { return "must be https on port 443" }
        guard GraphEDiscoveryOptions.storageSuffixes.contains(where: { url.host.hasSuffix($0) && url.host != $0 })
        else {
            let names = GraphEDiscoveryOptions.storageSuffixes.map { "*" + $0 }.joined(separator: ", ")
            return "must be at an Azure Blob Storage host: \(names)"
        }
        guard url.path.split(separator: "/").count == 1 else { return "must name one container after the host" }
        return nil
    }
}

extension ObjectReader {
    /// A GUID, lower-cased, with dashes or as 32 digits without: older operations and cases have the latter form.
    fileprivate mutating func identifier(_ name: String, isRequired: Bool) -> String? {
        guard let text = isRequired ? requiredString(name) : string(name) else { return nil }
        let isCompact = text.utf8.count == 32 && text.utf8.allSatisfy(UUIDText.isHexDigit)
        guard isCompact || UUIDText.isValid(text) else {
            fault(name, "must be a GUID such as b0073e4e-4184-41c6-9eb7-8c8cc3e2288b, with or without its dashes")
            return nil
        }
        return text.lowercased()
    }

    /// As `flags(_:among:)`, with a reason for values that are known but not possible here.
    fileprivate mutating func flags(
        _ name: String,
        among allowed: [String],
        refusing refused: [String],
        because reason: String
    ) -> [String]? {
        guard let value = value(name) else { return nil }
        let given = value.string?.split(separator: ",").map { $0.filter { $0 != " " }.lowercased() } ?? []
        guard let match = refused.first(where: { given.contains($0.lowercased()) }) else {
            return flags(name, among: allowed)
        }
        fault(name, "has \(match), which \(reason)")
        return nil
    }

    /// Refuses members that are known elsewhere, and says why they cannot stand here.
    fileprivate mutating func refuse(_ names: [String], _ reason: String) {
        for name in names where has(name) {
            overlook([name])
            fault(name, reason)
        }
    }

    /// Takes members as known, whatever is in them.
    fileprivate mutating func overlook(_ names: [String]) {
        for name in names where has(name) { _ = value(name) }
    }
}
