@testable import ExportEngine
import ExportLedger
import Exports
import ManualClock
import Synchronization
import Testing

/// On connections that run on callers' tokens, who sees all exports acts with no token but the one it brings.
@Suite(.timeLimit(.minutes(5))) struct OthersTokenTests {
    private func bench(_ declare: (inout ProviderCapabilities) -> Void = { _ in }) throws -> Bench {
        try Bench {
            $0.delegatedOnly = true
            declare(&$0)
        }
    }

    /// An export of the owner's, with the token `owner's` in memory.
    private func finished(_ bench: Bench) async throws -> ExportID {
        bench.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        let id = try await bench.create(token: "owner's")
        return try await bench.drive(id).export.id
    }

    private func open(
        _ bench: Bench,
        _ id: ExportID,
        _ viewer: Viewer
    ) async -> GatewayError? {
        do {
            _ = try await bench.engine.open("1", of: id, for: viewer, range: nil)
            return nil
        } catch {
            return error
        }
    }

    private func opened(_ bench: Bench) -> [Secret?] {
        bench.provider.state.withLock { Array($0.tokens.suffix($0.calls[.open, default: 0])) }
    }

    @Test func aDownloadTakesTheTokenOfItsOwnRequestOnly() async throws {
        let bench = try bench()
        try await bench.running {
            let id = try await finished(bench)
            let error = await open(bench, id, .auditor())
            #expect(error?.code == .upstreamAuthorizationRequired)
            #expect(error?.detail.contains("Upstream-Authorization: Bearer") == true)
            #expect(opened(bench).isEmpty)

            var brought = Viewer.auditor("auditor's")
            brought.downloadToken = Secret("auditor's too")
            #expect(await open(bench, id, brought) == nil)
            // Nothing of it is kept, for the auditor or for the owner.
            #expect(await open(bench, id, .auditor())?.code == .upstreamAuthorizationRequired)
            #expect(bench.engine.callerTokens.token(for: id) == Secret("owner's"))
            #expect(await open(bench, id, .owner()) == nil)
            #expect(opened(bench) == [Secret("auditor's"), Secret("owner's")])
            #expect(
                bench.provider.state.withLock { $0.downloadTokens.suffix(2) } == [Secret("auditor's too"), nil]
            )
        }
    }

    @Test func afterARestartTheAuditorsOwnTokenIsEnough() async throws {
        let first = try bench()
        let id = try await first.running { try await finished(first) }
        let second = try first.restarted()
        try await second.running {
            #expect(await open(second, id, .auditor())?.code == .upstreamAuthorizationRequired)
            #expect(await open(second, id, .auditor("auditor's")) == nil)
            #expect(second.engine.callerTokens.token(for: id) == nil)
            #expect(await open(second, id, .owner())?.code == .upstreamAuthorizationRequired)
        }
        #expect(opened(first) == [Secret("auditor's")])
    }

    @Test func aRefusalOfTheAuditorsTokenIsNoMatterOfTheOwners() async throws {
        let bench = try bench()
        try await bench.running {
            let id = try await finished(bench)
            let before = try await bench.record(id)
            // Not even where both bring the same one.
            for token in ["auditor's", "owner's"] {
                for error in [
                    ProviderError(.unauthenticated, "No role."), ProviderError(.forbidden, "No."),
                    ProviderError(.gone, "Nothing to see."),
                ] {
                    bench.provider.set { $0.onOpen = { _ in error } }
                    let problem = await open(bench, id, .auditor(token))
                    if error.code == .gone {
                        // The job stands: what the auditor is told says nothing of an end.
                        #expect(problem?.code == .upstreamUnavailable)
                    } else {
                        #expect(problem?.detail.hasPrefix(error.detail) == true)
                    }
                    #expect(try await bench.record(id) == before)
                    #expect(bench.engine.callerTokens.token(for: id) == Secret("owner's"))
                }
            }
            // What the upstream says of the job to somebody else counts for nothing, to its owner for everything.
            bench.provider.set { $0.onObserve = { _ in .failure(ProviderError(.gone, "Nothing to see.")) } }
            #expect(await open(bench, id, .auditor("auditor's"))?.code == .upstreamUnavailable)
            #expect(try await bench.record(id) == before)
            #expect(await open(bench, id, .owner())?.code == .expired)
            #expect(try await bench.record(id).export.status == .expired)
        }
    }

    @Test func nobodyElseHasItPolled() async throws {
        let bench = try bench()
        try await bench.running {
            let id = try await bench.create(token: "owner's")
            let tracked = try await bench.until(id) { $0.isTracked }
            await bench.idle()
            for brought in [Viewer.auditor(), .auditor("auditor's")] {
                #expect(
                    try await bench.engine.export(id, for: brought, refresh: true) == tracked.export
                )
            }
            #expect(bench.provider.count(.observe) == 0)
            #expect(bench.engine.callerTokens.token(for: id) == Secret("owner's"))
            _ = try await bench.engine.export(id, for: .owner(), refresh: true)
            #expect(bench.provider.count(.observe) == 1)
        }
    }

    @Test func nobodyElseSetsAWaitingOneGoing() async throws {
        let bench = try bench()
        bench.provider.set { $0.onSubmit = { $0 == 1 ? ProviderError(.unauthenticated, "Expired token.") : nil } }
        try await bench.running {
            let id = try await bench.create(token: "owner's")
            let held = try await bench.until(id) { $0.progress.awaitsAuthorization }
            let export = try await bench.engine.export(id, for: .auditor("auditor's"), refresh: true)
            #expect(export == held.export)
            #expect(try await bench.record(id) == held)
            #expect(bench.engine.callerTokens.token(for: id) == nil)
        }
        #expect(bench.provider.count(.submit) == 1)
    }

    @Test func onlyItsOwnerCancelsItUpstream() async throws {
        let bench = try bench { $0.cancel = true }
        try await bench.running {
            let id = try await bench.create(token: "owner's")
            let tracked = try await bench.until(id) { $0.isTracked }
            for brought in [Viewer.auditor(), .auditor("auditor's")] {
                let error = await #expect(throws: GatewayError.self) {
                    try await bench.engine.cancel(id, for: brought)
                }
                #expect(error?.code == .forbidden)
                #expect(error?.detail.contains("only its owner can cancel it there") == true)
                #expect(try await bench.record(id) == tracked)
            }
            #expect(bench.provider.count(.cancel) == 0)
            let export = try await bench.engine.cancel(id, for: .owner())
            #expect(export.cancellation == .confirmed)
            // What has ended can be asked for by all who see it.
            #expect(try await bench.engine.cancel(id, for: .auditor()) == export)
        }
    }

    @Test func aStartUnderWayIsNotCanceledUpstreamEither() async throws {
        let bench = try bench { $0.cancel = true }
        let gate = Gate()
        bench.provider.set { $0.gates[.submit] = gate }
        try await bench.running {
            let id = try await bench.create(token: "owner's")
            await bench.provider.made(.submit, atLeast: 1)
            let error = await #expect(throws: GatewayError.self) {
                try await bench.engine.cancel(id, for: .auditor())
            }
            #expect(error?.code == .forbidden)
            gate.open()
            let tracked = try await bench.until(id) { $0.isTracked }
            #expect(!tracked.cancelWished && tracked.export.cancellation == nil)
        }
        #expect(bench.provider.count(.cancel) == 0)
    }

    /// Neither takes a call upstream.
    @Test func whatHappensHereOnlyIsForAllWhoMayCancel() async throws {
        let unstarted = try bench { $0.cancel = true }
        let id = try await unstarted.create(token: "owner's")
        #expect(try await unstarted.engine.cancel(id, for: .auditor()).cancellation == .confirmed)

        let untracked = try bench()
        try await untracked.running {
            let id = try await untracked.create(token: "owner's")
            _ = try await untracked.until(id) { $0.isTracked }
            let export = try await untracked.engine.cancel(id, for: .auditor())
            #expect(export.status == .canceled && export.cancellation == .unsupported)
        }
    }

    @Test func whereTheGatewayHasACredentialAllActWithThat() async throws {
        let bench = try Bench { $0.cancel = true }
        try await bench.running {
            let id = try await bench.create()
            _ = try await bench.until(id) { $0.isTracked }
            await bench.idle()
            let export = try await bench.engine.export(id, for: .auditor(), refresh: true)
            #expect(export.observedAt != nil)
            #expect(try await bench.engine.cancel(id, for: .auditor()).cancellation == .confirmed)
        }
    }

    /// Without callers configured.
    @Test func whereNobodyHasToSayWhoTheyAreAllAreOne() async throws {
        let bench = try bench()
        try await bench.running {
            let id = try await finished(bench)
            #expect(await open(bench, id, Viewer(.anonymous, token: nil, downloadToken: nil)) == nil)
            #expect(await open(bench, id, Viewer(.anonymous, token: Secret("new"), downloadToken: nil)) == nil)
            #expect(bench.engine.callerTokens.token(for: id) == Secret("new"))
        }
        #expect(opened(bench) == [Secret("owner's"), Secret("new")])
    }
}
