import Exports
import Logging
import ManualClock
import ScriptedHost
import Synchronization
import Testing
import UpstreamHTTP
@testable import EntraIdentity

private let scope = TokenScope("https://graph.microsoft.com/.default")
private let asked = "https://graph.microsoft.com/.default offline_access"

/// Where one export's refresh token rests, in memory; counts what would have been written.
final class Store: RefreshTokenStore {
    let exportID: ExportID
    private let state: Mutex<(token: Secret?, kept: [String], removed: [String])>

    init(_ token: String? = nil, of export: Int64 = 1) {
        var generator = SystemRandomNumberGenerator()
        exportID = ExportID(at: Timestamp(milliseconds: 1_780_000_000_000 + export), random: &generator)
        state = Mutex((token.map { Secret($0) }, [], []))
    }

    func token() async -> Secret? { state.withLock { $0.token } }

    func keep(_ token: Secret) async {
        state.withLock {
            $0.kept.append(token.reveal())
            $0.token = token
        }
    }

    func remove(_ token: Secret) async {
        state.withLock {
            $0.removed.append(token.reveal())
            if $0.token == token { $0.token = nil }
        }
    }

    var kept: [String] { state.withLock { $0.kept } }
    var removed: [String] { state.withLock { $0.removed } }
}

extension OnBehalfOfTokenSource {
    fileprivate func token(_ user: String?, _ store: Store?, replacing rejected: AccessToken? = nil)
        async throws(ProviderError) -> AccessToken
    {
        try await accessToken(
            for: scope,
            context: CallContext(
                requestID: "r",
                authorization: user.map { Secret($0) },
                refreshToken: store
            ),
            replacing: rejected
        )
    }

    fileprivate func refusal(_ user: String?, _ store: Store?) async throws -> ProviderError {
        do throws(ProviderError) {
            _ = try await token(user, store)
        } catch {
            return error
        }
        throw ProviderError(.permanent, "nothing was thrown")
    }
}

extension TokenServer.Call {
    fileprivate func grant(_ token: String, refreshing refreshToken: String, expiresIn: Int = 3600) {
        reply(
            200,
            #"{"token_type":"Bearer","expires_in":\#(expiresIn),"access_token":"\#(token)","refresh_token":"\#(refreshToken)"}"#
        )
    }

    fileprivate func refuse(_ number: Int, _ error: String = "invalid_grant", claims: Bool = false) {
        let more = claims ? #","claims":"{}""# : ""
        reply(
            400,
            #"{"error":"\#(error)","error_description":"AADSTS\#(number): no.","error_codes":[\#(number)]\#(more)}"#
        )
    }

    /// What is asked with, and for which scope.
    fileprivate var question: [String] {
        let form = parameters
        return [form["assertion"] ?? form["refresh_token"] ?? "", form["grant_type"] ?? "", form["scope"] ?? ""]
    }
}

@Suite struct RefreshTokenTests {
    /// Neither what the user brought nor what was kept is at fault.
    @Test func theGatewaysOwnCredentialIsNoFaultOfTheUsers() async throws {
        try await TokenServer.serve { server, authority, client, time, logs async throws in
            let certificate = CertificateCredential(
                .init(key: "/not/there"),
                time: time,
                logger: Logger(label: "test") { _ in logs }
            )
            let file = FederatedTokenFile(path: "/not/there")
            for credential in [EntraCredential.certificate(certificate), .federatedToken(file)] {
                let source = OnBehalfOfTokenSource(
                    endpoint: TokenEndpoint(
                        authority: authority,
                        tenant: "contoso.example",
                        clientID: "client-id",
                        credential: credential,
                        client: client
                    ),
                    time: time,
                    keepsRefreshTokens: true
                )
                let store = Store("r-1")
                for user in ["ann", nil] {
                    let error = try await source.refusal(user, store)
                    #expect(error.code == .transient)
                    #expect(error.problem == .upstreamUnauthenticated)
                    #expect(error.retryAfter == .seconds(60))
                    #expect(error.detail.contains("operator"))
                }
                #expect(store.removed.isEmpty)
            }
            #expect(server.calls.isEmpty)
        }
    }

    @Test func whatComesWithTheExchangeIsKept() async throws {
        try await TokenServer.onBehalfOf(keepsRefreshTokens: true) { server, source, _ async throws in
            let (first, second) = (Store(of: 1), Store(of: 2))
            async let token = source.token("ann", first)
            let call = await server.call(0)
            #expect(call.question == ["ann", "urn:ietf:params:oauth:grant-type:jwt-bearer", asked])
            call.grant("a-1", refreshing: "r-1")
            #expect(try await token.secret == Secret("a-1"))
            #expect(first.kept == ["r-1"])
            // Another export of hers in the same hour: the token comes from memory, and is kept for it too.
            #expect(try await source.token("ann", second).secret == Secret("a-1"))
            #expect(second.kept == ["r-1"])
            // What an export has is not replaced by something older.
            let third = Store("r-9", of: 3)
            _ = try await source.token("ann", third)
            #expect(third.kept.isEmpty)
            _ = try await source.token("ann", first)
            #expect(first.kept == ["r-1"])
            #expect(server.calls.count == 1)
        }
    }

    @Test func withoutTheSettingNothingIsAskedForOrKept() async throws {
        try await TokenServer.onBehalfOf(keepsRefreshTokens: false) { server, source, _ async throws in
            let store = Store("r-0")
            async let token = source.token("ann", store)
            let call = await server.call(0)
            #expect(call.parameters["scope"] == scope.rawValue)
            call.grant("a-1", refreshing: "r-1")
            _ = try await token
            #expect(store.kept.isEmpty)
            #expect(try await source.refusal(nil, store).problem == .upstreamAuthorizationRequired)
            #expect(server.calls.count == 1)
        }
    }

    @Test func withoutTheUserTheKeptTokenGetsTheNextOne() async throws {
        try await TokenServer.onBehalfOf(keepsRefreshTokens: true) { server, source, time async throws in
            let store = Store("r-0")
            try await withThrowingTaskGroup(of: AccessToken.self) { group in
                for _ in 0..<50 { group.addTask { try await source.token(nil, store) } }
                let call = await server.call(0)
                #expect(
                    call.parameters == [
                        "grant_type": "refresh_token", "refresh_token": "r-0", "client_id": "client-id",
                        "client_secret": "s3cret", "scope": asked,
                    ]
                )
                call.grant("a-1", refreshing: "r-1")
                for try await token in group { #expect(token.secret == Secret("a-1")) }
            }
            #expect(store.kept == ["r-1"])
            #expect(try await source.token(nil, store).secret == Secret("a-1"))
            time.advance(by: .seconds(3600))
            async let next = source.token(nil, store)
            let call = await server.call(1)
            #expect(call.question == ["r-1", "refresh_token", asked])
            // Where no new one comes, the former stays.
            call.grant("a-2")
            #expect(try await next.secret == Secret("a-2"))
            #expect(await store.token() == Secret("r-1"))
            #expect(server.calls.count == 2)
        }
    }

    @Test func exportsDoNotShareTokens() async throws {
        try await TokenServer.onBehalfOf(keepsRefreshTokens: true) { server, source, _ async throws in
            let (first, second) = (Store("r-1", of: 1), Store("r-2", of: 2))
            async let one = source.token(nil, first)
            await server.call(0).grant("a-1")
            #expect(try await one.secret == Secret("a-1"))
            async let two = source.token(nil, second)
            let call = await server.call(1)
            #expect(call.question[0] == "r-2")
            call.grant("a-2")
            #expect(try await two.secret == Secret("a-2"))
        }
    }

    /// The user's token has ended: it is not sent to the authority again and again.
    @Test func theKeptTokenStandsInForOneThatHasEnded() async throws {
        try await TokenServer.onBehalfOf(keepsRefreshTokens: true) { server, source, time async throws in
            let store = Store("r-0")
            async let token = source.token("old", store)
            await server.call(0).refuse(500_133)
            let call = await server.call(1)
            #expect(call.question == ["r-0", "refresh_token", asked])
            call.grant("a-1", refreshing: "r-1")
            #expect(try await token.secret == Secret("a-1"))
            #expect(try await source.token("old", store).secret == Secret("a-1"))
            time.advance(by: .seconds(3600))
            async let next = source.token("old", store)
            let second = await server.call(2)
            #expect(second.question[0] == "r-1")
            second.grant("a-2", refreshing: "r-2")
            #expect(try await next.secret == Secret("a-2"))
            #expect(store.kept == ["r-1", "r-2"])
            // A new token of the user's is exchanged.
            async let fresh = source.token("new", store)
            let third = await server.call(3)
            #expect(third.question[0] == "new")
            third.grant("a-3", refreshing: "r-3")
            #expect(try await fresh.secret == Secret("a-3"))
            #expect(store.kept == ["r-1", "r-2", "r-3"])
        }
    }

    @Test(arguments: [
        (50_173, "invalid_grant", false, ProblemCode.upstreamAuthorizationRequired),
        (70_000, "invalid_grant", false, .upstreamAuthorizationRequired),
        (50_076, "interaction_required", false, .upstreamAuthorizationRequired),
        (50_079, "interaction_required", true, .upstreamClaimsRequired),
    ])
    func whatOnlyTheUserCanFixIsRemoved(
        _ number: Int,
        _ error: String,
        _ claims: Bool,
        _ problem: ProblemCode
    ) async throws {
        try await TokenServer.onBehalfOf(keepsRefreshTokens: true) { server, source, _ async throws in
            let store = Store("r-0")
            async let refused = source.refusal(nil, store)
            await server.call(0).refuse(number, error, claims: claims)
            let error = try await refused
            #expect(error.code == .unauthenticated)
            #expect(error.problem == problem)
            #expect((error.challenge != nil) == claims)
            #expect(store.removed == ["r-0"])
            // Without it nobody is asked.
            #expect(try await source.refusal(nil, store).problem == .upstreamAuthorizationRequired)
            #expect(server.calls.count == 1)
            // The user comes back, and the refusal of a moment ago says nothing of what is kept now.
            async let token = source.token("new", store)
            await server.call(1).grant("a-1", refreshing: "r-1")
            #expect(try await token.secret == Secret("a-1"))
            async let later = source.token(nil, store)
            let call = await server.call(2)
            #expect(call.question[0] == "r-1")
            call.grant("a-2")
            #expect(try await later.secret == Secret("a-2"))
        }
    }

    @Test func whatPassesOrIsTheOperatorsRemovesNothing() async throws {
        try await TokenServer.onBehalfOf(keepsRefreshTokens: true) { server, source, time async throws in
            let store = Store("r-0")
            let answers: [(Int, String, ProviderError.Code)] = [
                (503, #"{"error":"temporarily_unavailable","error_codes":[90033]}"#, .transient),
                (429, "{}", .throttled),
                (400, #"{"error":"invalid_grant","error_codes":[50196]}"#, .throttled),
                (401, #"{"error":"invalid_client","error_codes":[7000222]}"#, .permanent),
                (400, #"{"error":"invalid_grant","suberror":"consent_required","error_codes":[65001]}"#, .forbidden),
            ]
            for (index, (status, body, code)) in answers.enumerated() {
                async let refused = source.refusal(nil, store)
                await server.call(index).reply(status, body)
                #expect(try await refused.code == code)
                time.advance(by: .seconds(3600))
            }
            #expect(store.removed.isEmpty)
            async let token = source.token(nil, store)
            await server.call(answers.count).grant("a-1")
            #expect(try await token.secret == Secret("a-1"))
        }
    }

    /// A challenge to the user's own token is for the user, whatever is kept.
    @Test func aChallengeIsNotGoneAround() async throws {
        try await TokenServer.onBehalfOf(keepsRefreshTokens: true) { server, source, _ async throws in
            let store = Store("r-0")
            async let refused = source.refusal("ann", store)
            await server.call(0).refuse(50_079, "interaction_required", claims: true)
            #expect(try await refused.problem == .upstreamClaimsRequired)
            #expect(server.calls.count == 1)
            #expect(store.removed.isEmpty)
        }
    }

    @Test func aTokenThatTheUpstreamRefusedIsReplaced() async throws {
        try await TokenServer.onBehalfOf(keepsRefreshTokens: true) { server, source, _ async throws in
            let store = Store("r-0")
            async let token = source.token(nil, store)
            await server.call(0).grant("a-1")
            let first = try await token
            async let other = source.token(nil, store, replacing: first)
            await server.call(1).grant("a-2")
            #expect(try await other.secret == Secret("a-2"))
        }
    }
}
