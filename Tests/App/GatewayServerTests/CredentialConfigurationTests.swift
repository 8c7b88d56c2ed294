import EntraIdentity
import Exports
import Foundation
import SystemCrypto
import Testing
import UpstreamHTTP

@testable import GatewayServer

/// The credentials that a configuration names.
@Suite struct CredentialConfigurationTests {
    @Test func aCertificateBesideItsKey() throws {
        let application = try application(
            "{ type: certificate, \(registration), certificate: /c.pem, key: /k.pem, passphrase: env:PASS }",
            variables: ["PASS": "s3same"]
        )
        guard case .certificate(let settings, let names) = application.proof else {
            Issue.record("no certificate")
            return
        }
        #expect(settings.key == "/k.pem")
        #expect(settings.certificate == "/c.pem")
        #expect(settings.passphrase?.current() == Secret("s3same"))
        #expect(settings.algorithm == .ps256)
        #expect(!settings.sendsChain)
        #expect(!application.onBehalfOf)
        #expect(names.key == "connections[0].credential.key")
        #expect(application.authority.reveal() == "https://login.microsoftonline.com/")
    }

    /// A wrong PIN counts at the module; a wrong passphrase does no harm.
    @Test(arguments: [("/k.pem", "n3w"), ("pkcs11:token=it", "0ld"), ("PKCS11:token=it", "0ld")])
    func aReplacedPassphraseIsReadUnlessItIsAPIN(key: String, passphrase: String) throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "passphrase-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data("0ld\n".utf8).write(to: file)
        let proof = try application(
            "{ type: certificate, \(registration), certificate: /c.pem, key: '\(key)', passphrase: 'file:\(file.path)' }"
        )
        .proof
        guard case .certificate(let settings, _) = proof else {
            Issue.record("no certificate")
            return
        }
        #expect(settings.passphrase?.current() == Secret("0ld"))
        try Data("n3w\n".utf8).write(to: file)
        #expect(settings.passphrase?.current() == Secret(passphrase))
    }

    @Test func aCertificateThatHoldsItsKey() throws {
        let application = try application(
            "{ type: certificate, \(registration), certificate: /both.pfx, algorithm: RS256, sendChain: true, onBehalfOf: true }"
        )
        guard case .certificate(let settings, let names) = application.proof else {
            Issue.record("no certificate")
            return
        }
        #expect(settings.key == "/both.pfx")
        #expect(settings.certificate == nil)
        #expect(settings.algorithm == .rs256)
        #expect(settings.sendsChain)
        #expect(application.onBehalfOf)
        #expect(names.key == "connections[0].credential.certificate")
    }

    @Test(arguments: [
        ("clientSecret: env:SECRET", "clientSecret", false), ("tokenFile: /t", "federatedToken", false),
        ("clientSecret: env:SECRET, onBehalfOf: true", "clientSecret", true),
        ("tokenFile: /t, onBehalfOf: true", "federatedToken", true),
    ])
    func whoNeedsTheCallersToken(members: String, type: String, needs: Bool) throws {
        let connection = try connection(
            "{ type: \(type), \(registration), \(members) }",
            variables: ["SECRET": "x"]
        )
        #expect(connection.needsCallerToken == needs)
    }

    @Test func whatKnowsDelegatedPermissionsOnlyIsServedOnBehalfOf() throws {
        let connection = try connection(
            "{ type: federatedToken, \(registration), tokenFile: /t, onBehalfOf: true }",
            provider: "viva-goals"
        )
        #expect(connection.needsCallerToken)
    }

    @Test func managedIdentities() throws {
        func identity(_ members: String, _ variables: [String: String] = [:]) throws -> ManagedIdentity {
            let connection = try connection("{ type: managedIdentity\(members) }", variables: variables)
            guard case .managedIdentity(let identity) = connection.credential else {
                throw StartupError("credential", "is no managed identity")
            }
            return identity
        }
        let plain = try identity("")
        #expect(plain.identity == .systemAssigned)
        #expect(plain.endpoint.reveal() == "http://169.254.169.254/metadata/identity/oauth2/token")
        #expect(try identity(", clientId: \(uuid)").identity == .clientID(uuid))
        #expect(try identity(", objectId: \(uuid)").identity == .objectID(uuid))
        #expect(try identity(", resourceId: /subscriptions/1").identity == .resourceID("/subscriptions/1"))
        #expect(
            try identity(", endpoint: \"http://127.0.0.1:8080\"").endpoint.reveal()
                == "http://127.0.0.1:8080/metadata/identity/oauth2/token"
        )
        // Where the endpoint is named, the platform's own service does not matter.
        #expect(
            try identity(", endpoint: \"http://127.0.0.1:8080\"", ["IDENTITY_ENDPOINT": "http://127.0.0.1:40342"])
                .endpoint.origin == "http://127.0.0.1:8080"
        )
        let service = try identity(
            "",
            ["IDENTITY_ENDPOINT": "http://172.16.0.8:8081/msi/token", "IDENTITY_HEADER": "header"]
        )
        #expect(service.endpoint.reveal() == "http://172.16.0.8:8081/msi/token")
    }

    @Test(arguments: [
        ("{ type: certificate, \(registration) }", "connections[0].credential.certificate", "required"),
        (
            "{ type: certificate, \(registration), certificate: /c, algorithm: RS512 }",
            "connections[0].credential.algorithm", "RS256, PS256"
        ),
        (
            "{ type: certificate, \(registration), certificate: /c, passphrase: open }",
            "connections[0].credential.passphrase", "env:NAME"
        ),
        (
            "{ type: certificate, \(registration), certificate: /c, key: 'pkcs11:token=t?pin-value=1234' }",
            "connections[0].credential.key", "passphrase"
        ),
        (
            "{ type: certificate, \(registration), certificate: 'pkcs11:token=t?PIN-value=1234' }",
            "connections[0].credential.certificate", "passphrase"
        ),
        ("{ type: federatedToken, \(registration) }", "connections[0].credential.tokenFile", "required"),
        (
            "{ type: federatedToken, \(registration), file: /t, tokenFile: /t }", "connections[0].credential.file",
            "tokenFile"
        ),
        (
            "{ type: managedIdentity, clientId: \(uuid), objectId: \(uuid) }", "connections[0].credential.objectId",
            "second"
        ),
        ("{ type: managedIdentity, resourceId: x }", "connections[0].credential.resourceId", "resource id"),
        ("{ type: managedIdentity, onBehalfOf: true }", "connections[0].credential.onBehalfOf", "is not a key here"),
        ("{ type: passThrough, onBehalfOf: true }", "connections[0].credential.onBehalfOf", "is not a key here"),
        ("enviroment", "connections[0].credential", "mapping"),
    ])
    func namesTheKey(credential: String, key: String, words: String) throws {
        let error = #expect(throws: StartupError.self) { try connection(credential) }
        #expect(error?.key == key)
        #expect(error?.detail.contains(words) == true, "\(error?.detail ?? "")")
        #expect(error?.detail.contains("1234") == false)
    }

    @Test(arguments: [
        ("https://graph.microsoft.com/.default", "https://graph.microsoft.com/.default"),
        (
            "https://a.example/api/Report.Read.All https://a.example/api/Dataset.Read.All",
            "https://a.example/api/.default"
        ),
        ("openid api://x/Read", "api://x/.default"),
        ("https://database.windows.net//.default", "https://database.windows.net//.default"),
        ("word", "word"),
    ])
    func whatAnApplicationAsksForItself(users: String, own: String) {
        #expect(TokenScope(users).ofTheApplication == TokenScope(own))
    }
}
