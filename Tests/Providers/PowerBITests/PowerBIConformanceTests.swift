import Exports
import JSON
import MicrosoftSandbox
import PowerBI
import ProviderConformance
import SandboxBench
import Testing
import UpstreamHTTP

@Suite struct PowerBIConformanceTests {
    private static let report: [String: JSONValue] = [
        "groupId": .string(SandboxSeed.groupID), "reportId": .string(SandboxSeed.powerBIReportID), "format": "PDF",
    ]
    private static let paginated: [String: JSONValue] = [
        "groupId": .string(SandboxSeed.groupID), "reportId": .string(SandboxSeed.paginatedReportID), "format": "CSV",
    ]

    private static func with(_ members: [String: JSONValue], _ base: [String: JSONValue] = report) -> JSONValue {
        .object(base.merging(members) { $1 })
    }

    private static let further: [JSONValue] = [
        with([
            "format": "PPTX", "reportType": "PowerBIReport",
            "powerBIReportConfiguration": .object([
                "settings": ["locale": "en-us", "includeHiddenPages": true],
                "pages": [["pageName": "ReportSection", "visualName": "a1b2", "bookmark": ["name": "b"]]],
                "reportLevelFilters": [["filter": "Store/City eq 'Berlin'"]],
                "defaultBookmark": ["state": "H4sI"],
                "datasetToBind": "cfafbeb1-8037-4d0c-896e-a46fb27ff229",
                "identities": [["username": "someone@example.com", "roles": ["Sales"], "datasets": ["d"]]],
            ]),
        ]),
        with(
            [
                "paginatedReportConfiguration": .object([
                    "formatSettings": ["FieldDelimiter": ";"], "parameterValues": [["name": "Year", "value": "2026"]],
                    "identities": [["username": "someone@example.com", "reports": ["r"]]], "locale": "de-de",
                ])
            ],
            paginated
        ),
    ]

    private static let invalid: [ConformanceHarness.InvalidOptions] = [
        .init([:], "/reportId", "/format"),
        .init(with(["format": "CSV", "reportType": "PowerBIReport"]), "/format"),
        .init(with(["reportId": "../admin"]), "/reportId"),
        .init(
            with(["powerBIReportConfiguration": ["identities": [["roles": ["a,b"]]]], "groupId": "x"]),
            "/groupId",
            "/powerBIReportConfiguration/identities/0/username",
            "/powerBIReportConfiguration/identities/0/roles/0"
        ),
        .init(
            with(["powerBIReportConfiguration": [:], "paginatedReportConfiguration": [:]]),
            "/paginatedReportConfiguration"
        ),
    ]

    @Test(arguments: [report, paginated])
    private func keepsTheContract(_ options: [String: JSONValue]) async throws {
        try await SandboxBench.run { bench async throws in
            let settings = PowerBISettings(apiRoot: bench.api)
            var harness = bench.harness(
                service: "power-bi",
                calls: "power-bi.*",
                start: "power-bi.start",
                options: { .object(options) },
                makeProvider: {
                    PowerBIProvider(
                        settings: settings,
                        client: bench.client(
                            bearerHosts: settings.bearerHosts,
                            openHosts: settings.openHosts,
                            tokens: bench.applicationTokens
                        )
                    )
                }
            )
            harness.furtherOptions = Self.further
            harness.invalidOptions = Self.invalid
            harness.secretOptions = .init(
                Self.with([
                    "powerBIReportConfiguration": [
                        "identities": [
                            ["username": "someone@example.com", "identityBlob": ["value": "blob-secret-5e"]]
                        ]
                    ]
                ]),
                at: "/powerBIReportConfiguration/identities/0/identityBlob/value",
                secret: "blob-secret-5e"
            )
            // Power BI's own way to say that a token has ended (`Upstream-PowerBI, Errors`).
            harness.rejectTokens = {
                bench.sandbox.addRule(SandboxRule(operation: "power-bi.*", fault: .tokenRevoked))
            }
            let suite = ProviderConformance(harness)
            let findings = await suite.run()
            #expect(findings.isEmpty, "\(findings)")
            #expect(try await suite.skipped() == [.reconcileFindsTheJob, .cancelStopsTheJob])
        }
    }
}
