import CallerIdentity
import Exports
import Foundation
import GatewayAPI
import Testing

@testable import GatewayServer

/// What differs between two configurations, and whether a reload applies it.
@Suite struct ConfigurationChangeTests {
    private static let digest = String(repeating: "0", count: 64)
    private static let other = String(repeating: "1", count: 64)

    private func configuration(
        server: String = "{}",
        bi: String = "",
        more: String = "",
        _ variables: [String: String] = [:]
    ) throws -> GatewayConfiguration {
        let yaml = """
            ledger: { path: /tmp/ledger.sqlite }
            server: \(server)
            \(more)
            connections:
              - name: bi
                provider: power-bi
                credential: { type: clientSecret, \(registration), clientSecret: "env:SECRET" }
                \(bi)
              - name: goals
                provider: viva-goals
                credential: { type: passThrough }
            """
        return try GatewayConfiguration(yaml: yaml, environment: ["SECRET": "value"].merging(variables) { $1 })
    }

    private func changes(_ former: GatewayConfiguration, _ new: GatewayConfiguration) -> [String] {
        ConfigurationChange.all(from: former.keys, to: new.keys).map(\.key)
    }

    /// The keys in the way.
    private func obstacles(_ former: GatewayConfiguration, _ new: GatewayConfiguration) -> [String] {
        ReloadObstacles(former: former, new: new).among(ConfigurationChange.all(from: former.keys, to: new.keys))
            .map(\.key)
    }

    @Test func theSameFileHasNoChanges() throws {
        #expect(try changes(configuration(), configuration()) == [])
    }

    @Test func aDefaultThatIsWrittenOutIsNoChange() throws {
        let written = try configuration(
            server:
                "{ host: 127.0.0.1, port: 8080, drainTimeout: 30s, directAnswers: true, tickets: { enabled: true } }",
            bi: "cloud: public\n    requestsPerMinute: 0",
            more: """
                log: { level: info }
                engine: { snapshotLimit: 10000 }
                retention: { rules: [], changes: never }
                """
        )
        #expect(try changes(configuration(), written) == [])
    }

    @Test func aChangeIsNamed() throws {
        #expect(
            try changes(configuration(), configuration(server: "{ port: 9000 }", bi: "requestsPerMinute: 7"))
                == ["connections[bi].requestsPerMinute", "server.port"]
        )
    }

    /// Nothing is another value than the usual ones.
    @Test func anEmptyListIsAChange() throws {
        let key = "id: one, sha256: \(Self.digest)"
        let former = try configuration(server: "{ apiKeys: [{ \(key) }] }")
        let powerless = try configuration(server: "{ apiKeys: [{ \(key), permissions: [] }] }")
        #expect(changes(former, powerless) == ["server.apiKeys[one].permissions"])
        #expect(changes(powerless, former) == ["server.apiKeys[one].permissions"])
        #expect(obstacles(former, powerless) == [])
        #expect(powerless.server.apiKeys[0].permissions != former.server.apiKeys[0].permissions)
    }

    /// What is fixed at the start is named, with the defaults that follow from it.
    @Test(arguments: [
        ("{ http2: { window: 131072 } }", "", ["server.http2.window"]),
        ("{ http2: { enabled: false } }", "", ["server.http2.enabled"]),
        ("{}", "retention: { rules: [{ after: 30d }] }", ["retention.rules[0]"]),
        ("{}", "retention: { changes: 800d }", ["retention.changes"]),
        ("{}", "traces: { endpoint: https://collector.example }", ["traces.endpoint"]),
        (
            "{ maximumConnections: 2000 }", "",
            ["server.events.maximumStreams", "server.http2.maximumStreams", "server.maximumConnections"]
        ),
    ])
    func whatIsFixedAtTheStartIsNamed(server: String, more: String, keys: [String]) throws {
        #expect(try obstacles(configuration(), configuration(server: server, more: more)) == keys)
    }

    @Test func aVariableIsAChangeOfItsKey() throws {
        let overridden = try configuration(["EXPORT_GATEWAY_LOG_LEVEL": "debug"])
        #expect(try changes(configuration(), overridden) == ["log.level"])
    }

    @Test func aSecretIsComparedByItsValue() throws {
        let key = "{ cursorKey: env:KEY }"
        let former = try configuration(server: key, ["KEY": "0123456789"])
        #expect(try changes(former, configuration(server: key, ["KEY": "other"])) == ["server.cursorKey"])
        let moved = try configuration(server: "{ cursorKey: env:MOVED }", ["MOVED": "0123456789"])
        #expect(changes(former, moved) == [])
        let secret = "connections[bi].credential.clientSecret"
        #expect(try changes(configuration(), configuration(["SECRET": "another"])) == [secret])
        #expect(try obstacles(configuration(), configuration(["SECRET": "another"])) == [])
    }

    @Test func whatIsRecordedHoldsNoValue() throws {
        let keys = try configuration(server: "{ cursorKey: env:KEY }", ["KEY": "a-secret-of-the-test"]).keys
        #expect(keys.values["server.cursorKey"] != nil)
        #expect(!"\(keys)".contains("a-secret-of-the-test"))
    }

    @Test func anotherOrderIsNoChange() throws {
        let (one, two) = ("{ id: one, sha256: \(Self.digest) }", "{ id: two, sha256: \(Self.other) }")
        let former = try configuration(server: "{ apiKeys: [\(one), \(two)] }")
        #expect(try changes(former, configuration(server: "{ apiKeys: [\(two), \(one)] }")) == [])
        let removed = try configuration(server: "{ apiKeys: [\(two)] }")
        #expect(changes(former, removed) == ["server.apiKeys[one]"])
        #expect(obstacles(former, removed) == [])
        #expect(changes(removed, former) == ["server.apiKeys[one]"])
    }

    @Test func aConnectionThatIsAddedOrRemovedNeedsARestart() throws {
        let more = "\n  - { name: new, provider: intune, credential: { type: passThrough } }"
        let yaml = """
            ledger: { path: /tmp/ledger.sqlite }
            connections:
              - { name: goals, provider: viva-goals, credential: { type: passThrough } }
            """
        let former = try GatewayConfiguration(yaml: yaml, environment: [:])
        let new = try GatewayConfiguration(yaml: yaml + more, environment: [:])
        #expect(changes(former, new) == ["connections[new]"])
        #expect(obstacles(former, new) == ["connections[new]"])
        #expect(obstacles(new, former) == ["connections[new]"])
    }

    @Test(arguments: [
        ("requestsPerMinute: 5", "requestsPerMinute: 7", true), ("requestsPerMinute: 5", "requestsPerMinute: 0", false),
        ("requestsPerMinute: 0", "requestsPerMinute: 5", false), ("requestsPerMinute: 5", "pollInterval: 60s", false),
        ("requestsPerMinute: 5", "requestsPerMinute: 5", true),
    ])
    func aBudgetKeepsItsLimit(former: String, new: String, isApplied: Bool) throws {
        #expect(try obstacles(configuration(bi: former), configuration(bi: new)).isEmpty == isApplied)
    }

    @Test(arguments: [
        ("type: clientSecret, \(registration), clientSecret: env:SECRET", true),
        ("type: federatedToken, \(registration), tokenFile: /run/token", true),
        ("type: clientSecret, tenantId: other.example, clientId: \(uuid), clientSecret: env:SECRET", false),
        ("type: clientSecret, \(registration), clientSecret: env:SECRET, onBehalfOf: true", false),
        ("type: managedIdentity", false), ("type: passThrough", false),
    ])
    func anApplicationMayProveItselfOtherwise(credential: String, isApplied: Bool) throws {
        func gateway(_ credential: String) throws -> GatewayConfiguration {
            let yaml = """
                ledger: { path: /tmp/ledger.sqlite }
                connections:
                  - { name: bi, provider: power-bi, credential: { \(credential) } }
                """
            return try GatewayConfiguration(yaml: yaml, environment: ["SECRET": "value"])
        }
        let former = try gateway("type: clientSecret, \(registration), clientSecret: env:SECRET")
        let new = try gateway(credential)
        #expect(obstacles(former, new).isEmpty == isApplied)
        #expect(obstacles(new, former).isEmpty == isApplied)
    }

    /// Modules lock after some wrong PINs.
    @Test(arguments: [("/k.pem", true), ("'pkcs11:token=it'", false)])
    func aPINWaitsForTheStart(key: String, isApplied: Bool) throws {
        func gateway(_ passphrase: String) throws -> GatewayConfiguration {
            let words = "certificate: /c.pem, key: \(key), passphrase: env:PASSPHRASE"
            let yaml = """
                ledger: { path: /tmp/ledger.sqlite }
                connections:
                  - { name: bi, provider: power-bi, credential: { type: certificate, \(registration), \(words) } }
                """
            return try GatewayConfiguration(yaml: yaml, environment: ["PASSPHRASE": passphrase])
        }
        let expected = isApplied ? [] : ["connections[bi].credential.passphrase"]
        #expect(try obstacles(gateway("former"), gateway("another")) == expected)
        #expect(try obstacles(gateway("former"), gateway("former")) == [])
    }

    @Test func everyKeyInTheWayIsNamed() throws {
        let new = try configuration(server: "{ port: 9000, idleTimeout: 30s }", more: "log: { level: debug }")
        #expect(try obstacles(configuration(), new) == ["server.idleTimeout", "server.port"])
    }

    @Test func aCallersNameMayHaveBrackets() {
        let change = ConfigurationChange(key: "server.limits.callers[app:[a]:b].waits", whole: nil)
        #expect(change.pattern == "server.limits.callers[].waits")
        #expect(change.element == "app:[a]:b")
        #expect(change.effect == .applied)
    }
}
