import EntraIdentity
import Exports
import Foundation
import SystemCrypto
import Testing
import UpstreamHTTP

@testable import GatewayServer

private let uuid = "22222222-2222-2222-2222-222222222222"
private let registration = "tenantId: contoso.example, clientId: \(uuid)"
private let azure = ["AZURE_TENANT_ID": "contoso.example", "AZURE_CLIENT_ID": uuid]

@Suite struct CredentialConfigurationTests {
    /// A configuration with one connection; `credential` is its value, `more` what stands beside it.
    private func connection(
        _ credential: String,
        _ more: String = "",
        provider: String = "power-bi",
        variables: [String: String] = [:]
    ) throws -> ConnectionConfiguration {
        let yaml = """
            ledger: { path: /tmp/ledger.sqlite }
            connections:
              - name: it
                provider: \(provider)
                credential: \(credential)
                \(more)
            """
        return try GatewayConfiguration(yaml: yaml, environment: variables).connections[0]
    }

    private func application(_ credential: String, _ more: String = "", variables: [String: String] = [:]) throws
        -> ApplicationConfiguration
    {
        guard case .application(let application) = try connection(credential, more, variables: variables).credential
        else { throw StartupError("credential", "is no application") }
        return application
    }

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

    // MARK: Refresh tokens

    private let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    private let other = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="

    private func configuration(keeps: Bool = true, _ sealing: String) throws -> GatewayConfiguration {
        let yaml = """
            ledger: { path: /tmp/ledger.sqlite }
            \(sealing)
            connections:
              - name: it
                provider: power-bi
                credential: { type: federatedToken, \(registration), tokenFile: /t, onBehalfOf: true, keepRefreshTokens: \(keeps) }
            """
        let variables = ["ONE": key, "TWO": other, "SHORT": "c2hvcnQ=", "PLAIN": "0123456789abcdef0123456789abcdef"]
        return try GatewayConfiguration(yaml: yaml, environment: variables)
    }

    @Test func refreshTokensAreKeptWhereTheyCanBeSealed() throws {
        let one = try configuration("sealing: { keys: [{ id: a, key: env:ONE }] }")
        #expect(one.connections[0].credential.keepsRefreshTokens)
        #expect(one.sealing?.current == "a")
        let two = try configuration("sealing: { current: b, keys: [{ id: a, key: env:ONE }, { id: b, key: env:TWO }] }")
        let (before, after) = (try #require(one.sealing), try #require(two.sealing))
        #expect(after.ids == ["a", "b"])
        #expect(after.current == "b")
        let sealed = try before.keys.seal([1, 2, 3], context: [4])
        #expect(try after.keys.open(sealed, context: [4]) == [1, 2, 3])
        #expect(after.keys.isOutdated(sealed))
        #expect(try configuration(keeps: false, "").sealing == nil)
        #expect(!"\(two)".contains(key))
    }

    @Test(arguments: [
        ("", "sealing.keys", "is needed: connections[0].credential.keepRefreshTokens"),
        ("sealing: {}", "sealing.keys", "at least one"),
        ("sealing: { keys: [] }", "sealing.keys", "at least one"),
        ("sealing: { keys: [{ id: a, key: env:ONE }], currant: a }", "sealing.currant", "current"),
        ("sealing: { keys: [{ id: a, key: env:ONE }, { id: b, key: env:TWO }] }", "sealing.current", "must name"),
        ("sealing: { current: c, keys: [{ id: a, key: env:ONE }] }", "sealing.current", "one of sealing.keys: a"),
        ("sealing: { keys: [{ id: a, key: env:SHORT }] }", "sealing.keys[0].key", "openssl rand -base64 32"),
        ("sealing: { keys: [{ id: a, key: env:PLAIN }] }", "sealing.keys[0].key", "32 bytes"),
        ("sealing: { keys: [{ id: a, key: c2hvcnQ= }] }", "sealing.keys[0].key", "env:NAME"),
        ("sealing: { keys: [{ id: a, key: env:MISSING }] }", "sealing.keys[0].key", "MISSING is not set"),
        ("sealing: { keys: [{ id: a }] }", "sealing.keys[0].key", "is required"),
        ("sealing: { keys: [{ id: a b, key: env:ONE }] }", "sealing.keys[0].id", "letters"),
        ("sealing: { keys: [{ id: a, key: env:ONE }, { id: a, key: env:TWO }] }", "sealing.keys[1].id", "taken"),
        (
            "sealing: { keys: [{ id: a, key: env:ONE }, { id: b, key: env:ONE }] }", "sealing.keys[1].key",
            "same key as a"
        ),
    ])
    func namesTheSealingKey(sealing: String, key: String, words: String) {
        let error = #expect(throws: StartupError.self) { try configuration(sealing) }
        #expect(error?.key == key)
        #expect(error?.detail.contains(words) == true, "\(error?.detail ?? "")")
        #expect(error?.detail.contains("c2hvcnQ=") == false)
    }

    @Test(arguments: [
        ("{ type: clientSecret, \(registration), clientSecret: env:S, keepRefreshTokens: true }", "needs onBehalfOf"),
        ("{ type: passThrough, keepRefreshTokens: true }", "is not a key here"),
        ("{ type: managedIdentity, keepRefreshTokens: true }", "is not a key here"),
        ("{ type: environment, keepRefreshTokens: true }", "is not a key here"),
    ])
    func onlyUsersHaveRefreshTokens(credential: String, words: String) {
        let error = #expect(throws: StartupError.self) { try connection(credential, variables: ["S": "x"]) }
        #expect(error?.key == "connections[0].credential.keepRefreshTokens")
        #expect(error?.detail.contains(words) == true, "\(error?.detail ?? "")")
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

    // MARK: azure-identity's variables

    @Test func theVariablesInTheirOrder() throws {
        var variables = azure
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

    // MARK: Clouds

    @Test func everyCloudHasItsOwnHosts() throws {
        let places: [NationalCloud: (api: String, resource: String)] = [
            .public: ("api.powerbi.com", "analysis.windows.net"),
            .gcc: ("api.powerbigov.us", "analysis.usgovcloudapi.net"),
            .gccHigh: ("api.high.powerbigov.us", "high.analysis.usgovcloudapi.net"),
            .dod: ("api.mil.powerbigov.us", "mil.analysis.usgovcloudapi.net"),
            .china: ("api.powerbi.cn", "analysis.chinacloudapi.cn"),
        ]
        for cloud in NationalCloud.allCases {
            let credential = "{ type: clientSecret, \(registration), clientSecret: env:S }"
            let connection = try connection(credential, "cloud: \(cloud.rawValue)", variables: ["S": "x"])
            guard case .application(let application) = connection.credential else { continue }
            #expect(application.authority.reveal() == cloud.authority + "/")
            let place = try #require(places[cloud])
            let scope = TokenScope("https://\(place.resource)/powerbi/api/.default")
            #expect(connection.adapter.scopes == [scope])
            let api = try #require(UpstreamURL("https://\(place.api)/v1.0/x"))
            #expect(connection.adapter.bearerHosts[scope]?.contains { $0.matches(api) } == true)
        }
        #expect(NationalCloud.gccHigh.graphScope == TokenScope("https://graph.microsoft.us/.default"))
    }

    @Test func whereThereIsNoEDiscoveryItIsRefused() {
        let error = #expect(throws: StartupError.self) {
            try connection("{ type: passThrough }", "cloud: china", provider: "graph-ediscovery")
        }
        #expect(error?.key == "connections[0].cloud")
    }

    @Test(arguments: [NationalCloud.gccHigh, .dod])
    func whereDownloadHostsAreNotKnownTheyHaveToBeGiven(cloud: NationalCloud) throws {
        func read(_ hosts: String) throws -> ConnectionConfiguration {
            let more = "cloud: \(cloud.rawValue)" + hosts.split(separator: ";").map { "\n    \($0)" }.joined()
            return try connection("{ type: passThrough }", more, provider: "graph-ediscovery")
        }
        for (hosts, missing) in [
            ("", "proxyHosts"), ("proxyHosts: [a.example]", "blobHosts"), ("blobHosts: []", "proxyHosts"),
        ] {
            let error = #expect(throws: StartupError.self) { try read(hosts) }
            #expect(error?.key == "connections[0].\(missing)")
            #expect(error?.detail.contains("required with cloud: \(cloud.rawValue)") == true)
            #expect(error?.detail.contains("exportFileMetadata") == true)
        }
        let given = try read("proxyHosts: [p.example];blobHosts: [\"*.b.example\"]").adapter
        #expect(given.openHosts == [.subdomains(of: "b.example")])
        #expect(given.bearerHosts.values.contains([.host("p.example")]))
        #expect(!given.bearerHosts.values.joined().contains { "\($0)".contains("cloud.microsoft") })
    }

    @Test(arguments: [NationalCloud.public, .gcc])
    func whereDownloadHostsAreKnownTheyAreNot(cloud: NationalCloud) throws {
        let adapter = try connection("{ type: passThrough }", "cloud: \(cloud.rawValue)", provider: "graph-ediscovery")
            .adapter
        let files = try #require(UpstreamURL("https://files.blob.core.windows.net/c"))
        #expect(adapter.openHosts.contains { $0.matches(files) })
        let proxy = try #require(UpstreamURL("https://nam.proxyservice.ediscovery.svc.cloud.microsoft/f"))
        #expect(adapter.bearerHosts.values.joined().contains { $0.matches(proxy) })
    }

    // MARK: Intune

    @Test func intuneFilesComeFromTheCloudsOwnStorage() throws {
        for (cloud, domain) in [
            (NationalCloud.public, "windows.net"), (.gcc, "windows.net"), (.gccHigh, "usgovcloudapi.net"),
            (.dod, "usgovcloudapi.net"), (.china, "chinacloudapi.cn"),
        ] {
            let adapter = try connection("{ type: passThrough }", "cloud: \(cloud.rawValue)", provider: "intune")
                .adapter
            #expect(adapter.openHosts.map(\.description) == ["*repexpstorage.blob.core." + domain])
            #expect(adapter.scopes == [cloud.graphScope])
        }
        let given = "blobHosts: [\"*files.blob.example.com\"]"
        let adapter = try connection("{ type: passThrough }", given, provider: "intune").adapter
        #expect(adapter.openHosts == [HostRule.hosts(ending: "files.blob.example.com")])
        let error = #expect(throws: StartupError.self) {
            try connection("{ type: passThrough }", "blobHosts: [\"*example.com\"]", provider: "intune")
        }
        #expect(error?.key == "connections[0].blobHosts")
    }

    @Test func usersHaveASmallerBudgetWhereThatIsDocumented() throws {
        let credential = "{ type: clientSecret, \(registration), clientSecret: env:S }"
        func budget(_ credential: String, _ more: String = "") throws -> Int? {
            try connection(credential, more, provider: "intune", variables: ["S": "x"]).budget?.count
        }
        #expect(try budget(credential) == 48)
        #expect(try budget("{ type: passThrough }") == 8)
        #expect(try budget("{ type: clientSecret, \(registration), clientSecret: env:S, onBehalfOf: true }") == 8)
        #expect(try budget("{ type: passThrough }", "requestsPerMinute: 20") == 20)
        #expect(try budget("{ type: passThrough }", "requestsPerMinute: 0") == nil)
    }

    @Test(arguments: ["stuckAfter: 0s", "maximumJobs: 0", "maximumJobs: 21", "keyForm: dots", "countPolls: maybe"])
    func whatIntuneDoesNotTake(line: String) {
        let error = #expect(throws: StartupError.self) {
            try connection("{ type: passThrough }", line, provider: "intune")
        }
        #expect(error?.key == "connections[0]." + line.prefix { $0 != ":" })
    }
}
