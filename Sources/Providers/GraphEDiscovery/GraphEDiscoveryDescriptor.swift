import Exports
import JSON

/// What there is to know of this provider before any call.
enum GraphEDiscoveryDescriptor {
    static let descriptor = ProviderDescriptor(
        id: ProviderID("graph-ediscovery"),
        title: "Microsoft Purview eDiscovery",
        description: """
            Exports review sets, queries in review sets, and searches of Microsoft Purview eDiscovery cases through \
            Microsoft Graph. A connection speaks one of two dialects: security, the present interface, or ediscovery, \
            the former one, which exports whole review sets only and can put the files into the caller's own Azure \
            container. An export whose start was not confirmed is found again by a marker in its description; the \
            ediscovery dialect's list of operations is known to fail, and then such an export stays unknown.
            """,
        optionsMember: "graphEDiscovery",
        optionsSchema: schema,
        capabilities: capabilities
    )

    private static var capabilities: ProviderCapabilities {
        // Polls of 15 seconds at least, on a budget of five calls per minute and tenant (`Upstream-GraphEDiscovery, Limits`).
        var capabilities = ProviderCapabilities(minimumPollInterval: .seconds(15))
        capabilities.requestBudget = RequestBudget(5, per: .seconds(60))
        capabilities.progress = true
        capabilities.listing = true
        capabilities.batchObserve = true
        capabilities.reconcile = true
        capabilities.multipleFiles = true
        // Storage links serve parts (`Upstream-GraphEDiscovery, Pre-signed links`). The proxy may send the whole file instead,
        // which the contract allows.
        capabilities.rangeDownload = true
        // Links are reported to last 14 days, and packages 30 (`Upstream-GraphEDiscovery, Pre-signed links`). The shorter time
        // is declared. A link that expires within hours is requested again.
        capabilities.downloadLifetime = .seconds(14 * 86_400)
        capabilities.formats = GraphEDiscoveryOptions.exportFormats
        return capabilities
    }

    /// JSON Schema (2020-12) of the options: one branch for each kind of export. It holds for both dialects; what
    /// a connection's dialect does not have is said in the descriptions and refused by `validate`.
    private static var schema: JSONValue {
        [
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Options of an eDiscovery export",
            "type": "object",
            "oneOf": [reviewSet, searchResult, searchReport],
        ]
    }

    private static let identifier: JSONValue = [
        "type": "string",
        "pattern": "^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$",
    ]
    private static let description: JSONValue = [
        "type": "string", "maxLength": 1024, "description": "The gateway adds its marker at the end.",
    ]

    private static func name(_ text: String) -> JSONValue {
        ["type": "string", "minLength": 1, "maxLength": 256, "description": .string(text)]
    }

    private static func choice(_ values: [String], _ text: String) -> JSONValue {
        ["type": "string", "enum": .array(values.map { .string($0) }), "description": .string(text)]
    }

    private static func flags(_ values: [String], _ text: String) -> JSONValue {
        let value = "(" + values.joined(separator: "|") + ")"
        return [
            "type": "string", "pattern": .string("^ *\(value) *(, *\(value) *)*$"),
            "description": .string("\(text) One or more of \(values.joined(separator: ", ")), joined by commas."),
        ]
    }

    private static func branch(_ title: String, required: [String], _ properties: [String: JSONValue]) -> JSONValue {
        [
            "title": .string(title), "type": "object", "required": .array(required.map { .string($0) }),
            "properties": .object(properties), "additionalProperties": false,
        ]
    }

    private static var reviewSet: JSONValue {
        typealias Options = GraphEDiscoveryOptions
        let branch = branch(
            "Export of a review set, or of a query in it",
            required: ["caseId", "reviewSetId", "outputName"],
            [
                "caseId": identifier,
                "reviewSetId": identifier,
                "queryId": identifier,
                "outputName": name("The name of the export."),
                "description": description,
                "exportOptions": flags(
                    Options.exportOptions + Options.legacyExportOptions.filter { !Options.exportOptions.contains($0) },
                    "Without originalFiles only tags is honoured. fileInfo is for the ediscovery dialect; splitSource, includeFolderAndPath, friendlyName and condensePaths are for the security dialect."
                ),
                "exportStructure": choice(
                    Options.exportStructures,
                    "directory is deprecated by Microsoft; msg is for the security dialect."
                ),
                "azureBlobContainer": [
                    "type": "string", "format": "uri",
                    "description":
                        "The caller's own container to put the files in, https, without a query. For the ediscovery dialect.",
                ],
                "azureBlobToken": [
                    "type": "string", "minLength": 1, "maxLength": 4096, "writeOnly": true,
                    "description": "The container's SAS token. Sent to Microsoft once and kept nowhere.",
                ],
            ]
        )
        guard var members = branch.object else { return branch }
        members["dependentRequired"] = [
            "azureBlobContainer": ["azureBlobToken"], "azureBlobToken": ["azureBlobContainer"],
        ]
        return .object(members)
    }

    private static var searchMembers: [String: JSONValue] {
        typealias Options = GraphEDiscoveryOptions
        return [
            "caseId": identifier,
            "searchId": identifier,
            "displayName": name("The name of the export; the gateway's name of it when left out."),
            "description": description,
            "exportCriteria": flags(Options.exportCriteria, "Which items."),
            "exportLocation": flags(Options.exportLocations, "Only together with partiallyIndexed."),
            "additionalOptions": flags(Options.additionalOptions, "Default none, which stands alone."),
            "cloudAttachmentVersion": choice(Options.versions, "How many versions of cloud attachments."),
            "documentVersion": choice(Options.versions, "How many versions of documents."),
        ]
    }

    private static var searchResult: JSONValue {
        var members = searchMembers
        members["exportType"] = ["const": "exportResult", "default": "exportResult"]
        members["exportFormat"] = choice(GraphEDiscoveryOptions.exportFormats, "How mail is packed.")
        members["exportSingleItems"] = ["type": "boolean"]
        return branch(
            "Export of the items that a search found; security dialect",
            required: ["caseId", "searchId", "exportCriteria", "exportFormat"],
            members
        )
    }

    private static var searchReport: JSONValue {
        var members = searchMembers
        members["exportType"] = ["const": "exportReport"]
        return branch(
            "Report on the items that a search found; security dialect",
            required: ["caseId", "searchId", "exportType", "exportCriteria"],
            members
        )
    }
}
