import CallerIdentity
import Exports
import Foundation
import GatewayAPI
import ParallelGzip
import Telemetry
import Testing
import Zstandard

@testable import GatewayServer

@Suite struct ConfigurationTests {
    static let secrets = ["PURVIEW_SECRET": "s3cret-value", "BI_SECRET": "other-value"]
    static let minimal = """
        ledger:
          path: /tmp/ledger.sqlite
        connections:
          - name: reports
            provider: power-bi
            credential:
              type: clientSecret
              tenantId: contoso.onmicrosoft.com
              clientId: 22222222-2222-2222-2222-222222222222
              clientSecret: env:BI_SECRET
        """

    static let tenant = "72F988BF-86F1-41AF-91AB-2D7CD011DB47"
    static let digest = String(repeating: "0a", count: 32)

    @Test func callersHavePermissions() throws {
        let yaml =
            Self.minimal + """

                server:
                  apiKeys:
                    - { id: plain, sha256: \(Self.digest) }
                    - { id: rotated, sha256: [\(String(repeating: "0d", count: 32)), \(String(repeating: "0b", count: 32))], permissions: [] }
                    - { id: some, sha256: \(String(repeating: "0c", count: 32)), permissions: [Exports.Create, "Connections.Use:reports"] }
                """
        let keys = try GatewayConfiguration(yaml: yaml, environment: Self.secrets).server.apiKeys
        #expect(keys.map(\.id) == ["plain", "rotated", "some"])
        #expect(keys.map(\.sha256.count) == [1, 2, 1])
        #expect(keys[0].permissions == .ownExports)
        #expect(!keys[0].permissions.allow(.readAll))
        #expect(keys[1].permissions.isEmpty)
        #expect(keys[2].permissions == Permissions([.create, .useConnection("reports")]))
    }

    @Test func callersHaveWeights() throws {
        let yaml =
            Self.minimal + """

                server:
                  apiKeys:
                    - { id: plain, sha256: \(Self.digest) }
                    - { id: heavy, sha256: \(String(repeating: "0b", count: 32)), weight: 4 }
                  entra:
                    tenantIds: [\(Self.tenant)]
                    audiences: [one]
                    weights: [{ caller: "app:\(Self.tenant):1", weight: 2 }]
                  tls:
                    certificate: /c.pem
                    key: /k.pem
                    clientAuthority: /ca.pem
                    callers: [{ id: batch, sha256: \(Self.digest), weight: 1000 }]
                """
        let server = try GatewayConfiguration(yaml: yaml, environment: Self.secrets).server
        #expect(server.weights == ["plain": 1, "heavy": 4, "app:\(Self.tenant):1": 2, "batch": 1000])
    }

    @Test func aCodingIsOfferedWithAnEffortOrNever() throws {
        func downloads(_ lines: String) throws -> GatewayConfiguration.Downloads {
            let yaml = Self.minimal + "\ndownloads:\n" + lines
            return try GatewayConfiguration(yaml: yaml, environment: Self.secrets).downloads
        }
        let usual = try downloads("  perCaller: 1\n")
        #expect(usual.gzip == .adaptive && usual.zstd == .fast)
        let set = try downloads("  gzip: never\n  zstd: best\n")
        #expect(set.gzip == nil && set.zstd == .best)
        let other = try downloads("  gzip: balanced\n  zstd: never\n")
        #expect(other.gzip == .balanced && other.zstd == nil)
    }

    @Test func streamsLeaveConnectionsForOthers() throws {
        func events(_ server: String) throws -> EventSettings {
            let yaml = Self.minimal + "\nserver:\n" + server
            return try GatewayConfiguration(yaml: yaml, environment: Self.secrets).server.events
        }
        #expect(try events("  maximumConnections: 500\n").maximumStreams == 250)
        let set = try events(
            "  events: { maximumStreams: 9, streamsPerCaller: 3, heartbeat: 5s, pendingBytes: 4096, longestStream: 1m, retry: 1s, replayLimit: 7 }\n"
        )
        #expect((set.maximumStreams, set.streamsPerCaller, set.replayLimit) == (9, 3, 7))
        #expect((set.heartbeat, set.longestStream, set.retry) == (.seconds(5), .seconds(60), .seconds(1)))
        #expect(set.pendingBytes == 4096)
        let refusal = #expect(throws: StartupError.self) {
            try events("  maximumConnections: 100\n  events: { maximumStreams: 100 }\n")
        }
        #expect(refusal?.key == "server.events.maximumStreams")
    }

    @Test(arguments: ["0", "-1", "1.5", "1001", "much"])
    func aWeightIsAPositiveWholeNumber(_ weight: String) throws {
        let yaml =
            Self.minimal + "\nserver:\n  apiKeys: [{ id: one, sha256: \(Self.digest), weight: \(weight) }]"
        let error = #expect(throws: StartupError.self) {
            try GatewayConfiguration(yaml: yaml, environment: Self.secrets)
        }
        #expect(error?.key == "server.apiKeys[0].weight")
        #expect(error?.detail.contains("whole number from 1 to 1000") == true)
    }

    @Test func tokensLetCallersInToo() throws {
        let yaml =
            Self.minimal + """

                server:
                  host: 0.0.0.0
                  entra: { tenantIds: [\(Self.tenant)], audiences: [one, "api://one"], keyRefreshInterval: 5s }
                """
        let issuer = try GatewayConfiguration(yaml: yaml, environment: Self.secrets).server.entra
        #expect(issuer.map { "\($0.authority)" } == "https://login.microsoftonline.com/")
        #expect(issuer?.tenantIDs == [Self.tenant.lowercased()])
        #expect(issuer?.audiences == ["one", "api://one"])
        #expect(issuer?.clockSkew == .seconds(60))
        #expect(issuer?.keyRefreshInterval == .seconds(5))
    }

    @Test func clientCertificatesAreCallers() throws {
        let yaml =
            Self.minimal + """

                server:
                  host: 0.0.0.0
                  tls:
                    certificate: /c.pem
                    key: /k.pem
                    minimumVersion: 1.3
                    clientAuthority: /ca.pem
                    callers:
                      - { id: one, sha256: "\(Array(repeating: "0A", count: 32).joined(separator: ":"))" }
                      - { id: two, subject: "CN=two,O=Contoso", permissions: [Exports.ReadAll] }
                """
        let server = try GatewayConfiguration(yaml: yaml, environment: Self.secrets).server
        #expect(server.tls?.minimumVersion == .v13)
        #expect(server.tls?.requiresClientCertificate == false)
        #expect(
            server.clientCertificates == [
                ClientCertificate(id: "one", mark: .thumbprint([UInt8](repeating: 10, count: 32))),
                ClientCertificate(id: "two", mark: .subject("CN=two,O=Contoso"), permissions: Permissions([.readAll])),
            ]
        )
    }

    /// A configuration with these entries of `server.tls.callers`.
    private static func withCertificates(_ callers: String) -> String {
        minimal + "\nserver:\n  tls: { certificate: c, key: k, clientAuthority: a, callers: [\(callers)] }"
    }

    /// As OpenSSL prints them.
    @Test(arguments: [
        "CN=reports", "CN=reports,O=Contoso\\, Ltd", "CN=a+OU=b,DC=example", "CN=a = b", "CN=\\ a\\ ,C=DE",
        "emailAddress=a@b.example,CN=\\C3\\A4", "1.2.3.4=#0C0161", "CN=", "O=Contoso,CN=back\\\\",
    ])
    func subjectsInTheirFormAreTaken(subject: String) {
        #expect(CertificateSubject.refusal(of: subject) == nil)
    }

    @Test(arguments: ["127.0.0.1", "127.255.0.9", "::1", "localhost"])
    func loopbackNeedsNoCallers(host: String) throws {
        let yaml = Self.minimal + "\nserver:\n  host: \"\(host)\""
        #expect(try GatewayConfiguration(yaml: yaml, environment: Self.secrets).server.isLoopback)
    }

    @Test func readsTheLeastThatIsNeeded() throws {
        let configuration = try GatewayConfiguration(yaml: Self.minimal, environment: Self.secrets)
        #expect(configuration.server.host == "127.0.0.1")
        #expect(configuration.ledger.path == "/tmp/ledger.sqlite")
        #expect(configuration.connections.map(\.name) == ["reports"])
        #expect(configuration.connections[0].provider == ProviderID("power-bi"))
    }

    @Test func theEnvironmentOverridesScalars() throws {
        let environment = Self.secrets.merging([
            "EXPORT_GATEWAY_SERVER_PORT": "9090", "EXPORT_GATEWAY_SERVER_DRAIN_TIMEOUT": "2m",
            "EXPORT_GATEWAY_LEDGER_PATH": "/var/x.sqlite", "EXPORT_GATEWAY_LOG_FORMAT": "text",
            "EXPORT_GATEWAY_SERVER_PUBLIC_URL": "https://exports.example.com/",
        ]) { $1 }
        let configuration = try GatewayConfiguration(yaml: Self.minimal, environment: environment)
        #expect(configuration.server.port == 9090)
        #expect(configuration.server.drainTimeout == .seconds(120))
        #expect(configuration.ledger.path == "/var/x.sqlite")
        #expect(configuration.log.format == .text)
        #expect(configuration.server.publicURL == "https://exports.example.com")
    }

    @Test(arguments: ["/not/there.pem", "/dev/null"])
    func authoritiesThatCannotBeReadStopTheStart(path: String) {
        let environment = Self.secrets.merging(["SSL_CERT_FILE": path]) { $1 }
        let error = #expect(throws: StartupError.self) {
            try GatewayConfiguration(yaml: Self.minimal, environment: environment)
        }
        #expect(error?.key == "SSL_CERT_FILE")
    }

    /// Every mistake stops the start and names the key; where it stands in the file, the line too.
    @Test(arguments: [
        ("ledger:\n  path: /x", "connections", "at least one"),
        (minimal + "\nserver:\n  prot: 80", "server.prot", "did you mean \"port\"?"),
        (minimal + "\nserver:\n  port: eighty", "server.port", "whole number"),
        (minimal + "\nserver:\n  idleTimeout: 30", "server.idleTimeout", "duration"),
        (minimal + "\nserver:\n  host: 0.0.0.0", "server.host", "apiKeys"),
        (minimal + "\nserver:\n  host: 0.0.0.0", "server.host", "server.tls.callers"),
        (minimal + "\nserver:\n  host: 127.evil.example", "server.host", "127.evil.example can be reached"),
        (minimal + "\nserver:\n  host: 127.0.0.1.example", "server.host", "can be reached"),
        (minimal + "\nserver:\n  host: 127.0.0.256", "server.host", "can be reached"),
        (minimal + "\nserver:\n  cursorKey: abc", "server.cursorKey", "env:NAME"),
        (minimal + "\nserver:\n  apiKeys: [{ id: a, sha256: zz }]", "server.apiKeys[0].sha256", "64 hexadecimal"),
        (minimal + "\nserver:\n  apiKeys: [{ id: a }]", "server.apiKeys[0].sha256", "is required"),
        (minimal + "\nserver:\n  apiKeys: [{ id: a/b, sha256: 00 }]", "server.apiKeys[0].id", "letters"),
        (
            minimal + "\nserver:\n  apiKeys: [{ id: a, sha256: \(digest) }, { id: b, sha256: \(digest) }]",
            "server.apiKeys[1].sha256", "another caller"
        ),
        (minimal + "\nserver:\n  apiKeys: { id: a }", "server.apiKeys", "a list"),
        (
            minimal + "\nserver:\n  apiKeys: [{ id: a, sha256: \(digest), permissions: [Exports.Reed] }]",
            "server.apiKeys[0].permissions", "did you mean \"Exports.Read\"?"
        ),
        (
            minimal + "\nserver:\n  apiKeys: [{ id: a, sha256: \(digest), permissions: [\"Connections.Use:report\"] }]",
            "server.apiKeys[0].permissions", "did you mean \"reports\"?"
        ),
        (minimal + "\nserver:\n  tls: { certificate: c }", "server.tls.key", "is required"),
        (
            minimal + "\nserver:\n  tls: { certificate: c, key: k, minimumVersion: 1.1 }", "server.tls.minimumVersion",
            "1.2"
        ),
        (
            minimal + "\nserver:\n  tls: { certificate: c, key: k, clientCertificates: required }",
            "server.tls.clientAuthority", "is required"
        ),
        (
            minimal + "\nserver:\n  tls: { certificate: c, key: k, clientAuthority: a, callers: [{ id: x }] }",
            "server.tls.callers[0].sha256", "subject"
        ),
        (
            minimal
                + "\nserver:\n  tls: { certificate: c, key: k, clientAuthority: a, callers: [{ id: x, sha256: 00:11 }] }",
            "server.tls.callers[0].sha256", "64 hexadecimal"
        ),
        (
            minimal + "\nserver:\n  tls: { certificate: c, key: k, callers: [{ id: x, subject: CN=x }] }",
            "server.tls.clientAuthority", "is required"
        ),
        (
            withCertificates("{ id: x, subject: CN=x }, { id: y, subject: CN=x }"), "server.tls.callers[1].subject",
            "another"
        ),
        (
            withCertificates("{ id: x, sha256: \(digest) }, { id: y, sha256: \(digest) }"),
            "server.tls.callers[1].sha256", "another"
        ),
        (
            withCertificates("{ id: x, subject: CN=x }") + "\n  apiKeys: [{ id: x, sha256: \(digest) }]",
            "server.tls.callers[0].id", "is taken"
        ),
        (
            withCertificates("{ id: anonymous, subject: CN=x }"), "server.tls.callers[0].id", "is taken"
        ),
        (
            withCertificates("{ id: export-gateway, subject: CN=x }"), "server.tls.callers[0].id", "is taken"
        ),
        (
            withCertificates("{ id: x, subject: \"CN = reports, O = Contoso\" }"), "server.tls.callers[0].subject",
            "must be written CN=reports,O=Contoso, as"
        ),
        (
            withCertificates("{ id: x, subject: \"cn=a + ou=b ,O=Contoso\\\\, Ltd\" }"),
            "server.tls.callers[0].subject",
            "must be written CN=a+OU=b,O=Contoso\\, Ltd, as"
        ),
        (
            withCertificates("{ id: x, subject: /CN=reports/O=Contoso }"), "server.tls.callers[0].subject",
            "such as CN=reports,O=Contoso"
        ),
        (withCertificates("{ id: x, subject: reports }"), "server.tls.callers[0].subject", "such as"),
        (minimal + "\nserver:\n  entra: {}", "server.entra.tenantIds", "is required"),
        (minimal + "\nserver:\n  entra: { tenantIds: [contoso.com] }", "server.entra.tenantIds", "UUIDs"),
        (
            minimal + "\nserver:\n  entra: { tenantIds: \(tenant), audiences: [] }", "server.entra.audiences",
            "is required"
        ),
        (
            minimal + "\nserver:\n  entra: { tenantIds: \(tenant), audiences: a, clockSkew: 61s }",
            "server.entra.clockSkew", "duration"
        ),
        (
            minimal + "\nserver:\n  entra: { tenantIds: \(tenant), audiences: a, authority: \"http://x.example\" }",
            "server.entra.authority", "https"
        ),
        (
            minimal + "\nserver:\n  entra: { tenantIds: \(tenant), audiences: a, authority: \"https://x.example/t\" }",
            "server.entra.authority", "root"
        ),
        (
            minimal + "\nserver:\n  entra: { tenantIds: \(tenant), audience: a }", "server.entra.audiences",
            "is required"
        ),
        (minimal + "\nlog:\n  level: loud", "log.level", "must be one of"),
        (minimal + "\ndownloads:\n  zstd: adaptive", "downloads.zstd", "must be one of fast, balanced, best, never"),
        (minimal + "\ndownloads:\n  gzip: neve", "downloads.gzip", "fast, balanced, best, never"),
        (minimal + "\ndownloads:\n  perCaller: 0", "downloads.perCaller", "whole number from 1"),
        (minimal + "\nserver:\n  memory: 1MiB", "server.memory", "whole number"),
        (minimal + "\nserver:\n  memory: 1000", "server.memory", "whole number from 16777216"),
        (minimal + "\ndownloads:\n  memory: 1073741824", "downloads.memory", "has become server.memory"),
        (minimal + "\ndownloads:\n  minimumRate: -1", "downloads.minimumRate", "whole number from 0"),
        (minimal + "\ndownloads:\n  minimumRateWindow: 10ms", "downloads.minimumRateWindow", "duration"),
        (minimal.replacing("ledger:", with: "leger:"), "leger", "did you mean \"ledger\"?"),
        (minimal + "\nsrever: {}", "srever", "did you mean \"server\"?"),
        (minimal.replacing("power-bi", with: "powerbi"), "connections[0].provider", "did you mean \"power-bi\"?"),
        (minimal.replacing("power-bi", with: "viva-goals"), "connections[0].credential.type", "passThrough"),
        (minimal.replacing("env:BI_SECRET", with: "literal"), "connections[0].credential.clientSecret", "env:NAME"),
        (minimal.replacing("env:BI_SECRET", with: "env:NOT_SET"), "connections[0].credential.clientSecret", "NOT_SET"),
        (
            minimal.replacing("tenantId: contoso.onmicrosoft.com", with: "tenantId: common"),
            "connections[0].credential.tenantId", "tenant"
        ),
        (minimal + "\n    apiRoot: http://api.example.com", "connections[0].apiRoot", "https"),
        (minimal + "\n    dialect: security", "connections[0].dialect", "is not a key here"),
        (minimal + "\n    ranges: yes", "connections[0].ranges", "true or false"),
        (minimal + "\n    pollInterval: soon", "connections[0].pollInterval", "duration"),
        (minimal + "\n    name: other", "configuration", "twice"),
        ("ledger: [", "configuration", "is not YAML"),
    ])
    func namesTheKey(yaml: String, key: String, words: String) throws {
        let error = #expect(throws: StartupError.self) {
            try GatewayConfiguration(yaml: yaml, environment: Self.secrets)
        }
        #expect(error?.key == key)
        #expect(error?.detail.contains(words) == true, "\(error?.detail ?? "")")
    }

    @Test func aWrongOverrideIsNamedInsteadOfTheFile() {
        let environment = Self.secrets.merging(["EXPORT_GATEWAY_SERVER_PORT": "http"]) { $1 }
        let error = #expect(throws: StartupError.self) {
            try GatewayConfiguration(yaml: Self.minimal + "\nserver:\n  port: 80", environment: environment)
        }
        #expect(error?.key == "EXPORT_GATEWAY_SERVER_PORT")
        #expect(error?.detail.contains("server.port") == true)
        #expect(error?.detail.contains("line") == false)
    }

    @Test func aStrayOverrideStopsTheStart() {
        let environment = Self.secrets.merging(["EXPORT_GATEWAY_SERVER_PROT": "1"]) { $1 }
        let error = #expect(throws: StartupError.self) {
            try GatewayConfiguration(yaml: Self.minimal, environment: environment)
        }
        #expect(error?.key == "EXPORT_GATEWAY_SERVER_PROT")
    }

    @Test func noErrorRepeatsASecret() {
        let yaml = Self.minimal.replacing("env:BI_SECRET", with: "s3cret-in-the-file")
        let error = #expect(throws: StartupError.self) {
            try GatewayConfiguration(yaml: yaml, environment: Self.secrets)
        }
        #expect(error.map { !"\($0)".contains("s3cret") } == true)
    }

    @Test func printingAConfigurationShowsNoSecret() throws {
        let configuration = try GatewayConfiguration(yaml: Self.minimal, environment: Self.secrets)
        var dumped = ""
        dump(configuration, to: &dumped)
        #expect(!dumped.contains("other-value"))
        #expect(dumped.contains("contoso.onmicrosoft.com"))
    }

    @Test(arguments: [
        ("500ms", Duration.milliseconds(500)), ("30s", .seconds(30)), ("15m", .seconds(900)),
        ("48h", .seconds(172_800)),
        ("14d", .seconds(1_209_600)), ("0s", .zero),
    ])
    func readsDurations(text: String, duration: Duration) {
        #expect(Duration(configurationText: text) == duration)
    }

    @Test(arguments: ["", "30", "s", "-1s", "1.5h", "1 s", "30S", "99999999999999999999s", "9999999999d", "٣s"])
    func refusesOtherDurations(text: String) {
        #expect(Duration(configurationText: text) == nil)
    }
}
