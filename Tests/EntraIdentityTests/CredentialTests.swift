import Exports
import Foundation
import InMemoryLogging
import Logging
import SystemCrypto
import Testing
import UpstreamHTTP
@testable import EntraIdentity

private let scope = TokenScope("https://graph.microsoft.com/.default")
private let context = CallContext(requestID: "r")

extension AccessTokenSource {
    fileprivate func token() async throws(ProviderError) -> AccessToken {
        try await accessToken(for: scope, context: context, replacing: nil)
    }
}

/// A certificate with its key, in files of a directory of its own.
private struct Pair {
    let directory: URL

    static func with(_ test: (Pair) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "entra-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let pair = Pair(directory: directory)
        try pair.make("first")
        try await test(pair)
    }

    func path(_ name: String) -> String { directory.appending(path: name).path }

    /// `name.key`, `name.pem`, and both in `name.both`.
    func make(_ name: String) throws {
        try openssl("req -x509 -newkey rsa:2048 -nodes -keyout \(name).key -out \(name).pem -subj /CN=\(name) -days 2")
        let both = try ["key", "pem"].map { try Data(contentsOf: directory.appending(path: "\(name).\($0)")) }
        try Data(both.joined()).write(to: directory.appending(path: "\(name).both"))
    }

    func openssl(_ arguments: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments.split(separator: " ").map(String.init)
        process.currentDirectoryURL = directory
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    func put(_ source: String, as target: String) throws {
        try Data(contentsOf: directory.appending(path: source)).write(to: directory.appending(path: target))
    }

    func certificate(_ name: String) throws -> Certificate {
        let material = try KeyMaterial.open(path("\(name).both"), passphrase: nil)
        return try #require(material.certificates.first)
    }

    /// A clock that stands within the certificate's days.
    func time() throws -> ManualTime {
        ManualTime(now: Timestamp(milliseconds: try certificate("first").notBefore * 1000 + 60_500))
    }
}

/// A JWT in its parts.
private struct Token {
    var header: JSONValue
    var claims: JSONValue
    var signed: [UInt8]
    var signature: [UInt8]

    init(_ text: String) throws {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        try #require(parts.count == 3 && !text.contains("="))
        header = try JSONValue(parsing: Data(#require(Base64URL.decode(parts[0]))))
        claims = try JSONValue(parsing: Data(#require(Base64URL.decode(parts[1]))))
        signature = try #require(Base64URL.decode(parts[2]))
        signed = Array("\(parts[0]).\(parts[1])".utf8)
    }
}

@Suite struct CertificateCredentialTests {
    private func credential(
        _ settings: CertificateCredential.Settings,
        _ time: any TimeSource,
        _ logs: InMemoryLogHandler = InMemoryLogHandler()
    ) -> CertificateCredential {
        CertificateCredential(
            settings,
            time: time,
            random: { [UInt8](repeating: 0xAB, count: $0) },
            logger: Logger(label: "test") { _ in logs }
        )
    }

    private func assertion(_ credential: CertificateCredential) throws -> Token {
        try Token(credential.assertion(audience: "https://login.example/t/oauth2/v2.0/token", clientID: "c").reveal())
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func theAssertionIsWhatEntraAsksFor(algorithm: SignatureAlgorithm) async throws {
        try await Pair.with { pair async throws in
            let time = try pair.time()
            let certificate = try pair.certificate("first")
            let token = try assertion(
                credential(.init(key: pair.path("first.both"), algorithm: algorithm), time)
            )
            let seconds = time.now().milliseconds / 1000
            #expect(
                token.claims == [
                    "aud": "https://login.example/t/oauth2/v2.0/token", "iss": "c", "sub": "c",
                    "jti": "abababab-abab-4bab-abab-abababababab", "iat": .integer(seconds),
                    "nbf": .integer(seconds), "exp": .integer(seconds + 600),
                ]
            )
            let thumbprint: JSONValue =
                switch algorithm {
                case .ps256: ["alg": "PS256", "typ": "JWT", "x5t#S256": .string(Base64URL.encode(certificate.sha256))]
                case .rs256: ["alg": "RS256", "typ": "JWT", "x5t": .string(Base64URL.encode(certificate.sha1))]
                }
            #expect(token.header == thumbprint)
            #expect(try certificate.publicKey().verifies(token.signature, of: token.signed, algorithm))
        }
    }

    @Test func theChainGoesAlongWhenAsked() async throws {
        try await Pair.with { pair async throws in
            try pair.make("authority")
            try pair.openssl(
                "pkcs12 -export -inkey first.key -in first.pem -certfile authority.pem -passout pass:pw -out chain.pfx"
            )
            let token = try assertion(
                credential(
                    .init(key: pair.path("chain.pfx"), passphrase: Secret("pw"), sendsChain: true),
                    pair.time()
                )
            )
            let chain = try ["first", "authority"].map { try Data(pair.certificate($0).der).base64EncodedString() }
            #expect(token.header["x5c"] == .array(chain.map { .string($0) }))
        }
    }

    @Test func aReplacedCertificateIsUsedFromThenOn() async throws {
        try await Pair.with { pair async throws in
            try pair.make("second")
            try pair.put("first.key", as: "key")
            try pair.put("first.pem", as: "certificate")
            var logs = InMemoryLogHandler()
            logs.logLevel = .trace
            let time = ManualTime(
                now: Timestamp(milliseconds: try pair.certificate("second").notBefore * 1000 + 60_000)
            )
            let credential = credential(
                .init(key: pair.path("key"), certificate: pair.path("certificate")),
                time,
                logs
            )
            func thumbprint() throws -> String? { try assertion(credential).header["x5t#S256"]?.string }
            let (first, second) = try (pair.certificate("first"), pair.certificate("second"))
            #expect(try thumbprint() == Base64URL.encode(first.sha256))
            // Half of the new pair: the former is used on.
            try pair.put("second.pem", as: "certificate")
            #expect(try thumbprint() == Base64URL.encode(first.sha256))
            #expect(logs.entries.contains { $0.level == .warning })
            try pair.put("second.key", as: "key")
            #expect(try thumbprint() == Base64URL.encode(second.sha256))
            // What cannot be used is an error only when the former has ended.
            try FileManager.default.removeItem(atPath: pair.path("key"))
            #expect(try thumbprint() == Base64URL.encode(second.sha256))
            time.advance(by: .seconds(3 * 86_400))
            #expect(throws: ProviderError.self) { try thumbprint() }
            try pair.put("second.key", as: "key")
            #expect(throws: KeyMaterialError(.certificateExpired, .certificates, at: second.notAfter)) {
                try credential.check()
            }
        }
    }

    @Test func whatIsWrongIsSaidWithoutThePassphrase() async throws {
        try await Pair.with { pair async throws in
            try pair.openssl("pkcs8 -topk8 -in first.key -passout pass:right -out encrypted")
            var logs = InMemoryLogHandler()
            logs.logLevel = .trace
            let credential = credential(
                .init(
                    key: pair.path("encrypted"),
                    certificate: pair.path("first.pem"),
                    passphrase: Secret("wr0ng-one")
                ),
                try pair.time(),
                logs
            )
            #expect(throws: KeyMaterialError(.wrongPassphrase, .passphrase)) { try credential.check() }
            let error = #expect(throws: ProviderError.self) {
                try credential.assertion(audience: "a", clientID: "c")
            }
            #expect(error?.code == .unauthenticated)
            #expect(error?.detail.contains("wrong-passphrase") == true)
            #expect(error?.detail.contains(pair.directory.path) == false)
            #expect(logs.entries.map(\.level) == [.error])
            for entry in logs.entries { #expect(!"\(entry.message) \(entry.metadata)".contains("wr0ng")) }
        }
    }

    @Test func aThousandColdAskersMakeOneAssertion() async throws {
        try await Pair.with { pair async throws in
            let time = try pair.time()
            let certificate = try pair.certificate("first")
            try await TokenServer.serve { server, authority, client, _, _ async throws in
                let source = EntraTokenSource(
                    authority: authority,
                    tenant: "contoso.example",
                    clientID: "c",
                    credential: .certificate(credential(.init(key: pair.path("first.both")), time)),
                    client: client,
                    time: time
                )
                try await withThrowingTaskGroup(of: AccessToken.self) { group in
                    for _ in 0..<1000 { group.addTask { try await source.token() } }
                    let call = await server.call(0)
                    #expect(
                        call.parameters["client_assertion_type"]
                            == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                    )
                    #expect(call.parameters["client_secret"] == nil)
                    let token = try Token(#require(call.parameters["client_assertion"]))
                    #expect(try certificate.publicKey().verifies(token.signature, of: token.signed, .ps256))
                    #expect(
                        token.claims["aud"]?.string == authority.origin + "/contoso.example/oauth2/v2.0/token"
                    )
                    call.grant("one")
                    for try await token in group { #expect(token.secret == Secret("one")) }
                }
                #expect(server.calls.count == 1)
            }
        }
    }
}

@Suite struct FederatedTokenFileTests {
    private func with(_ text: String?, _ test: (String) async throws -> Void) async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "token-\(UUID().uuidString)")
        try text.map { try Data($0.utf8).write(to: file) }
        defer { try? FileManager.default.removeItem(at: file) }
        try await test(file.path)
    }

    @Test func itIsReadAnewForEachRequest() async throws {
        try await with("aaa.bbb.ccc\n") { path async throws in
            try await TokenServer.serve { server, authority, client, time, _ async throws in
                let source = EntraTokenSource(
                    authority: authority,
                    tenant: "contoso.example",
                    clientID: "c",
                    credential: .federatedToken(FederatedTokenFile(path: path)),
                    client: client,
                    time: time
                )
                async let first = source.token()
                let call = await server.call(0)
                #expect(call.parameters["client_assertion"] == "aaa.bbb.ccc")
                #expect(
                    call.parameters["client_assertion_type"]
                        == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                )
                call.grant("one", expiresIn: 60)
                #expect(try await first.secret == Secret("one"))
                try Data("ddd.eee.fff".utf8).write(to: URL(filePath: path))
                time.advance(by: .seconds(60))
                async let second = source.token()
                #expect(await server.call(1).parameters["client_assertion"] == "ddd.eee.fff")
                await server.call(1).grant("two")
                #expect(try await second.secret == Secret("two"))
            }
        }
    }

    @Test(arguments: [nil, "", "\n", "no token", "a.b", "a.b.c d.e.f", String(repeating: "a.b.", count: 20_000)])
    func whatIsNoTokenIsNotSent(text: String?) async throws {
        try await with(text) { path async throws in
            let error = #expect(throws: ProviderError.self) { try FederatedTokenFile(path: path).read() }
            #expect(error?.code == .unauthenticated)
            #expect(error?.detail.contains(path) == false)
        }
    }
}
