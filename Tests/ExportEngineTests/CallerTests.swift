@testable import ExportEngine
import ExportLedger
import Exports
import NIOCore
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct ReadTests {
    @Test func unknownExportIsNotFound() async throws {
        let bench = try Bench()
        let id = bench.engine.tools.newID(at: bench.time.now())
        for call in [
            { try await bench.engine.export(id, refresh: true, authorization: nil) },
            { try await bench.engine.export(id, changedFrom: 1, within: .seconds(9)) },
            { try await bench.engine.cancel(id, authorization: nil) },
        ] as [@Sendable () async throws -> Export] {
            let error = await #expect(throws: GatewayError.self) { try await call() }
            #expect(error?.code == .notFound)
        }
    }

    @Test func aThousandWhoRefreshShareOneCall() async throws {
        let bench = try Bench()
        let gate = Gate()
        bench.provider.set {
            $0.gates[.observe] = gate
            $0.onObserve = { number in
                var observation = Observation(.running, upstreamStatus: "Running")
                observation.percentComplete = number
                return .success(observation)
            }
        }
        try await bench.running {
            let id = try await bench.create()
            _ = try await bench.until(id) { $0.isTracked }
            let lane = try #require(bench.engine.lanes.values.first)
            try await withThrowingTaskGroup(of: Export.self) { group in
                for _ in 0..<1000 {
                    group.addTask { try await bench.engine.export(id, refresh: true, authorization: nil) }
                }
                while lane.refresherCount(of: id) < 1000 { await Task.yield() }
                gate.open()
                for try await export in group { #expect(export.percentComplete == 1) }
            }
            #expect(bench.provider.count(.observe) == 1)

            // Within the poll interval nobody is asked; after it, once more.
            _ = try await bench.engine.export(id, refresh: true, authorization: nil)
            #expect(bench.provider.count(.observe) == 1)
            bench.time.advance(by: .seconds(5))
            let later = try await bench.engine.export(id, refresh: true, authorization: nil)
            #expect(later.percentComplete == 2)
        }
    }

    @Test func failedRefreshIsStaleAndNoError() async throws {
        let bench = try Bench()
        bench.provider.set { $0.onObserve = { _ in .failure(ProviderError(.transient, "Down.")) } }
        try await bench.running {
            let id = try await bench.create()
            _ = try await bench.until(id) { $0.isTracked }
            let export = try await bench.engine.export(id, refresh: true, authorization: nil)
            #expect(export.stale)
            #expect(export.notice?.code == .upstreamUnavailable)
        }
    }

    @Test func refreshWithoutAnyoneToAskReturnsWhatIsKnown() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        #expect(try await bench.engine.export(id, refresh: true, authorization: nil).status == .notStarted)
    }

    @Test func waitEndsWithAChange() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        try await withThrowingTaskGroup(of: Export.self) { group in
            group.addTask { try await bench.engine.export(id, changedFrom: 1, within: .seconds(60)) }
            await bench.time.sleepers(atLeast: 1)
            let changed = try await bench.running { try await group.next() }
            #expect((changed?.revision ?? 0) > 1)
        }
    }

    @Test func waitReturnsAtOnceForAnotherRevision() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        #expect(try await bench.engine.export(id, changedFrom: 0, within: .seconds(60)).revision == 1)
    }

    @Test func waitEndsWithItsTime() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        async let export = bench.engine.export(id, changedFrom: 1, within: .seconds(60))
        await bench.time.sleepers(atLeast: 1)
        bench.time.advance(by: .seconds(60))
        let outcome = try await export
        #expect(outcome.revision == 1)
    }

    @Test func waitEndsWhenTheEngineStops() async throws {
        let bench = try Bench()
        let gate = Gate()
        bench.provider.set { $0.gates[.submit] = gate }
        try await withThrowingTaskGroup(of: Export.self) { group in
            try await bench.running {
                let id = try await bench.create()
                await bench.provider.made(.submit, atLeast: 1)
                let sleepers = bench.time.sleeperCount
                group.addTask { try await bench.engine.export(id, changedFrom: 1, within: .seconds(60)) }
                await bench.time.sleepers(atLeast: sleepers + 1)
            }
            #expect(try await group.next()?.revision == 1)
        }
    }

    @Test func waitIsNotHeldByACancelledTask() async throws {
        let bench = try Bench()
        let id = try await bench.create()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { _ = try? await bench.engine.export(id, changedFrom: 1, within: .seconds(60)) }
            await bench.time.sleepers(atLeast: 1)
            group.cancelAll()
            await group.waitForAll()
        }
        #expect(bench.time.sleeperCount == 0)
    }
}

@Suite(.timeLimit(.minutes(1))) struct CancelTests {
    private func tracked(_ bench: Bench) async throws -> ExportID {
        let id = try await bench.create()
        return try await bench.until(id) { $0.isTracked }.export.id
    }

    @Test func beforeTheStartNothingIsAsked() async throws {
        let bench = try Bench { $0.cancel = true }
        let id = try await bench.create()
        let export = try await bench.engine.cancel(id, authorization: nil)
        #expect(export.status == .canceled)
        #expect(export.cancellation == .confirmed)
        try await bench.running { await bench.time.sleepers(atLeast: 1) }
        #expect(bench.provider.count(.submit) == 0)
        #expect(try await bench.engine.cancel(id, authorization: nil) == export)
    }

    @Test func upstreamConfirms() async throws {
        let bench = try Bench { $0.cancel = true }
        try await bench.running {
            let id = try await tracked(bench)
            let export = try await bench.engine.cancel(id, authorization: nil)
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
            let export = try await bench.engine.cancel(id, authorization: nil)
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
            async let export = bench.engine.cancel(id, authorization: nil)
            await bench.provider.made(.cancel, atLeast: 1)
            while bench.time.sleeperCount < 2 { await Task.yield() }
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
                try await bench.engine.cancel(id, authorization: nil)
            }
            #expect(error?.code == .upstreamConflict)
            #expect(try await bench.record(id).export.cancellation == nil)
        }
    }

    @Test func withoutCapabilityTrackingStops() async throws {
        let bench = try Bench()
        try await bench.running {
            let id = try await tracked(bench)
            let export = try await bench.engine.cancel(id, authorization: nil)
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
            while bench.time.sleeperCount < 2 { await Task.yield() }
            bench.time.advance(by: .seconds(5))
            await bench.provider.made(.observe, atLeast: 1)
            let canceled = try await bench.engine.cancel(id, authorization: nil)
            gate.open()
            while bench.engine.lanes.values.first?.fence(of: id) != nil { await Task.yield() }
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
            let export = try await bench.engine.cancel(id, authorization: nil)
            #expect(export.cancellation == .requested)
            gate.open()
            let record = try await bench.until(id) { $0.isSettled }
            #expect(record.export.status == .canceled)
            #expect(record.export.cancellation == .confirmed)
        }
        #expect(bench.provider.count(.cancel) == 1)
    }
}

@Suite(.timeLimit(.minutes(1))) struct CallerTokenTests {
    private func tokens(_ bench: Bench) -> [Secret?] { bench.provider.state.withLock { $0.tokens } }

    @Test func tokenGoesWithEveryCall() async throws {
        let bench = try Bench { $0.delegatedOnly = true }
        bench.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        try await bench.running {
            let id = try await bench.create(token: "t")
            _ = try await bench.drive(id)
            _ = try await bench.engine.open("1", of: id, authorization: nil)
        }
        #expect(tokens(bench) == [Secret("t"), Secret("t"), Secret("t")])
    }

    @Test func afterARestartACallerBringsANewOne() async throws {
        let first = try Bench { $0.delegatedOnly = true }
        let id = try await first.running {
            let id = try await first.create(token: "old")
            return try await first.until(id) { $0.isTracked }.export.id
        }
        let second = try first.restarted()
        first.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        try await second.running {
            let held = try await second.drive(id) { $0.progress.awaitsAuthorization }
            #expect(held.export.stale)
            #expect(held.export.notice?.code == .upstreamAuthorizationRequired)
            #expect(first.provider.count(.observe) == 0)
            _ = try await second.engine.export(id, refresh: false, authorization: Secret("new"))
            let record = try await second.until(id) { $0.isSettled }
            #expect(record.export.status == .succeeded)
        }
        #expect(tokens(first) == [Secret("old"), Secret("new")])
    }

    @Test func refusedTokenIsDropped() async throws {
        let bench = try Bench { $0.delegatedOnly = true }
        bench.provider.set {
            $0.onSubmit = { $0 == 1 ? ProviderError(.unauthenticated, "Expired token.") : nil }
        }
        try await bench.running {
            let id = try await bench.create(token: "old")
            let held = try await bench.until(id) { $0.progress.awaitsAuthorization }
            #expect(held.phase == .accepted)
            #expect(bench.engine.tools.tokens.token(for: id) == nil)
            _ = try await bench.engine.export(id, refresh: false, authorization: Secret("new"))
            _ = try await bench.until(id) { $0.isTracked }
        }
        #expect(tokens(bench) == [Secret("old"), Secret("new")])
    }

    @Test func cancelAndOpenNeedATokenToo() async throws {
        let first = try Bench {
            $0.delegatedOnly = true
            $0.cancel = true
        }
        let id = try await first.running {
            let id = try await first.create(token: "old")
            return try await first.until(id) { $0.isTracked }.export.id
        }
        let second = try first.restarted()
        try await second.running {
            let error = await #expect(throws: GatewayError.self) {
                try await second.engine.cancel(id, authorization: nil)
            }
            #expect(error?.code == .upstreamAuthorizationRequired)
            let export = try await second.engine.cancel(id, authorization: Secret("new"))
            #expect(export.cancellation == .confirmed)
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct OpenTests {
    private func finished(
        _ bench: Bench,
        _ observation: Observation = .succeeded(),
        options: JSONValue = [:]
    ) async throws -> ExportID {
        bench.provider.set { $0.onObserve = { _ in .success(observation) } }
        return try await bench.running {
            let id = try await bench.create(options)
            return try await bench.drive(id).export.id
        }
    }

    private func problem(_ bench: Bench, _ id: ExportID, file: String = "1") async -> ProblemCode? {
        await #expect(throws: GatewayError.self) {
            try await bench.engine.open(file, of: id, authorization: nil)
        }?
        .code
    }

    @Test func bytesComeFromTheUpstream() async throws {
        let bench = try Bench()
        let id = try await finished(bench)
        let body = try await bench.engine.open("1", of: id, authorization: nil)
        #expect(body.head.contentType == "application/pdf")
        var text = ""
        for try await chunk in body.bytes { text += String(buffer: chunk) }
        #expect(text == "bytes of 1")
    }

    @Test func nothingToBeHadIsSaid() async throws {
        let bench = try Bench()
        #expect(await problem(bench, try await bench.create()) == .notReady)
        let done = try Bench()
        #expect(await problem(done, try await finished(done), file: "2") == .notFound)
        let failed = try Bench()
        let failedID = try await finished(failed, Observation(.failed, upstreamStatus: "Failed"))
        #expect(await problem(failed, failedID) == .noResult)
        #expect(await problem(bench, bench.engine.tools.newID(at: bench.time.now())) == .notFound)
        #expect([bench, done, failed].allSatisfy { $0.provider.count(.open) == 0 })
    }

    @Test func filesInTheCallersStorageAreElsewhere() async throws {
        let bench = try Bench()
        let id = try await finished(bench, .succeeded(files: 0), options: ["destination": "https://a/b"])
        #expect(await problem(bench, id) == .deliveredElsewhere)
    }

    @Test func goneFilesExpireTheExport() async throws {
        let bench = try Bench()
        bench.provider.set { $0.onOpen = { _ in ProviderError(.gone, "Gone.") } }
        let id = try await finished(bench)
        #expect(await problem(bench, id) == .expired)
        let export = try await bench.engine.export(id, refresh: false, authorization: nil)
        #expect(export.status == .expired)
        #expect(export.files.count == 1)
        #expect(await problem(bench, id) == .expired)
        #expect(bench.provider.count(.open) == 1)
    }

    @Test func expiryCountsEvenWhereNobodyKeepsHouse() async throws {
        let bench = try Bench { $0.downloadLifetime = .seconds(60) }
        let id = try await finished(bench)
        bench.time.advance(by: .seconds(60))
        #expect(await problem(bench, id) == .expired)
        #expect(try await bench.record(id).export.status == .expired)
        #expect(bench.provider.count(.open) == 0)
    }

    @Test func upstreamsErrorsAreTranslated() async throws {
        let bench = try Bench()
        let id = try await finished(bench)
        bench.provider.set { $0.onOpen = { _ in ProviderError(.throttled, "Wait.", retryAfter: .seconds(3)) } }
        let error = await #expect(throws: GatewayError.self) {
            try await bench.engine.open("1", of: id, authorization: nil)
        }
        #expect(error?.code == .upstreamThrottled)
        #expect(error?.retryAfter == .seconds(3))
    }

    @Test func refusedTokenIsAskedForAnew() async throws {
        let bench = try Bench()
        let id = try await finished(bench)
        bench.provider.set {
            $0.onOpen = { _ in ProviderError(.unauthenticated, "No.", problem: .upstreamAuthorizationRequired) }
        }
        let error = await #expect(throws: GatewayError.self) {
            try await bench.engine.open("1", of: id, authorization: Secret("t"))
        }
        #expect(error?.code == .upstreamAuthorizationRequired)
        #expect(bench.engine.tools.tokens.token(for: id) == nil)
    }
}
