import Dispatch
import Exports
import Foundation
import InMemoryLogging
import JSON
import Logging
import ManualClock
import ScriptedHost
import Synchronization
import Testing
import UpstreamHTTP
@testable import EntraIdentity
@testable import SystemCrypto

private let scope = TokenScope("https://graph.microsoft.com/.default")
private let context = CallContext(requestID: "r")

extension AccessTokenSource {
    fileprivate func token() async throws(ProviderError) -> AccessToken {
        try await accessToken(for: scope, context: context, replacing: nil)
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

    private func assertion(_ credential: CertificateCredential) async throws -> Token {
        try Token(
            await credential.assertion(audience: "https://login.example/t/oauth2/v2.0/token", clientID: "c").reveal()
        )
    }

    /// A credential whose material is what `open` gives, whatever the files are.
    private func credential(
        _ time: any TimeSource,
        open: @escaping @Sendable () throws(KeyMaterialError) -> KeyMaterial
    ) -> CertificateCredential {
        CertificateCredential(
            .init(key: "pkcs11:token=test"),
            time: time,
            random: { randomBytes($0) },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            open: { _, _ throws(KeyMaterialError) in try open() }
        )
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func theAssertionIsWhatEntraAsksFor(algorithm: SignatureAlgorithm) async throws {
        try await CertificatePair.with { pair async throws in
            let time = try pair.time()
            let certificate = try pair.certificate("first")
            let token = try await assertion(
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
        try await CertificatePair.with { pair async throws in
            try pair.make("authority")
            try pair.openssl(
                "pkcs12 -export -inkey first.key -in first.pem -certfile authority.pem -passout pass:pw -out chain.pfx"
            )
            let token = try await assertion(
                credential(
                    .init(key: pair.path("chain.pfx"), passphrase: SecretSource(Secret("pw")), sendsChain: true),
                    pair.time()
                )
            )
            let chain = try ["first", "authority"].map { try Data(pair.certificate($0).der).base64EncodedString() }
            #expect(token.header["x5c"] == .array(chain.map { .string($0) }))
        }
    }

    @Test func aReplacedCertificateIsUsedFromThenOn() async throws {
        try await CertificatePair.with { pair async throws in
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
            func thumbprint() async throws -> String? { try await assertion(credential).header["x5t#S256"]?.string }
            let (first, second) = try (pair.certificate("first"), pair.certificate("second"))
            #expect(try await thumbprint() == Base64URL.encode(first.sha256))
            // Half of the new pair: the former is used on.
            try pair.put("second.pem", as: "certificate")
            #expect(try await thumbprint() == Base64URL.encode(first.sha256))
            #expect(logs.entries.contains { $0.level == .warning })
            try pair.put("second.key", as: "key")
            #expect(try await thumbprint() == Base64URL.encode(second.sha256))
            // What cannot be used is an error only when the former has ended.
            try FileManager.default.removeItem(atPath: pair.path("key"))
            #expect(try await thumbprint() == Base64URL.encode(second.sha256))
            time.advance(by: .seconds(3 * 86_400))
            await #expect(throws: ProviderError.self) { try await thumbprint() }
            try pair.put("second.key", as: "key")
            #expect(throws: KeyMaterialError(.certificateExpired, .certificates, at: second.notAfter)) {
                try credential.check()
            }
        }
    }

    @Test(arguments: [("20200101000000Z", "20200102000000Z"), ("20990101000000Z", "20990102000000Z")])
    func aReplacementOfAnotherTimeWaits(start: String, end: String) async throws {
        try await CertificatePair.with { pair async throws in
            try pair.openssl(
                "req -new -newkey rsa:2048 -nodes -keyout other.key -out other.csr -subj /CN=other"
            )
            try pair.makeCertificate("other", from: start, to: end)
            try pair.put("first.both", as: "both")
            let (first, other) = try (pair.certificate("first"), pair.certificate("other"))
            let time = try pair.time()
            let credential = credential(.init(key: pair.path("both")), time)
            #expect(try await assertion(credential).header["x5t#S256"]?.string == Base64URL.encode(first.sha256))
            try pair.put("other.both", as: "both")
            #expect(try await assertion(credential).header["x5t#S256"]?.string == Base64URL.encode(first.sha256))
            guard other.notBefore > first.notAfter else { return }
            // From its first second it is the one.
            time.advance(by: .milliseconds(other.notBefore * 1000 - time.now().milliseconds))
            #expect(try await assertion(credential).header["x5t#S256"]?.string == Base64URL.encode(other.sha256))
        }
    }

    @Test(arguments: ["", "file:", "file://", "file://localhost"])
    func aFileIsLookedAtHoweverItIsNamed(prefix: String) async throws {
        try await CertificatePair.with { pair async throws in
            try pair.make("second")
            try pair.put("first.both", as: "both")
            let second = try pair.certificate("second")
            let credential = credential(
                .init(key: prefix + pair.path("both")),
                ManualTime(now: Timestamp(milliseconds: second.notBefore * 1000 + 60_000))
            )
            _ = try await assertion(credential)
            try pair.put("second.both", as: "both")
            #expect(try await assertion(credential).header["x5t#S256"]?.string == Base64URL.encode(second.sha256))
        }
    }

    @Test func aReplacedPassphraseOpensTheReplacedKey() async throws {
        try await CertificatePair.with { pair async throws in
            func encrypt(_ name: String, with passphrase: String) throws {
                try pair.openssl(
                    "pkcs12 -export -inkey \(name).key -in \(name).pem -passout pass:\(passphrase) -out \(name).pfx"
                )
                try pair.put("\(name).pfx", as: "pfx")
            }
            try pair.make("second")
            try encrypt("first", with: "0ne")
            let passphrase = Mutex<Secret?>(nil)
            let credential = credential(
                .init(
                    key: pair.path("pfx"),
                    passphrase: SecretSource(Secret("0ne")) { passphrase.withLock { $0 } }
                ),
                ManualTime(now: Timestamp(milliseconds: try pair.certificate("second").notBefore * 1000 + 60_000))
            )
            func thumbprint() async throws -> String? { try await assertion(credential).header["x5t#S256"]?.string }
            let (first, second) = try (pair.certificate("first"), pair.certificate("second"))
            #expect(try await thumbprint() == Base64URL.encode(first.sha256))
            try encrypt("second", with: "tw0")
            #expect(try await thumbprint() == Base64URL.encode(first.sha256))
            passphrase.withLock { $0 = Secret("tw0") }
            #expect(try await thumbprint() == Base64URL.encode(second.sha256))
            // A file that is gone takes nothing away.
            passphrase.withLock { $0 = nil }
            #expect(try await thumbprint() == Base64URL.encode(second.sha256))
        }
    }

    @Test func aKeyThatDoesNotSignIsOpenedAgain() async throws {
        try await CertificatePair.with { pair async throws in
            let good = try KeyMaterial.open(pair.path("first.both"), passphrase: nil)
            // The public half alone is a key that cannot sign.
            let key = good.key.publicKey
            let broken = KeyMaterial(
                key: try PrivateKey(PublicKey(modulus: key.modulus, exponent: key.exponent).handle),
                certificates: good.certificates
            )
            let opened = Mutex(0)
            let credential = credential(try pair.time()) { () throws(KeyMaterialError) in
                opened.withLock {
                    $0 += 1
                    return $0 == 1 ? broken : good
                }
            }
            let error = await #expect(throws: ProviderError.self) { try await assertion(credential) }
            #expect(error?.detail.contains("signing-failed") == true)
            _ = try await assertion(credential)
            _ = try await assertion(credential)
            #expect(opened.withLock { $0 } == 2)
        }
    }

    @Test func aModuleThatHangsHoldsNobodyWhoGivesUp() async throws {
        let time = ManualTime()
        let (begun, release) = (AsyncStream<Void>.makeStream(), DispatchSemaphore(value: 0))
        let credential = credential(time) { () throws(KeyMaterialError) in
            begun.continuation.yield()
            release.wait()
            throw KeyMaterialError(.cannotOpen, .key)
        }
        let asker = Task { try await assertion(credential) }
        var beginnings = begun.stream.makeAsyncIterator()
        await beginnings.next()
        // Whoever waits behind it gives up as well, without its turn.
        let second = Task { try await assertion(credential) }
        second.cancel()
        asker.cancel()
        for task in [asker, second] {
            let error = await #expect(throws: ProviderError.self) { try await task.value }
            #expect(error?.code == .transient)
        }
        release.signal()
    }

    @Test func whatIsWrongIsSaidWithoutThePassphrase() async throws {
        try await CertificatePair.with { pair async throws in
            try pair.openssl("pkcs8 -topk8 -in first.key -passout pass:right -out encrypted")
            var logs = InMemoryLogHandler()
            logs.logLevel = .trace
            let credential = credential(
                .init(
                    key: pair.path("encrypted"),
                    certificate: pair.path("first.pem"),
                    passphrase: SecretSource(Secret("wr0ng-one"))
                ),
                try pair.time(),
                logs
            )
            #expect(throws: KeyMaterialError(.wrongPassphrase, .passphrase)) { try credential.check() }
            let error = await #expect(throws: ProviderError.self) {
                try await credential.assertion(audience: "a", clientID: "c")
            }
            #expect(error?.code == .unauthenticated)
            #expect(error?.detail.contains("wrong-passphrase") == true)
            #expect(error?.detail.contains(pair.directory.path) == false)
            #expect(logs.entries.map(\.level) == [.error])
            for entry in logs.entries { #expect(!"\(entry.message) \(entry.metadata)".contains("wr0ng")) }
        }
    }

    @Test func aThousandColdAskersMakeOneAssertion() async throws {
        try await CertificatePair.with { pair async throws in
            let time = try pair.time()
            let certificate = try pair.certificate("first")
            try await TokenServer.serve { server, authority, client, _, _ async throws in
                let source = EntraTokenSource(
                    endpoint: TokenEndpoint(
                        authority: authority,
                        tenant: "contoso.example",
                        clientID: "c",
                        credential: .certificate(credential(.init(key: pair.path("first.both")), time)),
                        client: client
                    ),
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
