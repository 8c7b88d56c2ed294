import Exports
import HTTPTypes
import JSON
import Logging
import ManualClock
import ServiceLifecycle
import SystemCrypto
import Synchronization
import Telemetry
import Testing

@testable import GatewayAPI

/// Where the keys come from, and when.
@Suite(.timeLimit(.minutes(5))) struct SigningKeysTests {
    private let time = ManualTime()
    private let authority: TestAuthority
    private let gateway: TestGateway

    init() throws {
        let authority = try TestAuthority()
        self.authority = authority
        gateway = TestGateway(time: time) { $0.tokenAuthority = authority.settings() }
    }

    /// What becomes of a token that is good now and signed with this key.
    private func status(_ index: Int = 0, _ kid: String? = nil) async throws -> Int {
        try await answer(index, kid).status
    }

    private func answer(_ index: Int = 0, _ kid: String? = nil) async throws -> Answer {
        let now = JSONValue.integer(time.now().milliseconds / 1000)
        let end = JSONValue.integer(time.now().milliseconds / 1000 + 600)
        let draft = TokenDraft.user().with("nbf", now).with("exp", end)
            .withHeader("kid", .string(kid ?? "key-\(index)"))
        let headers: HTTPFields = [.authorization: "Bearer \(try draft.signed(by: index))"]
        return try await gateway.call(.get, "/exports", headers: headers)
    }

    @Test func aThousandAtOnceFetchThemOnce() async throws {
        let time = time
        authority.state.withLock { $0.delay = { try await time.sleep(for: .seconds(1)) } }
        let verifier = AccessTokenVerifier(
            authority: authority.settings(),
            time: time,
            logger: .init(label: "tests") { _ in SwiftLogNoOpLogHandler() },
            metrics: gateway.registry
        )
        let token = try TokenDraft.user().signed()
        try await withThrowingTaskGroup(of: Caller.self) { group in
            for _ in 0..<1000 { group.addTask { try await verifier.caller(token) } }
            await time.sleepers(atLeast: 1)
            time.advance(by: .seconds(1))
            for try await caller in group { #expect(caller.kind == .user) }
        }
        #expect(authority.calls == 2)
        #expect(gateway.registry.text().contains("token_key_fetches_total{outcome=\"fetched\"} 1\n"))
    }

    @Test func aNewKeyIsFoundAndAnOldOneIsNoLongerGood() async throws {
        #expect(try await status(0) == 200)
        let second = try TestAuthority.key(1)
        authority.state.withLock { $0.keys = [second] }
        time.advance(by: .seconds(15))
        // Not at once: whoever makes names of keys up would have us ask for each. But nobody says that the key is wrong.
        let early = try await answer(1)
        #expect(early.status == 503)
        #expect(early.headers[.retryAfter] == "45")
        #expect(authority.keyFetches == 1)
        time.advance(by: .seconds(45))
        #expect(try await status(1) == 200)
        #expect(authority.keyFetches == 2)
        // The old one's is looked for too, before it is refused.
        #expect(try await status(0) == 503)
        time.advance(by: .seconds(60))
        #expect(try await status(0) == 401)
        #expect(authority.keyFetches == 3)
    }

    @Test func aNewKeyIsNotRefusedWhileTheAuthorityIsDown() async throws {
        #expect(try await status(0) == 200)
        let second = try TestAuthority.key(1)
        authority.state.withLock {
            $0.keys.append(second)
            $0.isDown = true
        }
        time.advance(by: .seconds(60))
        let answer = try await answer(1)
        #expect(answer.status == 503)
        #expect(answer.headers[.retryAfter] == "10")
        #expect(try await status(0) == 200)
        authority.state.withLock { $0.isDown = false }
        time.advance(by: .seconds(10))
        #expect(try await status(1) == 200)
    }

    @Test func madeUpNamesCostOneFetchInAnInterval() async throws {
        #expect(try await status(0) == 200)
        for round in 2...4 {
            time.advance(by: .seconds(60))
            // The first is looked for, the others may not be yet.
            #expect(try await status(2, "made-up") == 401)
            for name in 0..<20 { #expect(try await status(2, "made-up-\(name)") == 503) }
            #expect(authority.keyFetches == round)
        }
    }

    /// In the background: a token with a key that is known waits for no authority.
    @Test func keysAreFetchedAnewEachDay() async throws {
        let time = time
        let verifier = AccessTokenVerifier(
            authority: authority.settings(),
            time: time,
            logger: .init(label: "tests") { _ in SwiftLogNoOpLogHandler() },
            metrics: gateway.registry
        )
        let day = TokenDraft.now + 86_400
        let token = try TokenDraft.user().with("exp", .integer(day + 3600)).signed()
        let group = ServiceGroup(
            services: [verifier.refreshing],
            logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
        )
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            await time.sleepers(atLeast: 1)
            time.advance(by: KeyRefreshing.interval)
            await time.sleepers(atLeast: 1)
            // Nobody came yet who needs them.
            #expect(authority.calls == 0)
            _ = try await verifier.caller(token)
            time.advance(by: .seconds(86_399))
            await time.sleepers(atLeast: 1)
            #expect(authority.keyFetches == 1)
            let (asked, isAsked) = AsyncStream.makeStream(of: Void.self)
            authority.state.withLock {
                $0.delay = {
                    isAsked.yield()
                    try await time.sleep(for: .seconds(5))
                }
            }
            time.advance(by: KeyRefreshing.interval)
            for await _ in asked.prefix(1) {}
            // While the authority is silent.
            _ = try await verifier.caller(token)
            await time.sleepers(atLeast: 1)
            time.advance(by: .seconds(5))
            await time.sleepers(atLeast: 1)
            #expect(authority.keyFetches == 2)
            // And at the end nobody waits for it either.
            time.advance(by: .seconds(86_400))
            for await _ in asked.prefix(1) {}
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    @Test func anAuthorityThatIsDownLocksNobodyOut() async throws {
        #expect(try await status() == 200)
        authority.state.withLock { $0.isDown = true }
        time.advance(by: .seconds(3 * 86_400))
        #expect(try await status() == 200)
        #expect(try await status() == 200)
        #expect(try await status(2, "unknown") == 503)
        #expect(try await status(2, "unknown") == 503)
        // One attempt for both of them.
        #expect(authority.calls == 3)
        #expect(try await status() == 200)
    }

    @Test func withoutKeysItIsNobodysFaultAndSoonOver() async throws {
        authority.state.withLock { $0.isDown = true }
        let headers: HTTPFields = [.authorization: "Bearer \(try TokenDraft.user().signed())"]
        let answer = try await gateway.call(.get, "/exports", headers: headers)
        #expect(answer.status == 503)
        #expect(answer.headers[.retryAfter] == "10")
        authority.state.withLock { $0.isDown = false }
        time.advance(by: .milliseconds(3500))
        #expect(try await self.answer().headers[.retryAfter] == "7")
        #expect(authority.calls == 1)
        time.advance(by: .milliseconds(6500))
        #expect(try await status() == 200)
        #expect(gateway.registry.text().contains("token_key_fetches_total{outcome=\"failed\"} 1\n"))
    }

    @Test(arguments: [
        "https://login.example/94a356ab-53d5-40e7-8a85-053d6d3b9eb3/v2.0", "https://login.example/{tenantid}/v2.0",
        "https://evil.example", "",
    ])
    func metadataOfOthersIsNotBelieved(issuer: String) async throws {
        authority.state.withLock { $0.issuer = issuer }
        #expect(try await status() == 503)
        #expect(authority.keyFetches == 0)
    }

    @Test func oneBadKeySpoilsNoneOfTheOthers() async throws {
        let good = try TestAuthority.key(0)
        let short = Base64URL.encode([UInt8](repeating: 0xFF, count: 128))
        let bad: [JSONValue] = [
            ["kty": "oct", "kid": "key-0", "k": "AAAA"], ["kty": "EC", "kid": "key-0", "crv": "P-256"], 1, .null, [],
            try TestAuthority.key(2) { $0["kid"] = nil },
            try TestAuthority.key(2) { $0["kid"] = 7 },
            try TestAuthority.key(2) { $0["use"] = "enc" },
            try TestAuthority.key(2) { $0["key_ops"] = ["sign"] },
            try TestAuthority.key(2) { $0["alg"] = "RS512" },
            try TestAuthority.key(2) { $0["alg"] = "none" },
            try TestAuthority.key(2) { $0["n"] = .string(short) },
            try TestAuthority.key(2) { $0["n"] = "!" },
            try TestAuthority.key(2) { $0["e"] = "AQ" },
            try TestAuthority.key(2) { $0["e"] = nil },
        ]
        authority.state.withLock { $0.keys = bad + [good] }
        #expect(try await status(0) == 200)
        time.advance(by: .seconds(60))
        #expect(try await status(2) == 401)
        let set = JSONValue.object(["keys": .array(bad + [good])])
        #expect(JSONWebKeySet.signingKeys(Array(set.encoded()))?.keys.sorted() == ["key-0"])
        #expect(JSONWebKeySet.signingKeys(Array("{}".utf8)) == nil)
        #expect(JSONWebKeySet.signingKeys(Array("[".utf8)) == nil)
    }

    @Test func anOperatorCanAskForThem() async throws {
        let settings = authority.settings()
        #expect(try await settings.keyCount(of: TestAuthority.tenantID) == 1)
        authority.state.withLock { $0.keys = [] }
        await #expect(throws: TokenAuthority.UnusableDocument.self) {
            try await settings.keyCount(of: TestAuthority.tenantID)
        }
        authority.state.withLock { $0.isDown = true }
        await #expect(throws: TestAuthority.Down.self) { try await settings.keyCount(of: TestAuthority.tenantID) }
    }

    @Test func aKeyIsForItsIssuerAndItsAlgorithm() async throws {
        let other = "\(TestAuthority.url)/\(TestAuthority.otherTenantID)/v2.0"
        let keys = [
            try TestAuthority.key(0) { $0["issuer"] = .string(other) },
            try TestAuthority.key(1) { $0["alg"] = "PS256" },
            try TestAuthority.key(2) {
                $0["issuer"] = nil
                $0["alg"] = "RS256"
            },
        ]
        authority.state.withLock { $0.keys = keys }
        #expect(try await status(0) == 401)
        #expect(try await status(1) == 401)
        #expect(try await status(2) == 200)
    }

    @Test func aShortIntervalIsTheWaitAfterAFailureToo() {
        var cache = SigningKeyCache(interval: .seconds(1))
        let now = Timestamp(milliseconds: 1_780_000_000_000)
        cache.began(at: now)
        cache.failed(at: now + .seconds(5))
        guard case .unavailable(.seconds(1)) = cache.answerAfterFetch(for: "a", at: now + .seconds(5)),
            case .fetch = cache.answer(for: "a", at: now + .seconds(6))
        else {
            Issue.record("another wait")
            return
        }
    }

    @Test func aClockThatIsSetBackPutsNothingOff() {
        var cache = SigningKeyCache(interval: .seconds(60))
        let now = Timestamp(milliseconds: 1_780_000_000_000)
        cache.began(at: now)
        guard case .unavailable = cache.answer(for: "a", at: now + .seconds(59)) else {
            Issue.record("fetched too soon")
            return
        }
        guard case .fetch = cache.answer(for: "a", at: now + .seconds(-3600)) else {
            Issue.record("not fetched")
            return
        }
    }
}
