import Exports
import ManualClock
import ScriptedHost
import Testing
import TestSupport
import UpstreamHTTP

@Suite(.timeLimit(.minutes(5))) struct LimitTests {
    @Test(arguments: [UpstreamRequest.Method.get, .post])
    func aDrippingBodyMeetsTheDeadline(_ method: UpstreamRequest.Method) async throws {
        // Real time: what keeps AsyncHTTPClient's own clocks quiet is that something comes every 10 ms.
        try await Upstream.with(deadlines: .takeRealTime) { _, _ in
            [RawServer.head(200, ["Content-Length: 1000000"]), .drip]
        } test: { upstream in
            var request = try upstream.request(method)
            request.timeout = .seconds(2)
            let error = try await providerError { try await upstream.send(request) }
            #expect(error.code == (method == .get ? .transient : .ambiguous))
            if method == .get { #expect(error.problem == .upstreamTimeout) }
            let calls = upstream.server.calls.count
            #expect(method == .get ? (1...3).contains(calls) : calls == 1)
            await upstream.server.log.closings.reach(calls)
        }
    }

    @Test func anAnswerThatNeverStartsMeetsTheDeadline() async throws {
        try await Upstream.with(deadlines: .takeRealTime) { _, _ in
            []
        } test: { upstream in
            var request = try upstream.request(.post)
            request.timeout = .seconds(2)
            let error = try await providerError { try await upstream.send(request) }
            #expect(error.code == .ambiguous)
            await upstream.server.log.closings.reach(1)
        }
    }

    @Test(arguments: [true, false])
    func anAnswerThatIsTooLargeIsRefused(_ isAnnounced: Bool) async throws {
        try await Upstream.with { _, _ in
            isAnnounced
                ? [RawServer.answer(200, body: String(repeating: "x", count: 2000))]
                : [
                    RawServer.head(200, ["Transfer-Encoding: chunked"]),
                    .text("7d0\r\n" + String(repeating: "x", count: 2000) + "\r\n0\r\n\r\n"),
                ]
        } test: { upstream in
            var request = try upstream.request(.get)
            request.bodyLimit = 1999
            let error = try await providerError { try await upstream.send(request) }
            #expect(error.code == .permanent)
            #expect(upstream.server.calls.count == 1)
            // What is answered to a POST was carried out: what the head says of it is known.
            var start = try upstream.request(.post)
            start.bodyLimit = 1999
            let accepted = try await upstream.send(start)
            #expect(accepted.status == 200)
            #expect(accepted.body.count == 1999)
            request.bodyLimit = 2000
            #expect(try await upstream.send(request).body.count == 2000)
        }
    }

    @Test func theBudgetIsShared() async throws {
        try await Upstream.with(budget: RequestBudget(2, per: .seconds(10)), patience: .seconds(4)) { _, _ in
            [RawServer.answer(200)]
        } test: { upstream in
            for _ in 0..<2 { _ = try await upstream.send(upstream.request(.get)) }
            let error = try await providerError { try await upstream.send(upstream.request(.get)) }
            #expect(error.code == .throttled)
            // It is the gateway's own: the upstream has throttled nothing.
            #expect(error.problem == .queued)
            #expect(error.queue?.position == 1)
            #expect(error.retryAfter.map { $0 > .seconds(7) && $0 < .seconds(11) } ?? false)
            // Calls outside the budget go on.
            var token = try upstream.request(.get)
            token.isPaced = false
            let first = try await upstream.send(token)
            #expect(first.status == 200)
            #expect(upstream.server.calls.count == 3)
        }
    }

    @Test func aFurtherAttemptThatFindsNoPlaceGivesTheUpstreamsOwnWord() async throws {
        try await Upstream.with(budget: RequestBudget(1, per: .seconds(20)), patience: .seconds(4)) { _, index in
            index == 0 ? [RawServer.answer(502)] : []
        } test: { upstream in
            let answer = try await upstream.send(upstream.request(.get))
            #expect(answer.status == 502)
            #expect(upstream.server.calls.count == 1)
            let error = try await providerError { try await upstream.send(upstream.request(.get)) }
            #expect(error.isOwnWait)
        }
    }

    /// Work of several calls that had to begin again each time would never end.
    @Test("fault C3: the further calls of a piece of work wait for their places as long as that takes")
    func furtherCallsOfAPieceOfWorkWait() async throws {
        try await Upstream.with(budget: RequestBudget(1, per: .seconds(20)), patience: .seconds(4)) { _, _ in
            [RawServer.answer(200)]
        } test: { upstream in
            for priority in CallPriority.allCases {
                var context = upstream.context
                context.priority = priority
                context.work = .polls(of: "test", ProviderID("test"))
                let series = CallSeries()
                context.series = series
                // The first call of each has no more patience than any other.
                upstream.time.advance(by: .seconds(25))
                for _ in 0..<4 { _ = try await upstream.client.send(upstream.request(.get), context: context) }
                #expect(series.waited > .seconds(50))
                context.series = CallSeries()
                let error = try await providerError {
                    try await upstream.client.send(upstream.request(.get), context: context)
                }
                #expect(error.isOwnWait)
            }
            #expect(upstream.server.calls.count == 12)
        }
    }

    /// A download of which the connection ends before its head has come may have been received all the same.
    @Test(arguments: [true, false])
    func aDownloadThatIsAskedForAgainTakesAnotherPlace(_ hasPlace: Bool) async throws {
        let budget = RequestBudget(hasPlace ? 2 : 1, per: .seconds(60))
        try await Upstream.with(budget: budget, patience: .seconds(4)) { _, index in
            index == 0 ? [.close] : [RawServer.answer(200, body: "abc")]
        } test: { upstream in
            if hasPlace {
                let file = try await upstream.download(upstream.request(.get))
                #expect(await read(file.bytes).bytes == Array("abc".utf8))
                let error = try await providerError { try await upstream.send(upstream.request(.get)) }
                #expect(error.isOwnWait)
            } else {
                let error = try await providerError { try await upstream.download(upstream.request(.get)) }
                // The upstream's connection is what failed, whatever there is no place for.
                #expect(error.code == .transient && !error.isOwnWait)
            }
            #expect(upstream.server.calls.count == (hasPlace ? 2 : 1))
        }
    }

    @Test func anUpstreamThatFailsIsLeftAlone() async throws {
        try await Upstream.with { _, index in
            [RawServer.answer(index < 5 ? 500 : 200)]
        } test: { upstream in
            for _ in 0..<5 { #expect(try await upstream.send(upstream.request(.post)).status == 500) }
            let error = try await providerError { try await upstream.send(upstream.request(.get)) }
            #expect(error.code == .transient)
            #expect(error.retryAfter == .seconds(5))
            #expect(upstream.server.calls.count == 5)
            upstream.time.advance(by: .seconds(5))
            let first = try await upstream.send(upstream.request(.get))
            #expect(first.status == 200)
            #expect(try await upstream.send(upstream.request(.post)).status == 200)
        }
    }

    @Test(arguments: [UpstreamRequest.Method.get, .post])
    func aCancelledCallClosesItsConnection(_ method: UpstreamRequest.Method) async throws {
        try await Upstream.with { _, _ in
            []
        } test: { upstream in
            let request = try upstream.request(method)
            let call = Task { try await providerError { try await upstream.send(request) } }
            await upstream.server.log.calls.reach(1)
            call.cancel()
            let error = try await call.value
            #expect(error.code == (method == .get ? .transient : .ambiguous))
            #expect(error.cause is CancellationError)
            await upstream.server.log.closings.reach(1)
            #expect(upstream.server.calls.count == 1)
        }
    }

    @Test func aCallThatIsCancelledBeforeItBeginsIsNotMade() async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(202)]
        } test: { upstream in
            let request = try upstream.request(.post)
            let call = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await providerError { try await upstream.send(request) }
            }
            #expect(try await call.value.code == .transient)
            #expect(upstream.server.calls.isEmpty)
        }
    }
}
