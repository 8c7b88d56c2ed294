import Exports
import HTTPTypes
import InMemoryLogging
import JSON
import Logging
import ManualClock
import SystemCrypto
import Synchronization
import Testing

@testable import GatewayAPI

@Suite(.timeLimit(.minutes(5))) struct AccessTokenTests {
    /// A gateway that takes tokens of an authority, and that authority.
    private func gateway(
        _ time: ManualTime = ManualTime(),
        tenantIDs: [String] = [TestAuthority.tenantID],
        handler: InMemoryLogHandler? = nil
    ) throws -> (TestGateway, TestAuthority) {
        let authority = try TestAuthority()
        let logger = Logger(label: "tests") { _ in handler ?? InMemoryLogHandler() }
        let gateway = TestGateway(time: time, logger: logger) {
            $0.tokenAuthority = authority.settings(tenantIDs: tenantIDs)
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

    /// A good token with one of its characters changed is another token, or none.
    @Test func everyCharacterCounts() async throws {
        let (gateway, _) = try gateway()
        let good = Array(try TokenDraft.user().signed().utf8)
        let letters = Array("Aa0-_.=+ ".utf8)
        var (tried, accepted) = (0, 0)
        for index in stride(from: 0, to: good.count, by: 3) {
            var bytes = good
            bytes[index] = letters[index % letters.count]
            guard bytes != good else { continue }
            tried += 1
            let token = String(decoding: bytes, as: UTF8.self)
            // 503 where its name of a key became another, which may not be looked for yet.
            if try await ![401, 503].contains(list(gateway, token).status) { accepted += 1 }
        }
        print("altered access tokens: \(tried) tried, \(accepted) accepted")
        #expect(accepted == 0)
    }

    @Test func goodTokensLetIn() async throws {
        let (user, application) = (TokenDraft.user(), TokenDraft.application())
        let formerly = JSONValue.string("https://sts.windows.net/\(TestAuthority.tenantID)/")
        let api = JSONValue.string("api://\(TestAuthority.audience)")
        let now = TokenDraft.now
        let drafts: [(String, TokenDraft)] = [
            ("user", user), ("application", application), ("no type", user.withHeader("typ", nil)),
            ("RFC 9068", user.withHeader("typ", "at+jwt")), ("id URI", user.with("aud", api)),
            ("one of several audiences", user.with("aud", ["https://graph.microsoft.com", api])),
            ("v1 user", user.with("iss", formerly).with("ver", "1.0")),
            (
                "v1 application",
                application.with("iss", formerly).with("ver", "1.0").with("azp", nil)
                    .with("appid", .string(TokenDraft.applicationID))
            ),
            ("no version", user.with("ver", nil)), ("says user", user.with("idtyp", "user")),
            ("says application", application.with("idtyp", "app")),
            ("a user's roles do not count", user.with("roles", ["Exports.ReadAll"])),
            ("clock behind", user.with("nbf", .integer(now + 60))),
            ("clock ahead", user.with("nbf", .integer(now - 3600)).with("exp", .integer(now - 59))),
        ]
        let (gateway, authority) = try gateway()
        for (name, draft) in drafts {
            #expect(try await list(gateway, draft.signed()).status == 200, "\(name)")
        }
        #expect(authority.calls == 2)
    }

    @Test func callersAreTenantAndObjectAndNeverANameOrAnAddress() async throws {
        let tenants = [TestAuthority.tenantID, TestAuthority.otherTenantID]
        let (gateway, _) = try gateway(tenantIDs: tenants)
        func creator(_ draft: TokenDraft) async throws -> String? {
            let headers: HTTPFields = [.authorization: "Bearer \(try draft.signed())"]
            return try await gateway.create(CreateExportTests.body, headers: headers).json["createdBy"]?.string
        }
        let user = TokenDraft.user("Exports.Create Connections.Use:*")
        #expect(try await creator(user) == "user:\(tenants[0]):\(TokenDraft.userID)")
        // Another client, another name: the same user.
        let renamed = user.with("preferred_username", "b@contoso.example").with("azp", .string(tenants[0]))
        #expect(try await creator(renamed) == "user:\(tenants[0]):\(TokenDraft.userID)")
        // The same object id in another tenant: another user.
        let elsewhere = user.with("tid", .string(tenants[1]))
            .with("iss", .string("\(TestAuthority.url)/\(tenants[1])/v2.0"))
        #expect(try await creator(elsewhere) == "user:\(tenants[1]):\(TokenDraft.userID)")
        let application = TokenDraft.application(["Exports.Create", "Connections.Use:contoso", "Other.Role"])
        #expect(try await creator(application) == "app:\(tenants[0]):\(TokenDraft.applicationID)")
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
