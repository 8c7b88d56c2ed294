import Exports
import JSON
import ManualClock
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import Testing

@Suite struct OnBehalfOfTests {
    private func exchange(_ lab: Lab, _ assertion: String, scope: String = Lab.graphScope) async throws -> Reply {
        try await lab.form(
            lab.tokenURL,
            "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&requested_token_use=on_behalf_of"
                + "&client_id=\(SandboxSeed.clientID)&client_secret=\(SandboxSeed.clientSecret)"
                + "&assertion=\(assertion)&scope=\(scope.replacing(" ", with: "%20"))"
        )
    }

    @Test(arguments: [1, 2])
    func givesTheUsersToken(version: Int64) async throws {
        try await withLab { lab in
            let assertion = try await lab.minted(["version": .integer(version)])
            let reply = try await exchange(lab, assertion)
            #expect(reply.status == 200)
            #expect(reply.json["scope"]?.string?.contains("/eDiscovery.ReadWrite.All") == true)
            #expect(reply.json["refresh_token"] == nil)
            let token = try #require(reply.json["access_token"]?.string)
            #expect(try await lab.get(lab.security, token: token).status == 200)
            #expect(try await lab.get(lab.goals, token: token).status == 200)
            #expect(lab.sandbox.account.tokens == ["onBehalfOf": 1])
            #expect(lab.sandbox.secrets.contains(assertion) && lab.sandbox.secrets.contains(token))
        }
    }

    @Test func givesWhatWasAskedForOnly() async throws {
        try await withLab { lab in
            let assertion = try await lab.minted([:])
            let reply = try await exchange(
                lab,
                assertion,
                scope: "https://graph.microsoft.com/Goals-Export.ReadWrite.All"
            )
            let token = try #require(reply.json["access_token"]?.string)
            #expect(try await lab.get(lab.goals, token: token).status == 200)
            #expect(try await lab.get(lab.security, token: token).status == 403)
            let power = "https://analysis.windows.net/powerbi/api"
            let report = try await exchange(lab, assertion, scope: "\(power)/Report.Read.All \(power)/Dataset.Read.All")
            let reader = try #require(report.json["access_token"]?.string)
            #expect(try await lab.get(lab.reports, token: reader).status == 200)
        }
    }

    @Test func refreshTokensGoOn() async throws {
        try await withLab { lab in
            let assertion = try await lab.minted([:])
            let first = try await exchange(lab, assertion, scope: "\(Lab.graphScope) offline_access")
            let refresh = try #require(first.json["refresh_token"]?.string)
            let body =
                "grant_type=refresh_token&client_id=\(SandboxSeed.clientID)&client_secret=\(SandboxSeed.clientSecret)"
                + "&refresh_token=\(refresh)&scope=\(Lab.graphScope)%20offline_access"
            lab.time.advance(by: .seconds(7200))
            let second = try await lab.form(lab.tokenURL, body)
            let token = try #require(second.json["access_token"]?.string)
            #expect(second.json["refresh_token"]?.string?.isEmpty == false)
            #expect(try await lab.get(lab.security, token: token).status == 200)
            #expect(lab.sandbox.secrets.contains(refresh))
            // It is of no resource, and using it does not end it.
            let power = body.replacing(Lab.graphScope, with: "https://analysis.windows.net/powerbi/api/.default")
            let reader = try #require(try await lab.form(lab.tokenURL, power).json["access_token"]?.string)
            #expect(try await lab.get(lab.reports, token: reader).status == 200)
            let url = "\(lab.addresses.api)/_sandbox/refresh-tokens"
            #expect(try await lab.send(.DELETE, url).status == 204)
            let refused = try await lab.form(lab.tokenURL, body)
            #expect(refused.json["error"] == "invalid_grant")
            #expect(refused.entraCode == 50_173)
            #expect(refused.status == 400)
            let strange = try await lab.form(lab.tokenURL, body.replacing(refresh, with: "sbxr.strange"))
            #expect(strange.json["error"] == "invalid_grant")
            #expect(strange.entraCode == 70_000)
            let wrongSecret = try await lab.form(lab.tokenURL, body.replacing(SandboxSeed.clientSecret, with: "wrong"))
            #expect(wrongSecret.entraCode == 7_000_215)
            #expect(lab.sandbox.account.tokens == ["onBehalfOf": 1, "refreshToken": 2])
        }
    }

    @Test func refusesBadAssertions() async throws {
        try await withLab { lab in
            let cases: [(JSONValue, Int64, String)] = [
                (["lifetime": -301], 500_133, "invalid_grant"),
                (["claims": ["aud": "https://graph.microsoft.com"]], 500_131, "invalid_grant"),
                (["claims": ["tid": "99999999-9999-9999-9999-999999999999"]], 50_013, "invalid_grant"),
                (["signature": "broken"], 50_013, "invalid_grant"),
                (["signature": "unknownKey"], 50_013, "invalid_grant"),
                (["signature": "none"], 50_013, "invalid_grant"),
                (["kind": "application"], 7_000_114, "unauthorized_client"),
            ]
            for (mint, code, error) in cases {
                let reply = try await exchange(lab, try await lab.minted(mint))
                #expect(reply.entraCode == code, "\(mint)")
                #expect(reply.json["error"]?.string == error)
                #expect(reply.status == 400)
            }
            #expect(try await exchange(lab, "opaque").entraCode == 50_027)
            #expect(lab.sandbox.account.tokens.isEmpty)
        }
    }

    @Test func wantsItsParameters() async throws {
        try await withLab { lab in
            let grant = "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&scope=\(Lab.graphScope)"
            #expect(try await lab.form(lab.tokenURL, grant + "&assertion=x").entraCode == 900_144)
            let useless = try await lab.form(lab.tokenURL, grant + "&requested_token_use=on_behalf_of")
            #expect(useless.entraCode == 900_144)
            let other = try await lab.form(lab.tokenURL, grant + "&requested_token_use=else&assertion=x")
            #expect(other.entraCode == 70_003)
            #expect(try await lab.form(lab.tokenURL, "grant_type=refresh_token&scope=x").entraCode == 900_144)
        }
    }

    @Test func asksForConsent() async throws {
        try await withLab { lab in
            let assertion = try await lab.minted([:])
            let unknown = try await exchange(lab, assertion, scope: "https://graph.microsoft.com/Mail.Read")
            #expect(unknown.entraCode == 65_001)
            #expect(unknown.json["suberror"] == "consent_required")
            _ = try await lab.control(
                "rules",
                ["operation": "entra.token", "match": "on_behalf_of", "fault": ["kind": "consentRequired"]]
            )
            #expect(try await exchange(lab, assertion).json["suberror"] == "consent_required")
            // The rule is about calls on a user's behalf.
            _ = try await lab.token(Lab.graphScope)
        }
    }

    @Test func asksForInteractionWithClaims() async throws {
        try await withLab { lab in
            let assertion = try await lab.minted([:])
            let claims = #"{"access_token":{"polids":{"essential":true,"values":["p"]}}}"#
            lab.sandbox.addRule(
                SandboxRule(operation: "entra.token", times: 1, fault: .interactionRequired(claims: claims))
            )
            let reply = try await exchange(lab, assertion)
            #expect(reply.status == 400)
            #expect(reply.json["error"] == "interaction_required")
            #expect(reply.json["claims"]?.string == claims)
            #expect(try await exchange(lab, assertion).status == 200)
        }
    }
}
