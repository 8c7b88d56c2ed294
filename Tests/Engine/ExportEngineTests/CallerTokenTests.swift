@testable import ExportEngine
import ExportLedger
import Exports
import ManualClock
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(5))) struct CallerTokenTests {
    private func tokens(_ bench: Bench) -> [Secret?] { bench.provider.state.withLock { $0.tokens } }

    @Test func tokenGoesWithEveryCall() async throws {
        let bench = try Bench { $0.delegatedOnly = true }
        bench.provider.set { $0.onObserve = { _ in .success(.succeeded()) } }
        try await bench.running {
            let id = try await bench.create(token: "t")
            _ = try await bench.drive(id)
            _ = try await bench.engine.open("1", of: id, for: .owner(), range: nil)
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
            // Who asks with a token is told what came of it.
            let export = try await second.engine.export(id, for: .owner("new"), refresh: false)
            #expect(export.status == .succeeded && export.tracking == nil)
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
            #expect(bench.engine.callerTokens.token(for: id) == nil)
            let export = try await bench.engine.export(id, for: .owner("new"), refresh: false)
            #expect(export.upstream != nil && export.notice == nil && export.tracking == .background)
        }
        #expect(tokens(bench) == [Secret("old"), Secret("new")])
    }

    /// Neither who brings it nor the task may assume that the other does it.
    @Test func aTokenThatComesWhileTheFormerOneIsRefusedSetsTheExportGoing() async throws {
        let bench = try Bench { $0.delegatedOnly = true }
        let gate = Gate()
        bench.provider.set {
            $0.gates[.submit] = gate
            $0.onSubmit = { $0 == 1 ? ProviderError(.unauthenticated, "It has ended.") : nil }
        }
        try await bench.running {
            let id = try await bench.create(token: "old")
            await bench.provider.made(.submit, atLeast: 1)
            let early = try await bench.engine.export(id, for: .owner("new"), refresh: false)
            #expect(early.notice == nil)
            gate.open()
            let started = try await bench.until(id) { $0.phase == .tracking }
            #expect(!started.progress.awaitsAuthorization && started.export.notice == nil)
        }
        #expect(tokens(bench) == [Secret("old"), Secret("new")])
    }

    /// It would be refused again, and each try is several calls: a caller who polls with a good token that lacks a right must
    /// not make them.
    @Test func theSameTokenSetsItGoingOnceAMinute() async throws {
        let bench = try Bench { $0.delegatedOnly = true }
        let words = UpstreamErrorInfo(status: 401, code: "NoRole", message: "No role.", requestId: "r")
        bench.provider.set {
            $0.onSubmit = { $0 < 3 ? ProviderError(.unauthenticated, "No role.", upstream: words) : nil }
        }
        try await bench.running {
            let id = try await bench.create(token: "same")
            let held = try await bench.until(id) { $0.progress.awaitsAuthorization }
            #expect(held.export.notice?.upstream == words)
            for _ in 0..<4 {
                let export = try await bench.engine.export(id, for: .owner("same"), refresh: true)
                #expect(export == held.export)
            }
            #expect(bench.provider.count(.submit) == 1)
            #expect(bench.engine.callerTokens.token(for: id) == nil)

            _ = try await bench.engine.export(id, for: .owner("other"), refresh: false)
            #expect(bench.provider.count(.submit) == 2)
            // Nor in turns, as clients do that have a token each.
            for second in 0..<60 {
                let token = second.isMultiple(of: 2) ? "same" : "other"
                _ = try await bench.engine.export(id, for: .owner(token), refresh: false)
                if second < 59 { bench.time.advance(by: .seconds(1)) }
            }
            #expect(bench.provider.count(.submit) == 2)
            // The right may have been granted since.
            bench.time.advance(by: .seconds(1))
            let started = try await bench.engine.export(id, for: .owner("same"), refresh: false)
            #expect(started.upstream != nil && started.notice == nil && started.tracking == .background)
        }
        #expect(bench.provider.count(.submit) == 3)
    }

    @Test func aCancellationWithTheRefusedTokenSaysWhy() async throws {
        let bench = try Bench {
            $0.delegatedOnly = true
            $0.cancel = true
        }
        let words = UpstreamErrorInfo(status: 401, requestId: "r")
        bench.provider.set {
            // The other token is accepted, also where a poll with it comes before the cancellation.
            $0.onObserve = {
                $0 == 1
                    ? .failure(ProviderError(.unauthenticated, "No role.", upstream: words))
                    : .success(Observation(.running, upstreamStatus: "Running"))
            }
        }
        try await bench.running {
            let id = try await bench.create(token: "same")
            let held = try await bench.drive(id) { $0.progress.awaitsAuthorization }
            let error = await #expect(throws: GatewayError.self) {
                try await bench.engine.cancel(id, for: .owner("same"))
            }
            #expect(error?.code == .upstreamAuthorizationRequired)
            #expect(error?.detail == held.export.notice?.detail && error?.upstream == words)
            #expect(try await bench.record(id) == held)
            let export = try await bench.engine.cancel(id, for: .owner("other"))
            #expect(export.cancellation == .confirmed)
        }
    }

    @Test func theReasonIsKeptOverARestart() async throws {
        let first = try Bench { $0.delegatedOnly = true }
        let words = UpstreamErrorInfo(status: 401, code: "NoRole", message: "No role.", requestId: "r")
        first.provider.set {
            $0.onSubmit = { $0 == 1 ? ProviderError(.unauthenticated, "No role.", upstream: words) : nil }
        }
        let held = try await first.running {
            let id = try await first.create(token: "same")
            return try await first.until(id) { $0.progress.awaitsAuthorization }
        }
        let second = try first.restarted()
        try await second.running {
            let id = held.export.id
            // Another process has no memory of the refusal.
            let known = try await second.engine.export(id, for: .owner(), refresh: false)
            #expect(known.notice == held.export.notice && known.notice?.upstream == words)
            let export = try await second.engine.export(id, for: .owner("same"), refresh: false)
            #expect(export.upstream != nil && export.notice == nil)
        }
    }

    @Test func aTokenThatIsRefusedTooIsAnsweredAtOnce() async throws {
        let bench = try Bench { $0.delegatedOnly = true }
        bench.provider.set { $0.onObserve = { _ in .failure(ProviderError(.unauthenticated, "Expired token.")) } }
        try await bench.running {
            let id = try await bench.create(token: "old")
            let held = try await bench.drive(id) { $0.progress.awaitsAuthorization }
            let export = try await bench.engine.export(id, for: .owner("worse"), refresh: false)
            #expect(export.tracking == .onRequest)
            #expect(export.revision > held.export.revision)
        }
        #expect(tokens(bench) == [Secret("old"), Secret("old"), Secret("worse")])
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
                try await second.engine.cancel(id, for: .owner())
            }
            #expect(error?.code == .upstreamAuthorizationRequired)
            let export = try await second.engine.cancel(id, for: .owner("new"))
            #expect(export.cancellation == .confirmed)
        }
    }

    @Test func aTokenInTheMiddleOfTheTakingOverIsUsedAtOnce() async throws {
        let ledger = try StagedLedger()
        let first = try Bench(ledger: ledger) { $0.delegatedOnly = true }
        first.provider.set {
            $0.onSubmit = { $0 == 1 ? ProviderError(.unauthenticated, "Expired token.") : nil }
        }
        let id = try await first.running {
            let id = try await first.create(token: "old")
            return try await first.until(id) { $0.progress.awaitsAuthorization }.export.id
        }
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
            async let export = second.engine.export(id, for: .owner("new"), refresh: false)
            _ = try await second.until(id) { !$0.progress.awaitsAuthorization }
            // The call waits for what comes of the token.
            await second.time.deadlines(atLeast: 1)
            gate.open()
            _ = try await export
            _ = try await second.until(id) { $0.isTracked }
        }
        #expect(tokens(first) == [Secret("old"), Secret("new")])
    }
}
