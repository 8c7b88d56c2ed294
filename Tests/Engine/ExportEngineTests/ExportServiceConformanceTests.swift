@testable import ExportEngine
import ExportServiceConformance
import Exports
import Testing

@Suite(.timeLimit(.minutes(5))) struct ExportServiceConformanceTests {
    /// The engine on a scripted upstream: a job ends with the next poll.
    private static let harness = ExportServiceHarness { examine in
        let bench = try Bench()
        try await bench.running {
            try await examine(
                ExaminedService(service: bench.engine, draft: bench.draft()) { id, end in
                    bench.provider.set { state in
                        state.onObserve = { _ in
                            switch end {
                            case .succeeded(let files): .success(.succeeded(files: files))
                            case .failed: .success(Observation(.failed, upstreamStatus: "Failed"))
                            }
                        }
                    }
                    _ = try await bench.drive(id)
                    // What is shown follows what is stored.
                    var shown = try await bench.engine.export(id, for: .owner(), refresh: false)
                    while !shown.isFinal {
                        shown = try await bench.engine.export(
                            id,
                            for: .owner(),
                            changedFrom: shown.revision,
                            within: .seconds(1 << 30)
                        )
                    }
                }
            )
        }
    }

    @Test func theEngineKeepsItsContract() async {
        let suite = ExportServiceConformance(Self.harness)
        #expect(Set(suite.names).count == suite.names.count)
        let failures = await suite.run()
        #expect(failures == [], "\(failures)")
    }
}
