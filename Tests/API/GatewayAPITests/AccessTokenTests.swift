import CallerIdentity
import Exports
import HTTPTypes
import InMemoryLogging
import JSON
import Logging
import ManualClock
import SystemCrypto
import Synchronization
import TestTokens
import Testing

@testable import GatewayAPI

@Suite(.timeLimit(.minutes(5))) struct AccessTokenTests {
    /// A gateway that takes tokens of an authority, and that authority.
    private func gateway(
        _ time: ManualTime = ManualTime(),
        handler: InMemoryLogHandler? = nil
    ) throws -> (TestGateway, TestAuthority) {
        let authority = try TestAuthority()
        let logger = Logger(label: "tests") { _ in handler ?? InMemoryLogHandler() }
        let gateway = TestGateway(time: time, logger: logger) {
            $0.tokenAuthority = authority.settings()
        }
        return (gateway, authority)
    }

    private func list(_ gateway: TestGateway, _ token: String) async throws -> Answer {
        try await gateway.call(.get, "/exports", headers: [.authorization: "Bearer \(token)"])
    }

    @Test func nobodyIsLetInByABadToken() async throws {
        let handler = InMemoryLogHandler()
        let (gateway, authority) = try gateway(handler: handler)
        // As somebody would start: the first token that the gateway sees is a poisoned one.
        #expect(try await list(gateway, TokenDraft.user().withHeader("alg", "PS256").signed()).status == 401)
        let tokens = try BadTokens.all()
        var accepted = 0
        for (name, token) in tokens {
            let answer = try await list(gateway, token)
            if answer.status == 200 { accepted += 1 }
            let isUnknown = BadTokens.namesOfUnknownKeys.contains(name)
            #expect(answer.status == (isUnknown ? 503 : 401), "\(name)")
            let challenge = "Bearer realm=\"export-gateway\", error=\"invalid_token\""
            #expect(answer.headers[.wwwAuthenticate] == (isUnknown ? nil : challenge), "\(name)")
            for part in token.split(separator: ".") where part.utf8.count > 8 {
                #expect(!answer.body.contains(part), "\(name) is repeated")
            }
        }
        print("bad access tokens: \(tokens.count) tried, \(accepted) accepted")
        #expect(accepted == 0)
        #expect(tokens.count > 120)
        let lines = handler.entries.map { "\($0.message) \($0.metadata)" }.joined()
        #expect(!lines.contains("eyJ"))
        // All of them made the keys be fetched once, and nobody is locked out by any of them.
        #expect(authority.keyFetches == 1)
        #expect(try await list(gateway, TokenDraft.user().signed()).status == 200)
        #expect(
            try await list(gateway, TokenDraft.user().withHeader("alg", "PS256").signed(by: 0, .ps256)).status == 200
        )
        #expect(try await list(gateway, TokenDraft.user().signed()).status == 200)
    }

    @Test func scopesAndRolesArePermissions() async throws {
        let (gateway, _) = try gateway()
        for draft in [TokenDraft.user("Exports.Cancel openid"), .application(["Exports.Cancel", "Other.Role"])] {
            let answer = try await list(gateway, draft.signed())
            #expect(answer.status == 403)
            #expect(
                answer.headers[.wwwAuthenticate]
                    == "Bearer realm=\"export-gateway\", error=\"insufficient_scope\", scope=\"Exports.Read\""
            )
        }
        #expect(try await list(gateway, TokenDraft.application(["Exports.ReadAll"]).signed()).status == 200)
    }

    @Test func keysAndTokensGoTogether() async throws {
        let authority = try TestAuthority()
        let gateway = TestGateway {
            $0.tokenAuthority = authority.settings()
            $0.apiKeys = [APIKey(id: "batch", sha256: SHA256.hash(Array("a.dotted.key".utf8)))]
        }
        #expect(try await list(gateway, "a.dotted.key").status == 200)
        #expect(authority.calls == 0)
        #expect(try await list(gateway, TokenDraft.user().signed()).status == 200)
        #expect(try await list(gateway, "not-a-key").status == 401)
        let nothing = try await gateway.call(.get, "/exports")
        #expect(nothing.status == 401)
        #expect(nothing.headers[.wwwAuthenticate] == "Bearer realm=\"export-gateway\"")
    }
}
