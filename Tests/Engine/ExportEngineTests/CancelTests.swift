@testable import ExportEngine
import ExportLedger
import Exports
import ManualClock
import Testing

@Suite(.timeLimit(.minutes(5))) struct CancelTests {
    private func tracked(_ bench: Bench) async throws -> ExportID {
        let id = try await bench.create()
        return try await bench.until(id) { $0.isTracked }.export.id
    }

    @Test func beforeTheStartNothingIsAsked() async throws {
        let bench = try Bench { $0.cancel = true }
        let id = try await bench.create()
        let export = try await bench.engine.cancel(id, for: .owner())
        #expect(export.status == .canceled)
        #expect(export.cancellation == .confirmed)
        try await bench.running { await bench.time.pauses(atLeast: 1) }
        #expect(bench.provider.count(.submit) == 0)
        #expect(try await bench.engine.cancel(id, for: .owner()) == export)
    }

    @Test func upstreamConfirms() async throws {
        let bench = try Bench { $0.cancel = true }
        try await bench.running {
            let id = try await tracked(bench)
            let export = try await bench.engine.cancel(id, for: .owner())
            #expect(export.status == .canceled)
            #expect(export.cancellation == .confirmed)
        }
        #expect(bench.provider.count(.cancel) == 1)
    }

    @Test func silentUpstreamIsAskedAgain() async throws {
        let bench = try Bench { $0.cancel = true }
        bench.provider.set { $0.onCancel = { $0 == 1 ? ProviderError(.transient, "Down.") : nil } }
        try await bench.running {
            let id = try await tracked(bench)
            let export = try await bench.engine.cancel(id, for: .owner())
            #expect(export.cancellation == .requested)
            #expect(!export.status.isTerminal)
            let record = try await bench.drive(id)
            #expect(record.export.cancellation == .confirmed)
        }
        #expect(bench.provider.count(.cancel) == 2)
    }

    @Test func callerDoesNotWaitForEver() async throws {
        let bench = try Bench { $0.cancel = true }
        bench.provider.set { $0.gates[.cancel] = Gate() }
        try await bench.running {
            let id = try await tracked(bench)
            async let export = bench.engine.cancel(id, for: .owner())
            await bench.provider.made(.cancel, atLeast: 1)
            await bench.time.deadlines(atLeast: 1)
            bench.time.advance(by: .seconds(10))
            let outcome = try await export
            #expect(outcome.cancellation == .requested)
        }
    }

    @Test func refusalReachesTheCaller() async throws {
        let bench = try Bench { $0.cancel = true }
        bench.provider.set { $0.onCancel = { _ in ProviderError(.conflict, "Too late.") } }
        try await bench.running {
            let id = try await tracked(bench)
            let error = await #expect(throws: GatewayError.self) {
                try await bench.engine.cancel(id, for: .owner())
            }
            #expect(error?.code == .upstreamConflict)
            #expect(try await bench.record(id).export.cancellation == nil)
        }
    }

    @Test func withoutCapabilityTrackingStops() async throws {
        let bench = try Bench()
        try await bench.running {
            let id = try await tracked(bench)
            let export = try await bench.engine.cancel(id, for: .owner())
            #expect(export.status == .canceled)
            #expect(export.cancellation == .unsupported)
        }
        #expect(bench.provider.count(.cancel) == 0)
    }

    @Test func pollUnderWayDoesNotOverwriteTheCancel() async throws {
        let bench = try Bench()
        let gate = Gate()
        bench.provider.set {
            $0.gates[.observe] = gate
            $0.onObserve = { _ in .success(.succeeded()) }
        }
        try await bench.running {
            let id = try await tracked(bench)
            await bench.idle()
            bench.time.advance(by: .seconds(5))
            await bench.provider.made(.observe, atLeast: 1)
            let canceled = try await bench.engine.cancel(id, for: .owner())
            gate.open()
            await bench.letGo(of: id)
            #expect(try await bench.record(id).export == canceled)
        }
    }

    @Test func startUnderWayIsCanceledAfterwards() async throws {
        let bench = try Bench { $0.cancel = true }
        let gate = Gate()
        bench.provider.set { $0.gates[.submit] = gate }
        try await bench.running {
            let id = try await bench.create()
            await bench.provider.made(.submit, atLeast: 1)
            let export = try await bench.engine.cancel(id, for: .owner())
            #expect(export.cancellation == .requested)
            gate.open()
            let record = try await bench.until(id) { $0.isSettled }
            #expect(record.export.status == .canceled)
            #expect(record.export.cancellation == .confirmed)
        }
        #expect(bench.provider.count(.cancel) == 1)
    }

    @Test func aWishInTheMiddleOfTheTakingOverIsFulfilledAtOnce() async throws {
        let ledger = try StagedLedger()
        let first = try Bench(ledger: ledger) { $0.cancel = true }
        let id = try await first.running { try await tracked(first) }
        let (gate, reached) = (Gate(), Gate())
        ledger.set {
            $0.beforePage = {
                reached.open()
                await gate.pass()
            }
        }
        let second = try first.restarted()
        try await second.running {
            await reached.pass()
            async let export = second.engine.cancel(id, for: .owner())
            _ = try await second.until(id) { $0.cancelWished }
            // The call waits for what comes of the wish.
            await second.time.deadlines(atLeast: 1)
            gate.open()
            let outcome = try await export
            #expect(outcome.cancellation == .confirmed)
        }
    }
}
