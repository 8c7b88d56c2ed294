import JSON

extension SandboxSeed {
    /// The Power BI workspace, on a dedicated capacity. Its reports also stand in My workspace.
    public static let groupID = "f089354e-8366-4e18-aea3-4cb4a3a50b48"
    /// The Power BI report "SalesMarketing", with the pages `ReportSection` and `ReportSection1`.
    public static let powerBIReportID = "5b218778-e7a5-4d73-8187-f10824047715"
    /// The paginated report "Quarterly Ledger".
    public static let paginatedReportID = "c0ffee00-2222-4333-8444-555566667777"

    static let capacityID = "0f084df7-c13d-451b-af5f-ed0c466403b2"
    static let datasetID = "cfafbeb1-8037-4d0c-896e-a46fb27ff229"
}

extension PowerBIService {
    static let sample: SandboxSample? = SandboxSample(
        provider: name,
        connection: "bi",
        body: [
            "provider": .string(name), "name": "Quarterly ledger",
            "powerBI": [
                "groupId": .string(SandboxSeed.groupID), "reportId": .string(SandboxSeed.paginatedReportID),
                "format": "CSV",
            ],
        ],
        compresses: true
    )
}
