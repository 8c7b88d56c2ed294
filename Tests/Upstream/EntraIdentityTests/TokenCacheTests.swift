import Exports
import Testing
import UpstreamHTTP
@testable import EntraIdentity

private let start = Timestamp(milliseconds: 1_780_000_000_000)

@Suite struct TokenCacheTests {
    /// A grant of `lifetime` seconds, made at `time`.
    private func grant(_ secret: String, _ lifetime: Int64 = 3600, at time: Timestamp = start) throws -> TokenGrant {
        try #require(
            TokenGrant(
                UpstreamResponse(
                    status: 200,
                    headers: UpstreamHeaders([]),
                    body: Array(#"{"token_type":"Bearer","expires_in":\#(lifetime),"access_token":"\#(secret)"}"#.utf8),
                    receivedAt: time
                )
            )
        )
    }

    private func holding(_ secret: String) throws -> (TokenCache, AccessToken) {
        var cache = TokenCache()
        #expect(cache.requested(at: start) == .fetch)
        let token = cache.fetched(try grant(secret))
        return (cache, token)
    }

    @Test func theFirstFetchesTheOthersWait() {
        var cache = TokenCache()
        #expect(cache.requested(at: start) == .fetch)
        #expect(cache.isFetching)
        for _ in 0..<3 { #expect(cache.requested(at: start) == .wait) }
    }

    @Test func aGoodTokenIsUsedWithoutAFetch() throws {
        var (cache, token) = try holding("one")
        #expect(!cache.isFetching)
        #expect(cache.requested(at: start + .seconds(3299)) == .use(token))
    }

    @Test func oneRenewsBeforeTheEndTheOthersGoOn() throws {
        var (cache, token) = try holding("one")
        let late = start + .seconds(3300)
        #expect(cache.requested(at: late) == .fetch)
        #expect(cache.requested(at: late) == .use(token))
        let next = cache.fetched(try grant("two", at: late))
        #expect(cache.requested(at: late) == .use(next))
    }

    @Test func aTokenThatEndedIsNotUsed() throws {
        var (cache, token) = try holding("one")
        #expect(cache.requested(at: start + .seconds(3300)) == .fetch)
        #expect(cache.requested(at: start + .milliseconds(3_599_999)) == .use(token))
        #expect(cache.requested(at: start + .seconds(3600)) == .wait)
    }

    @Test func aRenewalThatFailsKeepsTheTokenForAWhile() throws {
        var (cache, token) = try holding("one")
        let late = start + .seconds(3300)
        #expect(cache.requested(at: late) == .fetch)
        #expect(cache.failed(ProviderError(.transient, "down"), at: late) == token)
        // Not tried again within half a minute.
        #expect(cache.requested(at: late + .seconds(29)) == .use(token))
        #expect(cache.requested(at: late + .seconds(30)) == .fetch)
        #expect(cache.failed(ProviderError(.throttled, "wait", retryAfter: .seconds(90)), at: late) == token)
        #expect(cache.requested(at: late + .seconds(89)) == .use(token))
        #expect(cache.requested(at: late + .seconds(90)) == .fetch)
    }

    @Test func aRenewalThatIsRefusedKeepsTheTokenToo() throws {
        var (cache, token) = try holding("one")
        let late = start + .seconds(3300)
        #expect(cache.requested(at: late) == .fetch)
        #expect(cache.failed(ProviderError(.unauthenticated, "expired secret"), at: late) == token)
        #expect(cache.requested(at: late + .seconds(1)) == .use(token))
    }

    @Test func aRejectedTokenIsReplaced() throws {
        var (cache, token) = try holding("one")
        #expect(cache.requested(at: start, replacing: token) == .fetch)
        // Whoever had the same token rejected meanwhile waits for the same replacement, and so does everybody else.
        #expect(cache.requested(at: start, replacing: token) == .wait)
        #expect(cache.requested(at: start) == .wait)
        let next = cache.fetched(try grant("two"))
        // Late news of the old one does not cost the new one.
        #expect(cache.requested(at: start, replacing: token) == .use(next))
        #expect(cache.requested(at: start, replacing: next) == .fetch)
    }

    @Test func aTokenThatIsRejectedDuringItsRenewalIsGone() throws {
        var (cache, token) = try holding("one")
        let late = start + .seconds(3300)
        #expect(cache.requested(at: late) == .fetch)
        #expect(cache.requested(at: late, replacing: token) == .wait)
        #expect(cache.failed(ProviderError(.transient, "down"), at: late) == nil)
        #expect(cache.requested(at: late) == .fetch)
    }

    @Test func aRefusalStandsForAMinute() {
        var cache = TokenCache()
        #expect(cache.requested(at: start) == .fetch)
        let refusal = ProviderError(.unauthenticated, "wrong secret")
        #expect(cache.failed(refusal, at: start) == nil)
        #expect(cache.requested(at: start + .milliseconds(59_999)) == .refuse(refusal))
        #expect(cache.requested(at: start + .seconds(60)) == .fetch)
    }

    @Test func aClockThatIsSetBackDoesNotProlongARefusal() {
        var cache = TokenCache()
        #expect(cache.requested(at: start) == .fetch)
        #expect(cache.failed(ProviderError(.unauthenticated, "outside of its time"), at: start) == nil)
        #expect(cache.requested(at: start + .seconds(-7200)) == .fetch)
    }

    @Test func anAuthorityThatAsksForSilenceGetsIt() {
        var cache = TokenCache()
        #expect(cache.requested(at: start) == .fetch)
        let busy = ProviderError(.throttled, "busy", retryAfter: .seconds(7))
        #expect(cache.failed(busy, at: start) == nil)
        #expect(cache.requested(at: start + .seconds(6)) == .refuse(busy))
        #expect(cache.requested(at: start + .seconds(7)) == .fetch)
    }

    @Test func aBrokenConnectionIsNotKept() {
        var cache = TokenCache()
        #expect(cache.requested(at: start) == .fetch)
        #expect(cache.failed(ProviderError(.transient, "refused"), at: start) == nil)
        #expect(cache.requested(at: start) == .fetch)
    }

    @Test func aSuccessDropsTheRefusal() throws {
        var cache = TokenCache()
        #expect(cache.requested(at: start) == .fetch)
        #expect(cache.failed(ProviderError(.unauthenticated, "no"), at: start) == nil)
        #expect(cache.requested(at: start + .seconds(60)) == .fetch)
        let token = cache.fetched(try grant("one", 30))
        #expect(cache.requested(at: start, replacing: token) == .fetch)
        #expect(cache.requested(at: start) == .wait)
    }

    @Test func whoeverGivesUpLeavesTheFetchToTheNext() {
        var cache = TokenCache()
        #expect(cache.requested(at: start) == .fetch)
        cache.gaveUp()
        #expect(cache.requested(at: start) == .fetch)
    }
}

@Suite struct TokenGrantTests {
    private func grant(_ json: String) -> TokenGrant? {
        TokenGrant(
            UpstreamResponse(status: 200, headers: UpstreamHeaders([]), body: Array(json.utf8), receivedAt: start)
        )
    }

    @Test(
        arguments: [
            // 300 s before the end, but not before half of a short life; half of a long life; or what the authority says.
            (#""expires_in":3599"#, 3599, 3299), (#""expires_in":"3599""#, 3599, 3299),
            (#""expires_in":400"#, 400, 200),
            (#""expires_in":60"#, 60, 30), (#""expires_in":7199"#, 7199, 6899), (#""expires_in":7200"#, 7200, 3600),
            (#""expires_in":86399"#, 86_399, 43_199), (#""expires_in":3599,"refresh_in":1800"#, 3599, 1800),
            (#""expires_in":"3599","refresh_in":"1800""#, 3599, 1800),
            (#""expires_in":3599,"refresh_in":0"#, 3599, 3299),
            (#""expires_in":3599,"refresh_in":3599"#, 3599, 3299), (#""expires_in":3599.0"#, 3599, 3299),
            (#""expires_in":99999999999"#, 864_000, 432_000),
        ] as [(String, Int64, Int64)]
    )
    func lifeAndRenewal(_ members: String, _ end: Int64, _ refresh: Int64) throws {
        let grant = try #require(self.grant(#"{"token_type":"Bearer","access_token":"t",\#(members)}"#))
        #expect(grant.token == AccessToken(Secret("t"), expiresAt: start + .seconds(end)))
        #expect(grant.refreshAt == start + .seconds(refresh))
    }

    @Test(arguments: [
        "", "<html>", "[]", "{}", #"{"token_type":"Bearer","expires_in":1}"#,
        #"{"token_type":"Bearer","expires_in":1,"access_token":""}"#,
        #"{"token_type":"Bearer","expires_in":0,"access_token":"t"}"#,
        #"{"token_type":"Bearer","expires_in":-1,"access_token":"t"}"#,
        #"{"token_type":"Bearer","expires_in":"soon","access_token":"t"}"#,
        #"{"token_type":"Bearer","access_token":"t"}"#, #"{"expires_in":1,"access_token":"t"}"#,
        #"{"token_type":"pop","expires_in":1,"access_token":"t"}"#,
        #"{"token_type":"Bearer","expires_in":1,"access_token":7}"#,
    ])
    func whatIsNoToken(_ json: String) {
        #expect(grant(json) == nil)
    }

    @Test(
        arguments: [
            ("entra-token-200-client-credentials-docs", 3599), ("entra-token-200-obo-docs", 3269),
            ("entra-imds-200", 3599),
        ] as [(String, Int64)]
    )
    func publishedAnswersAreRead(_ fixture: String, _ seconds: Int64) throws {
        let grant = try #require(self.grant(try Fixture.text(fixture)))
        #expect(grant.token.expiresAt == start + .seconds(seconds))
    }

    @Test func anAnswerWithoutALifeIsNotUsed() throws {
        #expect(grant(try Fixture.text("entra-appservice-200")) == nil)
    }
}
