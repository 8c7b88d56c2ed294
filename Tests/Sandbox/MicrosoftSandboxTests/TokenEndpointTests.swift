import Exports
import JSON
import ManualClock
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import Testing

@Suite struct TokenEndpointTests {
    @Test func givesOpaqueTokensWithTheirLifetime() async throws {
        try await withLab { lab in
            let body =
                "grant_type=client_credentials&client_id=\(SandboxSeed.clientID)"
                + "&client_secret=\(SandboxSeed.clientSecret)&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"
            let reply = try await lab.form(lab.tokenURL, body)
            #expect(reply.status == 200)
            #expect(reply.json["token_type"] == "Bearer")
            #expect(reply.json["expires_in"] == 3599)
            #expect(reply.headers.first(name: "Cache-Control") == "no-store, no-cache")
            let token = try #require(reply.json["access_token"]?.string)
            let other = try await lab.token(Lab.graphScope)
            #expect(token != other)
            #expect(lab.sandbox.secrets.contains(token) && lab.sandbox.secrets.contains(other))
        }
    }

    @Test func acceptsCredentialsInHTTPBasic() async throws {
        try await withLab { lab in
            // 22222222-2222-2222-2222-222222222222:sandbox-client-secret-0f3c9a
            let basic =
                "MjIyMjIyMjItMjIyMi0yMjIyLTIyMjItMjIyMjIyMjIyMjIyOnNhbmRib3gtY2xpZW50LXNlY3JldC0wZjNjOWE="
            let reply = try await lab.form(
                lab.tokenURL,
                "grant_type=client_credentials&scope=\(Lab.graphScope)",
                headers: [("Authorization", "Basic \(basic)")]
            )
            #expect(reply.status == 200)
        }
    }

    @Test(arguments: [
        ("client_id={id}&client_secret=wrong&scope={scope}", 401, "invalid_client", 7_000_215),
        ("client_id={id}&scope={scope}", 401, "invalid_client", 7_000_218),
        (
            "client_id={id}&client_secret=sandbox-expired-secret-51be&scope={scope}", 401, "invalid_client", 7_000_222
        ),
        (
            "client_id=33333333-3333-3333-3333-333333333333&client_secret={secret}&scope={scope}", 400,
            "unauthorized_client", 700_016
        ),
        ("client_secret={secret}&scope={scope}", 400, "invalid_request", 900_144),
        ("client_id={id}&client_secret={secret}", 400, "invalid_request", 900_144),
        (
            "client_id={id}&client_secret={secret}&scope=https://foo.microsoft.com/.default", 400, "invalid_scope",
            70_011
        ),
        ("client_id={id}&client_secret={secret}&scope=Report.Read.All", 400, "invalid_scope", 1_002_012),
        ("client_id={id}&client_secret={secret}&scope={scope}&resource=x", 400, "invalid_request", 901_002),
    ])
    func refusesAsEntraDoes(form: String, status: Int, error: String, code: Int64) async throws {
        try await withLab { lab in
            let body = [
                ("{id}", SandboxSeed.clientID), ("{secret}", SandboxSeed.clientSecret), ("{scope}", Lab.graphScope),
            ]
            .reduce(form) { $0.replacing($1.0, with: $1.1) }
            let reply = try await lab.form(lab.tokenURL, "grant_type=client_credentials&" + body)
            #expect(reply.status == status)
            #expect(reply.json["error"]?.string == error)
            #expect(reply.json["error_codes"] == [.integer(code)])
            let description = try #require(reply.json["error_description"]?.string)
            #expect(description.hasPrefix("AADSTS\(code): "))
            #expect(description.contains("\r\nTrace ID: "))
        }
    }

    @Test func knowsOneTenantOnly() async throws {
        try await withLab { lab in
            for (tenant, code) in [("44444444-4444-4444-4444-444444444444", 90_002), ("common", 9_001_023)] {
                let reply = try await lab.form(
                    "\(lab.addresses.api)/\(tenant)/oauth2/v2.0/token",
                    "grant_type=client_credentials"
                )
                #expect(reply.status == 400)
                #expect(reply.json["error"] == "invalid_request")
                #expect(reply.json["error_codes"] == [.integer(Int64(code))])
            }
        }
    }

    @Test func tokensEndWithTheirLifetimeOrTheirRevocation() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            #expect(try await lab.get(lab.security, token: token).status == 200)
            lab.sandbox.addRule(SandboxRule(operation: "graph.*", times: 1, fault: .tokenRevoked))
            #expect(try await lab.get(lab.security, token: token).status == 401)
            #expect(try await lab.get(lab.security, token: token).status == 401)
            let second = try await lab.token(Lab.graphScope)
            #expect(try await lab.get(lab.security, token: second).status == 200)
            lab.time.advance(by: .seconds(3600))
            #expect(try await lab.get(lab.security, token: second).status == 401)
        }
    }

    @Test func throttlesInItsOwnForm() async throws {
        try await withLab { lab in
            lab.sandbox.addRule(SandboxRule(operation: "entra.token", times: 1, fault: .throttled(retryAfter: "7")))
            let reply = try await lab.form(lab.tokenURL, "grant_type=client_credentials")
            #expect(reply.status == 429)
            #expect(reply.headers.first(name: "Retry-After") == "7")
            #expect(reply.json["error"] == "temporarily_unavailable")
        }
    }
}
