import Exports
import SystemCrypto
import Testing

@testable import GatewayServer

/// Which connections keep refresh tokens, and the keys that seal these.
@Suite struct RefreshTokenConfigurationTests {
    private let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    private let other = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="

    private func configuration(keeps: Bool = true, _ sealing: String) throws -> GatewayConfiguration {
        let yaml = """
            ledger: { path: /tmp/ledger.sqlite }
            \(sealing)
            connections:
              - name: it
                provider: power-bi
                credential: { type: federatedToken, \(registration), tokenFile: /t, onBehalfOf: true, keepRefreshTokens: \(keeps) }
            """
        let variables = ["ONE": key, "TWO": other, "SHORT": "c2hvcnQ=", "PLAIN": "0123456789abcdef0123456789abcdef"]
        return try GatewayConfiguration(yaml: yaml, environment: variables)
    }

    @Test func refreshTokensAreKeptWhereTheyCanBeSealed() throws {
        let one = try configuration("sealing: { keys: [{ id: a, key: env:ONE }] }")
        #expect(one.connections[0].credential.keepsRefreshTokens)
        #expect(one.sealing?.current == "a")
        let two = try configuration("sealing: { current: b, keys: [{ id: a, key: env:ONE }, { id: b, key: env:TWO }] }")
        let (before, after) = (try #require(one.sealing), try #require(two.sealing))
        #expect(after.ids == ["a", "b"])
        #expect(after.current == "b")
        let sealed = try before.keys.seal([1, 2, 3], context: [4])
        #expect(try after.keys.open(sealed, context: [4]) == [1, 2, 3])
        #expect(after.keys.isOutdated(sealed))
        #expect(try configuration(keeps: false, "").sealing == nil)
        #expect(!"\(two)".contains(key))
    }

    @Test(arguments: [
        ("", "sealing.keys", "is needed: connections[0].credential.keepRefreshTokens"),
        ("sealing: {}", "sealing.keys", "at least one"),
        ("sealing: { keys: [] }", "sealing.keys", "at least one"),
        ("sealing: { keys: [{ id: a, key: env:ONE }], currant: a }", "sealing.currant", "current"),
        ("sealing: { keys: [{ id: a, key: env:ONE }, { id: b, key: env:TWO }] }", "sealing.current", "must name"),
        ("sealing: { current: c, keys: [{ id: a, key: env:ONE }] }", "sealing.current", "one of sealing.keys: a"),
        ("sealing: { keys: [{ id: a, key: env:SHORT }] }", "sealing.keys[0].key", "openssl rand -base64 32"),
        ("sealing: { keys: [{ id: a, key: env:PLAIN }] }", "sealing.keys[0].key", "32 bytes"),
        ("sealing: { keys: [{ id: a, key: c2hvcnQ= }] }", "sealing.keys[0].key", "env:NAME"),
        ("sealing: { keys: [{ id: a, key: env:MISSING }] }", "sealing.keys[0].key", "MISSING is not set"),
        ("sealing: { keys: [{ id: a }] }", "sealing.keys[0].key", "is required"),
        ("sealing: { keys: [{ id: a b, key: env:ONE }] }", "sealing.keys[0].id", "letters"),
        ("sealing: { keys: [{ id: a, key: env:ONE }, { id: a, key: env:TWO }] }", "sealing.keys[1].id", "taken"),
        (
            "sealing: { keys: [{ id: a, key: env:ONE }, { id: b, key: env:ONE }] }", "sealing.keys[1].key",
            "same key as a"
        ),
    ])
    func namesTheSealingKey(sealing: String, key: String, words: String) {
        let error = #expect(throws: StartupError.self) { try configuration(sealing) }
        #expect(error?.key == key)
        #expect(error?.detail.contains(words) == true, "\(error?.detail ?? "")")
        #expect(error?.detail.contains("c2hvcnQ=") == false)
    }

    @Test(arguments: [
        ("{ type: clientSecret, \(registration), clientSecret: env:S, keepRefreshTokens: true }", "needs onBehalfOf"),
        ("{ type: passThrough, keepRefreshTokens: true }", "is not a key here"),
        ("{ type: managedIdentity, keepRefreshTokens: true }", "is not a key here"),
        ("{ type: environment, keepRefreshTokens: true }", "is not a key here"),
    ])
    func onlyUsersHaveRefreshTokens(credential: String, words: String) {
        let error = #expect(throws: StartupError.self) { try connection(credential, variables: ["S": "x"]) }
        #expect(error?.key == "connections[0].credential.keepRefreshTokens")
        #expect(error?.detail.contains(words) == true, "\(error?.detail ?? "")")
    }
}
