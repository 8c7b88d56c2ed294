import Exports
import JSON
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import SystemCrypto
import Testing

@Suite struct FederationTests {
    private static let issuer = "https://oidc.example/cluster/"
    private static let subject = "system:serviceaccount:exports:gateway"

    /// What a projected Kubernetes token says, with some of it otherwise.
    private func assertion(
        _ lab: Lab,
        header: [String: JSONValue] = [:],
        claims: [String: JSONValue] = [:],
        key: PrivateKey? = nil,
        _ algorithm: SignatureAlgorithm = .rs256
    ) throws -> String {
        let usual: [String: JSONValue] = [
            "iss": .string(Self.issuer), "sub": .string(Self.subject), "aud": ["api://AzureADTokenExchange"],
            "iat": .integer(lab.now), "nbf": .integer(lab.now), "exp": .integer(lab.now + 3600),
        ]
        return try TestIdentity.token(
            header: ["alg": "RS256", "kid": "k1"].merging(header) { $1 },
            claims: usual.merging(claims) { $1 },
            key: key ?? TestIdentity.key.get(),
            algorithm
        )
    }

    /// What the token endpoint says to it.
    private func reply(_ lab: Lab, claims: [String: JSONValue] = [:]) async throws -> Reply {
        try await lab.tokenReply(assertion: assertion(lab, claims: claims))
    }

    private func register(_ lab: Lab, withKeys: Bool = true) async throws {
        var body: [String: JSONValue] = ["issuer": .string(Self.issuer), "subject": .string(Self.subject)]
        if withKeys { body["keys"] = [TestIdentity.jwk(try TestIdentity.key.get(), id: "k1")] }
        #expect(try await lab.control("federated-credentials", .object(body)).status == 204)
    }

    @Test func takesTheIssuersTokenAsOftenAsItComes() async throws {
        try await withLab { lab in
            try await register(lab)
            let assertion = try assertion(lab)
            for _ in 0..<2 { #expect(try await lab.tokenReply(assertion: assertion).status == 200) }
            #expect(lab.sandbox.account.tokens == ["federatedCredential": 2])
        }
    }

    @Test func matchesToTheLetter() async throws {
        try await withLab { lab in
            let nobody = try await reply(lab)
            #expect(nobody.entraCode == 700_211)
            #expect(nobody.status == 401)
            try await register(lab)
            let cases: [([String: JSONValue], Int64)] = [
                (["iss": "https://oidc.example/cluster"], 700_211),
                (["aud": "api://azureadtokenexchange"], 700_212),
                (["sub": "system:serviceaccount:exports:Gateway"], 700_213),
                (["exp": .integer(lab.now - 301)], 700_024),
            ]
            for (claims, code) in cases {
                #expect(try await reply(lab, claims: claims).entraCode == code)
            }
        }
    }

    @Test func theIssuersKeyDecides() async throws {
        try await withLab { lab in
            try await register(lab, withKeys: false)
            let unreachable = try await reply(lab)
            #expect(unreachable.entraCode == 90_061)
            #expect(unreachable.status == 400)
            let key = TestIdentity.jwk(try TestIdentity.key.get(), id: "k1")
            let set = try await lab.control("issuer-keys", ["issuer": .string(Self.issuer), "keys": [key]])
            #expect(set.status == 204)
            let otherKey = try TestIdentity.otherKey.get()
            let wrong = [
                try assertion(lab, key: otherKey), try assertion(lab, header: ["kid": "k2"]),
            ]
            for assertion in wrong { #expect(try await lab.tokenReply(assertion: assertion).entraCode == 50_012) }
            let unsupported = try assertion(lab, header: ["alg": "PS256"], .ps256)
            #expect(try await lab.tokenReply(assertion: unsupported).entraCode == 50_027)
            #expect(try await reply(lab).status == 200)
        }
    }

    @Test func theControlPlaneListsAndDeletes() async throws {
        try await withLab { lab in
            try await register(lab)
            let url = "\(lab.addresses.api)/_sandbox/federated-credentials"
            let values = try await lab.get(url).json["values"]?.array
            #expect(values?.first?["subject"]?.string == Self.subject)
            #expect(values?.first?["audience"] == "api://AzureADTokenExchange")
            #expect(try await lab.send(.DELETE, url).status == 204)
            #expect(try await reply(lab).entraCode == 700_211)
            let keyless = try await lab.control("issuer-keys", ["issuer": "x", "keys": [["kty": "EC"]]])
            #expect(keyless.status == 400)
        }
    }
}
