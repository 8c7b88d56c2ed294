import Exports
import Testing
import UpstreamHTTP

@Suite(.timeLimit(.minutes(5))) struct LimitTests {
    @Test(arguments: [UpstreamRequest.Method.get, .post])
    func aDrippingBodyMeetsTheDeadline(_ method: UpstreamRequest.Method) async throws {
        // Real time: what keeps AsyncHTTPClient's own clocks quiet is that something comes every 10 ms.
        try await Upstream.with(realSleepsUpTo: .seconds(2)) { _, _ in
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
        try await Upstream.with(realSleepsUpTo: .seconds(2)) { _, _ in
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
            #expect(error.retryAfter == .seconds(5))
            // Calls outside the budget go on.
            var token = try upstream.request(.get)
            token.isPaced = false
            let first = try await upstream.send(token)
            #expect(first.status == 200)
            #expect(upstream.server.calls.count == 3)
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
            try await upstream.time.sleep(for: .seconds(5))
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
