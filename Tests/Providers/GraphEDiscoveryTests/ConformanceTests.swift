import Exports
import GraphEDiscovery
import JSON
import MicrosoftSandbox
import ProviderConformance
import SandboxBench
import ScriptedHost
import Testing
import UpstreamHTTP

@Suite struct ConformanceTests {
    private static let reviewSet: [String: JSONValue] = [
        "caseId": .string(SandboxSeed.caseID), "reviewSetId": .string(SandboxSeed.reviewSetID),
        "outputName": "Contoso", "exportOptions": "originalFiles,tags",
    ]
    private static let search: [String: JSONValue] = [
        "caseId": .string(SandboxSeed.caseID), "searchId": .string(SandboxSeed.searchID),
        "exportCriteria": "searchHits", "exportFormat": "pst",
    ]

    private static func with(_ members: [String: JSONValue], _ base: [String: JSONValue] = reviewSet) -> JSONValue {
        .object(base.merging(members) { $1 })
    }

    private func run(
        _ dialect: GraphEDiscoverySettings.Dialect,
        start: String,
        _ options: JSONValue,
        prepare: (inout ConformanceHarness) -> Void
    ) async throws {
        try await SandboxBench.run { bench async throws in
            let settings = GraphEDiscoverySettings(
                apiRoot: bench.api,
                dialect: dialect,
                proxyHosts: [.origin(of: bench.proxy)],
                blobHosts: [.origin(of: bench.blob)]
            )
            var harness = bench.harness(
                service: "graph-ediscovery",
                calls: "graph.*",
                start: start,
                namesFiles: dialect == .security,
                options: { options },
                makeProvider: {
                    GraphEDiscoveryProvider(
                        settings: settings,
                        client: bench.client(
                            bearerHosts: settings.bearerHosts,
                            openHosts: settings.openHosts,
                            tokens: bench.applicationTokens
                        )
                    )
                }
            )
            harness.invalidOptions = [
                .init([:], "/caseId"), .init(Self.with(["caseId": "../users"]), "/caseId"),
                .init(Self.with(["exportOptions": "originalFile", "outputName": ""]), "/exportOptions", "/outputName"),
            ]
            harness.serveParts = {
                bench.sandbox.addRule(SandboxRule(operation: "graph.start", fault: .preAuthorizedLink))
            }
            // A link that has expired is asked for again; a package that was deleted is not there at all.
            harness.expireFiles = {
                bench.sandbox.addRule(SandboxRule(operation: "graph.download", fault: .status(404)))
            }
            prepare(&harness)
            let suite = ProviderConformance(harness)
            let findings = await suite.run()
            #expect(findings.isEmpty, "\(findings)")
            let noSecret: Set<ConformanceCheck> = dialect == .security ? [.secretsStayOutOfThePlan] : []
            #expect(try await suite.skipped() == noSecret.union([.cancelStopsTheJob]))
        }
    }

    @Test(arguments: [("security.export", with([:])), ("security.exportResult", with([:], search))])
    private func theSecurityDialectKeepsTheContract(_ start: String, _ options: JSONValue) async throws {
        try await run(.security, start: start, options) { harness in
            harness.furtherOptions = [
                Self.with([
                    "queryId": .string(SandboxSeed.reviewSetQueryID), "description": "d", "exportStructure": "pst",
                ]),
                Self.with(
                    [
                        "exportType": "exportResult", "exportCriteria": "searchHits, partiallyIndexed",
                        "exportLocation": "responsiveLocations", "additionalOptions": "friendlyName",
                        "displayName": "Mail", "exportSingleItems": true,
                    ],
                    Self.search
                ),
            ]
        }
    }

    @Test func theEDiscoveryDialectKeepsTheContract() async throws {
        try await run(.ediscovery, start: "compliance.export", Self.with(["exportStructure": "pst"])) { harness in
            // Its list of operations is known to fail (`Upstream-GraphEDiscovery, Listing`).
            harness.observesOneByOne = true
            let token = "sv=2018-03-28&sr=c&sig=c2VjcmV0&sp=rwl"
            harness.secretOptions = .init(
                Self.with([
                    "azureBlobContainer": "https://contoso.blob.core.windows.net/exports",
                    "azureBlobToken": .string(token),
                ]),
                at: "/azureBlobToken",
                secret: token
            )
        }
    }
}
