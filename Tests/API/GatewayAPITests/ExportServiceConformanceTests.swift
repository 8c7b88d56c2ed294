import ExportServiceConformance
import Exports
import JSON
import ManualClock
import Synchronization
import Testing

/// The fake keeps the engine's contract: what the tests of the API find on it holds for the engine.
@Suite(.timeLimit(.minutes(2))) struct ExportServiceConformanceTests {
    private static func harness(_ fault: ServiceFault?) -> ExportServiceHarness {
        ExportServiceHarness { examine in
            let time = ManualTime()
            let fake = FakeExportService(time: time) { _ throws(GatewayError) in fileBody(["bytes"]) }
            fake.state.withLock { $0.keepsSnapshots = true }
            let draft = ExportDraft(provider: ProviderID("power-bi"), name: "Sales", options: ["format": "PDF"])
            try await examine(
                ExaminedService(service: FaultyExportService(fake, fault), draft: draft) { id, end in
                    fake.change(id) { export in
                        (export.tracking, export.completedAt) = (nil, time.now())
                        switch end {
                        case .succeeded(let files):
                            export.status = .succeeded
                            export.files = (1...files).map { ExportFile(id: "\($0)", name: "file-\($0)") }
                        case .failed:
                            export.status = .failed
                            export.error = ExportFailure(.exportFailed, "It failed.")
                        }
                    }
                }
            )
        }
    }

    @Test func theFakeKeepsTheContract() async {
        #expect(await ExportServiceConformance(Self.harness(nil)).run() == [])
    }

    @Test(arguments: ServiceFault.allCases) func everyFaultIsFound(fault: ServiceFault) async {
        let suite = ExportServiceConformance(Self.harness(fault))
        #expect(suite.names.contains(fault.foundBy))
        #expect(await !suite.run(only: fault.foundBy).isEmpty, "\(fault) is not found")
    }
}
