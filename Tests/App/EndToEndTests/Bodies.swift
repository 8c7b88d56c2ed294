import Exports
import JSON
import MicrosoftSandbox

/// A create body for each way of exporting.
enum Bodies {
    static let all: [(body: JSONValue, authorization: String?)] = [
        (reviewSet, nil), (search, nil), (legacy, nil), (goals, SandboxSeed.delegatedToken), (report, nil), (csv, nil),
        (intune, nil),
    ]

    static let reviewSet: JSONValue = [
        "provider": "graph-ediscovery", "connection": "purview", "name": "Investigation",
        "graphEDiscovery": [
            "caseId": .string(SandboxSeed.caseID), "reviewSetId": .string(SandboxSeed.reviewSetID),
            "outputName": "Investigation", "exportOptions": "originalFiles, tags", "exportStructure": "pst",
        ],
    ]

    static let search: JSONValue = [
        "provider": "graph-ediscovery", "connection": "purview",
        "graphEDiscovery": [
            "caseId": .string(SandboxSeed.caseID), "searchId": .string(SandboxSeed.searchID),
            "displayName": "Search", "exportCriteria": "searchHits", "additionalOptions": "none",
            "exportFormat": "pst",
        ],
    ]

    static let legacy: JSONValue = [
        "provider": "graph-ediscovery", "connection": "legacy",
        "graphEDiscovery": [
            "caseId": .string(SandboxSeed.caseID), "reviewSetId": .string(SandboxSeed.reviewSetID),
            "outputName": "Legacy", "exportOptions": "originalFiles,fileInfo,tags", "exportStructure": "directory",
        ],
    ]

    static let goals: JSONValue = [
        "provider": "viva-goals",
        "vivaGoals": [
            "explorerViewUrl": .string(
                "https://goals.microsoft.com/org_uuid/\(SandboxSeed.goalsOrganizationID)"
                    + "/objective-explorer?viewId=\(SandboxSeed.explorerViewID)"
            )
        ],
    ]

    static let report: JSONValue = [
        "provider": "power-bi",
        "powerBI": [
            "groupId": .string(SandboxSeed.groupID), "reportId": .string(SandboxSeed.powerBIReportID), "format": "PDF",
        ],
    ]

    static let csv: JSONValue = [
        "provider": "power-bi",
        "powerBI": [
            "groupId": .string(SandboxSeed.groupID), "reportId": .string(SandboxSeed.paginatedReportID),
            "format": "CSV",
        ],
    ]

    static let intune: JSONValue = [
        "provider": "intune",
        "intune": ["reportName": .string(SandboxSeed.intuneReport), "select": ["DeviceId", "DeviceName"]],
    ]
}
