import Exports
import JSON
import ManualClock
import MicrosoftSandbox
import ProviderConformance
import SandboxBench
import Testing
import UpstreamHTTP
import VivaGoals

@Suite struct VivaGoalsConformanceTests {
    private static let organization = SandboxSeed.goalsOrganizationID
    private static let view = SandboxSeed.explorerViewID

    private static let invalid: [ConformanceHarness.InvalidOptions] = [
        .init([:], "/goalsOrganizationId", "/explorerViewId"),
        .init(["goalsOrganizationId": "x", "explorerViewId": "y"], "/goalsOrganizationId", "/explorerViewId"),
        .init(
            ["explorerViewUrl": "https://goals.microsoft.com.attacker.example/org_uuid/x/objective-explorer"],
            "/explorerViewUrl"
        ),
    ]

    @Test func keepsTheContract() async throws {
        try await SandboxBench.run { bench async throws in
            let settings = VivaGoalsSettings(apiRoot: bench.api)
            var harness = bench.harness(
                service: "viva-goals",
                calls: "goals.*",
                start: "goals.start",
                context: CallContext(
                    requestID: "c1d2e3f4-0000-4000-8000-000000000003",
                    authorization: Secret(SandboxSeed.delegatedToken)
                ),
                options: {
                    // One job runs at a time for each view: another view each time, and any UUID is one.
                    var random = SystemRandomNumberGenerator()
                    let view = ExportID(at: bench.clock.now(), random: &random)
                    return [
                        "goalsOrganizationId": .string(Self.organization), "explorerViewId": .string(view.description),
                    ]
                },
                makeProvider: {
                    VivaGoalsProvider(
                        settings: settings,
                        client: bench.client(
                            bearerHosts: settings.bearerHosts,
                            openHosts: settings.openHosts,
                            tokens: bench.callersToken
                        )
                    )
                }
            )
            harness.furtherOptions = [
                [
                    "explorerViewUrl": .string(
                        "https://goals.microsoft.com/org_uuid/\(Self.organization)/objective-explorer?viewId=\(Self.view)"
                    )
                ]
            ]
            harness.invalidOptions = Self.invalid
            // There is no text to leave a marker in: a job is ours by its view and its date, and a later marker's is not.
            harness.foreign = { marker in
                var later = marker
                later.notBefore = marker.notBefore + .seconds(86_400)
                return later
            }
            let suite = ProviderConformance(harness)
            let findings = await suite.run()
            #expect(findings.isEmpty, "\(findings)")
            #expect(try await suite.skipped() == [.secretsStayOutOfThePlan, .cancelStopsTheJob])
        }
    }
}
