import Exports
import JSON
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import SystemCrypto
import Testing

@Suite struct CertificateAssertionTests {
    /// An assertion that is being made: it has everything that a good one has, and a test spoils it.
    struct Draft {
        var algorithm = SignatureAlgorithm.ps256
        var header: [String: JSONValue]
        var claims: [String: JSONValue]
        var key: PrivateKey

        init(_ lab: Lab, certificate: Certificate, key: PrivateKey) {
            header = ["alg": "PS256", "typ": "JWT", "x5t#S256": .string(Base64URL.encode(certificate.sha256))]
            claims = [
                "aud": .string(lab.tokenURL), "iss": .string(SandboxSeed.clientID),
                "sub": .string(SandboxSeed.clientID), "jti": .string(Hexadecimal.encode(randomBytes(8))),
                "nbf": .integer(lab.now), "exp": .integer(lab.now + 600),
            ]
            self.key = key
        }

        func text() throws -> String { try TestIdentity.token(header: header, claims: claims, key: key, algorithm) }

        /// What the token endpoint says to it.
        func reply(_ lab: Lab) async throws -> Reply { try await lab.tokenReply(assertion: text()) }
    }

    private func withRegistered(
        _ settings: SandboxSettings = SandboxSettings(),
        _ body: (Lab, Certificate, Draft) async throws -> Void
    ) async throws {
        let key = try TestIdentity.key.get()
        let certificate = try Certificate(der: TestIdentity.certificate(key))
        var settings = settings
        settings.certificates = [certificate]
        try await withLab(settings) { lab in
            try await body(lab, certificate, Draft(lab, certificate: certificate, key: key))
        }
    }

    @Test func takesPS256WithTheSHA256Thumbprint() async throws {
        try await withRegistered { lab, _, draft in
            let reply = try await draft.reply(lab)
            #expect(reply.status == 200)
            #expect(reply.json["access_token"]?.string?.isEmpty == false)
            #expect(lab.sandbox.account.tokens == ["certificate": 1])
            #expect(lab.sandbox.account.counts == ["entra.token": 1])
        }
    }

    @Test func takesRS256WithTheSHA1ThumbprintAndTheChain() async throws {
        try await withRegistered { lab, certificate, draft in
            for withChain in [false, true] {
                var draft = draft
                draft.algorithm = .rs256
                draft.header = ["alg": "RS256", "x5t": .string(Base64URL.encode(certificate.sha1))]
                if withChain {
                    let text = Self.standard(certificate.der)
                    draft.header["x5c"] = [.string(text.prefix(64) + "\n" + text.dropFirst(64))]
                }
                draft.claims["jti"] = .string("form-\(withChain)")
                let reply = try await draft.reply(lab)
                #expect(reply.status == 200)
            }
        }
    }

    /// azure-identity pads, and MSAL writes times with fractions and no `nbf`.
    @Test func takesWhatThePublicLibrariesSend() async throws {
        try await withRegistered { lab, _, draft in
            var draft = draft
            draft.claims["nbf"] = nil
            draft.claims["exp"] = .number(Double(lab.now) + 600.25)
            let parts = [draft.header, draft.claims]
                .map { Self.padded(Base64URL.encode(JSONValue.object($0).encoded())) }
            let input = parts.joined(separator: ".")
            let signature = Base64URL.encode(try draft.key.signature(of: Array(input.utf8), .ps256))
            let assertion = "\(input).\(Self.padded(signature))".replacing("=", with: "%3D")
            #expect(try await lab.tokenReply(assertion: assertion).status == 200)
        }
    }

    @Test func registersThroughTheControlPlane() async throws {
        try await withLab { lab in
            let key = try TestIdentity.key.get()
            let der = try TestIdentity.certificate(key)
            let certificate = try Certificate(der: der)
            let draft = Draft(lab, certificate: certificate, key: key)
            #expect(try await draft.reply(lab).entraCode == 700_027)
            let text = Self.standard(der)
            let added = try await lab.control(
                "certificates",
                ["pem": .string("-----BEGIN CERTIFICATE-----\n\(text)\n-----END CERTIFICATE-----\n")]
            )
            #expect(added.status == 201)
            #expect(added.json["sha256"]?.string == Hexadecimal.encode(certificate.sha256))
            #expect(try await draft.reply(lab).status == 200)
            #expect(try await lab.send(.DELETE, "\(lab.addresses.api)/_sandbox/certificates").status == 204)
            #expect(try await draft.reply(lab).entraCode == 700_027)
            #expect(try await lab.control("certificates", ["der": .string(text)]).status == 201)
            #expect(try await lab.control("certificates", ["der": "AAAA"]).status == 400)
            #expect(try await lab.control("certificates", [:]).status == 400)
        }
    }

    struct Spoiling: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var code: Int64
        var spoil: @Sendable (inout Draft) throws -> Void

        init(_ name: String, _ code: Int64, _ spoil: @escaping @Sendable (inout Draft) throws -> Void) {
            testDescription = name
            self.code = code
            self.spoil = spoil
        }
    }

    static let spoilings = [
        Spoiling("unknown algorithm", 50_027) { $0.header["alg"] = "HS256" },
        Spoiling("no algorithm", 50_027) { $0.header["alg"] = "none" },
        Spoiling("no thumbprint", 50_027) { $0.header["x5t#S256"] = nil },
        Spoiling("thumbprint in hexadecimal", 700_027) {
            let bytes = try #require(Base64URL.decode($0.header["x5t#S256"]?.string ?? ""))
            $0.header["x5t#S256"] = .string(Hexadecimal.encode(bytes))
        },
        Spoiling("thumbprints of two certificates", 700_027) {
            $0.header["x5t"] = .string(Base64URL.encode([UInt8](repeating: 7, count: 20)))
        },
        Spoiling("chain of another certificate", 700_027) { $0.header["x5c"] = ["AAAA"] },
        Spoiling("same key, another certificate", 700_027) {
            let other = try Certificate(der: TestIdentity.certificate($0.key, serial: 2))
            $0.header["x5t#S256"] = .string(Base64URL.encode(other.sha256))
        },
        Spoiling("another key", 700_027) { $0.key = try TestIdentity.otherKey.get() },
        Spoiling("signed otherwise than said", 700_027) { $0.algorithm = .rs256 },
        Spoiling("other audience", 700_023) { $0.claims["aud"] = "https://login.microsoftonline.com/common/v2.0" },
        Spoiling("no audience", 700_023) { $0.claims["aud"] = [] },
        Spoiling("other issuer", 700_021) { $0.claims["iss"] = "00000000-0000-0000-0000-000000000000" },
        Spoiling("other subject", 700_021) { $0.claims["sub"] = "00000000-0000-0000-0000-000000000000" },
        Spoiling("no end", 700_024) { $0.claims["exp"] = nil },
        Spoiling("over", 700_024) { $0.claims["exp"] = .integer(($0.claims["nbf"]?.integer ?? 0) - 301) },
        Spoiling("not begun", 700_024) { $0.claims["nbf"] = .integer(($0.claims["nbf"]?.integer ?? 0) + 301) },
        Spoiling("too long", 700_024) { $0.claims["exp"] = .integer(($0.claims["nbf"]?.integer ?? 0) + 86_400) },
        Spoiling("no id", 50_027) { $0.claims["jti"] = nil },
    ]

    @Test(arguments: spoilings)
    func refuses(_ spoiling: Spoiling) async throws {
        try await withRegistered { lab, _, draft in
            var draft = draft
            try spoiling.spoil(&draft)
            let reply = try await draft.reply(lab)
            #expect(reply.entraCode == spoiling.code)
            #expect(reply.status == (spoiling.code == 50_027 ? 400 : 401))
            #expect(lab.sandbox.account.tokens.isEmpty)
        }
    }

    @Test(arguments: [("20200101000000Z", "20210101000000Z"), ("20900101000000Z", "20910101000000Z")])
    func refusesCertificatesOutsideTheirDates(start: String, end: String) async throws {
        try await withLab { lab in
            let key = try TestIdentity.key.get()
            let der = try TestIdentity.certificate(key, from: start, to: end)
            _ = try await lab.control("certificates", ["der": .string(Self.standard(der))])
            let draft = Draft(lab, certificate: try Certificate(der: der), key: key)
            let reply = try await draft.reply(lab)
            #expect(reply.entraCode == 700_027)
            #expect(reply.json["error_description"]?.string?.contains("expired") == true)
        }
    }

    @Test func takesAnAssertionOnce() async throws {
        try await withRegistered { lab, _, draft in
            #expect(try await draft.reply(lab).status == 200)
            let again = try await draft.reply(lab)
            #expect(again.entraCode == 50_012)
            #expect(again.json["error"] == "invalid_client")
        }
        var settings = SandboxSettings()
        settings.acceptsRepeatedAssertions = true
        try await withRegistered(settings) { lab, _, draft in
            let replies = [try await draft.reply(lab), try await draft.reply(lab)]
            #expect(replies.map(\.status) == [200, 200])
        }
    }

    @Test func wantsTheTypeAndTheForm() async throws {
        try await withRegistered { lab, _, draft in
            let body = "grant_type=client_credentials&client_id=\(SandboxSeed.clientID)&scope=\(Lab.graphScope)"
            let typeless = try await lab.form(lab.tokenURL, body + "&client_assertion=\(try draft.text())")
            #expect(typeless.entraCode == 900_144)
            #expect(try await lab.tokenReply(assertion: "no.token").entraCode == 50_027)
        }
    }

    @Test func assertionsAreSecrets() async throws {
        try await withRegistered { lab, _, draft in
            let assertion = try draft.text()
            _ = try await lab.tokenReply(assertion: assertion)
            #expect(lab.sandbox.secrets.contains(assertion))
        }
    }

    static func standard(_ bytes: [UInt8]) -> String {
        padded(Base64URL.encode(bytes)).replacing("-", with: "+").replacing("_", with: "/")
    }

    private static func padded(_ text: String) -> String {
        text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
    }
}
