import Exports
import JSON

/// What there is to know of Power BI before any call.
enum PowerBIDescriptor {
    static let descriptor = ProviderDescriptor(
        id: ProviderID("power-bi"),
        title: "Power BI",
        description: """
            Exports a report to a file: Power BI reports as pages (PDF, PPTX, PNG), paginated reports also as data. \
            The workspace must be on a Premium, Embedded or Fabric capacity. A running export cannot be stopped.
            """,
        optionsMember: "powerBI",
        optionsSchema: schema,
        capabilities: capabilities
    )

    private static var capabilities: ProviderCapabilities {
        var capabilities = ProviderCapabilities(minimumPollInterval: .seconds(5))
        capabilities.progress = true
        capabilities.downloadLifetime = .seconds(24 * 60 * 60)
        capabilities.formats = PowerBIFormat.names
        return capabilities
    }

    private static let schema: JSONValue = .object([
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Power BI export options",
        "type": "object",
        "required": ["reportId", "format"],
        "additionalProperties": false,
        "properties": .object([
            "groupId": text(
                "The workspace. Absent for My workspace, which a service principal does not have.",
                format: "uuid"
            ),
            "reportId": text("The report.", format: "uuid"),
            "reportType": .object([
                "type": "string",
                "enum": .array(PowerBIReportType.allCases.map { .string($0.rawValue) }),
                "description": "The kind of report; told by the configuration or the format where it is absent.",
            ]),
            "format": .object([
                "type": "string",
                "enum": .array(PowerBIFormat.names.map { .string($0) }),
                "description": .string(
                    "Power BI reports: \(PowerBIFormat.names(for: .powerBIReport).joined(separator: ", ")). "
                        + "Paginated reports: \(PowerBIFormat.names(for: .paginatedReport).joined(separator: ", "))."
                ),
            ]),
            "powerBIReportConfiguration": reportConfiguration,
            "paginatedReportConfiguration": paginatedConfiguration,
        ]),
        "not": ["required": ["powerBIReportConfiguration", "paginatedReportConfiguration"]],
    ])

    private static let reportConfiguration = object(
        "For a Power BI report.",
        [
            "settings": object(
                "Settings of the whole export.",
                [
                    "locale": text("A language tag such as en-us."),
                    "includeHiddenPages": [
                        "type": "boolean", "description": "Takes hidden pages too; pages goes before it.",
                    ],
                ]
            ),
            "pages": list(
                object(
                    "One page, or one visual of it.",
                    [
                        "pageName": text("The page's name, not its display name."),
                        "visualName": text("The visual's name."),
                        "bookmark": bookmark,
                    ],
                    required: ["pageName"]
                ),
                "The pages in the order of the output; absent takes all.",
                count: 1...PowerBIRequest.mostPages
            ),
            "reportLevelFilters": list(
                object(
                    "A filter.",
                    ["filter": text("Up to 10 expressions joined by \"and\": Table/Field eq 'value'.")],
                    required: ["filter"]
                ),
                "One filter for the whole report.",
                count: 1...1
            ),
            "defaultBookmark": bookmark,
            "datasetToBind": text("The semantic model to bind the report to."),
            "identities": list(identity(of: .powerBIReport), "Whose row-level security applies.", count: 1...100),
        ]
    )

    private static let paginatedConfiguration = object(
        "For a paginated report.",
        [
            "formatSettings": .object([
                "type": "object",
                "description": "Device information of the format. Every value is a string, numbers and booleans too.",
                "additionalProperties": ["type": "string"],
            ]),
            "parameterValues": list(
                object(
                    "One value of one parameter.",
                    ["name": text("The parameter."), "value": text("The value.", minimum: 0)],
                    required: ["name", "value"]
                ),
                "The parameters; one with several values comes several times.",
                count: 0...1000
            ),
            "identities": list(identity(of: .paginatedReport), "Whose row-level security applies.", count: 1...1),
            "locale": text("A language tag such as en-us."),
        ]
    )

    private static let bookmark: JSONValue = .object([
        "type": "object",
        "description": "A bookmark, by its name or as a captured state.",
        "additionalProperties": false,
        "properties": ["name": text("The bookmark's name."), "state": text("The bookmark's state.")],
        "oneOf": [["required": ["name"]], ["required": ["state"]]],
    ])

    private static func identity(of type: PowerBIReportType) -> JSONValue {
        var properties: [String: JSONValue] = [
            "username": text("The effective user, without spaces.", maximum: 256),
            "roles": list(text("A role, without commas.", maximum: 50), "Roles of the model.", count: 1...50),
            "datasets": list(text("A semantic model."), "The models that the identity is for.", count: 1...100),
            "customData": text("The value of CUSTOMDATA()."),
            "auditableContext": text("Who asks, for the audit log."),
            "identityBlob": object(
                "An access token for the data source. Kept in memory until the export is started, written nowhere.",
                ["value": .object(["type": "string", "minLength": 1, "writeOnly": true])],
                required: ["value"]
            ),
        ]
        if type == .paginatedReport {
            properties["reports"] = list(text("A report."), "The reports that the identity is for.", count: 1...100)
        }
        return object("An effective identity.", properties, required: ["username"])
    }

    private static func text(
        _ description: String,
        format: String? = nil,
        minimum: Int64 = 1,
        maximum: Int64? = nil
    ) -> JSONValue {
        var members: [String: JSONValue] = ["type": "string", "description": .string(description)]
        members["format"] = format.map { .string($0) }
        members["minLength"] = minimum > 0 ? .integer(minimum) : nil
        members["maxLength"] = maximum.map { .integer($0) }
        return .object(members)
    }

    private static func list(_ items: JSONValue, _ description: String, count: ClosedRange<Int>) -> JSONValue {
        .object([
            "type": "array",
            "description": .string(description),
            "items": items,
            "minItems": .integer(Int64(count.lowerBound)),
            "maxItems": .integer(Int64(count.upperBound)),
        ])
    }

    private static func object(
        _ description: String,
        _ properties: [String: JSONValue],
        required: [String] = []
    ) -> JSONValue {
        var members: [String: JSONValue] = [
            "type": "object",
            "description": .string(description),
            "additionalProperties": false,
            "properties": .object(properties),
        ]
        if !required.isEmpty { members["required"] = .array(required.map { .string($0) }) }
        return .object(members)
    }
}
