import Exports
import JSON
import Logging
import ManualClock
import ServiceLifecycle
import SystemCrypto
import Synchronization
import Telemetry
import TestTokens
import Testing

@testable import CallerIdentity

/// Where the keys come from, and when.
@Suite(.timeLimit(.minutes(5))) struct SigningKeysTests {
    private let time = ManualTime()
    private let registry = PrometheusRegistry()
    private let authority: TestAuthority
    private let verifier: AccessTokenVerifier

    init() throws {
        authority = try TestAuthority()
        verifier = AccessTokenVerifier(
            authority: authority.settings(),
            time: time,
            logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() },
            metrics: registry
        )
    }

    /// Why a token that is good now and signed with this key is refused; nil where it is accepted.
    private func refusal(_ index: Int = 0, _ kid: String? = nil) async throws -> GatewayError? {
        let now = JSONValue.integer(time.now().milliseconds / 1000)
        let end = JSONValue.integer(time.now().milliseconds / 1000 + 600)
        let draft = TokenDraft.user().with("nbf", now).with("exp", end)
            .withHeader("kid", .string(kid ?? "key-\(index)"))
        let token = try draft.signed(by: index)
        do throws(GatewayError) {
            _ = try await verifier.caller(token)
            return nil
        } catch {
            return error
        }
    }

    private func isAccepted(_ index: Int = 0) async throws -> Bool { try await refusal(index) == nil }

    private func code(_ index: Int = 0, _ kid: String? = nil) async throws -> ProblemCode? {
        try await refusal(index, kid)?.code
    }

    @Test func aThousandAtOnceFetchThemOnce() async throws {
        let (time, verifier) = (time, verifier)
        authority.state.withLock { $0.delay = { try await time.sleep(for: .seconds(1)) } }
        let token = try TokenDraft.user().signed()
        try await withThrowingTaskGroup(of: Caller.self) { group in
            for _ in 0..<1000 { group.addTask { try await verifier.caller(token) } }
            await time.pauses(atLeast: 1)
            time.advance(by: .seconds(1))
            for try await caller in group { #expect(caller.kind == .user) }
        }
        #expect(authority.calls == 2)
        #expect(registry.text().contains("signing_key_fetches_total{outcome=\"fetched\"} 1\n"))
    }

    @Test func aNewKeyIsFoundAndAnOldOneIsNoLongerGood() async throws {
        #expect(try await isAccepted(0))
        let second = try TestAuthority.key(1)
        authority.state.withLock { $0.keys = [second] }
        time.advance(by: .seconds(15))
        // Not at once: whoever makes names of keys up would have us ask for each. But nobody says that the key is wrong.
        let early = try await refusal(1)
        #expect(early?.code == .unavailable)
        #expect(early?.retryAfter == .seconds(45))
        #expect(authority.keyFetches == 1)
        time.advance(by: .seconds(45))
        #expect(try await isAccepted(1))
        #expect(authority.keyFetches == 2)
        // The old one's is looked for too, before it is refused.
        #expect(try await code(0) == .unavailable)
        time.advance(by: .seconds(60))
        #expect(try await code(0) == .unauthenticated)
        #expect(authority.keyFetches == 3)
    }

    @Test func aNewKeyIsNotRefusedWhileTheAuthorityIsDown() async throws {
        #expect(try await isAccepted(0))
        let second = try TestAuthority.key(1)
        authority.state.withLock {
            $0.keys.append(second)
            $0.isDown = true
        }
        time.advance(by: .seconds(60))
        let refusal = try await refusal(1)
        #expect(refusal?.code == .unavailable)
        #expect(refusal?.retryAfter == .seconds(10))
        #expect(try await isAccepted(0))
        authority.state.withLock { $0.isDown = false }
        time.advance(by: .seconds(10))
        #expect(try await isAccepted(1))
    }

    /// As after a reload of the configuration, while the authority is down.
    @Test func anotherVerifierKeepsTheKeysOfTheSameAuthority() async throws {
        let token = try TokenDraft.user().signed()
        _ = try await verifier.caller(token)
        #expect(authority.keyFetches == 1)
        func accepts(_ settings: TokenAuthority) async -> Bool {
            let later = AccessTokenVerifier(
                authority: settings,
                keepingKeysOf: verifier,
                time: time,
                logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() },
                metrics: registry
            )
            return (try? await later.caller(token)) != nil
        }
        var settings = authority.settings()
        settings.clockSkew = .seconds(30)
        #expect(await accepts(settings))
        settings.audiences = ["api://another"]
        #expect(await !accepts(settings))
        #expect(authority.keyFetches == 1)
        settings = authority.settings()
        settings.keyRefreshInterval = .seconds(30)
        #expect(await accepts(settings))
        #expect(authority.keyFetches == 2)
    }

    @Test func madeUpNamesCostOneFetchInAnInterval() async throws {
        #expect(try await isAccepted(0))
        for round in 2...4 {
            time.advance(by: .seconds(60))
            // The first is looked for, the others may not be yet.
            #expect(try await code(2, "made-up") == .unauthenticated)
            for name in 0..<20 { #expect(try await code(2, "made-up-\(name)") == .unavailable) }
            #expect(authority.keyFetches == round)
        }
    }

    /// In the background: a token with a key that is known waits for no authority.
    @Test func keysAreFetchedAgainEachDay() async throws {
        let time = time
        let day = TokenDraft.now + 86_400
        let token = try TokenDraft.user().with("exp", .integer(day + 3600)).signed()
        let group = ServiceGroup(
            services: [KeyRefreshing(time: time, keys: { [verifier] in verifier.signingKeys })],
            logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
        )
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            await time.pauses(atLeast: 1)
            time.advance(by: KeyRefreshing.interval)
            await time.pauses(atLeast: 1)
            // Nobody came yet who needs them.
            #expect(authority.calls == 0)
            _ = try await verifier.caller(token)
            time.advance(by: .seconds(86_399))
            await time.pauses(atLeast: 1)
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
            await time.pauses(atLeast: 1)
            time.advance(by: .seconds(5))
            await time.pauses(atLeast: 1)
            #expect(authority.keyFetches == 2)
            // And at the end nobody waits for it either.
            time.advance(by: .seconds(86_400))
            for await _ in asked.prefix(1) {}
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    @Test func anAuthorityThatIsDownLocksNobodyOut() async throws {
        #expect(try await isAccepted())
        authority.state.withLock { $0.isDown = true }
        time.advance(by: .seconds(3 * 86_400))
        #expect(try await isAccepted())
        #expect(try await isAccepted())
        #expect(try await code(2, "unknown") == .unavailable)
        #expect(try await code(2, "unknown") == .unavailable)
        // One attempt for both of them.
        #expect(authority.calls == 3)
        #expect(try await isAccepted())
    }

    @Test func withoutKeysItIsNobodysFaultAndSoonOver() async throws {
        authority.state.withLock { $0.isDown = true }
        let first = try await refusal()
        #expect(first?.code == .unavailable)
        #expect(first?.retryAfter == .seconds(10))
        authority.state.withLock { $0.isDown = false }
        time.advance(by: .milliseconds(3500))
        #expect(try await refusal()?.retryAfter == .milliseconds(6500))
        #expect(authority.calls == 1)
        time.advance(by: .milliseconds(6500))
        #expect(try await isAccepted())
        #expect(registry.text().contains("signing_key_fetches_total{outcome=\"failed\"} 1\n"))
    }

    @Test(arguments: [
        "https://login.example/94a356ab-53d5-40e7-8a85-053d6d3b9eb3/v2.0", "https://login.example/{tenantid}/v2.0",
        "https://evil.example", "",
    ])
    func metadataOfOthersIsNotBelieved(issuer: String) async throws {
        authority.state.withLock { $0.issuer = issuer }
        #expect(try await code() == .unavailable)
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
        #expect(try await isAccepted(0))
        time.advance(by: .seconds(60))
        #expect(try await code(2) == .unauthenticated)
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
        #expect(try await code(0) == .unauthenticated)
        #expect(try await code(1) == .unauthenticated)
        #expect(try await isAccepted(2))
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
