import Exports
import JSON
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import SystemCrypto
import Testing

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

@Suite struct DiscoveryTests {
    private static let tenant = SandboxSeed.tenantID

    /// The published keys by their id.
    private func keys(_ lab: Lab, _ path: String = "discovery/v2.0/keys") async throws -> [String: PublicKey] {
        let reply = try await lab.get("\(lab.addresses.api)/\(Self.tenant)/\(path)")
        var keys: [String: PublicKey] = [:]
        for key in reply.json["keys"]?.array ?? [] {
            let modulus = try #require(Base64URL.decode(key["n"]?.string ?? ""))
            let exponent = try #require(Base64URL.decode(key["e"]?.string ?? ""))
            keys[try #require(key["kid"]?.string)] = try PublicKey(modulus: modulus, exponent: exponent)
        }
        return keys
    }

    /// Whether a token's signature holds under a key of the document.
    private func verifies(_ token: String, _ keys: [String: PublicKey]) throws -> Bool {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        let header = try JSONValue(parsing: #require(Base64URL.decode(parts[0])))
        guard let key = keys[header["kid"]?.string ?? ""],
            let algorithm = SignatureAlgorithm(rawValue: header["alg"]?.string ?? "")
        else { return false }
        let signature = try #require(Base64URL.decode(parts[2]))
        return key.verifies(signature, of: Array("\(parts[0]).\(parts[1])".utf8), algorithm)
    }

    @Test func tellsItsEndpointsInBothVersions() async throws {
        try await withLab { lab in
            let root = "\(lab.addresses.api)/\(Self.tenant)"
            let second = try await lab.get("\(root)/v2.0/.well-known/openid-configuration")
            #expect(second.json["issuer"]?.string == "\(root)/v2.0")
            #expect(second.json["token_endpoint"]?.string == lab.tokenURL)
            #expect(second.json["jwks_uri"]?.string == "\(root)/discovery/v2.0/keys")
            #expect(second.headers.first(name: "Cache-Control") == "max-age=86400, private")
            let first = try await lab.get("\(root)/.well-known/openid-configuration")
            #expect(first.json["issuer"]?.string == "https://sts.windows.net/\(Self.tenant)/")
            #expect(first.json["jwks_uri"]?.string == "\(root)/discovery/keys")
            let common = try await lab.get("\(lab.addresses.api)/common/v2.0/.well-known/openid-configuration")
            #expect(common.json["issuer"]?.string == "\(lab.addresses.api)/{tenantid}/v2.0")
            let unknown = try await lab.get("\(lab.addresses.api)/nobody/v2.0/.well-known/openid-configuration")
            #expect(unknown.status == 400)
            #expect(unknown.entraCode == 90_002)
        }
    }

    @Test func keysOfTheSecondVersionSayWhoseTheyAre() async throws {
        try await withLab { lab in
            let root = "\(lab.addresses.api)/\(Self.tenant)/discovery"
            let second = try await lab.get("\(root)/v2.0/keys").json["keys"]?.array?.first
            #expect(second?["issuer"]?.string == "\(lab.addresses.api)/{tenantid}/v2.0")
            #expect(second?["use"] == "sig")
            #expect(second?["alg"] == nil)
            let first = try await lab.get("\(root)/keys").json["keys"]?.array?.first
            #expect(first?["issuer"] == nil)
            #expect(first?["kid"] == second?["kid"])
        }
    }

    @Test func mintsWhatEntraWouldIssue() async throws {
        try await withLab { lab in
            let user = try await lab.control("tokens", [:]).json
            let claims = try #require(user["claims"])
            #expect(claims["iss"]?.string == "\(lab.addresses.api)/\(Self.tenant)/v2.0")
            #expect(claims["aud"]?.string == SandboxSeed.clientID)
            #expect(claims["tid"]?.string == Self.tenant)
            #expect(claims["scp"] == "user_impersonation")
            #expect(claims["exp"]?.integer == lab.now + 3600)
            #expect(user["header"]?["alg"] == "RS256")
            let token = try #require(user["token"]?.string)
            let published = try await keys(lab)
            #expect(try verifies(token, published))
            #expect(lab.sandbox.secrets.contains(token))
            let application =
                try await lab.control(
                    "tokens",
                    ["version": 1, "kind": "application", "claims": ["roles": ["Exports.Read"]]]
                )
                .json
            #expect(application["claims"]?["iss"]?.string == "https://sts.windows.net/\(Self.tenant)/")
            #expect(application["claims"]?["scp"] == nil)
            #expect(application["claims"]?["roles"] == ["Exports.Read"])
            #expect(application["claims"]?["ver"] == "1.0")
            #expect(application["claims"]?["oid"] == application["claims"]?["sub"])
            let text = try #require(application["token"]?.string)
            let first = try await keys(lab, "discovery/keys")
            #expect(try verifies(text, first))
        }
    }

    @Test func mintsWhatEntraNeverWould() async throws {
        try await withLab { lab in
            let changed =
                try await lab.control(
                    "tokens",
                    [
                        "claims": ["scp": .null, "aud": []], "header": ["kid": .null, "jku": "https://x"],
                        "lifetime": -5,
                    ]
                )
                .json
            #expect(changed["claims"]?["scp"] == nil)
            #expect(changed["claims"]?["aud"] == [])
            #expect(changed["claims"]?["exp"]?.integer == lab.now - 5)
            #expect(changed["header"]?["kid"] == nil)
            #expect(changed["header"]?["jku"] == "https://x")
            let published = try await keys(lab)
            for signature in ["unknownKey", "otherKey", "broken", "hmac", "none"] {
                let token = try await lab.minted(["signature": .string(signature)])
                #expect(!(try verifies(token, published)), "\(signature)")
            }
            let swapped = try await lab.control("tokens", ["alg": "PS256"]).json
            #expect(swapped["header"]?["alg"] == "PS256")
            let swappedToken = try #require(swapped["token"]?.string)
            #expect(try verifies(swappedToken, published))
            #expect(try await lab.control("tokens", ["lifetyme": 1, "version": 3]).status == 400)
        }
    }

    @Test func keysRotate() async throws {
        try await withLab { lab in
            let old = try await lab.minted([:])
            let added = try await lab.control("signing-keys", [:])
            #expect(added.status == 201)
            let id = try #require(added.json["kid"]?.string)
            let new = try await lab.minted([:])
            let both = try await keys(lab)
            #expect(both.count == 2 && both[id] != nil)
            #expect(try verifies(old, both))
            #expect(try verifies(new, both))
            _ = try await lab.control("signing-keys", ["withdrawOthers": true])
            let last = try await keys(lab)
            #expect(last.count == 1)
            #expect(try !verifies(old, last))
            #expect(try !verifies(new, last))
            let newest = try await lab.minted([:])
            #expect(try verifies(newest, last))
            #expect(lab.sandbox.account.counts["entra.keys"] == 2)
        }
    }

    @Test func isAnInstanceOfItsOwn() async throws {
        try await withLab { lab in
            let host = lab.addresses.api.dropFirst("http://".count).prefix { $0 != ":" }
            let url = "\(lab.addresses.api)/common/discovery/instance?api-version=1.1&authorization_endpoint="
            let known = try await lab.get(url + "https://\(host)/\(Self.tenant)/oauth2/v2.0/authorize")
            #expect(
                known.json["tenant_discovery_endpoint"]?.string
                    == "\(lab.addresses.api)/\(Self.tenant)/v2.0/.well-known/openid-configuration"
            )
            #expect(known.json["metadata"]?.array?.first?["aliases"] == [.string(String(host))])
            let unknown = try await lab.get(url + "https://other.example/\(Self.tenant)/oauth2/v2.0/authorize")
            #expect(unknown.json["error"] == "invalid_instance")
            #expect(unknown.status == 400)
        }
    }
}
