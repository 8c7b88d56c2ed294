import EntraIdentity
import Exports
import SystemCrypto
import Testing
import UpstreamHTTP

@testable import GatewayServer

/// The credentials that the variables of azure-identity name.
@Suite struct EnvironmentCredentialTests {
    private static let azure = ["AZURE_TENANT_ID": "contoso.example", "AZURE_CLIENT_ID": uuid]

    @Test func theVariablesInTheirOrder() throws {
        var variables = Self.azure
        variables["AZURE_FEDERATED_TOKEN_FILE"] = "/t"
        variables["AZURE_AUTHORITY_HOST"] = "https://login.microsoftonline.us/"
        let federated = try application("environment", variables: variables)
        guard case .federatedToken("/t", "AZURE_FEDERATED_TOKEN_FILE") = federated.proof else {
            Issue.record("no federated token")
            return
        }
        #expect(federated.authority.appending(path: ["x"]).reveal() == "https://login.microsoftonline.us/x")
        #expect(federated.tenantID == "contoso.example")
        #expect(federated.clientID == uuid)
        variables["AZURE_CLIENT_CERTIFICATE_PATH"] = "/c.pem"
        variables["AZURE_CLIENT_CERTIFICATE_PASSWORD"] = "s3same"
        variables["AZURE_CLIENT_SEND_CERTIFICATE_CHAIN"] = "True"
        variables["AZURE_AUTHORITY_HOST"] = "login.example.com"
        let certified = try application("{ type: environment, onBehalfOf: true }", variables: variables)
        guard case .certificate(let settings, let names) = certified.proof else {
            Issue.record("no certificate")
            return
        }
        #expect(settings.key == "/c.pem")
        #expect(settings.passphrase?.current() == Secret("s3same"))
        #expect(settings.sendsChain)
        #expect(names.passphrase == "AZURE_CLIENT_CERTIFICATE_PASSWORD")
        #expect(certified.authority.reveal() == "https://login.example.com/")
        #expect(certified.onBehalfOf)
        variables["AZURE_CLIENT_SECRET"] = "s3cret"
        guard case .clientSecret(let secret) = try application("environment", variables: variables).proof else {
            Issue.record("no secret")
            return
        }
        #expect(secret.current() == Secret("s3cret"))
        variables["AZURE_TOKEN_CREDENTIALS"] = "workloadidentitycredential"
        guard case .federatedToken = try application("environment", variables: variables).proof else {
            Issue.record("no federated token")
            return
        }
    }

    @Test func withoutAnythingElseItIsTheManagedIdentity() throws {
        let connection = try connection("environment", variables: ["AZURE_CLIENT_ID": uuid])
        guard case .managedIdentity(let identity) = connection.credential else {
            Issue.record("no managed identity")
            return
        }
        #expect(identity.identity == .clientID(uuid))
    }

    @Test(arguments: [
        (["AZURE_CLIENT_SECRET": "x"], "AZURE_TENANT_ID", "is not set"),
        (["AZURE_CLIENT_SECRET": "x", "AZURE_TENANT_ID": "common"], "AZURE_TENANT_ID", "domain"),
        (["AZURE_CLIENT_SECRET": "x", "AZURE_TENANT_ID": "t"], "AZURE_CLIENT_ID", "is not set"),
        (["AZURE_CLIENT_SECRET": "x", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"], "AZURE_CLIENT_ID", "UUID"),
        (
            azure.merging(["AZURE_CLIENT_SECRET": "x", "AZURE_AUTHORITY_HOST": "http://login.example"]) { $1 },
            "AZURE_AUTHORITY_HOST", "https"
        ),
        (
            azure.merging(["AZURE_CLIENT_CERTIFICATE_PATH": "pkcs11:token=t?pin-value=1234"]) { $1 },
            "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PASSWORD"
        ),
        (["AZURE_TOKEN_CREDENTIALS": "dev"], "AZURE_TOKEN_CREDENTIALS", "server"),
        (["AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"], "AZURE_CLIENT_SECRET", "is not set"),
        (["IDENTITY_ENDPOINT": "http://127.0.0.1"], "connections[0].credential", "Azure Arc"),
        (["MSI_ENDPOINT": "http://127.0.0.1"], "connections[0].credential", "Azure ML"),
    ])
    func namesTheVariable(variables: [String: String], key: String, words: String) throws {
        let error = #expect(throws: StartupError.self) { try connection("environment", variables: variables) }
        #expect(error?.key == key)
        #expect(error?.detail.contains(words) == true, "\(error?.detail ?? "")")
        #expect(error?.detail.contains("1234") == false)
    }
}
