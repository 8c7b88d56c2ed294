import Exports
import Intune
import JSON
import MicrosoftSandbox
import ProviderConformance
import SandboxBench
import Testing
import UpstreamHTTP

@Suite struct IntuneConformanceTests {
    private static let further: [JSONValue] = [
        [
            "reportName": "FeatureUpdateDeviceState", "filter": "(PolicyId eq '1')", "select": ["DeviceName"],
            "format": "json", "localizationType": "replaceLocalizableValues",
        ],
        ["reportName": "Devices", "format": "csv"],
    ]

    private static let invalid: [ConformanceHarness.InvalidOptions] = [
        .init([:], "/reportName"),
        .init(["reportName": "Devices", "format": "pdf", "localizationType": "x"], "/format", "/localizationType"),
        .init(["reportName": "AppInvByDevice"], "/filter"),
        .init(["reportName": "Devices", "select": ["", "A"]], "/select/0"),
    ]

    @Test(arguments: IntuneSettings.KeyForm.allCases)
    private func keepsTheContract(_ form: IntuneSettings.KeyForm) async throws {
        try await SandboxBench.run { bench async throws in
            let settings = IntuneSettings(apiRoot: bench.api, keyForm: form, blobHosts: [.origin(of: bench.blob)])
            var harness = bench.harness(
                service: "intune",
                calls: "intune.*",
                start: "intune.start",
                namesFiles: true,
                options: { ["reportName": .string(SandboxSeed.intuneReport), "select": ["DeviceId", "DeviceName"]] },
                makeProvider: {
                    IntuneProvider(
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
            let suite = ProviderConformance(harness)
            let findings = await suite.run()
            #expect(findings.isEmpty, "\(findings)")
            #expect(
                try await suite.skipped()
                    == [.secretsStayOutOfThePlan, .reconcileFindsTheJob, .cancelStopsTheJob]
            )
        }
    }
}
