import Exports
import JSON

/// What there is to know of Intune before any call.
enum IntuneDescriptor {
    static let descriptor = ProviderDescriptor(
        id: ProviderID("intune"),
        title: "Microsoft Intune",
        description: """
            Exports a report of Microsoft Intune as a zip archive with one CSV or JSON file. A job that fails or does not \
            end is replaced by a new one, a few times at most. A running export cannot be stopped, and a start whose \
            answer is lost cannot be looked for.
            """,
        optionsMember: "intune",
        optionsSchema: schema,
        capabilities: capabilities
    )

    private static var capabilities: ProviderCapabilities {
        var capabilities = ProviderCapabilities(minimumPollInterval: .seconds(5))
        // What one application may do (`Upstream-Intune, Limits`).
        capabilities.requestBudget = RequestBudget(48, per: .seconds(60))
        // Files come from Azure Storage (`Upstream-Intune, Download`).
        capabilities.rangeDownload = true
        capabilities.formats = IntuneRequest.formats
        return capabilities
    }

    private static let schema: JSONValue = .object([
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Intune report export options",
        "type": "object",
        "required": [.string(IntuneRequest.reportName)],
        "additionalProperties": false,
        "properties": .object([
            IntuneRequest.reportName: .object([
                "type": "string", "minLength": 1, "maxLength": .integer(Int64(IntuneRequest.longestText)),
                "description": "The report, as Intune spells it. No list is checked: Intune's own changes.",
                "examples": ["Devices", "DeviceCompliance", "DefenderAgents", "AppInvAggregate"],
            ]),
            IntuneRequest.filter: .object([
                "type": "string", "minLength": 1, "maxLength": .integer(Int64(IntuneRequest.longestText)),
                "description": .string(
                    "Conditions on the report's columns: (OwnerType eq '1') and (DeviceType eq '9'). Required for "
                        + IntuneRequest.requiredColumns.keys.sorted().joined(separator: ", ") + "."
                ),
            ]),
            IntuneRequest.select: .object([
                "type": "array", "minItems": 1, "maxItems": .integer(Int64(IntuneRequest.mostColumns)),
                "uniqueItems": true,
                "items": .object([
                    "type": "string", "minLength": 1, "maxLength": .integer(Int64(IntuneRequest.longestColumn)),
                ]),
                "description": "The columns; absent takes those that Intune chooses, which may change.",
            ]),
            IntuneRequest.format: choice(
                IntuneRequest.formats,
                "The format of the file in the archive; csv where it is absent."
            ),
            IntuneRequest.localizationType: choice(
                IntuneRequest.localizationTypes,
                "Whether localized texts stand beside the values, as columns of their own, or in their place; Intune's "
                    + "default is the former."
            ),
        ]),
    ])

    private static func choice(_ values: [String], _ description: String) -> JSONValue {
        .object([
            "type": "string", "enum": .array(values.map { .string($0) }), "description": .string(description),
        ])
    }
}
