import Exports
import JSON
import UpstreamHTTP

/// What the caller may ask for: a saved view of an organization, by its ids or by its address in the web app.
enum VivaGoalsRequest {
    /// The members of the options.
    static let organization = "goalsOrganizationId"
    static let view = "explorerViewId"
    static let url = "explorerViewUrl"

    /// Checks the options; the normal form holds the two ids. Throws `invalid` with every fault.
    static func validate(_ options: JSONValue) throws(ProviderError) -> ValidatedExport {
        var reader = ObjectReader(options)
        var organizationID = reader.uuid(organization)
        var viewID = reader.uuid(view)
        if let text = reader.string(url, length: 1...2048) {
            if let named = VivaGoalsView(explorerURL: text) {
                if (organizationID ?? named.organizationID, viewID ?? named.viewID)
                    != (named.organizationID, named.viewID)
                {
                    reader.fault(
                        url,
                        "names another organization or view than \(organization) and \(view); give one form only"
                    )
                }
                organizationID = named.organizationID
                viewID = named.viewID
            } else {
                reader.fault(
                    url,
                    "must be the address of a saved view, such as https://goals.microsoft.com/org_uuid/"
                        + "94a356ab-53d5-40e7-8a85-053d6d3b9eb3/objective-explorer?viewId=e5e7a3c1-8cdf-409d-9ce9-ff730d65d95e"
                )
            }
        } else if !reader.has(url) {
            for name in [organization, view] where !reader.has(name) {
                reader.fault(name, "is required, unless \(url) is given")
            }
        }
        reader.finish()
        guard reader.faults.isEmpty, let organizationID, let viewID else { throw .invalid(reader.faults) }
        return ValidatedExport(
            plan: ExportPlan(
                source: [organization: .string(organizationID), view: .string(viewID)],
                suggestedName: "Viva Goals view \(viewID)"
            )
        )
    }
}

extension VivaGoalsView {
    /// Reads `https://goals.microsoft.com/org_uuid/<organization>/objective-explorer?viewId=<view>`, as Microsoft's
    /// page explains it (`Upstream-VivaGoals, Start`). Other query parameters are let be; nil for anything else.
    init?(explorerURL text: String) {
        let trimmed = text.split(whereSeparator: \.isWhitespace)
        guard trimmed.count == 1, let url = UpstreamURL(trimmed[0]), url.scheme == .https, url.port == 443,
            url.host == "goals.microsoft.com"
        else { return nil }
        let steps = url.path.split(separator: "/")
        let views = (url.query ?? "").split(separator: "&").filter { $0.hasPrefix("viewId=") }
            .map { $0.dropFirst("viewId=".count) }
        guard steps.count == 3, steps[0] == "org_uuid", UUIDText.isValid(steps[1]), steps[2] == "objective-explorer",
            views.count == 1, UUIDText.isValid(views[0])
        else { return nil }
        self.init(organizationID: steps[1].lowercased(), viewID: views[0].lowercased())
    }
}
