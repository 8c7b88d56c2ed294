import Exports
import JSON
import ManualClock
import ScriptedHost
import Testing

@testable import GatewayClient

@Suite struct CallTests {
    @Test func aCreateKeepsItsIdempotencyKeyThroughAllTries() async throws {
        try await ClientBench.with { _, index in
            switch index {
            case 0: [.close]
            case 1: [ClientBench.problem(503, "unavailable", ["Retry-After: 3"])]
            case 2: [.text("HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{"), .close]
            case 3: [ClientBench.problem(409, "idempotency-key-in-flight")]
            default: [ClientBench.export(ClientBench.running, status: 202)]
            }
        } test: { bench in
            let export = try await bench.client.create(["provider": "p"], idempotencyKey: "a key")
            #expect(export.id == "e")
            #expect(bench.calls.count == 5)
            #expect(Set(bench.calls.map { $0.headers["idempotency-key"] }) == ["\"a key\""])
            #expect(Set(bench.calls.map(\.body)) == ["{\"provider\":\"p\"}"])
            #expect(Set(bench.calls.map { $0.headers["x-request-id"] }).count == 5)
            #expect(Set(bench.calls.map { $0.headers["authorization"] }) == ["Bearer \(ClientBench.key)"])
        }
    }

    @Test func aRefusalIsNotRepeated() async throws {
        try await ClientBench.with { _, _ in
            [ClientBench.problem(422, "invalid-export", ["X-Request-Id: r1"])]
        } test: { bench in
            do {
                _ = try await bench.client.create([:], idempotencyKey: "k")
                Issue.record("it was not refused")
            } catch GatewayClientError.refused(let problem) {
                #expect((problem.code, problem.status, problem.requestID) == ("invalid-export", 422, "r1"))
            }
            #expect(bench.calls.count == 1)
        }
    }

    @Test func noRedirectIsFollowedWithTheKey() async throws {
        let other = try await RawServer.start { _, _ in [ClientBench.export(ClientBench.ended)] }
        try await ClientBench.with { _, _ in
            [RawServer.answer(307, ["Location: http://127.0.0.1:\(other.port)/exports/e"])]
        } test: { bench in
            do {
                _ = try await bench.client.export("e")
                Issue.record("it was followed")
            } catch GatewayClientError.unexpectedAnswer(let detail) {
                #expect(detail.contains("redirects to http://127.0.0.1:\(other.port)"))
            }
            #expect(bench.calls.count == 1)
        }
        #expect(other.calls.isEmpty)
        try await other.stop()
    }

    @Test func whatIsNoGatewayIsNamed() async throws {
        for step in [
            RawServer.answer(200, body: "<html>"), RawServer.answer(200, body: "[]"), RawServer.answer(200, body: "{}"),
            RawServer.answer(200, body: #"{"id":"e","status":"succeeded","files":[{"id":"1"},{"name":"a"}]}"#),
            RawServer.answer(200, body: #"{"id":"e","status":"succeeded","files":{}}"#),
        ] {
            try await ClientBench.with { _, _ in
                [step]
            } test: { bench in
                await #expect { try await bench.client.export("e") } throws: { error in
                    if case GatewayClientError.unexpectedAnswer = error { true } else { false }
                }
            }
        }
    }

    @Test func aGatewayThatIsNotThereIsUnreachable() async throws {
        try await ClientBench.with { _, _ in
            []
        } test: { bench in
            try await bench.server.stop()
            await #expect { try await bench.client.export("e") } throws: { error in
                if case GatewayClientError.unreachable = error { true } else { false }
            }
        }
    }

    @Test func anAnswerHasALimit() async throws {
        var settings = ClientSettings()
        settings.longestAnswer = 1000
        try await ClientBench.with(settings: settings) { _, _ in
            [RawServer.head(200, ["Transfer-Encoding: chunked"]), .text("400\r\n"), .flood(1024)]
        } test: { bench in
            await #expect { try await bench.client.export("e") } throws: { error in
                if case GatewayClientError.unexpectedAnswer(let detail) = error {
                    detail.contains("larger")
                } else {
                    false
                }
            }
        }
    }

    @Test func waitsWithoutBusyPolling() async throws {
        try await ClientBench.with { _, index in
            switch index {
            case 0: [ClientBench.export(ClientBench.running, etag: "W/\"1\"")]
            case 1: [RawServer.head(304, ["ETag: W/\"1\"", "Preference-Applied: wait=50"])]
            case 2: [RawServer.head(304, ["ETag: W/\"1\"", "Retry-After: 9"])]
            case 3: [ClientBench.problem(503, "unavailable")]
            default: [ClientBench.export(ClientBench.ended, etag: "W/\"2\"")]
            }
        } test: { bench in
            let began = bench.time.elapsed()
            let ended = try await bench.client.wait(for: "e") { _ in }
            #expect(ended.status == "succeeded")
            #expect(bench.calls.count == 5)
            #expect(bench.calls[0].headers["prefer"] == nil)
            for call in bench.calls.dropFirst() {
                #expect(call.headers["prefer"] == "wait=50")
                #expect(call.headers["if-none-match"] == "W/\"1\"")
            }
            // Nine seconds that the gateway asked for, and half a second at most after the failure.
            #expect((Duration.seconds(9)...Duration.seconds(10)).contains(bench.time.elapsed() - began))
        }
    }

    @Test func aWaitBeginsWhereTheCreateEnded() async throws {
        try await ClientBench.with { _, _ in
            [ClientBench.export(ClientBench.ended)]
        } test: { bench in
            let created = try #require(GatewayExport(ClientBench.running))
            _ = try await bench.client.wait(for: "e", from: (created, "W/\"0\"")) { _ in }
            #expect(bench.calls.map { $0.headers["if-none-match"] } == ["W/\"0\""])
        }
    }

    @Test func listsSendTheirFilters() async throws {
        try await ClientBench.with { _, _ in
            [RawServer.answer(200, body: #"{"value":[{"id":"a"}],"nextCursor":"c2"}"#)]
        } test: { bench in
            let page = try await bench.client.exports(filters: [("status", "failed")], limit: 7, cursor: "c1")
            #expect(page.nextCursor == "c2")
            #expect(page.value.count == 1)
            #expect(bench.calls[0].target == "/exports?status=failed&limit=7&cursor=c1")
            _ = try await bench.client.deliveries(of: "e", requestID: "r")
            #expect(bench.calls[1].target == "/exports/e/deliveries?requestId=r&limit=50")
        }
    }

    @Test func theUpstreamsTokensAreSentWithTheCallsThatNeedThem() async throws {
        let server = try await RawServer.start { _, _ in [ClientBench.export(ClientBench.running)] }
        let client = try GatewayClient(
            GatewayAddress("http://127.0.0.1:\(server.port)"),
            key: nil,
            tokens: .init(calls: GatewayKey("token"))
        )
        _ = try await client.export("e")
        _ = try await client.cancel("e")
        try await client.shutdown()
        #expect(server.calls.map { $0.headers["upstream-authorization"] } == ["Bearer token", "Bearer token"])
        #expect(server.calls.map(\.method) == ["GET", "DELETE"])
        #expect(server.calls.allSatisfy { $0.headers["authorization"] == nil })
        try await server.stop()
    }
}
