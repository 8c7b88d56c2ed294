import Exports
import JSON

/// What there is to know of Viva Goals before any call.
enum VivaGoalsDescriptor {
    /// The last day of the product (`Upstream-VivaGoals, Product`).
    static let retiredOn = "2025-12-31"

    static let descriptor = ProviderDescriptor(
        id: ProviderID("viva-goals"),
        title: "Viva Goals",
        description: """
            Exports a saved view of the Viva Goals explorer as CSV, with the columns that the signed-in user has set in \
            the web app. Needs the caller's own Graph token with the delegated permission Goals-Export.ReadWrite.All. \
            A running export cannot be stopped.
            """,
        optionsMember: "vivaGoals",
        optionsSchema: schema,
        capabilities: capabilities,
        retirement: ProviderRetirement(
            retiredOn: retiredOn,
            detail: """
                Microsoft retired Viva Goals on this day. The API was still in Graph's beta metadata afterwards; what \
                its endpoint answers now is unknown, so that every export may fail.
                """
        )
    )

    private static var capabilities: ProviderCapabilities {
        var capabilities = ProviderCapabilities(minimumPollInterval: .seconds(15))
        capabilities.listing = true
        capabilities.reconcile = true
        capabilities.delegatedOnly = true
        capabilities.downloadLifetime = .seconds(24 * 60 * 60)
        return capabilities
    }

    private static let schema: JSONValue = .object([
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Viva Goals export options",
        "description": "A saved view: by both of its ids, or by its address.",
        "type": "object",
        "additionalProperties": false,
        "properties": .object([
            VivaGoalsRequest.organization: [
                "type": "string", "format": "uuid", "description": "The organization: org_uuid in the view's address.",
            ],
            VivaGoalsRequest.view: [
                "type": "string", "format": "uuid", "description": "The saved view: viewId in the view's address.",
            ],
            VivaGoalsRequest.url: [
                "type": "string", "format": "uri",
                "description":
                    "The address of the saved view in the web app; must agree with the ids where they are given too.",
            ],
        ]),
        "anyOf": [
            ["required": [.string(VivaGoalsRequest.organization), .string(VivaGoalsRequest.view)]],
            ["required": [.string(VivaGoalsRequest.url)]],
        ],
    ])
}
