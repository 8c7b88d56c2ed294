import Exports
import JSON
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import Testing

@Suite struct ManagedIdentityTests {
    private static let graph = "https://graph.microsoft.com"
    private static let metadata = [("Metadata", "true")]
    private static let header = [("X-IDENTITY-HEADER", SandboxSeed.identityHeader)]

    private func imds(_ lab: Lab) -> String {
        "\(lab.addresses.api)/metadata/identity/oauth2/token?api-version=2018-02-01"
    }

    private func appService(_ lab: Lab) -> String { "\(lab.addresses.api)/msi/token?api-version=2019-08-01" }

    @Test func imdsWritesNumbersAsTexts() async throws {
        try await withLab { lab in
            let reply = try await lab.get(imds(lab) + "&resource=\(Self.graph)", headers: Self.metadata)
            #expect(reply.status == 200)
            #expect(reply.json["expires_in"] == "3599")
            #expect(reply.json["expires_on"]?.string == String(lab.now + 3599))
            #expect(reply.json["not_before"]?.string == String(lab.now))
            #expect(reply.json["refresh_token"] == "")
            let token = try #require(reply.json["access_token"]?.string)
            #expect(try await lab.get(lab.security, token: token).status == 200)
            #expect(lab.sandbox.account.tokens == ["imds": 1])
            #expect(lab.sandbox.account.counts["managed-identity.imds"] == 1)
        }
    }

    @Test func imdsRefuses() async throws {
        try await withLab { lab in
            let url = imds(lab) + "&resource=\(Self.graph)"
            let bare = try await lab.get(url)
            #expect(bare.status == 400)
            #expect(bare.json["error"] == "bad_request_102")
            let incomplete = try await lab.get(imds(lab), headers: Self.metadata)
            #expect(incomplete.json["error"] == "invalid_request")
            let unknown = try await lab.get(url + "&client_id=\(SandboxSeed.clientID)", headers: Self.metadata)
            #expect(unknown.status == 400)
            #expect(unknown.json["error_description"] == "Identity not found")
            let scope = try await lab.get(imds(lab) + "&resource=\(Self.graph)/.default", headers: Self.metadata)
            #expect(scope.json["error"] == "invalid_resource")
        }
    }

    @Test func takesTheIdentitysNames() async throws {
        try await withLab { lab in
            let named = [
                "client_id=\(SandboxSeed.managedIdentityClientID)", "object_id=\(SandboxSeed.managedIdentityObjectID)",
                "msi_res_id=\(SandboxSeed.managedIdentityResourceID)",
            ]
            for name in named {
                let reply = try await lab.get(imds(lab) + "&resource=\(Self.graph)/&" + name, headers: Self.metadata)
                #expect(reply.status == 200, "\(name)")
            }
        }
    }

    @Test func appServiceHasItsOwnShapes() async throws {
        try await withLab { lab in
            let url = appService(lab) + "&resource=\(Self.graph)"
            let reply = try await lab.get(url, headers: Self.header)
            #expect(reply.status == 200)
            #expect(reply.json["expires_in"] == nil)
            #expect(reply.json["expires_on"]?.string == String(lab.now + 3599))
            #expect(reply.json["client_id"]?.string == SandboxSeed.managedIdentityClientID)
            #expect(lab.sandbox.account.tokens == ["appService": 1])
            #expect(try await lab.get(url).status == 401)
            #expect(try await lab.get(url, headers: [("X-IDENTITY-HEADER", "x")]).status == 401)
            let vague = try await lab.get(appService(lab) + "&resource=https://vault.azure.net", headers: Self.header)
            #expect(vague.status == 500)
            #expect(vague.json == ["statusCode": 500, "message": "error content is undefined"])
        }
    }

    @Test func misbehavesOnRequest() async throws {
        try await withLab { lab in
            let url = imds(lab) + "&resource=\(Self.graph)"
            lab.sandbox.addRule(SandboxRule(operation: "managed-identity.imds", times: 1, fault: .identityNotFound))
            lab.sandbox.addRule(
                SandboxRule(operation: "managed-identity.*", times: 1, fault: .throttled(retryAfter: "2"))
            )
            lab.sandbox.addRule(SandboxRule(operation: "*.token", times: 1, fault: .status(410)))
            lab.sandbox.addRule(SandboxRule(operation: "*.token", times: 1, fault: .htmlSignIn))
            var seen: [Reply] = []
            for _ in 0..<5 { seen.append(try await lab.get(url, headers: Self.metadata)) }
            #expect(seen[0].json["error_description"] == "Identity not found")
            #expect(seen[1].status == 429)
            #expect(seen[1].headers.first(name: "Retry-After") == "2")
            #expect(seen[2].status == 410)
            #expect(seen[3].status == 200 && seen[3].text.hasPrefix("<!DOCTYPE"))
            #expect(seen[4].json["access_token"] != nil)
        }
    }
}
