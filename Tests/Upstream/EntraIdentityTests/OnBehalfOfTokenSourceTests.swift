import Exports
import ManualClock
import ScriptedHost
import Testing
import UpstreamHTTP
@testable import EntraIdentity

private let scope = TokenScope("https://graph.microsoft.com/.default")

extension OnBehalfOfTokenSource {
    fileprivate func token(of user: String?, _ scope: TokenScope = scope, replacing rejected: AccessToken? = nil)
        async throws(ProviderError) -> AccessToken
    {
        try await accessToken(
            for: scope,
            context: CallContext(requestID: "r", authorization: user.map { Secret($0) }),
            replacing: rejected
        )
    }
}

@Suite struct OnBehalfOfTokenSourceTests {
    private func error(
        _ source: OnBehalfOfTokenSource,
        _ user: String?
    ) async throws -> ProviderError {
        do throws(ProviderError) {
            _ = try await source.token(of: user)
        } catch {
            return error
        }
        throw ProviderError(.permanent, "nothing was thrown")
    }

    @Test func theUsersTokenIsExchanged() async throws {
        try await TokenServer.onBehalfOf { server, source, _ async throws in
            async let token = source.token(of: "user-token")
            let call = await server.call(0)
            #expect(
                call.parameters == [
                    "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                    "requested_token_use": "on_behalf_of", "assertion": "user-token", "client_id": "client-id",
                    "client_secret": "s3cret", "scope": "https://graph.microsoft.com/.default",
                ]
            )
            call.grant("one")
            #expect(try await token.secret == Secret("one"))
        }
    }

    @Test func eachUserHasItsOwnTokenAndOneCallForAll() async throws {
        try await TokenServer.onBehalfOf { server, source, _ async throws in
            try await withThrowingTaskGroup(of: AccessToken.self) { group in
                for _ in 0..<500 { group.addTask { try await source.token(of: "ann") } }
                await server.call(0).grant("for-ann")
                for try await token in group { #expect(token.secret == Secret("for-ann")) }
            }
            async let bob = source.token(of: "bob")
            await server.call(1).grant("for-bob")
            #expect(try await bob.secret == Secret("for-bob"))
            #expect(try await source.token(of: "ann").secret == Secret("for-ann"))
            #expect(server.calls.count == 2)
        }
    }

    @Test func onlySoManyUsersAreKept() async throws {
        try await TokenServer.onBehalfOf(capacity: 3) { server, source, _ async throws in
            for (index, user) in ["a", "b", "c", "d"].enumerated() {
                async let token = source.token(of: user)
                await server.call(index).grant("for-" + user)
                #expect(try await token.secret == Secret("for-" + user))
                // "a" is asked for again and again, so that "b" is the one that is evicted.
                if user != "d" { #expect(try await source.token(of: "a").secret == Secret("for-a")) }
            }
            #expect(try await source.token(of: "a").secret == Secret("for-a"))
            #expect(server.calls.count == 4)
            async let again = source.token(of: "b")
            await server.call(4).grant("again")
            #expect(try await again.secret == Secret("again"))
        }
    }

    @Test func badTokensPushNoGoodOnesOut() async throws {
        try await TokenServer.onBehalfOf(capacity: 3) { server, source, _ async throws in
            async let token = source.token(of: "ann")
            await server.call(0).grant("for-ann")
            #expect(try await token.secret == Secret("for-ann"))
            for index in 1...5 {
                async let refused = error(source, "bad-\(index)")
                await server.call(index).reply(400, #"{"error":"invalid_grant","error_description":"AADSTS50013: no"}"#)
                #expect(try await refused.code == .unauthenticated)
            }
            #expect(try await source.token(of: "ann").secret == Secret("for-ann"))
            #expect(server.calls.count == 6)
        }
    }

    @Test func withoutATokenTheCallerIsAsked() async throws {
        try await TokenServer.onBehalfOf { server, source, _ async throws in
            let error = try await error(source, nil)
            #expect(error.code == .unauthenticated)
            #expect(error.problem == .upstreamAuthorizationRequired)
            #expect(server.calls.isEmpty)
        }
    }

    /// The silence that the authority asks for is everybody's; tokens that are there are used meanwhile.
    @Test func oneUsersThrottlingHoldsForAll() async throws {
        try await TokenServer.onBehalfOf { server, source, time async throws in
            async let good = source.token(of: "ann")
            await server.call(0).grant("for-ann")
            #expect(try await good.secret == Secret("for-ann"))
            async let throttled = error(source, "bob")
            await server.call(1).reply(429, "{}", "Retry-After: 60\r\n")
            #expect(try await throttled.code == .throttled)
            for user in ["bob", "cleo", "dan"] {
                let error = try await error(source, user)
                #expect(error.code == .throttled)
                #expect(error.retryAfter == .seconds(60))
            }
            #expect(try await source.token(of: "ann").secret == Secret("for-ann"))
            #expect(server.calls.count == 2)
            time.advance(by: .seconds(60))
            async let cleo = source.token(of: "cleo")
            await server.call(2).grant("for-cleo")
            #expect(try await cleo.secret == Secret("for-cleo"))
        }
    }

    /// Neither a challenge nor a refusal is tried again with the same token; another token is another question.
    @Test func aChallengeIsNotRetried() async throws {
        try await TokenServer.onBehalfOf { server, source, time async throws in
            async let refused = error(source, "user-token")
            await server.call(0).reply(400, try Fixture.text("entra-error-400-obo-interaction-required"))
            let error = try await refused
            #expect(error.problem == .upstreamClaimsRequired)
            #expect(error.challenge?.authorizationURI.hasSuffix("/contoso.example/oauth2/v2.0/authorize") == true)
            #expect(try await self.error(source, "user-token").challenge == error.challenge)
            #expect(server.calls.count == 1)
            async let token = source.token(of: "stronger-token")
            await server.call(1).grant("one")
            #expect(try await token.secret == Secret("one"))
            async let consent = self.error(source, "third")
            await server.call(2).reply(400, try Fixture.text("entra-error-400-obo-consent-required"))
            #expect(try await consent.problem == .upstreamConsentRequired)
            #expect(try await self.error(source, "third").problem == .upstreamConsentRequired)
            #expect(server.calls.count == 3)
        }
    }
}
