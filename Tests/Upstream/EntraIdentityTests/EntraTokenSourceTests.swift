import Exports
import InMemoryLogging
import ManualClock
import ScriptedHost
import Testing
import UpstreamHTTP
@testable import EntraIdentity

private let scope = TokenScope("https://graph.microsoft.com/.default")
private let context = CallContext(requestID: "r")

extension EntraTokenSource {
    fileprivate func token(_ scope: TokenScope = scope, replacing rejected: AccessToken? = nil)
        async throws(ProviderError) -> AccessToken
    {
        try await accessToken(for: scope, context: context, replacing: rejected)
    }
}

@Suite struct EntraTokenSourceTests {
    private func error(_ call: () async throws(ProviderError) -> AccessToken) async throws -> ProviderError {
        do throws(ProviderError) {
            _ = try await call()
        } catch {
            return error
        }
        throw ProviderError(.permanent, "nothing was thrown")
    }

    @Test func asksAsTheEndpointWantsIt() async throws {
        try await TokenServer.with { server, source, time, _ async throws in
            async let token = source.token()
            let call = await server.call(0)
            #expect(call.target == "/contoso.example/oauth2/v2.0/token")
            #expect(
                call.body == "grant_type=client_credentials&client_id=client-id"
                    + "&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default&client_secret=s3cret%20%26%2B"
            )
            call.grant("one")
            #expect(try await token == AccessToken(Secret("one"), expiresAt: time.now() + .seconds(3600)))
            // The next asker has it without a call.
            #expect(try await source.token().secret == Secret("one"))
            #expect(server.calls.count == 1)
        }
    }

    @Test func aThousandAskersShareOneCall() async throws {
        try await TokenServer.with { server, source, _, _ async throws in
            try await withThrowingTaskGroup(of: AccessToken.self) { group in
                for _ in 0..<1000 { group.addTask { try await source.token() } }
                await server.call(0).grant("one")
                for try await token in group { #expect(token.secret == Secret("one")) }
            }
            #expect(server.calls.count == 1)
        }
    }

    @Test func everyScopeHasItsOwnToken() async throws {
        try await TokenServer.with { server, source, _, _ async throws in
            async let graph = source.token()
            await server.call(0).grant("graph")
            #expect(try await graph.secret == Secret("graph"))
            async let powerBI = source.token(TokenScope("https://analysis.windows.net/powerbi/api/.default"))
            await server.call(1).grant("power-bi")
            #expect(try await powerBI.secret == Secret("power-bi"))
            #expect(try await source.token().secret == Secret("graph"))
        }
    }

    @Test func whenTheFetcherIsCancelledAnotherGoesOn() async throws {
        try await TokenServer.with { server, source, _, _ async throws in
            let leader = Task { try await self.error { () async throws(ProviderError) in try await source.token() } }
            _ = await server.call(0)
            try await withThrowingTaskGroup(of: AccessToken.self) { group in
                for _ in 0..<100 { group.addTask { try await source.token() } }
                leader.cancel()
                let error = try await leader.value
                #expect(error.code == .transient)
                #expect(error.cause is CancellationError)
                await server.call(1).grant("two")
                for try await token in group { #expect(token.secret == Secret("two")) }
            }
            #expect(server.calls.count == 2)
        }
    }

    @Test func aWaiterThatIsCancelledLeavesAtOnceAndAlone() async throws {
        try await TokenServer.with { server, source, _, _ async throws in
            async let leader = source.token()
            let call = await server.call(0)
            let waiters = (0..<20)
                .map { _ in
                    Task { try await self.error { () async throws(ProviderError) in try await source.token() } }
                }
            for waiter in waiters { waiter.cancel() }
            // They leave although the answer has not come.
            for waiter in waiters { #expect(try await waiter.value.cause is CancellationError) }
            call.grant("one")
            #expect(try await leader.secret == Secret("one"))
            #expect(server.calls.count == 1)
        }
    }

    @Test func everybodyWhoWaitsHearsOfTheRefusal() async throws {
        try await TokenServer.with { server, source, time, _ async throws in
            let body = try Fixture.text("entra-error-401-bad-secret")
            try await withThrowingTaskGroup(of: ProviderError.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        try await self.error { () async throws(ProviderError) in try await source.token() }
                    }
                }
                await server.call(0).reply(401, body)
                for try await error in group {
                    #expect(error.code == .unauthenticated)
                    #expect(error.upstream?.code == "AADSTS7000215")
                }
            }
            // Asked again within a minute, the authority is spared.
            time.advance(by: .milliseconds(59_999))
            #expect(
                try await error { () async throws(ProviderError) in try await source.token() }.code == .unauthenticated
            )
            #expect(server.calls.count == 1)
            time.advance(by: .milliseconds(1))
            async let token = source.token()
            await server.call(1).grant("one")
            #expect(try await token.secret == Secret("one"))
        }
    }

    @Test func aTokenIsUsedToItsEndWhenRenewalFails() async throws {
        try await TokenServer.with { server, source, time, _ async throws in
            async let first = source.token()
            await server.call(0).grant("one")
            #expect(try await first.secret == Secret("one"))
            time.advance(by: .seconds(3300))
            async let renewed = source.token()
            await server.call(1).cut()
            #expect(try await renewed.secret == Secret("one"))
            // Not tried again at once; then it is.
            #expect(try await source.token().secret == Secret("one"))
            time.advance(by: .seconds(30))
            async let again = source.token()
            await server.call(2).reply(503, "", "Retry-After: 1\r\n")
            #expect(try await again.secret == Secret("one"))
            time.advance(by: .seconds(270))
            async let next = source.token()
            await server.call(3).grant("two")
            #expect(try await next.secret == Secret("two"))
            #expect(server.calls.count == 4)
        }
    }

    @Test func aRejectedTokenIsReplacedByOneCall() async throws {
        try await TokenServer.with { server, source, _, _ async throws in
            async let first = source.token()
            await server.call(0).grant("one")
            let old = try await first
            try await withThrowingTaskGroup(of: AccessToken.self) { group in
                for _ in 0..<100 { group.addTask { try await source.token(replacing: old) } }
                await server.call(1).grant("two")
                for try await token in group { #expect(token.secret == Secret("two")) }
            }
            #expect(server.calls.count == 2)
        }
    }

    @Test(arguments: ["", "<html>", #"{"token_type":"Bearer"}"#])
    func anAnswerWithoutATokenPasses(_ body: String) async throws {
        try await TokenServer.with { server, source, time, _ async throws in
            async let error = self.error { () async throws(ProviderError) in try await source.token() }
            for index in 0..<3 {
                await server.call(index).reply(200, body)
                guard index < 2 else { break }
                // The pause before the next call.
                await time.pauses(atLeast: 1)
                time.advance(by: .seconds(10))
            }
            #expect(try await error.code == .transient)
            // It is not kept.
            async let token = source.token()
            await server.call(3).grant("one")
            #expect(try await token.secret == Secret("one"))
        }
    }

    /// Unlike other POSTs, asking for a token twice does no harm.
    @Test func aCallThatBreaksOffMayBeRepeated() async throws {
        try await TokenServer.with { server, source, _, _ async throws in
            async let error = self.error { () async throws(ProviderError) in try await source.token() }
            await server.call(0).cut()
            #expect(try await error.code == .transient)
        }
    }

    @Test func secretsAndTokensAreNotLogged() async throws {
        try await TokenServer.with { server, source, _, logs async throws in
            async let token = source.token()
            await server.call(0).grant("very-secret-token")
            #expect(!"\(try await token)".contains("very-secret"))
            let hexadecimal = "very-secret-token".utf8.map { String($0, radix: 16) }.joined()
            #expect(!logs.entries.isEmpty)
            for entry in logs.entries {
                let text = "\(entry.message) \(entry.metadata)"
                for needle in ["very-secret", "s3cret", hexadecimal] { #expect(!text.contains(needle)) }
            }
        }
    }
}

@Suite struct PassThroughTokenSourceTests {
    private let source = PassThroughTokenSource(scope: scope)

    private func token(_ scope: TokenScope, _ secret: Secret?, replacing rejected: AccessToken? = nil)
        async throws(ProviderError) -> AccessToken
    {
        try await source.accessToken(
            for: scope,
            context: CallContext(requestID: "r", authorization: secret),
            replacing: rejected
        )
    }

    @Test func theCallersTokenIsTheToken() async throws {
        #expect(try await token(scope, Secret("mine")) == AccessToken(Secret("mine")))
        #expect(
            try await token(scope, Secret("mine"), replacing: AccessToken(Secret("old"))) == AccessToken(Secret("mine"))
        )
    }

    @Test func eachHostIsShownItsOwnToken() async throws {
        let files = TokenScope("files/.default")
        let source = PassThroughTokenSource(scope: scope, downloadScope: files)
        let context = CallContext(
            requestID: "r",
            authorization: Secret("of-the-api"),
            downloadAuthorization: Secret("of-the-files")
        )
        for (scope, secret) in [(scope, "of-the-api"), (files, "of-the-files")] {
            let token = try await source.accessToken(for: scope, context: context, replacing: nil)
            #expect(token == AccessToken(Secret(secret)))
            let error = await #expect(throws: ProviderError.self) {
                try await source.accessToken(for: scope, context: context, replacing: token)
            }
            #expect(error?.detail.contains("refused the token in Upstream-") == true)
        }
        let without = CallContext(requestID: "r", authorization: Secret("of-the-api"))
        let error = await #expect(throws: ProviderError.self) {
            try await source.accessToken(for: files, context: without, replacing: nil)
        }
        #expect(error?.code == .unauthenticated)
        #expect(error?.problem == .upstreamAuthorizationRequired)
        #expect(error?.detail == "Send a token for files/.default in Upstream-Download-Authorization: Bearer <token>.")
        // A source of one scope has no use for it.
        let other = await #expect(throws: ProviderError.self) {
            try await self.source.accessToken(for: files, context: context, replacing: nil)
        }
        #expect(other?.detail.contains("This needs a token for files/.default") == true)
    }

    @Test(
        arguments: [
            (TokenScope("https://other/.default"), Secret("mine"), nil), (scope, nil, nil),
            (scope, Secret("mine"), AccessToken(Secret("mine"))),
        ] as [(TokenScope, Secret?, AccessToken?)]
    )
    func withoutAUsableOneTheCallerIsAsked(_ scope: TokenScope, _ secret: Secret?, _ rejected: AccessToken?) async {
        do throws(ProviderError) {
            _ = try await token(scope, secret, replacing: rejected)
            Issue.record("no error")
        } catch {
            #expect(error.code == .unauthenticated)
            #expect(error.problem == .upstreamAuthorizationRequired)
            #expect(!error.detail.contains("mine"))
        }
    }
}
