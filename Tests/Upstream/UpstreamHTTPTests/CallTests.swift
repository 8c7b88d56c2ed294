import Exports
import InMemoryLogging
import JSON
import Logging
import ManualClock
import ScriptedHost
import Testing
import UpstreamHTTP

@Suite struct CallTests {
    @Test(arguments: [502, 503, 504])
    func aGetIsTriedThreeTimes(_ status: Int) async throws {
        try await Upstream.with { _, index in
            [index < 2 ? RawServer.answer(status) : RawServer.answer(200, body: "good")]
        } test: { upstream in
            let response = try await upstream.send(upstream.request(.get))
            #expect(response.status == 200)
            #expect(String(decoding: response.body, as: UTF8.self) == "good")
            #expect(upstream.server.calls.count == 3)
            #expect(upstream.time.skipped == [.milliseconds(625), .milliseconds(1125)])
        }
    }

    @Test func theThirdAnswerStands() async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(503)]
        } test: { upstream in
            let first = try await upstream.send(upstream.request(.get))
            #expect(first.status == 503)
            #expect(upstream.server.calls.count == 3)
        }
    }

    @Test func aGetIsRepeatedAfterACut() async throws {
        try await Upstream.with { _, index in
            index == 0
                ? [.close] : index == 1 ? [.text("HTTP/1.1 200 -\r\nContent-Le"), .close] : [RawServer.answer(200)]
        } test: { upstream in
            let first = try await upstream.send(upstream.request(.get))
            #expect(first.status == 200)
            #expect(upstream.server.calls.count == 3)
        }
    }

    @Test func aBodyThatBreaksOffIsRepeatedToo() async throws {
        try await Upstream.with { _, index in
            index == 0
                ? [RawServer.head(200, ["Content-Length: 10"]), .text("12345"), .close]
                : [RawServer.answer(200, body: "1234567890")]
        } test: { upstream in
            let answer = try await upstream.send(upstream.request(.delete))
            #expect(answer.body.count == 10)
            #expect(upstream.server.calls.map(\.method) == ["DELETE", "DELETE"])
        }
    }

    @Test func whoeverIsAskedToWaitIsNotAskedAgain() async throws {
        try await Upstream.with { _, index in
            [index == 0 ? RawServer.answer(503, ["Retry-After: 2.5"]) : RawServer.answer(200)]
        } test: { upstream in
            let response = try await upstream.send(upstream.request(.get))
            #expect(response.status == 503)
            #expect(response.retryAfter == .milliseconds(2500))
            #expect(upstream.server.calls.count == 1)
            // The next call of the connection keeps the silence that was asked for.
            let first = try await upstream.send(upstream.request(.get))
            #expect(first.status == 200)
            #expect(upstream.time.skipped == [.milliseconds(2500)])
        }
    }

    @Test(arguments: [500, 502, 503, 504])
    func aPostIsSentOnceWhateverTheAnswer(_ status: Int) async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(status)]
        } test: { upstream in
            let first = try await upstream.send(upstream.request(.post))
            #expect(first.status == status)
            #expect(upstream.server.calls.count == 1)
        }
    }

    @Test(arguments: [
        [RawServer.Step.close],
        [.text("HTTP/1.1 202 -\r\nContent-Le"), .close],
        [RawServer.head(202, ["Content-Length: 10"]), .text("12345"), .close],
        [.text("this is not HTTP\r\n\r\n"), .close],
    ])
    func aPostThatBreaksOffIsAmbiguousAndNeverRepeated(_ steps: [RawServer.Step]) async throws {
        try await Upstream.with { _, _ in
            steps
        } test: { upstream in
            let error = try await providerError { try await upstream.send(upstream.request(.post)) }
            #expect(error.code == .ambiguous)
            #expect(error.problem == .submissionUnconfirmed)
            #expect(!error.isRetryable)
            #expect(upstream.server.calls.count == 1)
        }
    }

    @Test func aPostWithoutAConnectionWasNeverSent() async throws {
        let closed = try #require(ClosedPort())
        try await Upstream.with(openHosts: [.origin(of: closed.url)], connectTimeout: .milliseconds(300)) { _, _ in
            []
        } test: { upstream in
            let request = UpstreamRequest("test.call", .post, closed.url)
            let error = try await providerError { try await upstream.send(request) }
            #expect(error.code == .transient)
            #expect(error.problem == .upstreamUnavailable)
            #expect(upstream.logs.entries.contains { $0.metadata["reason"] == "connection refused" })
        }
    }

    @Test(arguments: [UpstreamRequest.Method.get, .post])
    func aRefusedTokenIsReplacedOnce(_ method: UpstreamRequest.Method) async throws {
        try await Upstream.with { call, _ in
            [RawServer.answer(call.headers["authorization"] == "Bearer token-2" ? 200 : 401)]
        } test: { upstream in
            let first = try await upstream.send(upstream.request(method, bearer: true))
            #expect(first.status == 200)
            #expect(upstream.server.calls.map { $0.headers["authorization"] } == ["Bearer token-1", "Bearer token-2"])
            #expect(upstream.tokens.rejected == ["token-1"])
        }
    }

    @Test func aSecondRefusalStands() async throws {
        try await Upstream.with(tokens: ["a", "b", "c"]) { _, _ in
            [RawServer.answer(401, body: "no")]
        } test: {
            upstream in
            let response = try await upstream.send(upstream.request(.get, bearer: true))
            #expect(response.status == 401)
            #expect(response.body == Array("no".utf8))
            #expect(upstream.server.calls.count == 2)
        }
    }

    @Test func aCredentialThatGivesNoOtherTokenIsTheReason() async throws {
        try await Upstream.with(tokens: ["only"]) { _, _ in
            [RawServer.answer(401, body: "why")]
        } test: { upstream in
            let error = await #expect(throws: ProviderError.self) {
                try await upstream.send(upstream.request(.get, bearer: true))
            }
            #expect(error?.code == .unauthenticated)
            #expect(error?.detail == "The credential has expired.")
            #expect(upstream.server.calls.count == 1)
        }
    }

    @Test func withoutAnotherTokenOfTheUserTheUpstreamsOwnRefusalComesBack() async throws {
        try await Upstream.with(tokens: ["only"], ofUsers: true) { _, _ in
            [RawServer.answer(401, body: "why")]
        } test: { upstream in
            let response = try await upstream.send(upstream.request(.get, bearer: true))
            #expect(response.status == 401)
            #expect(response.body == Array("why".utf8))
            #expect(upstream.server.calls.count == 1)
        }
    }

    private static func challenge(_ encoded: String) -> RawServer.Step {
        RawServer.answer(
            401,
            [
                "WWW-Authenticate: Bearer realm=\"\", authorization_uri=\"https://login.example/a\", "
                    + "error=\"insufficient_claims\", claims=\"\(encoded)\""
            ]
        )
    }

    /// Only the user can answer it, so it is an error that carries it, and no answer; another token is not even asked for.
    @Test(arguments: [
        "eyJhY2Nlc3NfdG9rZW4iOnsiYSI6Ij8/In19", "eyJhY2Nlc3NfdG9rZW4iOnsiYSI6Ij8_In19",
        "eyJhY2Nlc3NfdG9rZW4iOnsiYSI6Ij8/In19====",
    ])
    func aClaimsChallengeIsKept(encoded: String) async throws {
        try await Upstream.with(ofUsers: true) { _, _ in
            [Self.challenge(encoded)]
        } test: { upstream in
            let error = try await providerError { try await upstream.send(upstream.request(.get, bearer: true)) }
            #expect(error.code == .unauthenticated)
            #expect(error.problem == .upstreamClaimsRequired)
            #expect(error.challenge?.claims == #"{"access_token":{"a":"??"}}"#)
            #expect(error.challenge?.authorizationURI == "https://login.example/a")
            #expect(upstream.server.calls.count == 1)
            #expect(upstream.tokens.asked == 1)
        }
    }

    @Test func aChallengeOfTheSecondTokenIsKeptToo() async throws {
        try await Upstream.with(ofUsers: true) { _, index in
            [index == 0 ? RawServer.answer(401) : Self.challenge("e30=")]
        } test: { upstream in
            let error = try await providerError { try await upstream.send(upstream.request(.get, bearer: true)) }
            #expect(error.problem == .upstreamClaimsRequired)
            #expect(upstream.server.calls.count == 2)
        }
    }

    /// Nobody who calls the gateway could answer it.
    @Test func anApplicationsChallengeIsARefusal() async throws {
        try await Upstream.with { _, _ in
            [Self.challenge("e30=")]
        } test: { upstream in
            let response = try await upstream.send(upstream.request(.get, bearer: true))
            #expect(response.status == 401)
            #expect(upstream.tokens.rejected == ["token-1"])
        }
    }

    @Test(arguments: [
        #"Bearer realm="", error="invalid_token""#, #"Bearer error="insufficient_claims""#,
        #"Bearer error="insufficient_claims", claims="!""#, #"Bearer error="insufficient_claims", claims="e30="#,
        #"Bearer error="invalid_token", claims="e30=""#,
    ])
    func anotherRefusalIsNoChallenge(field: String) async throws {
        try await Upstream.with(tokens: ["only"], ofUsers: true) { _, _ in
            [RawServer.answer(401, ["WWW-Authenticate: \(field)"])]
        } test: { upstream in
            let response = try await upstream.send(upstream.request(.get, bearer: true))
            #expect(response.status == 401)
        }
    }

    @Test func theAdapterSaysWhatARefusedTokenLooksLike() async throws {
        try await Upstream.with { _, index in
            [RawServer.answer(index == 0 ? 403 : 200)]
        } test: { upstream in
            var request = try upstream.request(.get, bearer: true)
            request.rejectsToken = { $0.status == 403 }
            let first = try await upstream.send(request)
            #expect(first.status == 200)
            #expect(upstream.tokens.rejected == ["token-1"])
        }
    }

    @Test(arguments: [
        "https://graph.microsoft.com.attacker.example/v1.0", "http://127.0.0.1:1/", "https://127.0.0.1/",
    ])
    func aBearerGoesNowhereElse(_ address: String) async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(200)]
        } test: { upstream in
            var request = try upstream.request(.get, bearer: true)
            request.url = try #require(UpstreamURL(address))
            for operation in [0, 1] {
                let error = try await providerError {
                    operation == 0
                        ? try await upstream.send(request).status
                        : try await upstream.download(request).status
                }
                #expect(error.code == .permanent)
                #expect(error.detail.contains(request.url.host))
            }
            // Not even a token was asked for.
            #expect(upstream.tokens.asked == 0)
            #expect(upstream.server.calls.isEmpty)
        }
    }

    @Test func anUnknownScopeMayGoNowhere() async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(200)]
        } test: { upstream in
            var request = try upstream.request(.get)
            request.bearer = TokenScope("another")
            #expect(try await providerError { try await upstream.send(request) }.code == .permanent)
            #expect(upstream.server.calls.isEmpty)
        }
    }

    @Test func whatIsSent() async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(200)]
        } test: { upstream in
            var json = try upstream.request(.post, bearer: true)
            json.headers = [("x-custom", "1")]
            json.bearerHeaders = [("x-with-token", "2")]
            json.setJSON(["a": ["b/c"]])
            _ = try await upstream.send(json)
            var form = try upstream.request(.post)
            form.bearerHeaders = [("x-with-token", "2")]
            form.form = [
                FormField("grant_type", open: "client_credentials"), FormField("secret", Secret("a b+c&d=é/~")),
            ]
            form.secretHeaders = [("x-secret", Secret("3"))]
            _ = try await upstream.send(form)
            let calls = upstream.server.calls
            #expect(calls[0].body == #"{"a":["b/c"]}"#)
            #expect(calls[0].headers["content-type"] == "application/json; charset=utf-8")
            #expect(calls[0].headers["accept-encoding"] == "identity")
            #expect(calls[0].headers["client-request-id"] == upstream.context.requestID)
            #expect(calls[0].headers["user-agent"] == "export-gateway")
            #expect(calls[0].headers["x-custom"] == "1")
            #expect(calls[0].headers["x-with-token"] == "2")
            #expect(calls[1].headers["authorization"] == nil)
            #expect(calls[1].headers["x-with-token"] == nil)
            #expect(calls[1].headers["x-secret"] == "3")
            #expect(calls[1].headers["content-type"] == "application/x-www-form-urlencoded")
            #expect(calls[1].body == "grant_type=client_credentials&secret=a%20b%2Bc%26d%3D%C3%A9%2F~")
        }
    }

    /// Graph's `$skiptoken` fails when it is decoded and encoded again (`Upstream-Graph, Paging`).
    @Test(arguments: [
        "/", "/a?", "/a//b/./c", "/v1.0/x('y')?$skiptoken=%24a%2fB%2F+%20=&$top=5",
        "/a%2Fb/%C3%A9/%7e%00/../x//y;p=1?q=%FF&r=%7e~!*'();:@&=+$,/?",
        "/path?sig=a%2Bb%3D&se=2026-01-01T00%3A00%3A00Z",
    ])
    func theTargetIsSentByteForByte(_ target: String) async throws {
        try await Upstream.with { _, _ in
            [RawServer.answer(200)]
        } test: { upstream in
            _ = try await upstream.send(upstream.request(.get, target))
            #expect(upstream.server.calls.map(\.target) == [target])
        }
    }
}
